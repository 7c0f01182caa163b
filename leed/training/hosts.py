"""Several processes on one or several hosts: who shares a host, and whether all have the same."""

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, gather_object

from leed.files import first_line

Value = TypeVar("Value")


class LostProcessError(RuntimeError):
    """Another process of the run has ended, or cannot be reached."""


def processes_on_host(num_processes: int) -> int:
    """How many of a run's processes share this host: what torchrun says, or without it all of them."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", num_processes))


def agreed(values: dict[str, Value | None], cure: str) -> dict[str, Value]:
    """The values, by what they are, that all processes have; None for what a process does not know.

    All processes raise the same `ValueError` if some differ: it names the first two that do, and the cure.
    """
    found: dict[str, Value] = {}
    owner: dict[str, int] = {}
    for rank, others in enumerate(gather_object([values])):
        for name, value in others.items():
            if value is None:
                continue
            if name in found and found[name] != value:
                raise ValueError(
                    f"the processes of this run do not agree on {name}: process {owner[name]} has {found[name]}, "
                    f"process {rank} has {value}; {cure}"
                )
            found[name] = value
            owner.setdefault(name, rank)
    return found


@contextlib.contextmanager
def together() -> Iterator[None]:
    """An error in one process is one in all, which would otherwise wait for that process.

    The errors are `ValueError`, `OSError` and `ModuleNotFoundError`; the other processes raise `ValueError`. What runs
    inside must not wait for other processes.
    """
    failure: Exception | None = None
    try:
        yield
    except (ValueError, OSError, ModuleNotFoundError) as error:
        failure = error
    texts = gather_object([None if failure is None else str(failure)])
    if failure is not None:
        raise failure
    for rank, text in enumerate(texts):
        if text is not None:
            raise ValueError(f"process {rank} cannot go on: {text}")


@contextlib.contextmanager
def connected() -> Iterator[None]:
    """Raises `LostProcessError` in one sentence where the connection to another process breaks.

    NCCL's errors have a class; gloo's are known by the file of its that they name.
    """
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, torch.distributed.DistError) and "/gloo/" not in str(error):
            raise
        reason = first_line(error).split(". ")[0]  # gloo goes on with advice
        raise LostProcessError(
            f"another process of this run has ended or cannot be reached ({reason}): see what it printed, then start "
            "all processes again with --resume_from_checkpoint latest"
        ) from error


def share_folder(accelerator: Accelerator, folder: Path) -> bool:
    """True if all processes see one and the same folder, which is made; False if hosts have one each."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f".seen-by-all-{uuid.uuid4().hex}" if accelerator.is_main_process else ""]
    mark = folder / broadcast_object_list(names)[0]
    if accelerator.is_main_process:
        mark.touch()
    accelerator.wait_for_everyone()
    seen = gather_object([mark.exists()])
    if accelerator.is_main_process:
        mark.unlink()
    return all(seen)
