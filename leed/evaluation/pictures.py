"""Pictures and labels out of the parquet files of an evaluation set, checked, so that a mistake names its place."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import UnidentifiedImageError
from torch import Tensor

from leed.config import EXPRESSIONS
from leed.data.faces import decode


def stored_picture(
    table: pa.Table, column: str, row: int, folder: Path, size: int, crop: Sequence[float] | None = None
) -> Tensor:
    """The picture in a row of a column, as `decode` gives it: uint8 (3, size, size).

    Raises `ValueError` with its place if there is none or it cannot be read.
    """
    stored = table[column][row].as_py()
    place = f"{folder}, row {row}, {column}"
    if not (isinstance(stored, dict) and {"bytes", "path"} <= stored.keys() and any(stored.values())):
        raise ValueError(f"{place}: expected a picture, {{bytes, path}} with either of them, got {_kind(stored)}")
    try:
        return decode(stored, size, crop)
    except UnidentifiedImageError as error:  # whose message names an object in memory
        raise ValueError(f"{place}: no picture in a format that Pillow reads: replace it or remove the row") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise ValueError(f"{place}: the picture cannot be read: {error}") from error


def _kind(stored: object) -> str:
    return "none" if stored is None else type(stored).__name__


def check_rows(table: pa.Table, folder: Path, what: str) -> None:
    """Raises `ValueError` if a table has no rows, or rows without a person."""
    if not len(table):
        raise ValueError(f"{folder} has no {what}: its parquet files have no rows")
    for column in (name for name in table.column_names if name.endswith("person")):
        if missing := table[column].null_count:
            raise ValueError(f"{folder}: {missing} of {len(table)} rows have no {column}: give every person a name")


def expression_labels(table: pa.Table, column: str, folder: Path) -> np.ndarray:
    """A column of expressions, int64 (N,). Raises `ValueError` unless all are places in EXPRESSIONS."""
    values = table[column].to_pylist()
    wrong = [value for value in values if not isinstance(value, int) or not 0 <= value < len(EXPRESSIONS)]
    if wrong:
        raise ValueError(
            f"{folder}: {column} must be from 0 to {len(EXPRESSIONS) - 1}, the places in {', '.join(EXPRESSIONS)}; "
            f"{len(wrong)} of {len(values)} are not, the first is {wrong[0]!r}"
        )
    return np.array(values, dtype=np.int64)


def camera_yaws(cameras: Sequence[str] | np.ndarray) -> np.ndarray:
    """Yaw in degrees (N,) of cameras named as in RaFD: "090" is frontal, "045" sees the face turned to the left.

    Raises `ValueError` for other names.
    """
    if wrong := [camera for camera in cameras if not str(camera).isdecimal()]:
        raise ValueError(
            f"cameras must be degrees, as RaFD names them: 090 for a frontal face, 045 for one turned to the left; "
            f"{len(wrong)} of {len(cameras)} are not, the first is {str(wrong[0])!r}"
        )
    return np.array([int(camera) - 90 for camera in cameras])
