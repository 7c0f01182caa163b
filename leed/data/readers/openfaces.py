"""The open face set, with its true neutral faces and second views."""

import math
from pathlib import Path
from typing import Any  # of columns, which pyarrow leaves untyped

import pyarrow as pa
from datasets import Dataset

from leed.data.action_units import from_blendshapes
from leed.data.readers.parquet import parquet_files, read_parquet
from leed.data.readers.reader import Contents, Reader
from leed.data.table import standard_table
from leed.images import INNER_CROP


def read_openfaces(folder: Path, split: str = "train") -> Dataset:
    """The open face set, with true neutral faces and second views from the folders `<folder>-twins`, `<folder>-views`.

    Either folder may be absent, and a row may be absent from it: real smiles have neither a true neutral face nor a
    second view. Action units are computed from the blendshape weights, which real smiles do not have either;
    `blendshapes.txt` in the folder names the weights, and without it action units are unknown.
    """
    faces = read_parquet(folder, split, ("image", "file", "expression", "person", "yaw", "blendshapes"))
    files = faces["file"].to_pylist()
    columns: dict[str, Any] = {name: faces[name] for name in ("image", "expression", "person", "yaw")}
    names = blendshape_names(folder)
    if names:
        units = from_blendshapes(names, faces["blendshapes"].to_pylist())
        columns["action_units"] = [row if math.isfinite(sum(row)) else None for row in units.tolist()]
    columns["image_crop"] = [INNER_CROP] * len(files)
    twins, views = (folder.with_name(f"{folder.name}-{kind}") for kind in ("twins", "views"))
    if parquet_files(twins, split):
        columns["neutral"] = _join(files, read_parquet(twins, split, ("file", "neutral")))["neutral"]
    if parquet_files(views, split):
        joined = _join(files, read_parquet(views, split, ("file", "view", "neutral")))
        columns |= {"view": joined["view"], "view_neutral": joined["neutral"]}
    return standard_table(len(files), **columns)


def blendshape_names(folder: Path) -> list[str]:
    """The names of the blendshape weights in their order; empty where no file tells them.

    The file `blendshapes.txt` lies in the folder, or for free expressions in that of the set itself,
    `<folder without -free>`.
    """
    places = (folder, folder.with_name(folder.name.removesuffix("-free")))
    files = (place / "blendshapes.txt" for place in places)
    return next((file.read_text().split() for file in files if file.is_file()), [])


def recognizes(contents: Contents) -> bool:
    """Whether parquet files have the columns of the open face set."""
    return contents.has_columns("file", "camera", "landmarks", "blendshapes")


READER = Reader(read_openfaces, recognizes)


def _join(files: list[str], table: pa.Table) -> pa.Table:
    """The rows of `table` for these files, null where it has none."""
    rows = {file: row for row, file in enumerate(table["file"].to_pylist())}
    return table.take(pa.array([rows.get(file) for file in files], pa.int64()))
