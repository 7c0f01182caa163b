"""Comparing two builds of a set, picture by picture."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from leed.openfaces.arrays import Bytes
from leed.openfaces.encoding import Row

FILES = {
    ("", "train", "file"): ("image",),
    ("", "test", "file"): ("image",),
    ("-pairs", "test", "triple"): ("input", "reference", "target"),
    ("-twins", "train", "file"): ("neutral",),
    ("-twins", "test", "file"): ("neutral",),
    ("-twins", "pairs", "file"): ("neutral",),
    ("-views", "train", "file"): ("view", "neutral"),
    ("-free", "train", "file"): ("image", "neutral", "view", "view_neutral"),
    ("-free", "test", "triple"): ("input", "reference", "target", "neutral"),
    ("-large", "train", "file"): ("image", "neutral"),
    ("-large", "more", "file"): ("image", "neutral"),
    ("-large", "pairs", "triple"): ("input", "target"),
    ("-large", "smiles", "file"): ("image", "neutral"),
}
"""The columns of pictures in each file, by the folder's suffix, the split and the column that names a row.

Triples of a `-pairs` without numbers, as the stored one, are numbered by their rows.
"""


class Difference(NamedTuple):
    """How far a kind of pictures of two builds differs."""

    kind: str
    pictures: int
    least: float  # PSNR [dB]
    mean: float


@dataclass(frozen=True)
class Kind:
    """Pictures of one column in two builds, by what names their rows."""

    name: str
    column: str
    ours: dict[object, Row]
    theirs: dict[object, Row]

    @property
    def shared(self) -> list[object]:
        """The rows that both have."""
        return [key for key in self.ours if key in self.theirs]


def compare(built: Path, reference: Path, pictures: int) -> list[Difference]:
    """How far the pictures of a build differ from another's, over about so many pictures of all kinds that both have.

    Raises `ValueError` if they share none, or if two pictures have different sizes.
    """
    kinds = [kind for kind in _kinds(built, reference) if kind.shared]
    if not kinds:
        raise ValueError(f"{built} and {reference} have no pictures in common")
    share = max(1, round(pictures / len(kinds)))
    return [_difference(kind, share) for kind in kinds]


def psnr(first: Bytes, second: Bytes) -> float:
    """The peak signal-to-noise ratio of two pictures of one size [dB]; infinite if they are equal."""
    error = np.square(first.astype(np.float64) - second).mean()
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


def _kinds(built: Path, reference: Path) -> Iterator[Kind]:
    for (suffix, split, key), columns in FILES.items():
        name = f"{split}-00000-of-00001.parquet"
        ours, theirs = (root.with_name(root.name + suffix) / name for root in (built, reference))
        if not (ours.is_file() and theirs.is_file()):
            continue
        for column in columns:
            both = [_rows(path, key, column) for path in (ours, theirs)]
            yield Kind(f"{suffix.removeprefix('-') or 'main'} {split} {column}", column, both[0], both[1])


def _rows(path: Path, key: str, column: str) -> dict[object, Row]:
    numbered = key == "triple" and key not in pq.read_schema(path).names
    rows = pq.read_table(path, columns=[column] if numbered else [key, column]).to_pylist()
    return {k if numbered else row[key]: row for k, row in enumerate(rows)}


def _difference(kind: Kind, share: int) -> Difference:
    shared = kind.shared
    chosen = [shared[k] for k in np.unique(np.linspace(0, len(shared) - 1, share).round().astype(int))]
    found = [_compared(kind, key) for key in chosen]
    return Difference(kind.name, len(found), min(found), float(np.mean(found)))


def _compared(kind: Kind, key: object) -> float:
    first, second = (opened(rows[key][kind.column]["bytes"]) for rows in (kind.ours, kind.theirs))
    if first.shape != second.shape:
        raise ValueError(f"{kind.name} {key}: sizes differ, {first.shape} and {second.shape}")
    return psnr(first, second)


def opened(file: bytes) -> Bytes:
    """A picture (H, W, 3) in RGB."""
    return np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))
