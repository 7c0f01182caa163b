"""Requests to a real server are held to bounds, and one that is refused costs next to nothing."""

import asyncio
import json
import math
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from leed.web.limits import Bounds, Limits, RequestLimits, TrustedForwarding, client_address, is_stream
from leed.web.units import MIB

LIMITS = Limits(
    call=Bounds(1000, 0.5),
    frame=Bounds(20_000, 0.5, 2000),
    upload=Bounds(2 * MIB, 2, math.inf),
    open_bodies=3,
    open_streams=4,
    open_requests=6,
    open_in_all=8,
    client_bytes=5 * MIB,
    client_seconds=600,
)


async def count(request: Request) -> JSONResponse:
    """What a route does: collects its body."""
    return JSONResponse({"bytes": len(await request.body())})


async def last(request: Request) -> StreamingResponse:
    """What a route of events does: goes on until its reader has left."""

    async def events() -> AsyncIterator[bytes]:
        while not await request.is_disconnected():
            yield b"data: alive"
            await asyncio.sleep(0.05)

    return StreamingResponse(events())


@pytest.fixture
def limited() -> RequestLimits:
    routes = [Route(path, count, methods=["GET", "POST"]) for path in ("/call/edit", "/queue/join", "/upload")]
    routes += [Route(path, last) for path in ("/queue/data", "/slow")]
    return RequestLimits(Starlette(routes=routes), LIMITS)


@pytest.fixture
def server(limited: RequestLimits) -> Iterator[str]:
    """The address of a server with these limits."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = uvicorn.Server(uvicorn.Config(limited, port=port, log_level="error"))
    thread = threading.Thread(target=running.run)
    thread.start()
    while not running.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    running.should_exit = True
    thread.join()


@pytest.mark.parametrize(
    ("path", "size", "status"),
    [
        ("/call/edit", 1000, 200),
        ("/call/edit", 1001, 413),
        ("/call/edit", 20 * MIB, 413),
        ("/queue/join", 20_000, 200),
        ("/queue/join", 20_001, 413),
        ("/upload", 2 * MIB, 200),
        ("/upload", 2 * MIB + 1, 413),
    ],
)
@pytest.mark.parametrize("chunked", [False, True], ids=["length known", "chunked"])
def test_bodies_have_a_bound(server: str, path: str, size: int, status: int, chunked: bool) -> None:
    def chunks() -> Iterator[bytes]:
        for start in range(0, size, 2**16):
            yield bytes(min(2**16, size - start))

    answer = httpx.post(server + path, content=chunks() if chunked else bytes(size), timeout=20)
    assert answer.status_code == status
    if status == 200:
        assert answer.json() == {"bytes": size}
    else:
        assert "larger than" in answer.json()["error"] and answer.json()["error"] == answer.json()["detail"]


def test_values_have_a_bound(server: str) -> None:
    """A text of the same length is allowed: a camera's frame is one."""
    few = httpx.post(server + "/queue/join", content=b'{"data":["' + bytes(15_000) + b'"]}')
    many = httpx.post(server + "/queue/join", content=b'{"data":[' + b"[]," * 5000 + b"0]}")
    assert few.status_code == 200
    assert many.status_code == 413 and "more than 2000 values" in many.json()["error"]


def half_sent(server: str, path: str = "/call/edit") -> socket.socket:
    """A connection on which a body of 100 bytes was announced and 10 have been sent."""
    host, port = server.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)))
    connection.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{'x' * 10}".encode())
    connection.settimeout(20)
    return connection


