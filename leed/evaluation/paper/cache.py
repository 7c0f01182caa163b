"""Results that are kept as they come: a killed run resumes where it stopped, and processes share the work."""

import hashlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils import parse_flag_from_env
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from tqdm.auto import tqdm

from leed.files import atomic_write

Item = TypeVar("Item")
Result = TypeVar("Result")

SHARD = 64
LOGGED_EVERY = 30  # seconds between two states of a bar that is not on a terminal
PATIENCE = timedelta(days=1)  # a process waits so long for others; the launcher ends it if they fail


def processes() -> PartialState:
    """This process among those that accelerate or torchrun started; on the CPU without an accelerator, and on a Mac.

    Metrics are computed in float64, which Apple's GPU lacks.
    """
    on_cpu = parse_flag_from_env("ACCELERATE_USE_CPU") or not torch.accelerator.is_available()
    on_cpu = on_cpu or torch.backends.mps.is_available()
    return PartialState(cpu=on_cpu, timeout=PATIENCE)


def progress(items: list[Item], title: str, unit: str = "it", shown: bool = True) -> Iterable[Item]:
    """The items with a bar, if there are any: live on a terminal, now and then in a log."""
    interval = 0.1 if sys.stderr.isatty() else LOGGED_EVERY
    hidden = not (shown and items)
    return tqdm(items, title, unit=unit, disable=hidden, mininterval=interval, maxinterval=interval)


def key(title: str, *parts: object) -> str:
    """A folder's name for a result that depends on `parts`."""
    return f"{title}-{hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]}"


class Shards:
    """A table of tensors by name, N rows, computed and kept in parts of SHARD rows: one file each, read one by one.

    `content` (N, ...) are numbers that tell what the rows are of; parts of other content are other files.
    """

    def __init__(self, folder: Path, content: np.ndarray) -> None:
        self.folder, self.content = folder, content
        count = len(content)
        self.parts = [np.arange(start, min(start + SHARD, count)) for start in range(0, count, SHARD)]

    @property
    def identity(self) -> tuple[str, str]:
        """Names that tell this table from others."""
        return self.folder.name, key("content", self.content.tolist())

    def path(self, rows: np.ndarray) -> Path:
        """The file of a part."""
        return self.folder / f"{key(f'{rows[0]:07d}', self.content[rows].tolist())}.safetensors"

    def fill(self, work: Callable[[np.ndarray], dict[str, Tensor]], state: PartialState, title: str) -> None:
        """Computes what is missing. `work` gets rows and returns tensors with as many; processes take turns."""
        self.folder.mkdir(parents=True, exist_ok=True)
        mine = self.parts[state.process_index :: state.num_processes]
        todo = [rows for rows in mine if not self.path(rows).exists()]
        for rows in progress(todo, _share(title, state), "part", state.is_main_process):
            atomic_write(self.path(rows), partial(save_file, _whole(work(rows))))
        state.wait_for_everyone()

    def read(self, name: str) -> Iterator[Tensor]:
        """The tensor called `name`, part by part. Only one part is in memory at a time."""
        for rows in self.parts:
            with safe_open(self.path(rows), framework="pt") as file:
                yield file.get_tensor(name)


def _share(title: str, state: PartialState) -> str:
    """The title of the first process's share."""
    return title if state.num_processes == 1 else f"{title}, first of {state.num_processes} processes"


def _whole(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors as safetensors can write them: on the CPU, each in one piece."""
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def remembered(
    folder: Path, tasks: Mapping[str, Callable[[], Result]], state: PartialState, title: str
) -> dict[str, Result]:
    """The results of tasks by name, JSON values: computed where missing, by processes in turn, and kept."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / f"{name}.json" for name in tasks}
    mine = list(tasks)[state.process_index :: state.num_processes]
    todo = [name for name in mine if not paths[name].exists()]
    for name in progress(todo, _share(title, state), shown=state.is_main_process):
        write_text(paths[name], json.dumps(tasks[name]()))
    state.wait_for_everyone()
    return {name: json.loads(path.read_text()) for name, path in paths.items()}


def write_text(path: Path, text: str) -> None:
    """Writes a text file, wholly or not at all."""
    atomic_write(path, lambda unfinished: unfinished.write_text(text, encoding="utf-8"))
