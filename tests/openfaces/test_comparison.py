"""Comparing two builds."""

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Image

from leed.openfaces.comparison import FILES, compare, psnr
from leed.openfaces.parts import DRAWN_BY_PERSON
from leed.openfaces.plan import make_plan
from leed.openfaces.settings import FOLDERS
from leed.openfaces.tables import Shelf, _files


def write(folder, values, side=8):
    """A file of faces of one grey level each, as PNG."""
    folder.mkdir()
    rows = []
    for name, value in values.items():
        file = cv2.imencode(".png", np.full((side, side, 3), value, np.uint8))[1].tobytes()
        rows.append({"file": name, "image": {"bytes": file, "path": None}})
    pq.write_table(pa.Table.from_pylist(rows), folder / "train-00000-of-00001.parquet")


def test_psnr_is_that_of_the_definition():
    first, second = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 51, np.uint8)
    assert psnr(first, first) == float("inf") and np.isclose(psnr(first, second), 20 * np.log10(5))


def test_every_file_of_the_set_is_compared(tmp_path):
    """By the columns of its pictures."""
    plan, shelf = make_plan([]), Shelf(tmp_path)
    known = {(suffix, split): columns for (suffix, split, _), columns in FILES.items()}
    for part in DRAWN_BY_PERSON:
        for split, features, _ in _files(part, shelf, plan):
            pictures = tuple(name for name, kind in features.items() if isinstance(kind, Image))
            assert known.pop((FOLDERS[part], split)) == pictures
    assert not known


def test_pictures_are_matched_by_name_and_the_least_is_told(tmp_path):
    write(tmp_path / "a", {"x": 0, "y": 100, "only": 1})
    write(tmp_path / "b", {"y": 101, "x": 51, "other": 1})
    (found,) = compare(tmp_path / "a", tmp_path / "b", pictures=10)
    assert (found.kind, found.pictures) == ("main train image", 2) and np.isclose(found.least, 20 * np.log10(5))


def write_triples(folder, numbered):
    """Triples that only their numbers tell apart, here without the second one or with neither the column nor a gap."""
    pairs = folder.with_name(f"{folder.name}-pairs")
    pairs.mkdir()
    rows = []
    for number, value in enumerate((0, 100, 200)):
        file = cv2.imencode(".png", np.full((8, 8, 3), value, np.uint8))[1].tobytes()
        pictures = dict.fromkeys(("input", "reference", "target"), {"bytes": file, "path": None})
        if numbered and number != 1:
            rows.append({"triple": number} | pictures)
        elif not numbered:
            rows.append(pictures)
    pq.write_table(pa.Table.from_pylist(rows), pairs / "test-00000-of-00001.parquet")


def test_triples_of_the_same_people_expressions_and_cameras_are_told_apart(tmp_path):
    write_triples(tmp_path / "a", numbered=True)
    write_triples(tmp_path / "b", numbered=False)
    found = compare(tmp_path / "a", tmp_path / "b", pictures=30)
    assert [(kind.pictures, kind.least) for kind in found] == [(2, float("inf"))] * 3


def test_nothing_in_common_and_other_sizes_are_refused(tmp_path):
    write(tmp_path / "a", {"x": 0})
    write(tmp_path / "b", {"y": 0})
    with pytest.raises(ValueError, match="no pictures in common"):
        compare(tmp_path / "a", tmp_path / "b", 10)
    write(tmp_path / "c", {"x": 0}, side=9)
    with pytest.raises(ValueError, match="sizes differ"):
        compare(tmp_path / "a", tmp_path / "c", 10)
