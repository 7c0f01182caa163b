"""What a face set holds, in a few bytes: to know it again wherever it lies, and to see that it has not changed."""

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor

from datasets import Dataset

from leed.data.table import FEATURES, PICTURES, encoded

CHUNK = 256  # rows at a time

HEAD = 2**16
"""Bytes of a picture's file that are read; most files of faces are not longer."""


def content_digest(dataset: Dataset, num_threads: int | None = None) -> str:
    """A digest, 32 digits, of a standard table: of its labels and pictures in their order, not of their paths.

    Of a file the length and the first `HEAD` bytes count. Raises `OSError` for a file that cannot be read.
    """
    rows, digest = encoded(dataset), hashlib.sha256()
    labels = [name for name in FEATURES if name not in PICTURES]
    with ThreadPoolExecutor(num_threads or os.cpu_count()) as pool:
        for start in range(0, len(rows), CHUNK):
            chunk = rows[start : start + CHUNK]
            digest.update(json.dumps([chunk[name] for name in labels]).encode())
            for name in PICTURES:
                for content in pool.map(_content, chunk[name]):
                    digest.update(content)
    return digest.hexdigest()[:32]


def quick_digest(dataset: Dataset) -> str:
    """A digest, 32 digits, of a standard table in its place: files are not read, and missing ones have one, too.

    It is of the labels and pictures in their order: of embedded ones by their bytes, of files by name, size and time
    of the last change. So it changes whenever the content does, and also where files are moved or copied.
    """
    digest = hashlib.sha256()
    for chunk in encoded(dataset).iter(CHUNK):
        for name in FEATURES:
            values = [_state(picture) for picture in chunk[name]] if name in PICTURES else chunk[name]
            digest.update(json.dumps(values).encode())
    return digest.hexdigest()[:32]


def _content(picture: dict | None) -> bytes:
    """A digest of one picture."""
    if picture is None:
        return b"none"
    if picture["bytes"] is not None:
        head, length = picture["bytes"][:HEAD], len(picture["bytes"])
    else:
        with open(picture["path"], "rb") as file:
            head, length = file.read(HEAD), os.fstat(file.fileno()).st_size
    return hashlib.sha256(head).digest() + length.to_bytes(8, "little")


def _state(picture: dict | None) -> list | str | None:
    """What tells whether a picture of an encoded table is still the same."""
    if picture is None:
        return None
    if picture["bytes"] is not None:
        return hashlib.sha256(picture["bytes"]).hexdigest()
    try:
        found = os.stat(picture["path"])
    except OSError:
        return picture["path"]
    return [picture["path"], found.st_size, found.st_mtime_ns]
