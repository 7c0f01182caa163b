"""Everyday photographs."""

from pathlib import Path

from datasets import Dataset

from leed.data.readers.parquet import read_parquet
from leed.data.readers.reader import Contents, Reader
from leed.data.table import standard_table


def read_wild(folder: Path, split: str = "train") -> Dataset:
    """The everyday photographs: aligned, in the models' crop, without neutrals."""
    table = read_parquet(folder, split, ("image", "expression", "person"))
    return standard_table(len(table), **{name: table[name] for name in table.column_names})


def recognizes(contents: Contents) -> bool:
    """Whether parquet files have the columns of the everyday photographs."""
    return contents.has_columns("grey", "coverage", "points5")


READER = Reader(read_wild, recognizes)
