"""Sets that are a standard table already, on disk or on the Hub."""

import difflib
import warnings
from pathlib import Path

from datasets import ClassLabel, Dataset, Image, load_dataset

from leed.data.readers.reader import Contents, Reader
from leed.data.table import FEATURES, expression_index, standard_table

MEANT = {
    "expression": ("emotion", "emotions", "expressions", "facial_expression", "labels"),
    "person": ("identity", "identities", "identity_id", "person_id", "subject", "subject_id", "people"),
}
"""Other words for the columns that decide what is learned, and which people are held out."""


def read_table(source: Path, split: str = "train") -> Dataset:
    """A folder of parquet files, or a set on the Hub as the path "owner/name".

    It has a column `image` and any other standard columns; `expression` (or `label`) holds names, a `ClassLabel` with
    names of expressions, or indices into `EXPRESSIONS`. Warns of columns that it does not read. Raises `ValueError` if
    one is another word for a standard column that is missing.
    """
    try:
        dataset = load_dataset(source.as_posix(), split=split)
    except (OSError, ValueError) as error:  # a missing set, split or connection
        raise ValueError(f"cannot load split {split!r} of {source}: {error}") from error
    if not isinstance(dataset.features.get("image"), Image):
        raise ValueError(f"{source} needs a column image of pictures, got {dict(dataset.features)}")
    _check_columns(source, set(dataset.features))
    columns = {name: dataset.data[name] for name in FEATURES if name in dataset.features}
    label = next((name for name in ("expression", "label") if name in dataset.features), None)
    if label is not None:
        feature, values = dataset.features[label], dataset[label]
        if isinstance(feature, ClassLabel):
            values = [None if value is None or value < 0 else feature.int2str(value) for value in values]
        columns["expression"] = [expression_index(value) for value in values]
    return standard_table(len(dataset), **columns)


def _check_columns(source: Path, names: set[str]) -> None:
    """Warns of columns that are not read; one that means a missing column would lose labels, or who is who."""
    unknown = sorted(names - set(FEATURES) - {"label"})
    for name in unknown:
        meant = next((column for column, words in MEANT.items() if name.lower().strip() in words), None)
        close = difflib.get_close_matches(name.lower().strip(), FEATURES, n=1, cutoff=0.8)
        column = meant or next(iter(close), None)
        there = {"expression", "label"} & names if column == "expression" else {column} & names
        if column and not there:
            raise ValueError(
                f"{source} has a column {name!r} and no {column!r}: rename it with `dataset.rename_column({name!r}, "
                f"{column!r})`, or remove it if it means another thing; known columns are {[*FEATURES, 'label']}"
            )
    if unknown:
        warnings.warn(f"{source} has columns that are not read: {unknown}", stacklevel=3)


def recognizes(contents: Contents) -> bool:
    """Whether a folder has parquet files."""
    return contents.schema is not None


READER = Reader(read_table, recognizes)
