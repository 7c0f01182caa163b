"""The gallery's free expressions: their names, and the table that lists the pictures."""

import csv
from pathlib import Path

import pytest

pytest.importorskip("numba", reason="the rasteriser needs numba")

from leed import gallery
from leed.config import EXPRESSIONS
from leed.openfaces.gallery_faces import add_rows, row_of
from leed.openfaces.people import own_people
from leed.openfaces.presets import FREE_EXPRESSIONS, weights_of


def test_the_gallery_shows_what_is_drawn() -> None:
    assert (*EXPRESSIONS, *FREE_EXPRESSIONS) == gallery.EXPRESSIONS
    people = {person.name: person for person in own_people(gallery.FOLDER / "portraits")}
    free = [face for face in gallery.faces() if not face.is_posed]
    assert [row_of(people[face.person], face.expression)["file_name"] for face in free] == [f.path.name for f in free]


def test_a_left_wink_mirrored_is_a_right_one() -> None:
    left, right = FREE_EXPRESSIONS["wink_left"], FREE_EXPRESSIONS["wink_right"]
    sides = {"_L": "_R", "_R": "_L"}
    mirrored = {name[:-2] + sides[name[-2:]]: weight for name, weight in left.items()}
    assert (weights_of(mirrored) == weights_of(right)).all() and (weights_of(left) != weights_of(right)).any()


def test_rows_are_added_once(tmp_path: Path) -> None:
    person = own_people(gallery.FOLDER / "portraits")[0]
    table, rows = tmp_path / "metadata.csv", [row_of(person, name) for name in ("blink", "kiss")]
    add_rows(table, rows[:1])
    add_rows(table, rows)
    with open(table, newline="") as file:
        assert list(csv.DictReader(file)) == rows
