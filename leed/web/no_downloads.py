"""A guard against server-side request forgery (SSRF): a Gradio page that fetches no URL."""

from typing import NoReturn

import gradio as gr
import safehttpx


async def _refuse(*_: object, **__: object) -> NoReturn:
    """Stands in for a download."""
    raise gr.Error("Please upload the picture as a file.", print_exception=False)


def block_url_fetching() -> None:
    """Keeps every page of this process from fetching a URL that a request names in place of a file.

    Gradio would fetch it for any input, however large and slow the answer is. It uses this library alone for that.
    """
    safehttpx.get = safehttpx.async_validate_url = _refuse
