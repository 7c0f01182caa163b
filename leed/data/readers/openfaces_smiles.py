"""The open face set's real smiles, each with the person's real neutral photograph."""

from pathlib import Path

import pyarrow.compute as pc
from datasets import Dataset

from leed.data.readers.openfaces_large import parse_names
from leed.data.readers.parquet import parquet_files, read_parquet
from leed.data.readers.reader import Contents, Reader
from leed.data.table import expression_index, standard_table


def read_openfaces_smiles(folder: Path, split: str = "train") -> Dataset:
    """Real smiles with real neutral photographs, which are registered to them: part `smiles` of the large set.

    They are frontal photographs in the models' crop. The files' own column `split` says which people belong to
    `split`.
    """
    table = read_parquet(folder, "smiles", ("file", "split", "image", "neutral"))
    table = table.filter(pc.equal(table["split"], split))
    names = parse_names(table["file"].to_pylist(), folder)
    return standard_table(
        len(table),
        image=table["image"],
        neutral=table["neutral"],
        expression=[expression_index(parts["expression"]) for parts in names],
        person=[parts["person"] for parts in names],
        yaw=[0.0] * len(table),
    )


def recognizes(contents: Contents) -> bool:
    """Whether there are parquet files of the part `smiles`."""
    return contents.schema is not None and bool(parquet_files(contents.folder, "smiles"))


READER = Reader(read_openfaces_smiles, recognizes)
