"""Starts the demo and has many users edit photos at the same time; prints the outcomes of requests, and the memory.

    python benchmarks/load.py [--model hub/leed-open] [--users 30] [--requests 1000] [--kill_worker_every SECONDS]
                             [--bad_every 10]

A user uploads a photo, asks for an edit of it with a reference of the gallery, fetches both results and checks that
they are whole pictures with the mark; then asks again, at once. A request ends well if that takes 30 s at most, or if
it is refused within that time because the demo is busy. Exits with 1 if one did not, or if memory does not come back.
Memory is that of the page's process and of those it started; memory that they share counts for each.
`--kill_worker_every` kills the worker process again and again, which users should notice only by waiting. With
`--bad_every 10` one user in ten sends what no page sends, and must get a sentence each time: values of wrong types,
pictures that are none, bodies that are too large.
"""

import io
import json
import math
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import httpx
import psutil
from PIL import Image

from leed.commands import command_line, exit_on
from leed.gallery import portraits
from leed.photo.saving import is_marked

PROGRAM = "python benchmarks/load.py"
ROOT = Path(__file__).parents[1]
DEADLINE = 30  # seconds in which a request must be answered or refused
PHOTOS_PER_USER = 5  # a user tries several expressions on a photo
BUSY = "Queue is full"  # what Gradio says
MEMORY_TOLERANCE = 0.10
SETTLE_SECONDS = 20
QUANTILES = (("median", 0.5), ("95 %", 0.95), ("most", 1.0))


FINE = ("answered", "busy", "refused")


@dataclass(frozen=True)
class Outcome:
    """The outcome of a request: one of FINE or what went wrong."""

    kind: str
    seconds: float


class RequestError(Exception):
    """A request ended in another way than with an answer or the notice that the demo is busy."""


