"""A folder of one's own pictures."""

import json
import math
from pathlib import Path

from datasets import Dataset

from leed.data.csv_rows import csv_rows
from leed.data.readers.files import DESCRIPTIONS, all_shallow, only_train
from leed.data.readers.reader import Contents, Reader
from leed.data.table import expression_index, standard_table
from leed.images import IMAGE_SUFFIXES, image_files


def read_folder(folder: Path, split: str = "train") -> Dataset:
    """Your own pictures, in `<folder>/<split>` or, for "train", in the folder itself. In this order:

    - `metadata.csv` or `metadata.jsonl`, there or at most two folders down, with `file_name` and, as far as known,
      `expression` (or `label`; a name or an index into `EXPRESSIONS`), `person`, `yaw`, `neutral_file_name`,
      `view_file_name`, `view_neutral_file_name`; paths are relative to that file;
    - class folders named after expressions, with a folder per person where people are known: `happy/*.jpg`,
      `happy/anna/*.jpg`;
    - pictures alone.

    Hidden files and folders are left out. Raises `ValueError` for columns of other names and for other folders.
    """
    root = folder / split if (folder / split).is_dir() else only_train(folder, split)
    descriptions = all_shallow(root, DESCRIPTIONS)
    if len(descriptions) > 1:
        raise ValueError(f"{root} has several descriptions, {[str(path) for path in descriptions]}: give one's folder")
    if descriptions:
        return _described(descriptions[0])
    files = image_files(root)
    if not files:
        raise ValueError(f"no pictures in {root}: expected files ending in {IMAGE_SUFFIXES}")
    places = [_place(file.parent.relative_to(root)) for file in files]
    return standard_table(
        len(files),
        image=files,
        expression=[expression for expression, _ in places],
        person=[person for _, person in places],
    )


def _place(place: Path) -> tuple[int, str | None]:
    """Expression and person of the pictures in a folder `<expression>/<person>`, relative to the set's."""
    if len(place.parts) > 2:
        raise ValueError(f"pictures lie in {place}, and expected are <expression>/<person>/ and no deeper folders")
    return expression_index(place.parts[0]) if place.parts else -1, place.parts[1] if len(place.parts) == 2 else None


def recognizes(contents: Contents) -> bool:
    """Whether a folder has a description of pictures, or pictures."""
    return contents.description is not None or contents.picture is not None


READER = Reader(read_folder, recognizes)

METADATA_COLUMNS = {
    "image": "file_name",
    "neutral": "neutral_file_name",
    "view": "view_file_name",
    "view_neutral": "view_neutral_file_name",
}


KNOWN_COLUMNS = (*METADATA_COLUMNS.values(), "expression", "label", "person", "yaw")

NO_PERSON = ("nan", "none", "null", "unknown")
"""What programs write for a missing value; as a name it would make one person of all unknown ones."""


def _described(metadata: Path) -> Dataset:
    """The pictures that a description lists."""
    rows = csv_rows(metadata) if metadata.suffix == ".csv" else _json_rows(metadata)
    names = list(dict.fromkeys(name for row in rows for name in row))
    if "file_name" not in names:
        raise ValueError(f"{metadata} must have a row for each picture, with a column file_name; it has {names}")
    if unknown := [name for name in names if name not in KNOWN_COLUMNS]:
        raise ValueError(f"{metadata} has columns {unknown}; known are {list(KNOWN_COLUMNS)}: rename or remove them")
    if {"expression", "label"} <= set(names):
        raise ValueError(f"{metadata} has both columns expression and label: remove one")
    facts = [_facts(row, f"{metadata}, row {number}") for number, row in enumerate(rows, start=1)]
    pictures = {
        name: [metadata.parent / row[column] if row.get(column) else None for row in rows]
        for name, column in METADATA_COLUMNS.items()
    }
    columns = {name: [fact[name] for fact in facts] for name in ("expression", "person", "yaw")}
    return standard_table(len(rows), **pictures, **columns)


def _json_rows(metadata: Path) -> list[dict]:
    """The objects of a file of JSON lines; NaN, as pandas leaves it, is an unknown value."""
    try:
        lines = metadata.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{metadata} is not in UTF-8 ({error}): save it again in UTF-8") from error
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, parse_constant=lambda _: None)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise ValueError(f"{metadata}, line {number}, is no JSON object such as {EXAMPLE}, but {line[:60]}")
        rows.append(row)
    return rows


EXAMPLE = '{"file_name": "a.jpg", "person": "anna"}'


def _facts(row: dict, place: str) -> dict[str, object]:
    """Expression, person and yaw of a row. Raises `ValueError` with its place for a value that makes no sense."""
    if not row.get("file_name"):
        raise ValueError(f"{place} has no file_name")
    person, yaw = row.get("person"), row.get("yaw")
    if str(person).lower() in NO_PERSON and person is not None:
        raise ValueError(f"{place} has the person {person!r}: leave people that are not known empty")
    try:
        expression = expression_index(row.get("expression", row.get("label")))
        yaw = math.nan if yaw in (None, "") else float(yaw)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{place}: {error}") from error
    return {"expression": expression, "person": None if person in (None, "") else str(person), "yaw": yaw}
