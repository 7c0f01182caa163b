"""FER-2013."""

from pathlib import Path

from datasets import ClassLabel, Dataset, Features

from leed.data.readers.parquet import read_parquet
from leed.data.readers.reader import Contents, Reader
from leed.data.table import expression_index, standard_table

FER2013_LABELS = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]


def read_fer2013(folder: Path, split: str = "train") -> Dataset:
    """FER-2013 (48x48, grey): the people are unknown, so each row is a person of its own."""
    table = read_parquet(folder, split, ("image", "label"))
    expressions = [expression_index(FER2013_LABELS[label]) for label in table["label"].to_pylist()]
    return standard_table(len(table), image=table["image"], expression=expressions)


def recognizes(contents: Contents) -> bool:
    """Whether parquet files hold pictures and FER-2013's labels alone."""
    if contents.schema is None or set(contents.schema.names) != {"image", "label"}:
        return False
    label = Features.from_arrow_schema(contents.schema)["label"]
    return isinstance(label, ClassLabel) and label.names == FER2013_LABELS


READER = Reader(read_fer2013, recognizes)
