"""The log says where something failed, and repeats nothing that a visitor sent."""

import asyncio
import logging

import gradio as gr
import pytest

from leed.web.checked import FAILED, CheckedBlocks
from leed.web.logs import MAX_LINE, WithoutVisitorsText, bounded, described


def fail(secret: str) -> None:
    try:
        raise FileNotFoundError(2, "No such file", f"/files/{secret}.jpg")
    except OSError as error:
        raise RuntimeError(f"cannot edit {secret}") from error


def raised(secret: str) -> RuntimeError:
    with pytest.raises(RuntimeError) as error:
        fail(secret)
    return error.value


def test_exceptions_are_described_without_their_messages():
    text = described(raised("SECRET"))
    assert "SECRET" not in text
    assert "builtins.FileNotFoundError 2" in text and "builtins.RuntimeError" in text
    assert text.count("test_logs.py") >= 2 and "raise FileNotFoundError" in text


def test_the_places_in_a_worker_are_kept_and_other_notes_are_not():
    error = ValueError("SECRET")
    error.__notes__ = ["There:\n  File actions.py, line 7", "SECRET"]
    assert "actions.py, line 7" in described(error) and "SECRET" not in described(error)


def test_lines_are_short_and_plain():
    assert len(bounded("x" * 10_000)) == MAX_LINE
    assert bounded("a\x1b[2Jb\nc") == "a [2Jb c"


def test_the_servers_own_log_is_held_to_it(caplog: pytest.LogCaptureFixture):
    server = logging.getLogger("test.server")
    server.addFilter(WithoutVisitorsText())
    server.error("Exception in ASGI application\nSECRET", exc_info=raised("SECRET"))
    server.error("%s", "y" * 10_000)
    assert "SECRET" not in caplog.text and "fail" in caplog.text and "Exception in ASGI application" in caplog.text
    assert max(map(len, caplog.text.splitlines())) < MAX_LINE + 100


def test_what_fails_in_a_page_is_logged_by_the_page(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture):
    with CheckedBlocks() as page:
        text = gr.Textbox()
        text.submit(fail, text)
    (event,) = page.fns.values()
    with pytest.raises(gr.Error) as error:
        asyncio.run(page.process_api(event, ["SECRET"]))
    assert error.value.message == FAILED and not error.value.print_exception
    assert "builtins.RuntimeError" in caplog.text and "SECRET" not in caplog.text + capfd.readouterr().err
