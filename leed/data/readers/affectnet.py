"""AffectNet, in either of its layouts."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from datasets import Dataset

from leed.config import EXPRESSIONS
from leed.data.csv_rows import csv_rows
from leed.data.readers.files import shallow
from leed.data.readers.reader import Contents, Reader
from leed.data.table import standard_table

# 8 "none" and 9 "uncertain" are unknown expressions; 10 is "no face".
AFFECTNET_EXPRESSIONS = ("neutral", "happy", "sad", "surprised", "fearful", "disgusted", "angry", "contemptuous")
AFFECTNET_NO_FACE = 10


def read_affectnet(folder: Path, split: str = "train") -> Dataset:
    """AffectNet in either of its layouts; `split` "test" or "validation" is its validation set.

    - `training.csv` and `validation.csv` (also within `Manually_Annotated_file_lists/`) beside
      `Manually_Annotated_Images/`: photographs, cut to the annotated face with a margin of 15 % on each side;
    - `train_set/images/*.jpg` with `train_set/annotations/*_exp.npy`, and `val_set/`: faces already cut.

    Labels "none" and "uncertain" become -1; rows without a face are left out. Nothing is known about identity.
    """
    training = split == "train"
    lists = shallow(folder, "training.csv" if training else "validation.csv")
    if lists is not None:
        return _affectnet_list(folder, lists)
    labelled = folder / ("train_set" if training else "val_set")
    if (labelled / "annotations").is_dir():
        return _affectnet_arrays(labelled)
    raise ValueError(
        f"no AffectNet {split!r} split in {folder}: expected {'training' if training else 'validation'}.csv or "
        f"{labelled.name}/annotations"
    )


def recognizes(contents: Contents) -> bool:
    """Whether a folder has one of AffectNet's two layouts."""
    return (contents.folder / "train_set" / "annotations").is_dir() or bool(shallow(contents.folder, "training.csv"))


READER = Reader(read_affectnet, recognizes)


def _affectnet_list(folder: Path, lists: Path) -> Dataset:
    rows = csv_rows(lists)
    needed = {"subDirectory_filePath", "face_x", "face_y", "face_width", "face_height", "expression"}
    if missing := sorted(needed - set(rows[0] if rows else ())):
        raise ValueError(f"{lists} has no columns {missing}")
    pictures = shallow(folder, "Manually_Annotated_Images") or folder
    rows = [row for row in rows if int(row["expression"]) != AFFECTNET_NO_FACE]
    return standard_table(
        len(rows),
        image=[pictures / row["subDirectory_filePath"] for row in rows],
        expression=[_affectnet_expression(row["expression"]) for row in rows],
        image_crop=[_square_about(*(float(row[f"face_{k}"]) for k in ("x", "y", "width", "height"))) for row in rows],
    )


def _affectnet_arrays(folder: Path) -> Dataset:
    annotations = sorted((folder / "annotations").glob("*_exp.npy"))
    with ThreadPoolExecutor() as pool:
        labels = list(pool.map(lambda path: int(np.load(path)), annotations))
    kept = [(path, label) for path, label in zip(annotations, labels, strict=True) if label != AFFECTNET_NO_FACE]
    return standard_table(
        len(kept),
        image=[folder / "images" / f"{path.name.removesuffix('_exp.npy')}.jpg" for path, _ in kept],
        expression=[_affectnet_expression(label) for _, label in kept],
    )


def _affectnet_expression(label: str | int) -> int:
    label = int(label)
    if not 0 <= label < AFFECTNET_NO_FACE:
        raise ValueError(f"AffectNet expressions are 0..10, got {label}")
    return EXPRESSIONS.index(AFFECTNET_EXPRESSIONS[label]) if label < len(AFFECTNET_EXPRESSIONS) else -1


def _square_about(left: float, top: float, width: float, height: float, margin: float = 0.15) -> list[float]:
    """The square about a box in pixels, wider by `margin` of its side on each side."""
    half = max(width, height) * (0.5 + margin)
    x, y = left + width / 2, top + height / 2
    return [x - half, y - half, x + half, y + half]
