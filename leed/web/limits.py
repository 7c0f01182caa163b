"""Bounds on the requests of a public page: bytes and seconds of a body, open requests and uploaded bytes of a client.

A refused request is never collected: its body is read past in pieces, and one sentence says which bound it met.
"""

import asyncio
import ipaddress
import json
import math
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from leed.web.sweeping import Storage
from leed.web.units import KIB, MIB

Scope = MutableMapping[str, Any]  # as ASGI has them: any value
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

READ_PAST_BYTES = 32 * MIB
"""Bytes of a refused body that are read past, so that its sender gets to read the answer."""

READ_PAST_SECONDS = 5.0
STREAM = re.compile(r"/(queue/data|heartbeat/[^/]+|upload_progress|dev/reload|call/(v2/)?[^/]+/[^/]+|stream/.+)/?$")
"""The paths of answers that last."""

MAX_CLIENTS = 4096
"""Clients that are remembered; those that were quiet longest are forgotten first."""


@dataclass(frozen=True)
class Bounds:
    """Bounds of a body that is sent to some paths of the page.

    A value of JSON takes far more memory than its text, so that values are counted, by the marks between them.
    """

    max_bytes: int
    max_seconds: float
    max_values: float = 20_000


@dataclass(frozen=True)
class Limits:
    """Bounds of all requests. Camera frames come through the queue, as text in JSON."""

    call: Bounds = Bounds(256 * KIB, 30)
    frame: Bounds = Bounds(2 * MIB, 30)
    upload: Bounds = Bounds(41 * MIB, 180, math.inf)  # files of up to 40 MiB, and what surrounds them
    open_bodies: int = 12  # of a client at the same time
    open_streams: int = 64  # the same of answers that last: a visitor's tab has two, and many may share an address
    open_requests: int = 250  # the same of all kinds
    open_in_all: int = 1000  # of all clients
    client_bytes: int = 400 * MIB  # uploaded by a client within `client_seconds`
    client_seconds: float = 600

    def of_path(self, path: str) -> Bounds:
        """The bounds of a body that is sent to this path."""
        if re.search(r"/upload/?$", path):
            return self.upload
        return self.frame if re.search(r"/(queue/join|stream/[^/]+)/?$", path) else self.call


@dataclass
class Client:
    """A client's open requests, and the bytes that it uploaded since `since` (seconds of a steady clock)."""

    since: float
    num_open: int = 0  # bodies
    num_streams: int = 0
    num_requests: int = 0  # of all kinds
    num_bytes: int = 0


class RefusedError(Exception):
    """A request that met a bound: an HTTP status, and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


@dataclass
class RequestLimits:
    """ASGI middleware that holds all requests to `Limits`, and their files to the room of `storage`.

    Answers 413 to a body that is too large, 408 to one that takes too long, and 429 to a client that has too many
    requests open or has uploaded too much; 503 where all clients together have too many, or the room is full.
    """

    app: App
    limits: Limits = Limits()
    storage: Storage | None = None
    num_requests: int = 0
    clients: OrderedDict[str, Client] = field(default_factory=OrderedDict)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        client, streams = self._client(scope), is_stream(scope)
        try:
            self._admit(client, streams)
        except RefusedError as refusal:
            await read_past(receive)
            await answer(refusal, send)
            return
        self.num_requests += 1
        client.num_requests += 1
        client.num_streams += streams
        try:
            if scope["method"] in ("GET", "HEAD", "OPTIONS"):
                await self._without_body(scope, receive, send)
            else:
                await self._with_body(client, scope, receive, send)
        finally:
            self.num_requests -= 1
            client.num_requests -= 1
            client.num_streams -= streams

    async def _without_body(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        except RuntimeError as error:
            if "response already started" not in str(error):
                raise
            # A stream of events that do not exist: it has said so, and the log would grow with each.
            await send({"type": "http.response.body", "body": b""})

    async def _with_body(self, client: Client, scope: Scope, receive: Receive, send: Send) -> None:
        bounds = self.limits.of_path(scope["path"])
        uploads = bounds is self.limits.upload
        try:
            await self._admit_body(client, uploads)
            check_length(scope, bounds)
        except RefusedError as refusal:
            await read_past(receive)
            await answer(refusal, send)
            return
        body = Body(bounds, receive, send)
        client.num_open += 1
        try:
            await self.app(scope, body.receive, body.send)
        except Exception:
            if body.refusal is None:
                raise
        finally:
            client.num_open -= 1
            client.num_bytes += body.num_bytes if uploads else 0
        if body.refusal is not None and not body.answered:
            if not body.whole:
                await read_past(receive)
            await answer(body.refusal, send)

    def _client(self, scope: Scope) -> Client:
        """The record of the client that sends this request, renewed when its time is over."""
        key, now = client_address(scope), time.monotonic()
        client = self.clients.setdefault(key, Client(now))
        self.clients.move_to_end(key)
        if now - client.since > self.limits.client_seconds:
            client.since, client.num_bytes = now, 0
        if len(self.clients) > MAX_CLIENTS:
            quiet = next((name for name, other in self.clients.items() if other.num_requests == 0), None)
            if quiet is not None:
                del self.clients[quiet]
        return client

    def _admit(self, client: Client, streams: bool) -> None:
        """Raises `RefusedError` for one request too many."""
        if self.num_requests >= self.limits.open_in_all:
            raise RefusedError(503, "This server has as many requests open as it can serve: try again in a minute.")
        for count, most in (
            (client.num_streams if streams else 0, self.limits.open_streams),
            (client.num_requests, self.limits.open_requests),
        ):
            if count >= most:
                raise too_many(most)

    async def _admit_body(self, client: Client, uploads: bool) -> None:
        """Raises `RefusedError` for one body too many, and for what there is no room for."""
        if client.num_open >= self.limits.open_bodies:
            raise too_many(self.limits.open_bodies)
        if self.storage is not None and await asyncio.to_thread(self.storage.is_full):
            raise RefusedError(503, "This server has no room for more pictures: try again later.")
        if uploads and client.num_bytes >= self.limits.client_bytes:
            raise RefusedError(
                429,
                f"You have uploaded {self.limits.client_bytes // MIB} MB within "
                f"{self.limits.client_seconds / 60:.0f} minutes, the most that one client may: try again later.",
            )


def is_stream(scope: Scope) -> bool:
    """Whether a request is for an answer that lasts: the events of a call, a page's sign of life."""
    return scope["method"] == "GET" and STREAM.search(scope["path"]) is not None


