"""Writing files so that a crash or a loss of power leaves the old ones or the new ones, each whole."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

PARTIAL = ".partial"
"""Folder inside another where `replace_files` writes files before they are moved to their place."""


def sync(*paths: Path) -> None:
    """Makes files, and the names in folders, last through a loss of power; only POSIX can open folders for it."""
    for path in paths:
        if path.is_dir() and os.name != "posix":
            continue
        descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)  # Windows: only what can be written
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def replace(path: Path, write: Callable[[Path], object]) -> None:
    """Has `write` write a file under another name and renames it, so that it is never there in part.

    Several processes may do so at once.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(partial)
        sync(partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    sync(path.parent)


def replace_files(folder: Path, files: dict[str, bytes]) -> None:
    """Writes files that belong together, each wholly or not at all; none is moved before all are written."""
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
    """Removes a folder, if it is there, so that it is never seen in part."""
    if folder.exists():
        hidden = folder.with_name(f".{folder.name}.old")
        folder.rename(hidden)
        shutil.rmtree(hidden)
