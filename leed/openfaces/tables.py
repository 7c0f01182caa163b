"""The parquet files of the set: their columns, and how the pictures of all people are put together in them."""

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any  # of a table's columns

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import ClassLabel, Features, Image, List, Value

from leed.config import EXPRESSIONS
from leed.files import writing
from leed.openfaces.encoding import Row
from leed.openfaces.free_plan import free_triples
from leed.openfaces.plan import Plan
from leed.openfaces.presets import BLENDSHAPES
from leed.openfaces.saving import CURE, save
from leed.openfaces.settings import folder_of

FACES = Features(
    {"image": Image()}
    | {name: Value("string") for name in ("file", "person", "source", "gender", "ethnicity")}
    | {"age": Value("float32"), "expression": ClassLabel(names=list(EXPRESSIONS)), "variant": Value("string")}
    | {"intensity": Value("float32"), "camera": Value("string")}
    | {name: Value("float32") for name in ("yaw", "pitch", "roll")}
    | {"real": Value("bool"), "registration": Value("float32")}
    | {name: List(Value("float32")) for name in ("landmarks", "blendshapes")}
)
PAIRS = Features(
    {"triple": Value("int64")}  # by which the twins and the large pairs name their pictures
    | {name: Image() for name in ("input", "reference", "target")}
    | {name: Value("string") for name in ("input_person", "reference_person")}
    | {name: ClassLabel(names=list(EXPRESSIONS)) for name in ("input_expression", "reference_expression")}
    | {name: Value("string") for name in ("input_camera", "reference_camera")}
    | {name: List(Value("float32")) for name in ("landmarks_input", "landmarks_target")}
)
TWINS = Features({"file": Value("string"), "neutral": Image()})
VIEWS = Features(
    {name: Value("string") for name in ("file", "camera")}
    | {name: Value("float32") for name in ("yaw", "pitch", "roll")}
    | {name: Image() for name in ("view", "neutral")}
)
FREE = Features(
    {name: Value("string") for name in ("file", "person", "camera")}
    | {name: Value("float64") for name in ("yaw", "pitch", "roll")}
    | {"view_camera": Value("string"), "blendshapes": List(Value("float64"))}
    | {name: Image() for name in ("image", "neutral", "view", "view_neutral")}
)
FREE_TRIPLES = Features(
    {"triple": Value("int64")}
    | {name: Value("string") for name in ("input_person", "reference_person", "input_camera", "reference_camera")}
    | {"blendshapes": List(Value("float64"))}
    | {name: Image() for name in ("input", "reference", "target", "neutral")}
)
LARGE = Features(
    {name: Value("string") for name in ("file", "person")}
    | {"expression": Value("int64"), "camera": Value("string")}
    | {name: Image() for name in ("image", "neutral")}
)
LARGE_MORE = Features(
    {name: Value("string") for name in ("file", "split", "person")}
    | {"expression": Value("int64"), "camera": Value("string")}
    | {name: Value("float64") for name in ("yaw", "pitch", "roll")}
    | {"blendshapes": List(Value("float64"))}
    | {name: Image() for name in ("image", "neutral")}
)
LARGE_PAIRS = Features({"triple": Value("int64"), "input": Image(), "target": Image()})
SMILES = Features(
    {name: Value("string") for name in ("file", "split")}
    | {name: Image() for name in ("image", "neutral")}
    | {"score": Value("float64")}
)


