"""Calls in another process, which dies in several ways. What is called comes with Python: other code loads slowly."""

import ctypes
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

import leed.demo.worker
from leed.demo.worker import Worker, WorkerError

DIE = partial(signal.raise_signal, signal.SIGKILL)
SECONDS = 20


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    worker = Worker(os.getpid)
    yield worker
    worker.close()


def process_of(worker: Worker) -> psutil.Process:
    return psutil.Process(worker.call(os.getpid))


def test_calls_are_made_in_one_other_process_several_at_a_time(worker: Worker) -> None:
    processes = {worker.call(os.getpid) for _ in range(3)}
    assert len(processes) == 1 and os.getpid() not in processes
    start = time.monotonic()
    threads = [threading.Thread(target=worker.call, args=(time.sleep, 0.5)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - start < 1.5


def test_environment_and_path_are_those_here_with_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERE", "here")
    monkeypatch.setenv("BOTH", "here")
    worker = Worker(os.getpid, {"BOTH": "there"})
    assert [worker.call(os.getenv, name) for name in ("HERE", "BOTH")] == ["here", "there"]
    assert worker.call(eval, "__import__('sys').path") == sys.path
    worker.close()


def test_what_is_raised_there_is_raised_here(worker: Worker) -> None:
    process = worker.call(os.getpid)
    with pytest.raises(ValueError, match="invalid literal") as raised:
        worker.call(int, "x")
    if sys.version_info >= (3, 11):
        assert "leed/demo/worker.py" in raised.value.__notes__[0]  # the traceback
    with pytest.raises(SystemExit):
        worker.call(sys.exit, 3)
    with pytest.raises(EOFError):  # is not taken for the end of the connection
        worker.call(exec, "raise EOFError")
    with pytest.raises(TypeError, match="cannot be sent back"):
        worker.call(threading.Lock)
    assert worker.call(os.getpid) == process


def test_a_call_whose_process_is_killed_is_made_again(worker: Worker) -> None:
    process = process_of(worker)
    threading.Timer(0.3, process.kill).start()
    start = time.monotonic()
    worker.call(time.sleep, 1)
    assert time.monotonic() - start > 1.3 and not process.is_running()


def test_a_call_that_kills_its_process_is_given_up(worker: Worker) -> None:
    with pytest.raises(WorkerError, match="2 processes died of raise_signal"):
        worker.call(signal.raise_signal, signal.SIGKILL)
    assert worker.call(abs, -1) == 1


def test_a_call_without_end_ends_its_process_and_those_beside_it_are_made_again(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = process_of(worker)
    monkeypatch.setattr(leed.demo.worker, "CALL_SECONDS", 2)
    results: list[str] = []
    work = "__import__('time').sleep(0.8) or 'there'"
    beside = threading.Thread(target=lambda: results.append(worker.call(eval, work)))
    threading.Timer(1.5, beside.start).start()  # under way when the other one's time is over
    start = time.monotonic()
    with pytest.raises(WorkerError, match="sleep had no result after 2 s"):
        worker.call(time.sleep, SECONDS)
    assert time.monotonic() - start < 5 and not process.is_running()
    beside.join(SECONDS)
    assert results == ["there"]


def test_a_process_that_is_killed_while_idle_is_replaced_at_once(worker: Worker) -> None:
    killed, here = process_of(worker), psutil.Process()
    others = [process for process in here.children() if process != killed]
    killed.kill()
    deadline = time.monotonic() + SECONDS
    while not [process for process in here.children() if process not in (*others, killed)]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert worker.call(abs, -1) == 1


def test_a_process_that_cannot_start_is_reported_and_not_kept() -> None:
    before = psutil.Process().children()
    with pytest.raises(ValueError, match="invalid literal"):
        Worker(partial(int, "x")).call(os.getpid)
    with pytest.raises(WorkerError):
        Worker(DIE).call(os.getpid)
    assert psutil.Process().children() == before


def test_it_ends_with_its_parent_and_does_not_hear_its_ctrl_c() -> None:
    code = f"""
import os, runpy, signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # which is off where a shell started this in the background
worker = runpy.run_path({leed.demo.worker.__file__!r})["Worker"](os.getpid)
try:
    print(worker.call(os.getpid), flush=True)
    time.sleep({SECONDS})
except KeyboardInterrupt:
    print(worker.call(os.getpid), flush=True)
    time.sleep({SECONDS})
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)
    worker = psutil.Process(int(parent.stdout.readline()))
    os.killpg(parent.pid, signal.SIGINT)
    assert int(parent.stdout.readline()) == worker.pid
    sockets = [connection.laddr for connection in worker.net_connections("unix") if connection.laddr]
    assert Path(sockets[0]).exists()
    parent.kill()
    parent.communicate()
    worker.wait(SECONDS)
    assert not Path(sockets[0]).parent.exists()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators give memory back by themselves")
def test_memory_of_finished_work_is_given_back(monkeypatch: pytest.MonkeyPatch):
    """Many small pieces are freed, between some that stay, so that the allocator keeps them."""
    process, mib = psutil.Process(), 2**20
    monkeypatch.setattr(leed.demo.worker, "TRIM_SECONDS", 0.2)
    ctypes.CDLL(None).malloc_trim(0)  # of what other tests left
    start = process.memory_info().rss
    pieces = [b"x" * 2**16 for _ in range(4096)]
    stay = pieces[::64]
    del pieces
    assert process.memory_info().rss - start > 200 * mib
    threading.Thread(target=leed.demo.worker.give_back_memory, daemon=True).start()
    deadline = time.monotonic() + 30
    while process.memory_info().rss - start > 50 * mib and time.monotonic() < deadline:
        time.sleep(0.1)
    assert process.memory_info().rss - start < 50 * mib and len(stay) == 64
