"""Visitors learn no folder of the server's, and no host by which another visitor called it."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from gradio.utils import get_upload_folder

from leed.web.disguise import Disguise, origin, real_path


def test_one_name_stands_for_the_folder() -> None:
    folder = get_upload_folder()
    assert real_path("/files/a/b.png") == f"{folder}/a/b.png" and real_path("/files") == folder
    for path in ("/filesystem/x", "files/x", "/etc/passwd", f"{folder}/x"):
        assert real_path(path) == path


@pytest.mark.parametrize(
    ("headers", "address"),
    [
        ({"host": "leed.example"}, "http://leed.example"),
        ({"host": "127.0.0.1:7860"}, "http://127.0.0.1:7860"),
        ({"host": "[::1]:7860"}, "http://[::1]:7860"),
        ({"host": "x", "x-forwarded-host": "leed.example, y", "x-forwarded-proto": "https"}, "https://leed.example"),
        ({"host": '"><script>'}, "http://localhost"),
        ({}, "http://localhost"),
    ],
)
def test_the_address_is_the_callers_own(headers: dict[str, str], address: str) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    assert origin({"type": "http", "scheme": "http", "headers": raw}) == address


def ask(
    kind: str, pieces: list[str], length: bool, path: str = "/x", host: str = "leed.example"
) -> tuple[dict[str, Any], dict[bytes, bytes], bytes]:
    """What the page saw of a request, and the headers and the body that came back."""
    seen: dict[str, Any] = {}
    sent: list[Any] = []

    async def page(scope: Any, receive: Any, send: Any) -> None:
        seen.update(scope, headers=dict(scope["headers"]))
        headers = [(b"content-type", kind.encode())]
        if length:
            headers.append((b"content-length", str(sum(map(len, pieces))).encode()))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for number, piece in enumerate(pieces):
            more = number < len(pieces) - 1
            await send({"type": "http.response.body", "body": piece.encode(), "more_body": more})

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "headers": [(b"host", host.encode())]}
    asyncio.run(Disguise(page)(scope, None, send))  # type: ignore[arg-type]
    return seen, dict(sent[0]["headers"]), b"".join(message.get("body", b"") for message in sent[1:])


def test_answers_name_neither_folder_nor_host() -> None:
    said = json.dumps({"path": f"{get_upload_folder()}/a.png", "root": "http://page.invalid"})
    expected = b'{"path": "/files/a.png", "root": "http://leed.example"}'
    for pieces, length in (([said], True), ([said[:20], said[20:]], True), ([said], False)):
        seen, headers, body = ask("application/json", pieces, length)
        assert body == expected and seen["headers"][b"host"] == b"page.invalid"
        assert headers.get(b"content-length", b"%d" % len(body)) == b"%d" % len(body)


def test_pictures_pass_as_they_are() -> None:
    said = f"{get_upload_folder()} http://page.invalid"
    seen, _, body = ask("image/png", [said], True, "/gradio_api/file=/files/a/photo.png")
    assert body == said.encode()
    assert Path(seen["path"].partition("file=")[2]) == Path(get_upload_folder()) / "a/photo.png"
