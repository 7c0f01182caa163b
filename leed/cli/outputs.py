"""Where a command may write: over no file that it reads, over no other result, and over nothing else unless asked."""

import os
from collections.abc import Iterable
from pathlib import Path

from leed.cli.errors import UsageError

Identity = tuple[int, int]
"""A file's disk and its number there: the same by whatever links or, on some disks, letters it is named."""


class Outputs:
    """The files that a command reads and writes; `check` tells what must not be replaced."""

    def __init__(self, inputs: Iterable[Path], overwrite: bool) -> None:
        self.inputs = {identity(path) for path in inputs} - {None}
        self.overwrite = overwrite
        self.planned = set[Path]()
        self.results = set[Identity]()

    def plan(self, target: Path, source: Path) -> None:
        """Sets a file aside for the result of another. Raises `ValueError` as `check`, or if it is set aside."""
        self.check(target, source)
        place = target.parent.resolve() / target.name
        if place in self.planned:
            raise ValueError(f"another result is written to {target} already: give it another --out")
        self.planned.add(place)

    def check(self, target: Path, source: Path | None = None) -> None:
        """Raises `ValueError` with the cure if a file must not be written, for example the result of `source`."""
        found = identity(target)
        if found in self.inputs:
            is_itself = source is not None and found == identity(source)
            what = "it would be written over itself" if is_itself else f"{target} is read, and must stay as it is"
            raise ValueError(f"{what}: give another --out")
        if found in self.results:
            raise ValueError(f"another result was written to {target} already: give it another --out")
        if target.is_dir():
            raise ValueError(f"{target} is a folder: give the name of a file to --out")
        if os.path.lexists(target) and not self.overwrite:
            raise ValueError(f"{target} is there already: give --overwrite or another --out")

    def written(self, target: Path) -> None:
        """Notes that a file holds a result now."""
        if (number := identity(target)) is not None:
            self.results.add(number)


def check_file(out: Path, inputs: Iterable[Path], overwrite: bool) -> None:
    """Raises `UsageError` if the one file that a command writes must not be written."""
    try:
        Outputs(inputs, overwrite).check(out)
    except ValueError as error:
        raise UsageError(str(error)) from error


def identity(path: Path) -> Identity | None:
    """Which file a path leads to; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
