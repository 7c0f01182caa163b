"""Help for readers of parquet files."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from leed.files import existing, is_hidden


def parquet_files(folder: Path, split: str) -> list[Path]:
    """The parquet files of a split, `<split>-*.parquet` or `<split>.parquet`, sorted."""
    return sorted(path for path in all_parquet(folder) if path.name.startswith((f"{split}-", f"{split}.")))


def all_parquet(folder: Path) -> Iterator[Path]:
    """The parquet files below a folder but for hidden ones."""
    return (path for path in folder.rglob("*.parquet") if not is_hidden(path, folder))


def column_names(path: Path) -> list[str]:
    """The names of a parquet file's columns. Raises `ValueError` if it is damaged."""
    return read_schema(path).names


def read_schema(path: Path) -> Any:  # pyarrow has no types: a `Schema`
    """The schema of a parquet file. Raises `ValueError` if it is damaged."""
    try:
        return pq.read_schema(path)
    except pa.ArrowInvalid as error:
        raise ValueError(_damaged(path, error)) from error


def read_parquet(folder: Path, split: str, columns: Iterable[str]) -> pa.Table:
    """These columns of a split.

    Raises `ValueError` if the folder does not exist, there is no file for the split, one is damaged or a column is
    missing.
    """
    files = parquet_files(existing(folder), split)
    if not files:
        others = sorted(path.name for path in all_parquet(folder))
        raise ValueError(f"no parquet file of split {split!r} in {folder}: expected {split}-*.parquet, found {others}")
    columns = list(columns)
    for path in files:
        if missing := sorted(set(columns) - set(column_names(path))):
            raise ValueError(
                f"{path} has no columns {missing}, only {column_names(path)}: add them, or give another folder"
            )
    try:
        tables = [pq.read_table(path, columns=columns).replace_schema_metadata() for path in files]
        return pa.concat_tables(tables)
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(_damaged(folder, error)) from error


def _damaged(path: Path, error: Exception) -> str:
    """What to say of parquet files that cannot be read."""
    return (
        f"{path} cannot be read as parquet ({str(error).splitlines()[0]}): it is damaged or only a part; copy it again"
    )