def too_many(most: int) -> RefusedError:
    """The refusal of a request of a client that has this number of them open."""
    return RefusedError(429, f"You have {most} requests open, the most that one client may have: wait for them.")


@dataclass
class Body:
    """A request's body, counted and timed while the page reads it; `refusal` is set once it meets a bound."""

    bounds: Bounds
    receive_more: Receive
    send_on: Send
    num_bytes: int = 0
    num_values: int = 0
    whole: bool = False
    answered: bool = False
    refusal: RefusedError | None = None
    deadline: float = field(default=0.0)

    def __post_init__(self) -> None:
        self.deadline = time.monotonic() + self.bounds.max_seconds

    async def receive(self) -> Message:
        """The next message; a disconnection in place of what lies beyond a bound."""
        if self.refusal is None:
            try:
                return await (self.receive_more() if self.whole else self._more())
            except RefusedError as refusal:
                self.refusal = refusal
        return {"type": "http.disconnect"}

    async def _more(self) -> Message:
        try:
            message = await asyncio.wait_for(self.receive_more(), max(self.deadline - time.monotonic(), 0))
        except asyncio.TimeoutError:
            raise RefusedError(
                408, f"The request was not complete after {self.bounds.max_seconds:g} seconds: send it again."
            ) from None
        piece = message.get("body", b"")
        self.num_bytes += len(piece)
        if self.bounds.max_values < math.inf:
            self.num_values += sum(piece.count(mark) for mark in b",[{")
        self.whole = message["type"] != "http.request" or not message.get("more_body", False)
        if self.num_bytes > self.bounds.max_bytes:
            raise too_large(self.bounds)
        if self.num_values > self.bounds.max_values:
            raise RefusedError(
                413, f"The request has more than {self.bounds.max_values} values, the most that can be sent here."
            )
        return message

    async def send(self, message: Message) -> None:
        """Passes the page's answer on, unless the request is refused."""
        if self.refusal is None or self.answered:
            self.answered = True
            await self.send_on(message)


def too_large(bounds: Bounds) -> RefusedError:
    """The refusal of a body that is larger than these bounds."""
    whole = bounds.max_bytes / MIB
    size = f"{whole:g} MB" if whole >= 1 else f"{bounds.max_bytes // KIB} kB"
    return RefusedError(413, f"The request is larger than {size}, the most that can be sent here: send a smaller one.")


def check_length(scope: Scope, bounds: Bounds) -> None:
    """Refuses a body whose announced length is above its bounds, or no number. Raises `RefusedError`."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            if not value.isdigit():
                raise RefusedError(400, "The request's Content-Length is not a number.")
            if len(value) > 12 or int(value) > bounds.max_bytes:
                raise too_large(bounds)


@dataclass
class TrustedForwarding:
    """ASGI middleware that believes what `X-Forwarded-` headers say of the page's address only if a proxy sends them.

    A proxy, as that of a Space, is in this machine or in a private network. Of others these headers are removed:
    Gradio would put what they say into the addresses on the page.
    """

    app: App

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and scope.get("client") and not is_private(scope["client"][0]):
            headers = [(name, value) for name, value in scope["headers"] if not name.startswith(b"x-forwarded-")]
            scope = {**scope, "headers": headers}
        await self.app(scope, receive, send)


def client_address(scope: Scope) -> str:
    """The address that a request comes from: behind proxies in a private network, the one that the first of them saw.

    Each proxy appends the address that it saw; what stands before the last public one is the client's own invention.
    """
    peer = scope["client"][0] if scope.get("client") else ""
    forwarded = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    if not forwarded or not is_private(peer):
        return peer
    addresses = [address.strip()[:64] for address in ",".join(forwarded).split(",")]
    return next((address for address in reversed(addresses) if not is_private(address)), addresses[-1])


def is_private(address: str) -> bool:
    """Whether an address is of this machine or of a private network; true of none, as of a Unix socket's peer."""
    try:
        return ipaddress.ip_address(address).is_private
    except ValueError:
        return True


async def read_past(receive: Receive) -> None:
    """Reads what still comes of a body and keeps none of it, within READ_PAST_BYTES and READ_PAST_SECONDS."""

    async def read() -> None:
        num_bytes, more = 0, True
        while more and num_bytes < READ_PAST_BYTES:
            message = await receive()
            num_bytes += len(message.get("body", b""))
            more = message["type"] == "http.request" and message.get("more_body", False)

    try:
        await asyncio.wait_for(read(), READ_PAST_SECONDS)
    except asyncio.TimeoutError:
        pass


async def answer(refusal: RefusedError, send: Send) -> None:
    """Answers a refused request: the sentence as JSON, under the names that clients of Gradio look for."""
    body = json.dumps({"error": refusal.sentence, "detail": refusal.sentence}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
