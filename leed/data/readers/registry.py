"""All readers by name. A new one is a file beside this and a line here."""

import re
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
from datasets import ClassLabel, Dataset, Features

from leed.data.readers.affectnet import read_affectnet
from leed.data.readers.cfeed import CFEED_FILE, read_cfeed
from leed.data.readers.drawn import read_drawn
from leed.data.readers.fer2013 import FER2013_LABELS, read_fer2013
from leed.data.readers.files import _first, _shallow
from leed.data.readers.folder import read_folder
from leed.data.readers.openfaces import read_openfaces
from leed.data.readers.rafd import RAFD_FILE, read_rafd
from leed.data.readers.standard import read_table
from leed.data.readers.wild import read_wild
from leed.images import IMAGE_SUFFIXES

READERS: dict[str, Callable[[Path, str], Dataset]] = {
    "openfaces": read_openfaces,
    "wild": read_wild,
    "fer2013": read_fer2013,
    "rafd": read_rafd,
    "cfeed": read_cfeed,
    "affectnet": read_affectnet,
    "folder": read_folder,
    "table": read_table,
    "drawn": read_drawn,
}


def guess_reader(source: str | Path) -> str:
    """The reader for what lies at `source`. Raises `ValueError` if nothing there is known."""
    folder = Path(source).expanduser()
    if str(source) == "drawn":
        return "drawn"
    if not folder.exists():
        if re.fullmatch(r"[\w.-]+/[\w.-]+", str(source)):
            return "table"
        raise ValueError(f"{source} does not exist; expected a folder, a set on the Hub (owner/name) or 'drawn'")
    if (folder / "train_set" / "annotations").is_dir() or _shallow(folder, "training.csv"):
        return "affectnet"
    if _shallow(folder, "metadata.csv") or _shallow(folder, "metadata.jsonl"):
        return "folder"
    if parquet := _first(folder.rglob("*.parquet")):
        return _guess_parquet(parquet)
    picture = _first(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    if picture is None:
        raise ValueError(f"{source} holds neither parquet files nor pictures; readers are {sorted(READERS)}")
    if RAFD_FILE.fullmatch(picture.name):
        return "rafd"
    return "cfeed" if CFEED_FILE.fullmatch(picture.name) else "folder"


def _guess_parquet(file: Path) -> str:
    schema = pq.read_schema(file)
    columns = set(schema.names)
    if {"file", "camera", "landmarks", "blendshapes"} <= columns:
        return "openfaces"
    if {"grey", "coverage", "points5"} <= columns:
        return "wild"
    label = Features.from_arrow_schema(schema).get("label")
    if columns == {"image", "label"} and isinstance(label, ClassLabel) and label.names == FER2013_LABELS:
        return "fer2013"
    return "table"
