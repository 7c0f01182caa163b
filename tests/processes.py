"""Scripts in processes of their own, as launchers start them, without the launchers' cost.

A script's process is forked from one that has imported training and does nothing else. A launcher and the interpreters
that it starts take some ten seconds of CPU time to import the same. training/test_hosts.py has
a run that real launchers start.
"""

import functools
import multiprocessing
import os
import runpy
import sys
import tempfile
import time
from collections.abc import Sequence
from multiprocessing import connection, forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

import pytest
from conftest import free_port

GRACE = 20
"""Seconds that the processes of a run have to fail by themselves after one of them has failed."""


@functools.cache
def server() -> ForkServerContext:
    """Starts the process that others are forked from."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["train_accelerate"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))  # Python 3.11 hands over no sys.path
        patch.setenv("OMP_NUM_THREADS", "1")
        forkserver.ensure_running()
    return context


def run(script: Path, arguments: Sequence[str], environment: dict[str, str], folder: Path) -> None:
    """What a process does: it runs a script, whose output and temporary files it leaves in a folder."""
    with (folder / "output").open("wb") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    os.environ |= environment
    tempfile.tempdir = str(folder)
    sys.argv = [str(script), *arguments]
    sys.path.insert(0, str(script.parent))
    runpy.run_path(str(script), run_name="__main__")


def start(script: Path, arguments: Sequence[str], folder: Path, **environment: object) -> ForkServerProcess:
    """Starts a script, which can import this project and its tests, and leaves its output in the new `folder`."""
    folder.mkdir()
    own = os.environ | {name: str(value) for name, value in environment.items()}
    process = server().Process(target=run, args=(script, arguments, dict(own), folder))
    process.start()
    return process


def outputs(processes: dict[Path, ForkServerProcess], seconds: float = 300) -> list[str]:
    """What processes, by the folder of their output, had printed when they ended; "" for success."""
    waiting, deadline = list(processes.values()), time.monotonic() + seconds
    while waiting and (left := deadline - time.monotonic()) > 0:
        connection.wait([process.sentinel for process in waiting], left)
        waiting = [process for process in waiting if process.is_alive()]
        if any(process.exitcode for process in processes.values()):
            deadline = min(deadline, time.monotonic() + GRACE)
    for process in waiting:
        process.kill()
        process.join()
    return [
        "" if process.exitcode == 0 else f"exit code {process.exitcode}\n{(folder / 'output').read_text()}"
        for folder, process in processes.items()
    ]


def on_two(script: Path, arguments: Sequence[Sequence[str]], one_host: bool) -> list[str]:
    """What two processes of a run printed, each with arguments of its own, on one host or on two; "" for success."""
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(), "WORLD_SIZE": 2}
    with tempfile.TemporaryDirectory() as parent:
        processes = {}
        for rank, own in enumerate(arguments):
            place = {"RANK": rank, "LOCAL_RANK": rank * one_host, "LOCAL_WORLD_SIZE": 1 + one_host}
            folder = Path(parent, str(rank))
            processes[folder] = start(script, own, folder, **address, **place)
        return outputs(processes)


def on_two_processes(script: Path, *arguments: str) -> None:
    """Runs a script in two processes of one host."""
    for output in on_two(script, [arguments, arguments], one_host=True):
        assert not output, output[-3000:]
