"""The open face set's free expressions: speech, laughter, blinks, winks and others for which there is no label."""

from pathlib import Path
from typing import Any  # of columns, which pyarrow leaves untyped

from datasets import Dataset

from leed.data.action_units import from_blendshapes
from leed.data.readers.openfaces import blendshape_names
from leed.data.readers.parquet import read_parquet
from leed.data.readers.reader import Contents, Reader
from leed.data.table import PICTURES, standard_table


def read_openfaces_free(folder: Path, split: str = "train") -> Dataset:
    """Free expressions, all of label -1, each with its true neutral face and a second view that has one too.

    Pictures are in the models' crop. Action units are computed from the blendshape weights, if the folder or that of
    the open face set beside it, `<folder without -free>`, names them in `blendshapes.txt`; else they are unknown. The
    set's `test` holds triples, which `leed.evaluation.free.load_free_triples` reads.
    """
    names = (*PICTURES, "person", "yaw")
    table = read_parquet(folder, split, (*names, "blendshapes"))
    columns: dict[str, Any] = {name: table[name] for name in names}
    weights = blendshape_names(folder)
    if weights:
        columns["action_units"] = from_blendshapes(weights, table["blendshapes"].to_pylist()).tolist()
    return standard_table(len(table), **columns)


def recognizes(contents: Contents) -> bool:
    """Whether parquet files have the columns of free expressions."""
    return contents.has_columns("file", "view_camera", "blendshapes", "view_neutral")


READER = Reader(read_openfaces_free, recognizes)
