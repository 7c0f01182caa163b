"""The open face set, with its true neutral faces and second views."""

import math
from pathlib import Path

import pyarrow as pa
from datasets import Dataset

from leed.data.action_units import from_blendshapes
from leed.data.readers.parquet import parquet_files, read_parquet
from leed.data.table import standard_table
from leed.images import INNER_CROP


def read_openfaces(folder: Path, split: str = "train") -> Dataset:
    """The open face set, with the neutral twins and second views of the folders `<folder>-twins` and `<folder>-views`.

    Either folder may be absent, and a row may be absent from it: real smiles have neither twin nor view. Action units
    are made of the blendshape weights, which real smiles do not have either; `blendshapes.txt` in the folder names
    them, and without it there are none.
    """
    faces = read_parquet(folder, split, ("image", "file", "expression", "person", "yaw", "blendshapes"))
    files = faces["file"].to_pylist()
    columns = {name: faces[name] for name in ("image", "expression", "person", "yaw")}
    if (folder / "blendshapes.txt").is_file():
        names = (folder / "blendshapes.txt").read_text().split()
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


def _join(files: list[str], table: pa.Table) -> pa.Table:
    """The rows of `table` for these files, null where it has none."""
    rows = {file: row for row, file in enumerate(table["file"].to_pylist())}
    return table.take(pa.array([rows.get(file) for file in files], pa.int64()))
