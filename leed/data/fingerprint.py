"""The identity of a face set by its content, wherever it lies."""

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor

from datasets import Dataset

from leed.data.faces import CHUNK, encoded
from leed.data.table import FEATURES, PICTURES

HEAD = 2**16
"""Bytes of a picture's file that are read; most files of faces are not longer."""


def fingerprint(dataset: Dataset, num_threads: int | None = None) -> str:
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
