"""The gallery's free expressions: a picture of each person of a folder of portraits with each of them."""

import csv
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from leed.openfaces import correspondence
from leed.openfaces.build import find_cast
from leed.openfaces.encoding import webp
from leed.openfaces.face_model import read_face_model
from leed.openfaces.fitness import check_portraits
from leed.openfaces.parts import Work, seat
from leed.openfaces.people import Person
from leed.openfaces.posing import Pose
from leed.openfaces.presets import FREE_EXPRESSIONS, weights_of
from leed.openfaces.rig import build_rig
from leed.openfaces.saving import save
from leed.openfaces.sources import FACE_MODEL, check_source

QUALITY = 88
COLUMNS = ("file_name", "person", "gender", "expression", "variant", "camera", "intensity")


def draw_gallery(portraits: Path, face_model: Path, output_dir: Path) -> Iterator[Path]:
    """Draws everybody, writes the pictures as they come, and adds them to `metadata.csv` at the end.

    The pictures are WebP files of 256 x 256 pixels from the front, named as the gallery's. Rows of the table that name
    other files stay. Raises `ValueError` for sources that are missing or wrong and for portraits that are unfit.
    """
    cast = find_cast(portraits)
    check_source(FACE_MODEL, face_model)
    work = Work(build_rig(read_face_model(face_model / "FaceXModel")), correspondence.load(), cast.plan, [])
    if not cast.is_published:
        check_portraits(work.rig, work.correspondence, list(cast.people.values()))
    output_dir.mkdir(parents=True, exist_ok=True)
    rows = []
    for name in sorted(cast.people):
        sitter = seat(work, cast.people[name])
        for expression, preset in FREE_EXPRESSIONS.items():
            row = row_of(sitter.person, expression)
            picture = webp(sitter.picture(weights_of(preset), Pose()), QUALITY)
            path = output_dir / row["file_name"]
            save(path, partial(Path.write_bytes, data=picture["bytes"]))
            rows.append(row)
            yield path
    add_rows(output_dir / "metadata.csv", rows)


def row_of(person: Person, expression: str) -> dict[str, str]:
    """The row of the gallery's table for a picture from the front."""
    name = f"090_{person.name}_{person.gender}_{expression}_v0.webp"
    return dict(zip(COLUMNS, (name, person.name, person.gender, expression, "0", "090", "1.0"), strict=True))


def add_rows(table: Path, rows: list[dict[str, str]]) -> None:
    """Adds rows to a table, which may be missing; rows of the same files are replaced."""
    names = {row["file_name"] for row in rows}
    if table.is_file():
        with open(table, newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["file_name"] not in names] + rows

    def write(path: Path) -> None:
        with open(path, "w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)

    save(table, write)
