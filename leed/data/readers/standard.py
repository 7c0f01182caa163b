"""Sets that are a standard table already, on disk or on the Hub."""

from pathlib import Path

from datasets import ClassLabel, Dataset, Image, load_dataset

from leed.data.readers.reader import Contents, Reader
from leed.data.table import FEATURES, expression_index, standard_table


def read_table(source: Path, split: str = "train") -> Dataset:
    """A folder of parquet files, or a set on the Hub as the path "owner/name".

    It has a column `image` and any other standard columns; `expression` (or `label`) holds names, a `ClassLabel` with
    names of expressions, or indices into `EXPRESSIONS`.
    """
    try:
        dataset = load_dataset(source.as_posix(), split=split)
    except (OSError, ValueError) as error:  # a missing set, split or connection
        raise ValueError(f"cannot load split {split!r} of {source}: {error}") from error
    if not isinstance(dataset.features.get("image"), Image):
        raise ValueError(f"{source} needs a column image of pictures, got {dict(dataset.features)}")
    columns = {name: dataset.data[name] for name in FEATURES if name in dataset.features}
    label = next((name for name in ("expression", "label") if name in dataset.features), None)
    if label is not None:
        feature, values = dataset.features[label], dataset[label]
        if isinstance(feature, ClassLabel):
            values = [None if value is None or value < 0 else feature.int2str(value) for value in values]
        columns["expression"] = [expression_index(value) for value in values]
    return standard_table(len(dataset), **columns)


def recognizes(contents: Contents) -> bool:
    """Whether a folder has parquet files."""
    return contents.schema is not None


READER = Reader(read_table, recognizes)
