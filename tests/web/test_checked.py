"""Messages about what came are short and repeat no text of a visitor's."""

import asyncio
from types import SimpleNamespace

import gradio as gr
import pytest

from leed.web.checked import MAX_SHOWN, MAX_UNREAD, CheckedBlocks, forget_events, own_file, shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (10**400, "a number of more than 9 digits"),
        (1e308, "1e+308"),
        (float("nan"), "nan"),
        ("happy", 'the text "happy"'),
        ("<img src=x>", "a text of 11 characters"),
        ("x" * (MAX_SHOWN + 1), "a text of 41 characters"),
        ([1], "a list"),
        ({"a": 1}, "an object"),
    ],
)
def test_values_are_shown_shortly(value: object, text: str):
    assert shown(value) == text


def test_the_pages_own_urls_name_files():
    assert own_file("https://x.org/a/b/gradio_api/file=/tmp/a%20b.jpg") == "/tmp/a b.jpg"
    for path in ("/tmp/x.jpg", "https://x.org/photo.jpg", "file:///gradio_api/file=/tmp/x"):
        assert own_file(path) == path


def test_messages_that_nobody_fetches_are_bounded_and_those_to_nobody_dropped():
    with CheckedBlocks() as page:
        gr.Markdown("a page")
    queue, event = page.queue()._queue, SimpleNamespace(session_hash="s", alive=True, closed=False, _id="e")
    queue.send_message(event, SimpleNamespace())
    assert not event.alive
    queue.pending_messages_per_session["s"], event.alive = asyncio.Queue(), True
    for _ in range(MAX_UNREAD + 50):
        queue.send_message(event, SimpleNamespace())
    assert queue.pending_messages_per_session["s"].qsize() == MAX_UNREAD and event.closed


def test_events_of_forgotten_sessions_are_forgotten():
    with CheckedBlocks() as page:
        gr.Markdown("a page")
    queue = page.queue()._queue
    queue.pending_event_ids_session |= {str(number): {"event"} for number in range(5000)}
    queue.pending_messages_per_session["7"] = asyncio.Queue()
    forget_events(queue)
    assert queue.pending_event_ids_session == {"7": {"event"}}
