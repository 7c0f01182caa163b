"""Visitors that leave while the page works for them."""

from gradio.context import LocalContext


def has_left() -> bool:
    """Whether the visitor for whom the event at hand works has closed the page, or waits no more for an answer.

    False for requests that wait by themselves (`/run`), of which the queue knows nothing.
    """
    blocks, event_id = LocalContext.blocks.get(None), LocalContext.event_id.get(None)
    if blocks is None or event_id is None:
        return False
    events = [event for events in blocks._queue.active_jobs for event in events or ()]
    return any(event._id == event_id and not event.alive for event in events)
