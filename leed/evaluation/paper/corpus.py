"""The real pictures of the paper's experiments: those of the training people and those of the test people."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor

from leed.data.action_units import within_openface_range
from leed.data.faces import decode, encoded, load_faces, split_by_person, stack_action_units
from leed.data.readers.parquet import parquet_files
from leed.data.readers.registry import guess_reader
from leed.evaluation.pairs import Triples, load_triples

HELD_OUT = 0.1  # share of the people of sets without a test split, as in train_accelerate.py


class Faces:
    """The pictures of a standard table, decoded when they are asked for, so that any number fits into memory.

    `expressions` (N,) are indices of EXPRESSIONS or -1, `persons` (N,) names, `yaws` (N,) degrees or NaN,
    `action_units` (N, 17) in [0, 1] or NaN; `has_neutral` (N,) marks those with a true neutral face.
    """

    def __init__(self, table: Dataset, size: int, max_yaw: float | None = None) -> None:
        """Action units are withheld from faces turned by more than `max_yaw` degrees, if given."""
        self.size, rows = size, encoded(table)
        self.tables = {
            "image": rows.select_columns(["image", "image_crop"]),
            "neutral": rows.select_columns("neutral"),
        }
        self.has_neutral = np.array(self.tables["neutral"].with_format("arrow")[:]["neutral"].is_valid())
        self.expressions = np.asarray(list(table["expression"]), dtype=np.int64)
        self.persons = np.asarray(list(table["person"]), dtype=str)
        self.yaws = np.asarray(list(table["yaw"]), dtype=np.float64)
        self.action_units, _ = stack_action_units(table["action_units"])
        if max_yaw is not None:
            self.action_units[~within_openface_range(torch.from_numpy(self.yaws), max_yaw)] = torch.nan

    def __len__(self) -> int:
        return len(self.expressions)

    def take(self, rows: np.ndarray, column: str = "image") -> Tensor:
        """The pictures of these rows, or with "neutral" their true neutral faces, uint8 (B, 3, S, S)."""
        chunk = self.tables[column][rows.tolist()]
        crops = chunk.get("image_crop", [None] * len(rows))
        with ThreadPoolExecutor() as pool:
            return torch.stack(list(pool.map(decode, chunk[column], [self.size] * len(rows), crops)))


class RealPictures:
    """The pictures of `faces` and, after them, the inputs, references and true edits of `triples`, if given.

    `yaws` (N,) are degrees or NaN.
    """

    def __init__(self, faces: Faces, triples: Triples | None) -> None:
        self.faces = faces
        self.others = [] if triples is None else [triples.inputs, triples.references, triples.targets]
        turned = [] if triples is None else [triples.input_yaws, triples.reference_yaws, triples.input_yaws]
        self.yaws = np.concatenate([faces.yaws, *turned])

    def __len__(self) -> int:
        return len(self.faces) + sum(map(len, self.others))

    def take(self, rows: np.ndarray) -> Tensor:
        """The pictures of these rows, uint8 (B, 3, S, S)."""
        own = rows[rows < len(self.faces)]
        pictures = [self.faces.take(own)] if len(own) else []
        start = len(self.faces)
        for others in self.others:
            within = (rows >= start) & (rows < start + len(others))
            pictures.append(others[rows[within] - start])
            start += len(others)
        order = np.argsort(np.argsort(rows, kind="stable"))
        return torch.cat(pictures)[order]


@dataclass(frozen=True)
class Corpus:
    """A face set: training and test people, and triples with true edits where it has them.

    `fingerprint` stands for the files that it was read from.
    """

    name: str
    train: Faces
    test: Faces
    triples: Triples | None
    fingerprint: str


def load_corpus(
    data_dir: str,
    size: int,
    reader: str | None = None,
    pairs_dir: str | None = None,
    held_out: float = HELD_OUT,
    max_yaw: float | None = None,
) -> Corpus:
    """The face set at `data_dir`; `reader` as in `leed.data.faces.load_faces`.

    Without a test split, about `held_out` of the people are the test people: the same that train_accelerate.py holds
    out by default. Triples are those of `pairs_dir`, by default of the folder `<data_dir>-pairs` if there is one.
    `max_yaw` is that of `Faces`.
    """
    reader = reader or guess_reader(data_dir)
    folder = Path(data_dir).expanduser().resolve()
    train = load_faces(data_dir, reader)
    if has_test_split(reader, folder):
        test = load_faces(data_dir, reader, "test")
    else:
        train, test = split_by_person(train, held_out)
    pairs = pairs_folder(data_dir, pairs_dir)
    triples = None if pairs is None else load_triples(pairs, image_size=size)
    sources = [folder] * folder.is_dir() + ([] if pairs is None else [pairs.resolve()])
    return Corpus(
        name=folder.name if folder.name == reader else f"{folder.name} ({reader})",
        train=Faces(train, size, max_yaw),
        test=Faces(test, size, max_yaw),
        triples=triples,
        fingerprint=fingerprint(sources, folder.name, reader, held_out),
    )


def pairs_folder(data_dir: str, pairs_dir: str | None) -> Path | None:
    """The folder of a face set's triples: `pairs_dir`, or `<data_dir>-pairs` if there is such a folder, or None."""
    if pairs_dir:
        return Path(pairs_dir)
    folder = Path(data_dir).expanduser().resolve()
    beside = folder.with_name(f"{folder.name}-pairs")
    return beside if beside.is_dir() else None


def has_test_split(reader: str, folder: Path) -> bool:
    """True if a face set comes divided into training and test people, as a set on the Hub must."""
    if reader in ("rafd", "cfeed"):
        return False
    if reader == "folder":
        return (folder / "test").is_dir()
    return reader in ("drawn", "affectnet") or not folder.is_dir() or bool(parquet_files(folder, "test"))


def fingerprint(folders: list[Path], *settings: object) -> str:
    """A digest of the names, sizes and times of all files of some folders, and of settings."""
    digest = hashlib.sha256(json.dumps(settings).encode())
    for folder in folders:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            stat = path.stat()
            digest.update(f"{path.relative_to(folder)} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()
