"""Saving files of the set: each whole or not at all, and a full disk in one sentence."""

from collections.abc import Callable
from pathlib import Path

from leed.files import atomic_write, writing

CURE = "what is done is kept; make room and run the command again"


def save(path: Path, write: Callable[[Path], object]) -> None:
    """Writes a file by a call of `write` with another name for it. Raises `WriteError` if that cannot be done."""
    with writing(str(path), CURE):
        atomic_write(path, write)
