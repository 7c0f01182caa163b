"""AffectNet, in either of its layouts."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset
from pyarrow import csv

from leed.config import EXPRESSIONS
from leed.data.readers.files import shallow
from leed.data.readers.reader import Contents, Reader
from leed.data.table import standard_table

Numbers = npt.NDArray[np.float32]

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
    """The first layout. Columns stay columns: as objects, half a million rows would take a gigabyte."""
    needed = ["subDirectory_filePath", "face_x", "face_y", "face_width", "face_height", "expression"]
    try:
        table = csv.read_csv(lists, convert_options=csv.ConvertOptions(include_columns=needed))
    except KeyError:
        with csv.open_csv(lists) as opened:
            missing = sorted(set(needed) - set(opened.schema.names))
        raise ValueError(f"{lists} has no columns {missing}") from None
    except pa.ArrowInvalid as error:
        raise ValueError(f"{lists} cannot be read: {error}") from error
    table = table.filter(pc.not_equal(table["expression"], AFFECTNET_NO_FACE))
    pictures = shallow(folder, "Manually_Annotated_Images") or folder
    left, top, width, height = (np.asarray(table[f"face_{k}"], np.float32) for k in ("x", "y", "width", "height"))
    return standard_table(
        len(table),
        image=pc.binary_join_element_wise(str(pictures), table["subDirectory_filePath"], os.sep),
        expression=[_affectnet_expression(label) for label in table["expression"].to_pylist()],
        image_crop=_squares_about(left, top, width, height),
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


def _squares_about(left: Numbers, top: Numbers, width: Numbers, height: Numbers, margin: float = 0.15) -> pa.Array:
    """The squares (N, 4) about boxes (N,) in pixels, wider by `margin` of their side on each side."""
    half = np.maximum(width, height) * (0.5 + margin)
    x, y = left + width / 2, top + height / 2
    squares = np.stack([x - half, y - half, x + half, y + half], axis=1)
    return pa.FixedSizeListArray.from_arrays(squares.ravel(), 4).cast(pa.list_(pa.float32()))
