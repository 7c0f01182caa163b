"""Serving a page to strangers: the options that keep their pictures private and the server's files hidden."""

from typing import Any

from starlette.middleware import Middleware

from leed.web.checked import CheckedBlocks
from leed.web.disguise import Disguise
from leed.web.internals import UnknownGradioError, check_internals, check_routes
from leed.web.limits import RequestLimits, TrustedForwarding
from leed.web.logs import keep_visitors_text_out
from leed.web.no_downloads import block_url_fetching
from leed.web.refusals import HANDLERS, Statuses
from leed.web.sweeping import Storage


def launch_safely(page: CheckedBlocks, *, max_file_bytes: int, **options: Any) -> None:
    """Serves a page that fetches no URL, shows no file but its own, and holds requests to `RequestLimits`.

    This is the one way in which the project's pages are served. `options` are further ones of `gr.Blocks.launch`, of
    types that Gradio checks; uploads above `max_file_bytes` are refused. Raises `UnknownGradioError`.
    """
    check_internals()
    block_url_fetching()
    keep_visitors_text_out()
    guards = [
        Middleware(TrustedForwarding),
        Middleware(RequestLimits, storage=Storage(page)),
        Middleware(Statuses, max_file_bytes),
        Middleware(Disguise),
    ]
    blocking = not options.pop("prevent_thread_lock", False)
    page.launch(
        max_file_size=max_file_bytes,
        allowed_paths=[],
        strict_cors=True,
        enable_monitoring=False,  # otherwise /monitoring is open to everyone
        run_history=False,  # it would keep a visitor's pictures in the browser
        ssr_mode=False,  # its server would stand between the visitors and these guards
        app_kwargs={"middleware": guards, "exception_handlers": dict(HANDLERS)},
        prevent_thread_lock=True,
        **options,
    )
    try:
        check_routes(page.app)
    except UnknownGradioError:
        page.close()
        raise
    if blocking:
        page.block_thread()
