"""Whether the visitor is still there."""

from types import SimpleNamespace

from gradio.context import LocalContext

from leed.web.leaving import has_left


def test_a_visitor_has_left_when_the_event_is_no_longer_alive():
    assert not has_left()  # no event: a request that waits by itself
    here, gone = SimpleNamespace(_id="here", alive=True), SimpleNamespace(_id="gone", alive=False)
    blocks = SimpleNamespace(_queue=SimpleNamespace(active_jobs=[None, [here], [gone]]))
    for event_id, left in (("here", False), ("gone", True), ("other", False)):
        tokens = LocalContext.blocks.set(blocks), LocalContext.event_id.set(event_id)
        assert has_left() is left
        LocalContext.blocks.reset(tokens[0]), LocalContext.event_id.reset(tokens[1])
