"""The two halves of a reader: reading a face set, and recognising its folder."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from datasets import Dataset

from leed.data.readers.files import DESCRIPTIONS, all_shallow
from leed.data.readers.parquet import all_parquet, read_schema
from leed.files import is_hidden
from leed.images import IMAGE_SUFFIXES


class Contents:
    """A look into a folder, by which readers recognise their face sets.

    A description counts more than parquet files, and these more than pictures: `schema` is None beside a description,
    `picture` beside either.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def description(self) -> Path | None:
        """The file `metadata.csv` or `metadata.jsonl` that describes the pictures, if there is one."""
        return next(iter(all_shallow(self.folder, DESCRIPTIONS)), None)

    @cached_property
    def schema(self) -> Any:  # pyarrow, which has no types: a `Schema` or None
        """The schema of one of the folder's parquet files, if it has any; of the split `train` where there is one."""
        files = () if self.description else all_parquet(self.folder)
        file = min(files, key=lambda path: (not path.name.startswith("train"), path), default=None)
        return None if file is None else read_schema(file)

    @cached_property
    def picture(self) -> Path | None:
        """One of the folder's pictures, if it has any."""
        if self.description or self.schema is not None:
            return None
        paths = (path for path in self.folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
        return next((path for path in paths if not is_hidden(path, self.folder)), None)

    def has_columns(self, *names: str) -> bool:
        """Whether its parquet files have all these columns."""
        return self.schema is not None and set(names) <= set(self.schema.names)


class Reader(NamedTuple):
    """A reader of one kind of face set.

    `read(folder, split)` returns the standard table of a split. `recognizes(contents)` says whether a folder holds
    such a set; the registry asks its readers in their order.
    """

    read: Callable[[Path, str], Dataset]
    recognizes: Callable[[Contents], bool]