@contextmanager
def serve(model: str | None, folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """`python app.py` as a process of its own: its address and the process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {"GRADIO_SERVER_PORT": str(port), "GRADIO_TEMP_DIR": str(folder / "cache")}
    if model:
        environment["LEED_MODEL"] = str(Path(model).resolve()) if Path(model).exists() else model
    start = time.perf_counter()
    with open(folder / "log.txt", "w") as log:
        server = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        while not answers(url):
            if server.poll() is not None:
                raise SystemExit((folder / "log.txt").read_text())
            time.sleep(0.1)
        print(f"the page answers {time.perf_counter() - start:.1f} s after its start")
        yield url, psutil.Process(server.pid)
    finally:
        server.terminate()
        server.wait(30)


def answers(url: str) -> bool:
    """True once a server answers at the address."""
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def family(page: psutil.Process) -> list[psutil.Process]:
    """The page's process and those that it started."""
    return [page, *page.children(recursive=True)]


class Memory(threading.Thread):
    """Watches the memory of a page's process and of those it started, each kind for itself [MiB]."""

    def __init__(self, process: psutil.Process) -> None:
        super().__init__(daemon=True)
        self.process, self.peak = process, (0.0, 0.0)

    def now(self) -> tuple[float, float]:
        """That of the page's process, and that of the others together."""
        page, *others = (resident(process) for process in family(self.process))
        return page, sum(others)

    def run(self) -> None:
        while self.process.is_running():
            try:
                page, others = self.now()
            except psutil.NoSuchProcess:
                return
            self.peak = max(self.peak[0], page), max(self.peak[1], others)
            time.sleep(0.1)


def resident(process: psutil.Process) -> float:
    """The memory of a process; 0 if it has ended [MiB]."""
    with suppress(psutil.NoSuchProcess):
        return process.memory_info().rss / 2**20
    return 0.0


class Killer(threading.Thread):
    """Kills the processes that a page started, every few seconds, until `over` is set; `kills` counts them."""

    def __init__(self, page: psutil.Process, seconds: float) -> None:
        super().__init__(daemon=True)
        self.page, self.seconds, self.kills, self.over = page, seconds, 0, threading.Event()

    def run(self) -> None:
        while not self.over.wait(self.seconds):
            for worker in self.page.children():
                worker.kill()
                self.kills += 1


def photo_of(user: int, number: int) -> bytes:
    """A JPEG that nobody else gives."""
    rng = random.Random(1000 * user + number)
    portrait = Image.open(rng.choice(portraits()))
    scale = rng.uniform(0.6, 1.8)
    size = round(portrait.width * scale), round(portrait.height * scale)
    buffer = io.BytesIO()
    portrait.resize(size).save(buffer, "JPEG", quality=rng.randint(80, 95))
    return buffer.getvalue()


def request(client: httpx.Client, photo: bytes, reference: int, alpha: float) -> str:
    """One edit: "answered" or "busy". Raises `RequestError`."""
    (path,) = checked(client.post("/gradio_api/upload", files={"files": ("photo.jpg", photo)})).json()
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    data = {"photo": file, "reference": reference, "alpha": alpha}
    call = client.post("/gradio_api/call/v2/edit", json=data)
    if call.status_code == 503 and BUSY in call.text:
        return "busy"
    event = checked(call).json()["event_id"]
    with client.stream("GET", f"/gradio_api/call/v2/edit/{event}") as stream:
        kind, content = last_event(stream)
    if kind != "complete":
        if BUSY in str(content):
            return "busy"
        fail(f"event {kind}: {content}")
    for result in content:
        check_picture(checked(client.get(f"/gradio_api/file={result['path']}")).content)
    return "answered"


BAD: tuple[tuple[str, Any], ...] = (  # of JSON
    ("alpha", "strong"),
    ("alpha", None),
    ("reference", "x" * 1000),
    ("face", 1e308),
    ("center_crop", {}),
    ("photo", {"path": "data:image/png;base64," + "A" * 10_000, "meta": {"_type": "gradio.FileData"}}),
    ("photo", {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}),
)
NO_PICTURE = b"<html>" + b"x" * 10_000
TOO_LARGE = b'{"data":[' + b"[]," * 2**20 + b"0]}"


def bad_request(client: httpx.Client, photo: bytes, number: int) -> str:
    """One request that must be refused with a sentence: "refused" or "busy". Raises `RequestError`."""
    if number % (len(BAD) + 2) == len(BAD):
        response = client.post("/gradio_api/call/edit", content=TOO_LARGE)
        return "refused" if response.status_code == 413 else fail(f"a large body got status {response.status_code}")
    content = NO_PICTURE if number % (len(BAD) + 2) > len(BAD) else photo
    (path,) = checked(client.post("/gradio_api/upload", files={"files": ("photo.jpg", content)})).json()
    data: dict[str, Any] = {"photo": {"path": path, "meta": {"_type": "gradio.FileData"}}}
    if content is photo:
        data |= [BAD[number % (len(BAD) + 2)]]
    call = client.post("/gradio_api/call/v2/edit", json=data)
    if call.status_code == 503 and BUSY in call.text:
        return "busy"
    event = checked(call).json()["event_id"]
    with client.stream("GET", f"/gradio_api/call/v2/edit/{event}") as stream:
        kind, answer = last_event(stream)
    if kind != "error" or not answer.get("error") or "Something went wrong" in answer["error"]:
        fail(f"bad input got event {kind}: {answer}")
    return "busy" if BUSY in answer["error"] else "refused"


def last_event(stream: httpx.Response) -> tuple[str, Any]:  # Any: JSON
    """Kind and content of the event that ends a stream."""
    kind = ""
    for line in stream.iter_lines():
        if line.startswith("event: "):
            kind = line.removeprefix("event: ")
        elif line.startswith("data: ") and kind in ("complete", "error"):
            return kind, json.loads(line.removeprefix("data: "))
    return "ended", None


def checked(response: httpx.Response) -> httpx.Response:
    """The response, if its status is 200. Raises `RequestError`."""
    if response.status_code != 200:
        fail(f"status {response.status_code}: {response.text[:100]}")
    return response


def fail(message: str) -> NoReturn:
    """Raises `RequestError`."""
    raise RequestError(message)


def check_picture(data: bytes) -> None:
    """Raises `RequestError` unless these are the bytes of a whole picture that carries the mark."""
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        file.write(data)
        file.flush()
        try:
            Image.open(file.name).load()
        except OSError as error:
            raise RequestError(f"broken download: {error}") from error
        if not is_marked(file.name):
            raise RequestError("a result without the mark")


def timed(user: int, url: str, count: int, bad: bool) -> list[Outcome]:
    """The outcomes of a user's requests, of an address of its own; a `bad` user sends what must be refused."""
    outcomes, address = [], {"X-Forwarded-For": f"8.8.{user // 250}.{user % 250}"}
    with httpx.Client(base_url=url, timeout=2 * DEADLINE, headers=address) as client:
        for number in range(count):
            photo = photo_of(user, number // PHOTOS_PER_USER)
            start = time.perf_counter()
            try:
                if bad:
                    kind = bad_request(client, photo, number)
                else:
                    kind = request(client, photo, (7 * number + user) % 220, (number % 4) / 2)
            except (RequestError, httpx.HTTPError) as error:
                kind = f"{type(error).__name__}: {error}"
            seconds = time.perf_counter() - start
            if kind in FINE and seconds > DEADLINE:
                kind = f"{kind}, but late"
            outcomes.append(Outcome(kind, seconds))
            if kind == "busy":
                time.sleep(1)  # nobody clicks faster
    return outcomes


def load(url: str, users: int, requests: int, bad_every: int) -> list[Outcome]:
    """The outcomes of `requests` requests by `users` users at the same time; each `bad_every`th sends bad input."""
    counts = [requests // users + (user < requests % users) for user in range(users)]
    with ThreadPoolExecutor(users) as pool:
        bad = [bad_every > 0 and user % bad_every == bad_every - 1 for user in range(users)]
        results = pool.map(lambda user: timed(user, url, counts[user], bad[user]), range(users))
        return [outcome for outcomes in results for outcome in outcomes]


@exit_on(PROGRAM)
def main() -> None:
    parser = command_line(PROGRAM, __doc__)
    parser.add_argument("--model", help="a folder or a name on the Hub; by default the demo's own")
    parser.add_argument("--users", type=int, default=30)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--kill_worker_every", type=float, metavar="SECONDS", default=math.inf)
    parser.add_argument("--bad_every", type=int, default=0, metavar="USERS", help="of these users one sends bad input")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder, serve(options.model, Path(folder)) as (url, process):
        memory = Memory(process)
        idle = memory.now()
        warm = load(url, options.users, 3 * options.users, options.bad_every)  # fills the caches, which are bounded
        before = memory.now()
        memory.start()
        killer = Killer(process, min(options.kill_worker_every, threading.TIMEOUT_MAX))
        killer.start()
        start = time.perf_counter()
        outcomes = load(url, options.users, options.requests, options.bad_every)
        seconds = time.perf_counter() - start
        killer.over.set()
        peak = memory.peak
        time.sleep(SETTLE_SECONDS)
        after = memory.now()

    killed = f", worker killed {killer.kills} times" if killer.kills else ""
    print(f"{options.users} users, {options.requests} requests in {seconds:.0f} s{killed}")
    print_outcomes(outcomes)
    grown = sum(after) / sum(before) - 1
    for i, name in enumerate(("page", "worker")):
        print(
            f"memory of the {name}: idle {idle[i]:.0f}, before {before[i]:.0f}, most {peak[i]:.0f}, "
            f"after {after[i]:.0f} MiB"
        )
    print(f"together {grown:+.1%}")
    errors = sum(outcome.kind not in FINE for outcome in warm + outcomes)
    print(f"{errors} errors")
    if errors or grown > MEMORY_TOLERANCE:
        sys.exit(1)


def print_outcomes(outcomes: list[Outcome]) -> None:
    """A line for each kind of outcome, with its number and quantiles of its times."""
    for kind, count in Counter(outcome.kind for outcome in outcomes).most_common():
        times = sorted(outcome.seconds for outcome in outcomes if outcome.kind == kind)
        spread = ", ".join(f"{name} {times[min(int(q * len(times)), len(times) - 1)]:.1f}" for name, q in QUANTILES)
        print(f"  {count:5d} {kind}: seconds {spread}")


if __name__ == "__main__":
    main()
