"""Calls that are made in another process, which is started again when it dies.

A call may take its process down: the kernel kills a process that needs too much memory, or a library crashes. The
process of the caller lives on.
"""

import ctypes
import logging
import os
import pickle
import secrets
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from multiprocessing.util import get_temp_dir
from pathlib import Path
from typing import TypeVar

ATTEMPTS = 2  # of a call: if its process dies of it, it is made once more in the next
CALL_SECONDS = 300  # of a call; a picture on which a decoder never ends would stop all that wait behind it
BACKLOG = 64  # connections that may wait to be accepted
FIRST_TO_GO = "500"  # of 1000: if memory is short, the kernel kills this process rather than the caller
TRIM_SECONDS = 10  # between two times at which freed memory is given back to the system

logger = logging.getLogger(__name__)

R = TypeVar("R")


class WorkerError(RuntimeError):
    """A call from which no result comes: two processes died of it, or one took `CALL_SECONDS` over it."""


class Worker:
    """Another process that calls functions, each in a thread of its own.

    The first call starts it. If it dies, it is started again at once; it ends when this process does, even by force.

    >>> worker = Worker(load_model)
    >>> worker.call(edit, "photo.png")  # the result of edit("photo.png"), computed there
    """

    def __init__(self, first: Callable[[], object], environment: Mapping[str, str] | None = None) -> None:
        """Each process calls `first` before all else; `environment` holds variables that differ from those here."""
        self._first, self._environment = first, environment or {}
        self._process: _Process | None = None
        self._lock = threading.Lock()

    def call(self, function: Callable[..., R], *arguments: object) -> R:
        """The result of a module's function, called there; arguments, result and errors are pickled.

        The function is called twice if the process dies. Raises what the function raises, and `WorkerError` if the
        process dies both times, or if there is no result after `CALL_SECONDS`: then the process is ended, and what
        others called there is called again.
        """
        for _ in range(ATTEMPTS):
            try:
                return self._running().call(function, *arguments, seconds=CALL_SECONDS)
            except _DiedError:
                continue
        raise WorkerError(f"{ATTEMPTS} processes died of {function.__name__}")

    def close(self) -> None:
        """Ends the process; another call would start one."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.end()

    def _running(self) -> "_Process":
        """The process, started if there is none."""
        with self._lock:
            if self._process is None or not self._process.is_alive():
                self._process = None
                process = _Process(self._environment)
                try:
                    process.call(self._first)
                except BaseException:
                    process.end()
                    raise
                self._process = process
                threading.Thread(target=self._restart, args=(process,), daemon=True).start()
            return self._process

    def _restart(self, process: "_Process") -> None:
        """Waits until a process has died and starts the next one, so that the next caller need not wait for it."""
        code = process.wait()
        if self._process is not process:  # closed
            return
        logger.warning("The worker died (code %s) and is started again.", code)
        try:
            self._running()
        except Exception:
            logger.exception("The worker could not be started; the next call tries again.")


class _DiedError(Exception):
    """A process has died, or cannot be reached and was ended."""


class _Process:
    """A process that runs `serve`, and the connections to it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Waits until it listens. Raises `_DiedError`."""
        self._address, self._key = new_address(), secrets.token_bytes(32)
        self._free: list[Connection] = []
        self._popen = subprocess.Popen(
            # By its path, since its package takes seconds to import.
            [sys.executable, "-c", f"import runpy; runpy.run_path({__file__!r}, run_name='__main__')"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | environment,
            start_new_session=True,  # Ctrl-C is for this process; the other one notices its end
        )
        assert self._popen.stdin is not None and self._popen.stdout is not None  # they are pipes
        self._stdin, self._stdout = self._popen.stdin, self._popen.stdout
        with self._ended_if_unreachable():
            pickle.dump((sys.path, self._address, self._key), self._stdin)
            self._stdin.flush()  # and left open
            if not self._stdout.readline():
                raise EOFError

    def call(self, function: Callable[..., R], *arguments: object, seconds: float | None = None) -> R:
        """The result of the function there. Raises what it raises, `_DiedError`, and `WorkerError` after `seconds`."""
        with self._ended_if_unreachable():
            try:
                connection = self._free.pop()
            except IndexError:  # a new one for each call at the same time
                connection = Client(self._address, authkey=self._key)
            connection.send((function, arguments))
            if not connection.poll(seconds):
                connection.close()
                self.end()
                raise WorkerError(f"{function.__name__} had no result after {seconds:g} s")
            returned, value = connection.recv()
        self._free.append(connection)
        if not returned:
            raise value
        return value

    @contextmanager
    def _ended_if_unreachable(self) -> Iterator[None]:
        """Ends the process if the connection to it breaks. Raises `_DiedError` then."""
        try:
            yield
        except (EOFError, OSError) as error:
            self.end()
            raise _DiedError from error

    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._popen.poll() is None

    def wait(self) -> int:
        """Waits for its end; its exit code, or minus the number of the signal that killed it."""
        return self._popen.wait()

    def end(self) -> None:
        """Kills the process and removes what belongs to it."""
        self._popen.kill()
        self._popen.wait()
        self._stdout.close()
        with suppress(OSError):  # unread input can be dropped
            self._stdin.close()
        with suppress(OSError):
            os.unlink(self._address)


def new_address() -> str:
    """An address at which a process of this machine can listen: a pipe on Windows, else a socket's path."""
    name = f"leed-{secrets.token_hex(8)}"
    return rf"\\.\pipe\{name}" if os.name == "nt" else os.path.join(get_temp_dir(), name)


