"""Atomic writing: after a crash or a loss of power there are the old files or the new ones, each whole.

And which files are hidden, and what to say where a file cannot be written.
"""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from safetensors import SafetensorError

PARTIAL = ".partial"
"""The folder inside another where `atomic_write_all` writes files before they are moved to their place."""


def sync(*paths: Path) -> None:
    """Writes files and the names in folders through to the disk; only POSIX can do so for folders."""
    for path in paths:
        if path.is_dir() and os.name != "posix":
            continue
        descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)  # Windows syncs only writable files
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Gives another name under which the file is to be written, and renames it at the end of the `with` block.

    Nobody sees a part of it; after an error, or in a generator that is closed, nothing is left. Several processes may
    write the same file at once.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield partial
        sync(partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    sync(path.parent)


def atomic_write(path: Path, write: Callable[[Path], object]) -> None:
    """As `atomic_file`, for a file that a call of `write` writes."""
    with atomic_file(path) as partial:
        write(partial)


def atomic_write_all(folder: Path, files: dict[str, bytes]) -> None:
    """Writes files that belong together, by name; all are written before the first is moved to its place."""
    partial = folder / PARTIAL
    shutil.rmtree(partial, ignore_errors=True)  # left behind by a killed process
    partial.mkdir(parents=True)
    try:
        for name, content in files.items():
            (partial / name).write_bytes(content)
            sync(partial / name)
        for name in files:
            os.replace(partial / name, folder / name)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    sync(folder)


def remove_folder(folder: Path) -> None:
    """Removes a folder, if it exists, so that nobody sees a part of it."""
    if folder.exists():
        hidden = folder.with_name(f".{folder.name}.old")
        folder.rename(hidden)
        shutil.rmtree(hidden)


class WriteError(OSError):
    """A file could not be written, for example to a full disk; the message says which, and the cure."""


@contextlib.contextmanager
def writing(what: str, cure: str) -> Iterator[None]:
    """Turns what libraries raise when a file cannot be written into a `WriteError` of one sentence."""
    try:
        yield
    except (OSError, SafetensorError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "inline_container" not in str(error):  # what torch.save raises
            raise
        raise WriteError(f"{what} could not be written ({first_line(error)}): {cure}") from error


def first_line(error: Exception) -> str:
    """What an error says, without what follows in later lines."""
    return f"{type(error).__name__}: {error}".splitlines()[0].strip()


def existing(folder: Path) -> Path:
    """The folder itself. Raises `ValueError` if there is no such folder."""
    if not folder.is_dir():
        found = "is a file: give a folder" if folder.exists() else "does not exist: check the path"
        raise ValueError(f"{folder} {found}")
    return folder


def writable(folder: Path) -> Path:
    """The folder itself, which need not exist. Raises `ValueError` if it cannot be written to, or made."""
    path = folder.absolute()
    there = next(place for place in (path, *path.parents) if place.exists())
    if not there.is_dir():
        raise ValueError(f"{there} is a file: give a folder to write to")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(f"{there} may not be written to: give another folder")
    return folder


def is_hidden(path: Path, folder: Path) -> bool:
    """Whether a path, or a folder between it and `folder`, has a name with a leading dot.

    Programs leave such files beside pictures: previews, caches, macOS's `._` companions.
    """
    return any(part.startswith(".") for part in path.relative_to(folder).parts)
