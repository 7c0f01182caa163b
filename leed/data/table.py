"""The standard table, into which readers bring every face set.

It is a `datasets.Dataset` with the columns of `FEATURES`:

- `image`: the picture;
- `neutral`: the true neutral face of the same person in exactly the same pose, or None;
- `view`, `view_neutral`: the same shot of the person from another camera, and the true neutral face there, or None;
- `expression`: index into `EXPRESSIONS`, -1 if unknown;
- `person`: a name; if the identity is unknown, each row has a name of its own;
- `yaw`: degrees, negative towards the picture's left, NaN if unknown;
- `action_units`: intensities of the 17 of `leed.data.action_units`, in [0, 1], or None;
- `image_crop`, `view_crop`: the part to keep, (left, top, right, bottom), as fractions of the picture's sides, or in
  pixels if any of them is above 1; None keeps all. What remains is cut to its central square.

Pictures stay encoded in the table. `leed.data.faces` decodes, crops and resizes them.
"""

import math
import re
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset, DatasetInfo, Features, Image, List, Value
from datasets.fingerprint import generate_random_fingerprint

from leed.config import EXPRESSIONS

PICTURES = ("image", "neutral", "view", "view_neutral")

FEATURES = Features(
    {
        **{name: Image() for name in PICTURES},
        "expression": Value("int64"),
        "person": Value("string"),
        "yaw": Value("float32"),
        "action_units": List(Value("float32")),
        "image_crop": List(Value("float32")),
        "view_crop": List(Value("float32")),
    }
)

UNKNOWN = {"expression": -1, "yaw": math.nan}


def standard_table(num_rows: int, **columns: Sequence | pa.Array | pa.ChunkedArray) -> Dataset:
    """A standard table of the given columns; those left out are unknown.

    A picture is a path, an encoded picture as bytes, None, or a struct of bytes and path as parquet files hold it;
    an Arrow array of paths takes the least memory.
    Raises `ValueError` for unknown columns, other lengths and expressions outside -1..7.
    """
    if unknown := sorted(set(columns) - set(FEATURES)):
        raise ValueError(f"unknown columns {unknown}; the standard table has {list(FEATURES)}")
    arrays = {name: _array(name, columns.get(name), num_rows) for name in FEATURES}
    if wrong := {name: len(array) for name, array in arrays.items() if len(array) != num_rows}:
        raise ValueError(f"every column must have {num_rows} rows, got {wrong}")
    expressions = arrays["expression"].to_numpy()
    if num_rows and not (-1 <= expressions.min() and expressions.max() < len(EXPRESSIONS)):
        raise ValueError(
            f"expression must be in -1..{len(EXPRESSIONS) - 1}, got values from {expressions.min()} to "
            f"{expressions.max()}; see leed.config.EXPRESSIONS for the order"
        )
    # The fingerprint is given because computing it would pickle every picture.
    info = DatasetInfo(features=FEATURES)
    return Dataset(pa.table(arrays), info=info, fingerprint=generate_random_fingerprint())


def encoded(dataset: Dataset) -> Dataset:
    """The same table, whose pictures are read as structs of bytes and path instead of being decoded."""
    if missing := [name for name in FEATURES if name not in dataset.column_names]:
        raise ValueError(f"not a standard table: no columns {missing}; load_faces and standard_table make one")
    for name in PICTURES:
        dataset = dataset.cast_column(name, Image(decode=False))
    return dataset


def _array(name: str, values: Sequence | pa.Array | pa.ChunkedArray | None, num_rows: int) -> pa.Array:
    """The values of one column in the type of `FEATURES`."""
    kind = FEATURES.arrow_schema.field(name).type
    if values is None:
        values = [UNKNOWN.get(name)] * num_rows
    if isinstance(values, pa.Array | pa.ChunkedArray):
        array = (_pictures(values) if name in PICTURES else values).cast(kind)
    elif name in PICTURES:
        array = pa.array([_picture(value) for value in values]).cast(kind)
    else:
        array = pa.array(values, kind)
    if name in UNKNOWN:
        array = pc.fill_null(array, UNKNOWN[name])
    if name == "person":  # a row whose person is unknown counts as a person of its own
        array = pa.array([value or f"unknown-{row:07d}" for row, value in enumerate(array.to_pylist())], kind)
    return array


def _pictures(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """A column of pictures or of paths as structs of bytes and path."""
    if not pa.types.is_string(values.type):
        return values
    paths = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    return pa.StructArray.from_arrays([pa.nulls(len(paths), pa.binary()), paths], ["bytes", "path"])


def _picture(value: str | Path | bytes | dict | None) -> dict | None:
    """A picture of a column as a struct of bytes and path."""
    if value is None or isinstance(value, dict):
        return value
    if isinstance(value, bytes):
        return {"bytes": value, "path": None}
    return {"bytes": None, "path": str(value)}


EXPRESSION_NAMES = {
    "neutral": "neutral calm",
    "happy": "happy happiness joy smile",
    "sad": "sad sadness",
    "angry": "angry anger",
    "fearful": "fearful fear afraid scared",
    "disgusted": "disgusted disgust",
    "surprised": "surprised surprise",
    "contemptuous": "contemptuous contempt",
}

EXPRESSION_INDEX = {
    word: EXPRESSIONS.index(name) for name, words in EXPRESSION_NAMES.items() for word in words.split()
}

UNKNOWN_NAMES = ("", "unknown", "none", "nan", "-1", "uncertain", "other")


def expression_index(label: str | int | float | None) -> int:
    """Index into `EXPRESSIONS` of a name ("happy", "Happiness") or index; -1 for None, "unknown" and the like."""
    if label is None or str(label).strip().lower() in UNKNOWN_NAMES:
        return -1
    word = str(label).strip().lower()
    if word in EXPRESSION_INDEX:
        return EXPRESSION_INDEX[word]
    if re.fullmatch(r"\d+(\.0)?", word) and int(float(word)) < len(EXPRESSIONS):
        return int(float(word))
    raise ValueError(
        f"unknown expression {label!r}: expected an index below {len(EXPRESSIONS)}, 'unknown', or one of "
        f"{sorted(EXPRESSION_INDEX)}"
    )