# In the other process.


def serve() -> None:
    """Answers calls until the process at the other end of the standard input ends."""
    sys.path[:], address, key = pickle.load(sys.stdin.buffer)
    with suppress(OSError):  # some systems have no such file
        Path("/proc/self/oom_score_adj").write_text(FIRST_TO_GO)
    listener = Listener(address, backlog=BACKLOG, authkey=key)
    print("Listening.", flush=True)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # nobody reads from there any more
    threading.Thread(target=end_with_parent, args=(address,), daemon=True).start()
    threading.Thread(target=give_back_memory, daemon=True).start()
    while True:
        try:
            connection = listener.accept()
        except (AuthenticationError, EOFError, OSError):  # client vanished or failed authentication
            continue
        threading.Thread(target=answer, args=(connection,), daemon=True).start()


def end_with_parent(address: str) -> None:
    """Ends this process when its standard input ends, which nothing but its parent holds open."""
    sys.stdin.buffer.read()
    with suppress(OSError):  # files of the parent, if it had no time to remove them
        os.unlink(address)
        os.rmdir(os.path.dirname(address))
    os._exit(0)


def answer(connection: Connection) -> None:
    """Calls the functions that come in, and sends back (True, its result) or (False, its error) for each."""
    with suppress(EOFError, OSError), connection:  # until the other end is closed
        while True:
            request = connection.recv_bytes()
            try:
                function, arguments = pickle.loads(request)
                outcome = True, function(*arguments)
            except BaseException as error:
                if hasattr(error, "add_note"):  # from Python 3.11 on; a pickled exception loses its traceback
                    error.add_note("There:\n" + "".join(traceback.format_tb(error.__traceback__)))
                outcome = False, error
            connection.send_bytes(pickled(outcome))


def pickled(outcome: tuple[bool, object]) -> bytes:
    """The outcome of a call as bytes; a `TypeError` in its place if it cannot be pickled."""
    try:
        return pickle.dumps(outcome)
    except Exception as error:
        return pickle.dumps((False, TypeError(f"{outcome[1]!r} cannot be sent back: {error}")))


def give_back_memory() -> None:
    """Gives freed memory back to the system, again and again; glibc would keep up to 300 MiB of it."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    while trim is not None:
        time.sleep(TRIM_SECONDS)
        trim(0)


if __name__ == "__main__":
    serve()
