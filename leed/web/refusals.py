"""Answers to requests that are refused: one sentence and a status that says whose fault it is."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from gradio.route_utils import FnIndexInferError
from starlette.responses import JSONResponse

from leed.web.checked import MAX_SHOWN, MISTAKES, argument_names, shown
from leed.web.limits import App, Message, Receive, RefusedError, Scope, Send, answer
from leed.web.units import MIB


async def refuse_body(request: Request, error: Exception) -> JSONResponse:
    """Answers a body that is none of Gradio's; the server's own answer would repeat all of it."""
    assert isinstance(error, RequestValidationError)
    places = {item["loc"][1] for item in error.errors() if len(item["loc"]) > 1}
    # A number is a place in what is no JSON.
    named = ", ".join(sorted(place[:MAX_SHOWN] for place in places if isinstance(place, str))[:3])
    return refused(400, 'The body must be JSON like {"data": [...]}; wrong is: ' + (named or "its form") + ".")


async def refuse_call(request: Request, error: Exception) -> JSONResponse:
    """Answers a call of what is not there, with names that are not taken, or an upload of text; raises all else."""
    if "GradioUploadFile" in str(error):  # a text in a form's field of files
        return refused(400, NO_UPLOAD)
    if not re.search(r"/gradio_api/((call|run|api|queue)/|component_server)", request.url.path):
        raise error
    blocks = request.app.get_blocks()
    called = re.sub(r"^.*/(call/v2|call|run|api)/", "", request.url.path).rstrip("/")
    public = {fn.api_name: fn for fn in blocks.fns.values() if fn.api_visibility == "public"}
    if called not in public:
        return refused(404, f"There is no such call; there are {', '.join(f'/{name}' for name in public)}.")
    given = re.search(r"`(.*)`", str(error), re.DOTALL)
    missing = re.search(r"required argument: (\w+)", str(error))
    came = f"got {shown(given[1])}" if given else f"{missing[1]} is missing" if missing else "got others"
    return refused(400, f"/{called} takes {', '.join(argument_names(public[called]))}; {came}.")


def refused(status: int, sentence: str) -> JSONResponse:
    """A sentence under the names that clients of Gradio look for."""
    return JSONResponse({"error": sentence, "detail": sentence}, status)


HANDLERS: Mapping[Any, Any] = {
    RequestValidationError: refuse_body,
    FnIndexInferError: refuse_call,
    KeyError: refuse_call,
    TypeError: refuse_call,
}
"""FastAPI's `exception_handlers`, for `launch(app_kwargs=...)`."""


NO_UPLOAD = "An upload must be a form with files in the field `files`."
UPLOADS = (
    (b"File size exceeded", 413, "This file is larger than {size}: please give a smaller one."),
    (b"Headers exceeded", 400, "The name of a file is too long: please give it a shorter one."),
    (b"Too many files", 400, "An upload may have at most 1000 files."),
    (b"Invalid file name", 400, "A file cannot have this name here: please give it another one."),
)
"""How Gradio begins to say why it refuses an upload, and how the page answers; `NO_UPLOAD` to all else."""


@dataclass
class Statuses:
    """ASGI middleware that corrects what Gradio answers in its own way.

    `/run` and `/api` answer a caller's mistake with 422, not with 500, as if the page had failed. `/upload` refuses a
    file with a sentence as JSON, as all else does, not with a text of Gradio's.
    """

    app: App
    max_file_bytes: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "").rstrip("/")
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
        elif re.search(r"/gradio_api/(run|api)/[^/]+$", path):
            await self._call(scope, receive, send)
        elif path.endswith("/gradio_api/upload"):
            await self._upload(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> None:
        mistakes: list[str] = []

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 500 and mistakes:
                message = {**message, "status": 422}
            await send(message)

        known = MISTAKES.set(mistakes)
        try:
            await self.app(scope, receive, send_on)
        finally:
            MISTAKES.reset(known)

    async def _upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        said: bytes | None = None  # by Gradio, of an upload that it refuses

        async def send_on(message: Message) -> None:
            nonlocal said
            if message["type"] == "http.response.start" and message["status"] in (400, 413):
                said = b""
            elif said is None:
                await send(message)
            else:
                said += message.get("body", b"")
                if not message.get("more_body", False):
                    await answer(self._refusal(said), send)

        await self.app(scope, receive, send_on)

    def _refusal(self, said: bytes) -> RefusedError:
        for words, status, sentence in UPLOADS:
            if words in said:
                return RefusedError(status, sentence.format(size=f"{self.max_file_bytes / MIB:g} MB"))
        return RefusedError(400, NO_UPLOAD)
