"""Help for readers of parquet files."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from leed.files import is_hidden


def parquet_files(folder: Path, split: str) -> list[Path]:
    """The parquet files of a split, `<split>-*.parquet` or `<split>.parquet`, sorted."""
    return sorted(path for path in all_parquet(folder) if path.name.startswith((f"{split}-", f"{split}.")))


def all_parquet(folder: Path) -> Iterator[Path]:
    """The parquet files below a folder but for hidden ones."""
    return (path for path in folder.rglob("*.parquet") if not is_hidden(path, folder))


def read_parquet(folder: Path, split: str, columns: Iterable[str]) -> pa.Table:
    """These columns of a split. Raises `ValueError` if there is no file for it or a column is missing."""
    files = parquet_files(folder, split)
    if not files:
        found = sorted(path.name for path in all_parquet(folder))
        raise ValueError(f"no parquet file of split {split!r} in {folder}: expected {split}-*.parquet, found {found}")
    columns = list(columns)
    if missing := sorted(set(columns) - set(pq.read_schema(files[0]).names)):
        raise ValueError(f"{files[0]} has no columns {missing}, only {pq.read_schema(files[0]).names}")
    return pa.concat_tables(pq.read_table(path, columns=columns) for path in files).replace_schema_metadata()
