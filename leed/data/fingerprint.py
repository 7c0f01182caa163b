"""What pictures a table holds, in a few bytes: to know again what was checked or computed of them before."""

import hashlib
import os

import torch
from datasets import Dataset

from leed.data.table import PICTURES, encoded

CHUNK = 1024  # rows at a time


def fingerprint(table: Dataset) -> str:
    """The digest (64 hexadecimal digits) of a standard table's pictures and crops, in their order.

    Embedded pictures count by their bytes, files by name, size and time of the last change: none is decoded, and files
    are not read. A missing file has a digest, too.
    """
    digest = hashlib.sha256()
    columns = [*PICTURES, *(name for name in table.column_names if name.endswith("_crop"))]
    for chunk in encoded(table).select_columns(columns).iter(CHUNK):
        for name in columns:
            values = map(_identity, chunk[name]) if name in PICTURES else chunk[name]
            digest.update(repr([name, *values]).encode())
    return digest.hexdigest()


def tensors_digest(tensors: dict[str, torch.Tensor]) -> str:
    """The digest (64 hexadecimal digits) of named tensors: of their names, shapes and values."""
    digest = hashlib.sha256()
    for name, values in sorted(tensors.items()):
        values = values.detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
        digest.update(values.view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _identity(picture: dict | None) -> object:
    """A picture of an encoded table as a few values, equal only for equal pictures."""
    if picture is None:
        return None
    if picture["bytes"] is not None:
        return hashlib.sha256(picture["bytes"]).hexdigest()
    try:
        found = os.stat(picture["path"])
    except OSError:
        return picture["path"]
    return picture["path"], found.st_size, found.st_mtime_ns