def test_a_body_that_never_ends_is_given_up(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leed.web.limits.READ_PAST_SECONDS", 0.2)
    with half_sent(server) as connection:
        reply = b"".join(iter(lambda: connection.recv(4096), b"")).decode()
    assert reply.startswith("HTTP/1.1 408") and "not complete after 0.5 seconds" in reply


def test_one_client_has_few_open_bodies(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leed.web.limits.READ_PAST_SECONDS", 0.2)
    open_ones = [half_sent(server, "/upload") for _ in range(3)]
    time.sleep(0.2)
    refused = httpx.post(server + "/call/edit", content=b"{}")
    assert refused.status_code == 429 and "3 requests open" in refused.json()["error"]
    assert httpx.get(server + "/call/edit").status_code == 200  # what has no body is not held up
    other = httpx.post(server + "/call/edit", content=b"{}", headers={"X-Forwarded-For": "203.0.113.9"})
    assert other.status_code == 200
    for connection in open_ones:
        connection.close()
    time.sleep(0.2)
    assert httpx.post(server + "/call/edit", content=b"{}").status_code == 200


def test_one_client_uploads_only_so_much(server: str) -> None:
    for _ in range(3):  # 6 MiB: what goes beyond the bound is the last
        assert httpx.post(server + "/upload", content=bytes(2 * MIB)).status_code == 200
    refused = httpx.post(server + "/upload", content=bytes(10))
    assert refused.status_code == 429 and "uploaded 5 MB within 10 minutes" in refused.json()["error"]
    assert httpx.post(server + "/call/edit", content=b"{}").status_code == 200


def test_nothing_comes_in_that_there_is_no_room_for(server: str, limited: RequestLimits) -> None:
    """Calls write files as well."""
    limited.storage = SimpleNamespace(is_full=lambda: True)
    for path in ("/upload", "/call/edit"):
        refused = httpx.post(server + path, content=bytes(10))
        assert refused.status_code == 503 and "no room for more pictures" in refused.json()["error"]
    assert httpx.get(server + "/call/edit").status_code == 200
    limited.storage = SimpleNamespace(is_full=lambda: False)
    assert httpx.post(server + "/upload", content=bytes(10)).status_code == 200


@contextmanager
def open_streams(server: str, count: int, address: str = "203.0.113.1", path: str = "/queue/data") -> Iterator[None]:
    """Answers of a client that last until this ends."""
    with ExitStack() as stack:
        client = stack.enter_context(httpx.Client(headers={"X-Forwarded-For": address}))
        for _ in range(count):
            assert stack.enter_context(client.stream("GET", server + path)).status_code == 200
        yield


def test_one_client_has_few_open_streams(server: str) -> None:
    mine, other = ({"X-Forwarded-For": address} for address in ("203.0.113.1", "203.0.113.2"))
    with open_streams(server, 4):
        refused = httpx.get(server + "/queue/data", headers=mine)
        assert refused.status_code == 429 and "4 requests open" in refused.json()["error"]
        assert httpx.get(server + "/call/edit", headers=mine).status_code == 200  # what ends at once is served
        with httpx.stream("GET", server + "/queue/data", headers=other) as served:
            assert served.status_code == 200
    time.sleep(0.3)
    with open_streams(server, 4):
        pass


def test_a_client_has_few_open_requests_of_any_kind_and_all_together_as_well(server: str) -> None:
    with open_streams(server, 6, path="/slow"):
        refused = httpx.get(server + "/call/edit", headers={"X-Forwarded-For": "203.0.113.1"})
        assert refused.status_code == 429 and "6 requests open" in refused.json()["error"]
        with open_streams(server, 2, "203.0.113.2"):
            refused = httpx.get(server + "/call/edit", headers={"X-Forwarded-For": "203.0.113.3"})
            assert refused.status_code == 503 and "as many requests open" in refused.json()["error"]
    time.sleep(0.3)
    assert httpx.get(server + "/call/edit").status_code == 200


@pytest.mark.parametrize(
    ("path", "lasts"),
    [
        ("/gradio_api/queue/data", True),
        ("/gradio_api/heartbeat/abc", True),
        ("/gradio_api/call/edit/123", True),
        ("/gradio_api/call/v2/edit/123/", True),
        ("/gradio_api/upload_progress", True),
        ("/gradio_api/dev/reload", True),
        ("/gradio_api/file=/files/a/photo.png", False),
        ("/config", False),
    ],
)
def test_streams_are_known_by_their_paths(path: str, lasts: bool) -> None:
    assert is_stream({"method": "GET", "path": path}) == lasts


def test_a_refused_body_is_not_kept(limited: RequestLimits) -> None:
    """The route never sees it, and no more than a piece of it is held at a time."""
    sent, pieces = [], iter([{"type": "http.request", "body": bytes(MIB), "more_body": True}] * 20)

    async def receive() -> dict:
        return next(pieces, {"type": "http.disconnect"})

    async def send(message: dict) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/call/edit", "headers": [], "client": ("198.51.100.1", 1)}
    asyncio.run(limited(scope | {"query_string": b""}, receive, send))
    assert sent[0]["status"] == 413 and json.loads(sent[1]["body"])["error"].endswith("send a smaller one.")
    assert len(sent) == 2


@pytest.mark.parametrize("length", [b"-5", b"1e3", b"9" * 400])
def test_lengths_that_are_none_are_refused(limited: RequestLimits, length: bytes) -> None:
    sent = []

    async def receive() -> dict:
        return {"type": "http.disconnect"}

    async def send(message: dict) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/call/edit", "client": None, "query_string": b""}
    asyncio.run(limited(scope | {"headers": [(b"content-length", length)]}, receive, send))
    assert sent[0]["status"] in (400, 413)


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("93.184.216.34", "8.8.4.4", "93.184.216.34"),  # an open client is not believed
        ("10.0.0.3", "6.6.6.6, 8.8.4.4", "8.8.4.4"),  # the proxy's own entry is the last
        ("10.0.0.3", "6.6.6.6, 8.8.4.4, 10.0.0.7", "8.8.4.4"),  # behind two proxies
        ("10.0.0.3", "10.1.1.1, 10.0.0.7", "10.0.0.7"),
        ("127.0.0.1", None, "127.0.0.1"),
    ],
)
def test_clients_are_told_apart_behind_a_proxy(peer: str, forwarded: str | None, expected: str) -> None:
    headers = [] if forwarded is None else [(b"x-forwarded-for", forwarded.encode())]
    assert client_address({"client": (peer, 1), "headers": headers}) == expected


def test_clients_that_were_quiet_longest_are_forgotten(
    limited: RequestLimits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leed.web.limits.MAX_CLIENTS", 5)
    for i in range(9):
        limited._client({"client": (f"198.51.100.{i}", 1), "headers": []})
    assert list(limited.clients) == [f"198.51.100.{i}" for i in range(4, 9)]


@pytest.mark.parametrize(("peer", "believed"), [("8.8.4.4", False), ("10.0.0.3", True)])
def test_only_a_proxy_says_where_the_page_is(peer: str, believed: bool) -> None:
    seen = []

    async def page(scope: dict, receive: object, send: object) -> None:
        seen.extend(name for name, _ in scope["headers"])

    headers = [(b"x-forwarded-host", b"evil.example"), (b"host", b"leed.example")]
    asyncio.run(TrustedForwarding(page)({"type": "http", "client": (peer, 1), "headers": headers}, None, None))
    assert (b"x-forwarded-host" in seen) == believed and b"host" in seen
