"""A folder of one's own pictures."""

import csv
import json
import math
from pathlib import Path

from datasets import Dataset

from leed.data.readers.files import only_train
from leed.data.readers.reader import Contents, Reader
from leed.data.table import expression_index, standard_table
from leed.images import IMAGE_SUFFIXES, image_files


def read_folder(folder: Path, split: str = "train") -> Dataset:
    """Your own pictures, in `<folder>/<split>` or, for "train", in the folder itself. In this order:

    - `metadata.csv` or `metadata.jsonl` with `file_name` and, as far as known, `expression` (or `label`; a name or an
      index into `EXPRESSIONS`), `person`, `yaw`, `neutral_file_name`, `view_file_name`, `view_neutral_file_name`;
    - class folders named after expressions: `happy/*.jpg`, `neutral/*.jpg`;
    - pictures alone.
    """
    root = folder / split if (folder / split).is_dir() else only_train(folder, split)
    metadata = next((root / name for name in ("metadata.csv", "metadata.jsonl") if (root / name).is_file()), None)
    if metadata is not None:
        return _folder_metadata(metadata)
    files = image_files(root)
    if not files:
        raise ValueError(f"no pictures in {root}: expected files ending in {IMAGE_SUFFIXES}")
    names = [file.parent.relative_to(root).parts for file in files]
    if not any(names):
        return standard_table(len(files), image=files)
    return standard_table(
        len(files), image=files, expression=[expression_index(parts[0]) if parts else -1 for parts in names]
    )


def recognizes(contents: Contents) -> bool:
    """Whether a folder has a description of pictures, or pictures."""
    return contents.description is not None or contents.picture is not None


READER = Reader(read_folder, recognizes)

METADATA_COLUMNS = {
    "image": "file_name",
    "neutral": "neutral_file_name",
    "view": "view_file_name",
    "view_neutral": "view_neutral_file_name",
}


def _folder_metadata(metadata: Path) -> Dataset:
    with open(metadata, newline="", encoding="utf-8-sig") as file:  # as Excel writes it, or without the mark
        rows = (
            list(csv.DictReader(file))
            if metadata.suffix == ".csv"
            else [json.loads(line) for line in file if line.strip()]
        )
    if not rows or "file_name" not in rows[0]:
        raise ValueError(f"{metadata} must have a row for each picture, with a column file_name")
    if unknown := [name for name in rows[0] if name.endswith("file_name") and name not in METADATA_COLUMNS.values()]:
        raise ValueError(
            f"{metadata} has columns {unknown}; columns of pictures are {list(METADATA_COLUMNS.values())}"
        )

    def path(name: str | None) -> Path | None:
        return metadata.parent / name if name else None

    pictures = {name: [path(row.get(column)) for row in rows] for name, column in METADATA_COLUMNS.items()}
    labels = [row.get("expression", row.get("label")) for row in rows]
    return standard_table(
        len(rows),
        **pictures,
        expression=[expression_index(label) for label in labels],
        person=[str(row["person"]) if row.get("person") not in (None, "") else None for row in rows],
        yaw=[float(row["yaw"]) if row.get("yaw") not in (None, "") else math.nan for row in rows],
    )
