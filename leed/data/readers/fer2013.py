"""FER-2013."""

from pathlib import Path

from datasets import Dataset

from leed.data.readers.parquet import read_parquet
from leed.data.table import expression_index, standard_table

FER2013_LABELS = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]


def read_fer2013(folder: Path, split: str = "train") -> Dataset:
    """FER-2013 (48x48, grey): who is pictured is unknown, so each row is a person of its own."""
    table = read_parquet(folder, split, ("image", "label"))
    expressions = [expression_index(FER2013_LABELS[label]) for label in table["label"].to_pylist()]
    return standard_table(len(table), image=table["image"], expression=expressions)
