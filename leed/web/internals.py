"""What the pages' guards use of Gradio's internals, and a check that it is there.

Gradio promises none of it. A version without it must stop the start with its name, not serve a page without guards.
"""

import inspect
from collections.abc import Iterator

import gradio as gr
import safehttpx
from gradio import context, route_utils, utils
from gradio.blocks import BlockFunction
from gradio.queueing import Queue
from starlette.applications import Starlette
from starlette.routing import Match

TRIED = "6.27.0 and 6.31.0"
"""The versions of Gradio with which the project's tests were run."""

METHODS: dict[tuple[type, str], tuple[str, ...]] = {
    (gr.Blocks, "preprocess_data"): ("block_fn", "inputs", "state", "explicit_call"),
    (gr.Blocks, "process_api"): ("block_fn", "inputs", "state", "request"),
    (gr.Blocks, "call_function"): (
        "block_fn", "processed_input", "iterator", "requests", "event_id", "event_data"
    ),
    (gr.Blocks, "get_api_info"): ("all_endpoints",),
    (gr.Blocks, "queue"): (),
    (Queue, "push"): ("body", "request", "username"),
    (Queue, "send_message"): ("event", "event_message"),
}  # fmt: skip
"""The methods in whose place `leed.web.checked` puts others, and their first arguments."""

NAMES = (
    (context.LocalContext, "blocks"),
    (context.LocalContext, "event_id"),
    (route_utils, "FnIndexInferError"),
    (utils, "get_function_description"),
    (utils, "get_upload_folder"),
    (safehttpx, "get"),
    (safehttpx, "async_validate_url"),
)
"""What the guards import or replace, beside these."""

ROUTES = (
    ("POST", "/gradio_api/call/edit"),
    ("GET", "/gradio_api/call/edit/event"),
    ("GET", "/gradio_api/file=/picture.png"),
    ("GET", "/gradio_api/heartbeat/session"),
    ("GET", "/gradio_api/queue/data"),
    ("POST", "/gradio_api/queue/join"),
    ("POST", "/gradio_api/run/edit"),
    ("POST", "/gradio_api/upload"),
)
"""Requests whose paths `leed.web.limits`, `refusals` and `disguise` know."""


class UnknownGradioError(RuntimeError):
    """This version of Gradio lacks what the pages' guards rest on; the message is for the person that serves them."""


def check_internals() -> None:
    """Raises `UnknownGradioError` if Gradio lacks something that the guards override or call."""
    if missing := sorted(missing_internals()):
        raise unknown(missing)


def check_routes(app: Starlette) -> None:
    """Raises `UnknownGradioError` if a page's server lacks a path that the guards know."""
    missing = [path for method, path in ROUTES if not answers(app, method, path)]
    if missing:
        raise unknown(missing)


def answers(app: Starlette, method: str, path: str) -> bool:
    """Whether a server has a route for such a request."""
    scope = {"type": "http", "method": method, "path": path, "root_path": "", "headers": [], "query_string": b""}
    return any(route.matches(scope)[0] is Match.FULL for route in app.routes)


def unknown(missing: list[str]) -> UnknownGradioError:
    """The error for what is missing."""
    return UnknownGradioError(
        f"Gradio {gr.__version__} lacks {', '.join(missing)}, on which the page's guards rest; they were tried with "
        f"{TRIED}: install one of these."
    )


def missing_internals() -> Iterator[str]:
    """The names of what is not there, or not as it was."""
    for (owner, name), expected in METHODS.items():
        method = getattr(owner, name, None)
        found = () if method is None else tuple(inspect.signature(method).parameters)[1:]
        if method is None or found[: len(expected)] != expected:
            yield f"{owner.__name__}.{name}({', '.join(expected)})"
    for module, name in NAMES:
        if not hasattr(module, name):
            yield f"{module.__name__}.{name}"
    if not {"fn", "inputs", "api_name", "api_visibility"} <= inspect.signature(BlockFunction).parameters.keys():
        yield "BlockFunction(fn, inputs, api_name, api_visibility)"
    if "print_exception" not in inspect.signature(gr.Error).parameters:
        yield "Error.print_exception"
