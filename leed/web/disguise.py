"""What visitors do not learn: the folders of the server, and the addresses at which others call it.

Gradio puts the absolute path of a file into its address, and the address of the page into what it says; some of that
it keeps for all later callers, the first caller's host included. So here it gets to see one name for every host, and
visitors one name for the folder of their files.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from gradio.utils import get_upload_folder

from leed.web.limits import App, Message, Receive, RefusedError, Scope, Send, answer

FOLDER = "/files"  # the name that visitors know
HOST = "page.invalid"  # the name that Gradio knows
TEXTS = (b"text/html", b"text/plain", b"text/event-stream", b"application/json")
NAMING = (b"host", b"x-forwarded-host", b"x-forwarded-proto", b"x-gradio-server")
NO_FILE = "There is no such file for visitors: files are removed after about an hour."
HOST_LIKE = re.compile(r"[\w.\-]{1,253}(:\d{1,5})?|\[[0-9a-fA-F:.]{2,45}\](:\d{1,5})?", re.ASCII)


def real_path(path: str) -> str:
    """The path of this server that a visitor's path stands for."""
    if path == FOLDER or path.startswith(FOLDER + "/"):
        return get_upload_folder() + path[len(FOLDER) :]
    return path


def origin(scope: Scope) -> str:
    """The address at which a client reaches the page, such as "https://leed.example", as its request has it."""
    headers = dict(reversed(scope["headers"]))  # of several, the first
    first = {name: headers.get(name, b"").decode("latin-1").split(",")[0].strip() for name in NAMING}
    host = first[b"x-forwarded-host"] or first[b"host"]
    scheme = "https" if first[b"x-forwarded-proto"] == "https" else scope.get("scheme", "http")
    return f"{scheme}://{host if HOST_LIKE.fullmatch(host) else 'localhost'}"


@dataclass
class Disguise:
    """ASGI middleware that hides folders and hosts; it stands behind what looks at the host of a request."""

    app: App

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = [item for item in scope["headers"] if item[0] not in NAMING] + [(b"host", HOST.encode())]
        before, mark, file = scope["path"].partition("/file=")
        disguised = {**scope, "headers": headers, "scheme": "http", "path": before + mark + real_path(file)}
        disguised.pop("raw_path", None)
        rewritten = Answer(send, names_for(origin(scope)), of_file=bool(mark), whole=scope["method"] == "HEAD")
        await self.app(disguised, receive, rewritten.send)


def names_for(address: str) -> Mapping[bytes, bytes]:
    """What stands for what in the answers to a client that reaches the page at this address."""
    folder = get_upload_folder()
    folders = {folder, os.path.realpath(folder), str(Path(folder).absolute())}
    written = {form for path in folders for form in (path, quote(path), path.replace("\\", "\\\\"))}
    names = {form.encode(): FOLDER.encode() for form in sorted(written, key=len, reverse=True)}
    return names | {f"http://{HOST}".encode(): address.encode()}


@dataclass
class Answer:
    """An answer on its way to a client; its texts are rewritten, piece by piece if their length is not known."""

    send_on: Send
    names: Mapping[bytes, bytes]
    of_file: bool = False
    whole: bool = False  # to be left as it is
    refusal: RefusedError | None = None
    start: Message | None = None
    body: bytes = b""

    async def send(self, message: Message) -> None:
        """Passes a message on."""
        if message["type"] == "http.response.start":
            if self.of_file and message["status"] >= 400 and not self.whole:  # Gradio would repeat the path
                self.refusal = RefusedError(message["status"], NO_FILE)
                return
            headers = dict(message["headers"])
            self.whole = self.whole or self.of_file or not headers.get(b"content-type", b"").startswith(TEXTS)
            if not self.whole and b"content-length" in headers:
                self.start = message  # until the new length is known
                return
            await self.send_on(message)
        elif self.refusal is not None:
            if not message.get("more_body", False):
                await answer(self.refusal, self.send_on)
        elif self.whole or message["type"] != "http.response.body":
            await self.send_on(message)
        elif self.start is None:
            await self.send_on({**message, "body": self._named(message.get("body", b""))})
        else:
            self.body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._send_whole(self.start)

    async def _send_whole(self, start: Message) -> None:
        body = self._named(self.body)
        length = (b"content-length", str(len(body)).encode())
        headers = [item for item in start["headers"] if item[0] != b"content-length"]
        await self.send_on({**start, "headers": [*headers, length]})
        await self.send_on({"type": "http.response.body", "body": body})

    def _named(self, text: bytes) -> bytes:
        for ours, theirs in self.names.items():
            text = text.replace(ours, theirs)
        return text
