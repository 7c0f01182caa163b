"""Results that are kept as they come, so that a killed run goes on where it was, and that any processes can share."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from accelerate import PartialState
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from tqdm.auto import tqdm

SHARD = 64


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

    def path(self, rows: np.ndarray) -> Path:
        """The file of a part."""
        return self.folder / f"{key(f'{rows[0]:07d}', self.content[rows].tolist())}.safetensors"

    def fill(self, work: Callable[[np.ndarray], dict[str, Tensor]], state: PartialState, title: str) -> None:
        """Computes what is missing. `work` gets rows and returns tensors with as many; processes take turns."""
        self.folder.mkdir(parents=True, exist_ok=True)
        mine = self.parts[state.process_index :: state.num_processes]
        todo = [rows for rows in mine if not self.path(rows).exists()]
        for rows in tqdm(todo, desc=title, unit="part", disable=None if state.is_main_process else True):
            replace(self.path(rows), lambda path, rows=rows: save_file(_whole(work(rows)), path))
        state.wait_for_everyone()

    def read(self, name: str) -> Iterator[Tensor]:
        """The tensor called `name`, part by part. Only one part is in memory at a time."""
        for rows in self.parts:
            with safe_open(self.path(rows), framework="pt") as file:
                yield file.get_tensor(name)


def _whole(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def replace(path: Path, write: Callable[[Path], object]) -> None:
    """Writes a file under another name and renames it, so that it is never there in part."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    write(partial)
    os.replace(partial, path)


def remembered(
    folder: Path, tasks: dict[str, Callable[[], object]], state: PartialState, title: str
) -> dict[str, object]:
    """The results of tasks by name, JSON values: computed where missing, by processes in turn, and kept."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / f"{name}.json" for name in tasks}
    mine = list(tasks)[state.process_index :: state.num_processes]
    todo = [name for name in mine if not paths[name].exists()]
    for name in tqdm(todo, desc=title, disable=None if state.is_main_process else True):
        replace(paths[name], lambda path, name=name: path.write_text(json.dumps(tasks[name]())))
    state.wait_for_everyone()
    return {name: json.loads(path.read_text()) for name, path in paths.items()}
