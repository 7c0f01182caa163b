"""What keeps a Gradio page from fetching addresses."""

from typing import NoReturn

import gradio as gr
import safehttpx


async def _refuse(*_: object, **__: object) -> NoReturn:
    """Stands for a download."""
    raise gr.Error("Please upload the picture as a file.", print_exception=False)


def refuse_addresses() -> None:
    """From now on no page of this process fetches an address that a request names where a file is meant.

    Gradio would do so for any input, however large and slow the answer is, and with this library alone.
    """
    safehttpx.get = safehttpx.async_validate_url = _refuse
