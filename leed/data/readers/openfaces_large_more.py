"""More of the open face set at 400 pixels, for larger models: part `large_more`, free expressions and shaded teeth."""

from pathlib import Path

import pyarrow.compute as pc
from datasets import Dataset

from leed.data.readers.parquet import read_parquet
from leed.data.readers.reader import Contents, Reader
from leed.data.table import standard_table

COLUMNS = ("image", "neutral", "expression", "person", "yaw")


def read_openfaces_large_more(folder: Path, split: str = "train") -> Dataset:
    """Free expressions, of label -1, and the rendered ones of `read_openfaces_large` again, in the models' crop.

    Each has its true neutral face, and teeth are shaded; those of all other parts are a white bar. The files' own
    column `split` says which people belong to `split`.
    """
    table = read_parquet(folder, "more", (*COLUMNS, "split"))
    table = table.filter(pc.equal(table["split"], split))
    return standard_table(len(table), **{name: table[name] for name in COLUMNS})


def recognizes(contents: Contents) -> bool:
    """Never: other parts of the large set lie in the same folder."""
    return False


READER = Reader(read_openfaces_large_more, recognizes)
