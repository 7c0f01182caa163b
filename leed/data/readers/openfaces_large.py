"""The open face set at 400 pixels, for larger models: rendered expressions with their true neutral faces."""

import re
from collections.abc import Sequence
from pathlib import Path

from datasets import Dataset

from leed.data.readers.parquet import read_parquet
from leed.data.readers.reader import Contents, Reader
from leed.data.table import standard_table

LARGE_FILE = re.compile(
    r"(?P<camera>\d{3})_(?P<person>[^_]+)_(?P<gender>[a-z]+)_(?P<expression>[a-z]+)_(?P<variant>\w+)\.webp"
)


def read_openfaces_large(folder: Path, split: str = "train") -> Dataset:
    """Rendered expressions, each with its true neutral face, in the models' crop.

    At 128 pixels they are those of `read_openfaces`. The folder's real smiles are read by `read_openfaces_smiles`.
    """
    table = read_parquet(folder, split, ("file", "person", "expression", "image", "neutral"))
    names = parse_names(table["file"].to_pylist(), folder)
    columns = {name: table[name] for name in ("image", "neutral", "expression", "person")}
    return standard_table(len(table), **columns, yaw=[float(parts["camera"]) - 90 for parts in names])


def parse_names(files: Sequence[str], folder: Path) -> list[dict[str, str]]:
    """Camera, person, gender, expression and variant, by which the set names its pictures.

    Raises `ValueError` for a name of another form.
    """
    found = []
    for file in files:
        match = LARGE_FILE.fullmatch(file)
        if match is None:
            raise ValueError(f"{folder} names a picture {file}, expected names like 090_lon001_female_happy_real.webp")
        found.append(match.groupdict())
    return found


def recognizes(contents: Contents) -> bool:
    """Never: real smiles lie in the same folder, and the rendered faces are those of the open face set again."""
    return False


READER = Reader(read_openfaces_large, recognizes)
