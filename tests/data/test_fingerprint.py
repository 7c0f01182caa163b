"""The identity of a face set by its content."""

import shutil
from pathlib import Path

import pytest
from datasets import Dataset
from samples import save

from leed.data.faces import load_faces
from leed.data.fingerprint import HEAD, fingerprint
from leed.data.readers.drawn import drawn_faces


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two pictures of one person and one of another."""
    for number, name in enumerate(("happy/anna/1.png", "happy/ben/1.png", "sad/anna/2.png")):
        save(tmp_path / "set" / name, (number, 0, 0))
    return tmp_path / "set"


def test_a_set_is_the_same_wherever_it_lies(pictures: Path) -> None:
    before = fingerprint(load_faces(pictures))
    moved = pictures.rename(pictures.with_name("moved"))
    assert fingerprint(load_faces(moved)) == fingerprint(load_faces(moved), num_threads=1) == before
    assert len(before) == 32


@pytest.mark.parametrize("change", ["a picture", "a label", "a person", "one more", "one less"])
def test_another_content_is_another_set(pictures: Path, change: str) -> None:
    before = fingerprint(load_faces(pictures))
    if change == "a picture":
        save(pictures / "happy" / "anna" / "1.png", (9, 0, 0))
    elif change == "a label":
        (pictures / "sad").rename(pictures / "angry")
    elif change == "a person":
        (pictures / "happy" / "ben").rename(pictures / "happy" / "bert")
    elif change == "one more":
        save(pictures / "sad" / "ben" / "3.png")
    else:
        shutil.rmtree(pictures / "sad")
    assert fingerprint(load_faces(pictures)) != before


def test_embedded_pictures_and_neutral_faces_count() -> None:
    table: Dataset = drawn_faces(num_people=2, per_person=2, size=16)
    order = table.select([1, 0, 2, 3])
    swapped = table.rename_columns({"neutral": "view", "view": "neutral"})
    assert len({fingerprint(table), fingerprint(order), fingerprint(swapped)}) == 3
    assert fingerprint(drawn_faces(num_people=2, per_person=2, size=16)) == fingerprint(table)


def test_of_long_files_the_length_counts(pictures: Path) -> None:
    file = pictures / "sad" / "anna" / "2.png"
    file.write_bytes(file.read_bytes() + bytes(HEAD))  # readers of PNG take no notice
    before = fingerprint(load_faces(pictures))
    file.write_bytes(file.read_bytes() + b"0")
    assert fingerprint(load_faces(pictures)) != before
