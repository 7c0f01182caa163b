"""Serving a page to strangers: the options that keep their pictures private and the server's files hidden."""

from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from leed.web.checked import HANDLERS
from leed.web.limits import RequestLimits, TrustedForwarding
from leed.web.no_downloads import block_url_fetching


def launch_safely(page: gr.Blocks, *, max_file_size: str, **options: Any) -> None:
    """Serves a page that fetches no URL, shows no file but its own, and holds requests to `RequestLimits`.

    `options` are further ones of `gr.Blocks.launch`, of types that Gradio checks; uploads above `max_file_size`,
    such as "10mb", are refused.
    """
    block_url_fetching()
    page.launch(
        max_file_size=max_file_size,
        allowed_paths=[],
        strict_cors=True,
        enable_monitoring=False,  # otherwise /monitoring is open to everyone
        run_history=False,  # it would keep a visitor's pictures in the browser
        app_kwargs={
            "middleware": [Middleware(TrustedForwarding), Middleware(RequestLimits)],
            "exception_handlers": dict(HANDLERS),
        },
        **options,
    )
