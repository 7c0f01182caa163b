"""Removing old files: what Gradio leaves of uploads and results."""

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

import gradio as gr
from gradio.utils import get_upload_folder


def sweep(page: gr.Blocks, seconds: float) -> None:
    """Removes what Gradio leaves of old requests: folders, uploads that broke off, results that nobody fetched.

    They are old when nothing changed in them for `seconds`; the files that the page shows on first load stay.
    """
    for block in page.blocks.values():
        for path in getattr(block, "keep_in_cache", ()):
            with suppress(OSError):
                os.utime(path)
    remove_old(Path(get_upload_folder()), seconds)


def remove_old(folder: Path, seconds: float) -> None:
    """Removes from a folder the files, and the folders with all in them, in which nothing changed for that long."""
    for path in folder.glob("*"):
        with suppress(OSError):  # Gradio was quicker
            changed = max(part.lstat().st_ctime for part in (path, *path.rglob("*")))
            if time.time() - changed > seconds:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def keep_sweeping(page: gr.Blocks, seconds: float, interval: float) -> None:
    """Sweeps every `interval` seconds, without end."""
    while True:
        time.sleep(interval)
        sweep(page, seconds)
