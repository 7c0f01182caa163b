"""Digests of a face set: by its content, and by its files' state."""

import os
import shutil
from pathlib import Path

import pytest
import torch
from datasets import Dataset
from samples import png, save

from leed.data.faces import load_faces
from leed.data.fingerprint import HEAD, content_digest, quick_digest
from leed.data.readers.drawn import drawn_faces
from leed.data.table import standard_table
from leed.pretrained import tensors_digest


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two pictures of one person and one of another."""
    for number, name in enumerate(("happy/anna/1.png", "happy/ben/1.png", "sad/anna/2.png")):
        save(tmp_path / "set" / name, (number, 0, 0))
    return tmp_path / "set"


def test_a_set_is_the_same_wherever_it_lies(pictures: Path) -> None:
    before = content_digest(load_faces(pictures))
    moved = pictures.rename(pictures.with_name("moved"))
    assert content_digest(load_faces(moved)) == content_digest(load_faces(moved), num_threads=1) == before
    assert len(before) == 32


@pytest.mark.parametrize("change", ["a picture", "a label", "a person", "one more", "one less"])
def test_another_content_is_another_set(pictures: Path, change: str) -> None:
    before = content_digest(load_faces(pictures))
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
    assert content_digest(load_faces(pictures)) != before


def test_embedded_pictures_and_neutral_faces_count() -> None:
    table: Dataset = drawn_faces(num_people=2, per_person=2, size=16)
    order = table.select([1, 0, 2, 3])
    swapped = table.rename_columns({"neutral": "view", "view": "neutral"})
    assert len({content_digest(table), content_digest(order), content_digest(swapped)}) == 3
    assert content_digest(drawn_faces(num_people=2, per_person=2, size=16)) == content_digest(table)


def test_of_long_files_the_length_counts(pictures: Path) -> None:
    file = pictures / "sad" / "anna" / "2.png"
    file.write_bytes(file.read_bytes() + bytes(HEAD))  # readers of PNG take no notice
    before = content_digest(load_faces(pictures))
    file.write_bytes(file.read_bytes() + b"0")
    assert content_digest(load_faces(pictures)) != before


def test_embedded_pictures_count_by_their_bytes() -> None:
    red, blue = png((255, 0, 0)), png((0, 0, 255))
    same = [quick_digest(standard_table(2, image=[red, blue])) for _ in range(2)]
    others = [
        standard_table(2, image=[blue, red]),
        standard_table(2, image=[red, red]),
        standard_table(2, image=[red, blue], neutral=[None, red]),
        standard_table(2, image=[red, blue], image_crop=[None, [0, 0, 0.5, 0.5]]),
        standard_table(2, image=[red, blue], expression=[0, 1]),
        standard_table(1, image=[red]),
    ]
    assert same[0] == same[1]
    assert len({same[0], *map(quick_digest, others)}) == 1 + len(others)


def test_files_count_by_name_size_and_time(tmp_path: Path) -> None:
    file = save(tmp_path / "face.png")
    table = standard_table(2, image=[file, tmp_path / "missing.png"])
    before = quick_digest(table)
    assert quick_digest(table) == before
    os.utime(file, ns=(0, 1))
    touched = quick_digest(table)
    file.unlink()
    assert len({before, touched, quick_digest(table)}) == 3


def test_selected_rows_have_a_digest_of_their_own() -> None:
    table = standard_table(3, image=[png((value, 0, 0)) for value in (0, 100, 200)])
    assert quick_digest(table.select([2, 0])) == quick_digest(table.select([2, 1, 0]).select([0, 2]))
    assert quick_digest(table.select([2, 0])) != quick_digest(table.select([0, 2]))


def test_tensors_count_by_name_shape_and_value() -> None:
    values = torch.arange(6, dtype=torch.float32)
    digests = {
        tensors_digest(tensors)
        for tensors in (
            {"a": values},
            {"b": values},
            {"a": values.view(2, 3)},
            {"a": values.half()},
            {"a": values + 1},
        )
    }
    assert len(digests) == 5
    assert tensors_digest({"a": values, "b": values}) == tensors_digest({"b": values, "a": values})
    assert tensors_digest({"a": torch.zeros(2, 3).t()}) == tensors_digest({"a": torch.zeros(3, 2)})