class Shelf:
    """The rows that are drawn already, a folder for each part of each person, which is there whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def has(self, part: str, person: str) -> bool:
        """Whether a part of a person is drawn."""
        return (self.folder / part / person).is_dir()

    def put(self, part: str, person: str, tables: dict[str, list[Row]]) -> None:
        """Keeps a part of a person: rows by the name of their table."""
        place = self.folder / part / person
        partial = place.with_name(f".{person}.{os.getpid()}")
        for left in place.parent.glob(f".{person}.*"):  # by a process that was killed
            shutil.rmtree(left)
        try:
            with writing(f"{part} of {person}", CURE):
                partial.mkdir(parents=True)
                for name, rows in tables.items():
                    pq.write_table(pa.Table.from_pylist(rows), partial / f"{name}.parquet")
                partial.rename(place)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def remove(self, person: str) -> None:
        """Deletes all parts of a person."""
        for place in self.folder.glob(f"*/{person}"):
            shutil.rmtree(place)

    def rows(self, part: str, table: str, people: Iterable[str]) -> Iterator[Row]:
        """The rows of a table of these people."""
        for person in people:
            path = self.folder / part / person / f"{table}.parquet"
            if path.is_file():
                yield from pq.read_table(path).to_pylist()


def pack(shelf: Shelf, plan: Plan, parts: Iterable[str], target: Path) -> dict[str, int]:
    """Writes the parquet files of some parts beside each other, `target` being the main one's folder.

    Returns the number of rows of each file, by its path below the folder of `target`. Triples of which a picture is
    missing, because not all people were drawn, are left out.
    """
    counts: dict[str, int] = {}
    for part in parts:
        folder = folder_of(target, part)
        for split, features, rows in _files(part, shelf, plan):
            path = folder / f"{split}-00000-of-00001.parquet"
            if rows:
                folder.mkdir(parents=True, exist_ok=True)
                _write(path, rows, features)
                counts[path.relative_to(target.parent).as_posix()] = len(rows)
    if "main" in parts:
        save(target / "blendshapes.txt", lambda partial: partial.write_text("\n".join(BLENDSHAPES) + "\n"))
    return counts


def _files(part: str, shelf: Shelf, plan: Plan) -> Iterator[tuple[str, Features, list[Row]]]:
    """Split, columns and rows of each file of a part."""
    people = sorted(plan.shots)
    splits = {split: [person for person in people if plan.split(person) == split] for split in ("train", "test")}
    if part == "main":
        for split, members in splits.items():
            yield split, FACES, _sorted(shelf.rows(part, "faces", members), "file")
    elif part == "pairs":
        yield "test", PAIRS, _pairs(plan, shelf.rows(part, "triple pictures", people))
    elif part == "twins":
        rows = _sorted(shelf.rows(part, "twins", people), "file")
        for split in ("train", "test", "pairs"):
            yield split, TWINS, [row for row in rows if row["split"] == split]
    elif part == "views":
        yield "train", VIEWS, _sorted(shelf.rows(part, "views", people), "file")
    elif part == "free":
        yield "train", FREE, _sorted(shelf.rows(part, "free", people), "file")
        yield "test", FREE_TRIPLES, _free_triples(plan, shelf.rows(part, "free triple pictures", people))
    elif part == "large":
        yield "train", LARGE, _sorted(shelf.rows(part, "large", people), "file")
        yield "pairs", LARGE_PAIRS, _sorted(shelf.rows(part, "large pairs", people), "triple")
    elif part == "large_more":
        yield "more", LARGE_MORE, _sorted(shelf.rows(part, "large more", people), "file")
    elif part == "smiles":
        yield "smiles", SMILES, _sorted(shelf.rows(part, "smiles", people), "file")


def _pairs(plan: Plan, pictures: Iterable[Row]) -> list[Row]:
    """The triples all of whose pictures are there."""
    drawn = {(row["triple"], row["role"]): row for row in pictures}
    rows: list[Row] = []
    for triple in plan.triples:
        roles: dict[str, Any] = {role: drawn.get((triple.number, role)) for role, _, _ in triple.shots()}
        if all(roles.values()):
            rows.append(
                {"triple": triple.number}
                | {role: picture["image"] for role, picture in roles.items()}
                | {f"landmarks_{role}": roles[role]["landmarks"] for role in ("input", "target")}
                | {"input_person": triple.input_person, "reference_person": triple.reference_person}
                | {"input_camera": triple.input.camera, "reference_camera": triple.reference.camera}
                | {"input_expression": EXPRESSIONS.index(triple.input.expression)}
                | {"reference_expression": EXPRESSIONS.index(triple.reference.expression)}
            )
    return rows


def _free_triples(plan: Plan, pictures: Iterable[Row]) -> list[Row]:
    """The free triples all of whose pictures are there."""
    drawn = {(row["triple"], row["role"]): row["image"] for row in pictures}
    rows: list[Row] = []
    for triple in free_triples(plan.test_people):
        roles = {role: drawn.get((triple.number, role)) for role, *_ in triple.pictures()}
        if all(roles.values()):
            weights = [round(float(weight), 4) for weight in triple.weights]
            rows.append(
                {"triple": triple.number, "blendshapes": weights, **roles}
                | {"input_person": triple.input_person, "reference_person": triple.reference_person}
                | {"input_camera": triple.input_camera, "reference_camera": triple.reference_camera}
            )
    return rows


def _sorted(rows: Iterable[Row], column: str) -> list[Row]:
    return sorted(rows, key=lambda row: row[column])


def _write(path: Path, rows: list[Row], features: Features) -> None:
    """Writes rows in the columns of `features`, which `datasets` finds in the file.

    Raises `ValueError` if the file that is there has more: what was drawn of it has been deleted.
    """
    there = pq.read_metadata(path).num_rows if path.is_file() else 0
    if there > len(rows):
        raise ValueError(
            f"{path} has {there} rows, of which only {len(rows)} are still among what is drawn: build all people, or "
            "give another --output_dir"
        )
    table = pa.Table.from_pylist([{name: row[name] for name in features} for row in rows], features.arrow_schema)
    save(path, lambda partial: pq.write_table(table, partial))
