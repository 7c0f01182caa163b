"""Removing old files: what Gradio leaves of uploads and results, and what goes beyond the room for them."""

import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import gradio as gr
from gradio.utils import get_upload_folder

from leed.web.units import GIB, MIB


def use_own_folder() -> None:
    """Gives the pages of this process a folder of their own for files, since they remove old ones from it."""
    os.environ["GRADIO_TEMP_DIR"] = str(Path(get_upload_folder(), "leed"))


def sweep(page: gr.Blocks, seconds: float) -> None:
    """Removes what Gradio leaves of old requests: folders, uploads that broke off, results that nobody fetched.

    They are old when nothing changed in them for `seconds`; the files that the page shows on first load stay.
    """
    touch_shown(page)
    remove_old(Path(get_upload_folder()), seconds)


def touch_shown(page: gr.Blocks) -> None:
    """Makes the files that the page shows on first load new, so that they are not removed."""
    for block in page.blocks.values():
        for path in getattr(block, "keep_in_cache", ()):
            with suppress(OSError):
                os.utime(path)


def remove_old(folder: Path, seconds: float) -> None:
    """Removes from a folder the files, and the folders with all in them, in which nothing changed for that long."""
    for entry in entries(folder):
        if time.time() - entry.changed > seconds:
            entry.remove()


def keep_sweeping(page: gr.Blocks, seconds: float, interval: float) -> None:
    """Sweeps every `interval` seconds, without end."""
    while True:
        time.sleep(interval)
        sweep(page, seconds)


@dataclass(frozen=True)
class Entry:
    """A file, or a folder with all in it: its bytes, and when something in it changed last."""

    path: Path
    num_bytes: int
    changed: float  # seconds of `time.time`

    def remove(self) -> None:
        """Removes it, if Gradio was not quicker."""
        with suppress(OSError):
            shutil.rmtree(self.path) if self.path.is_dir() else self.path.unlink()


def entries(folder: Path) -> Iterator[Entry]:
    """What lies in a folder."""
    for path in folder.glob("*"):
        with suppress(OSError):  # Gradio was quicker
            parts = [part.lstat() for part in (path, *path.rglob("*"))]
            yield Entry(path, sum(part.st_size for part in parts), max(part.st_ctime for part in parts))


@dataclass
class Storage:
    """The room for the files of a page: at most `max_bytes`, and what leaves `free_bytes` of the disk.

    When they are full, the oldest files go; those that changed within `kept_seconds` stay, and new ones are refused.
    """

    page: gr.Blocks
    max_bytes: int = 4 * GIB
    free_bytes: int = 256 * MIB
    kept_seconds: float = 600
    look_seconds: float = 5  # between two looks at the disk
    _looked: float = field(default=-float("inf"), init=False)
    _full: bool = field(default=False, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def is_full(self) -> bool:
        """Whether there is no room for further files, after old ones were removed; takes a look now and then."""
        with self._lock:
            if time.monotonic() - self._looked >= self.look_seconds:
                if (over := self.bytes_over()) > 0:
                    self._remove(over + self.max_bytes // 8)  # so that not every look has to remove some
                    over = self.bytes_over()
                self._full, self._looked = over > 0, time.monotonic()
            return self._full

    def bytes_over(self) -> int:
        """The bytes above what there is room for; negative if there is room."""
        folder = Path(get_upload_folder())
        folder.mkdir(parents=True, exist_ok=True)
        used = sum(entry.num_bytes for entry in entries(folder))
        return max(used - self.max_bytes, self.free_bytes - shutil.disk_usage(folder).free)

    def _remove(self, num_bytes: int) -> None:
        """Removes the oldest files until these bytes are free, if they are old enough."""
        touch_shown(self.page)
        for entry in sorted(entries(Path(get_upload_folder())), key=lambda entry: entry.changed):
            if num_bytes <= 0 or time.time() - entry.changed < self.kept_seconds:
                return
            entry.remove()
            num_bytes -= entry.num_bytes
