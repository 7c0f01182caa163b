"""All readers by name. A new face set is a file beside this one and a line here."""

import re
from pathlib import Path

from leed.data.readers import (
    affectnet,
    cfeed,
    drawn,
    fer2013,
    folder,
    openfaces,
    openfaces_free,
    openfaces_large,
    openfaces_large_more,
    openfaces_smiles,
    rafd,
    standard,
    wild,
)
from leed.data.readers.reader import Contents, Reader

READERS: dict[str, Reader] = {
    "affectnet": affectnet.READER,
    "openfaces": openfaces.READER,
    "openfaces-free": openfaces_free.READER,
    "openfaces-large-more": openfaces_large_more.READER,
    "openfaces-smiles": openfaces_smiles.READER,
    "openfaces-large": openfaces_large.READER,
    "wild": wild.READER,
    "fer2013": fer2013.READER,
    "table": standard.READER,
    "rafd": rafd.READER,
    "cfeed": cfeed.READER,
    "folder": folder.READER,
    "drawn": drawn.READER,
}
"""In the order in which they are asked whether they recognise a folder: those that take any come after the others."""


def guess_reader(source: str | Path) -> str:
    """The name of the reader for the face set at `source`. Raises `ValueError` if none recognises it."""
    if str(source) == "drawn":
        return "drawn"
    place = Path(source).expanduser()
    if not place.exists():
        if re.fullmatch(r"[\w.-]+/[\w.-]+", str(source)):
            return "table"
        raise ValueError(f"{source} does not exist; expected a folder, a set on the Hub (owner/name) or 'drawn'")
    contents = Contents(place)
    for name, reader in READERS.items():
        if reader.recognizes(contents):
            return name
    raise ValueError(f"{source} holds neither parquet files nor pictures; readers are {sorted(READERS)}")
