"""A Gradio without what the guards rest on stops the start, and is named."""

import gradio as gr
import pytest
from gradio.queueing import Queue

from leed.web import internals, launching
from leed.web.checked import CheckedBlocks
from leed.web.internals import UnknownGradioError, check_internals, check_routes


def test_this_gradio_has_all() -> None:
    check_internals()


@pytest.mark.parametrize(
    ("owner", "name", "named"),
    [
        (gr.Blocks, "process_api", r"Blocks\.process_api\(block_fn, inputs, state, request\)"),
        (gr.Blocks, "preprocess_data", r"Blocks\.preprocess_data"),
        (Queue, "send_message", r"Queue\.send_message\(event, event_message\)"),
        (internals.safehttpx, "async_validate_url", r"safehttpx\.async_validate_url"),
    ],
)
def test_what_is_missing_is_named_with_the_version(
    monkeypatch: pytest.MonkeyPatch, owner: type, name: str, named: str
) -> None:
    monkeypatch.delattr(owner, name)
    with pytest.raises(UnknownGradioError, match=rf"Gradio {gr.__version__} lacks {named}.*install one of these"):
        check_internals()


def test_an_argument_at_another_place_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gr.Blocks, "call_function", lambda self, block_fn, event_data: None)
    with pytest.raises(UnknownGradioError, match=r"Blocks\.call_function"):
        check_internals()


def test_a_page_without_the_known_routes_is_not_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(internals, "ROUTES", (*internals.ROUTES, ("GET", "/gradio_api/no-such-thing")))
    with CheckedBlocks() as page:
        gr.Markdown("a page")
    with pytest.raises(UnknownGradioError, match="lacks /gradio_api/no-such-thing, on which"):
        launching.launch_safely(page, max_file_bytes=1, prevent_thread_lock=True, quiet=True)
    assert not page.is_running
    monkeypatch.undo()
    check_routes(page.app)
