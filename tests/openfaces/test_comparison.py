"""Comparing two builds."""

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leed.openfaces.comparison import compare, psnr


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


def test_pictures_are_matched_by_name_and_the_least_is_told(tmp_path):
    write(tmp_path / "a", {"x": 0, "y": 100, "only": 1})
    write(tmp_path / "b", {"y": 101, "x": 51, "other": 1})
    (found,) = compare(tmp_path / "a", tmp_path / "b", pictures=10)
    assert (found.kind, found.pictures) == ("main train image", 2) and np.isclose(found.least, 20 * np.log10(5))


def test_nothing_in_common_and_other_sizes_are_refused(tmp_path):
    write(tmp_path / "a", {"x": 0})
    write(tmp_path / "b", {"y": 0})
    with pytest.raises(ValueError, match="no pictures in common"):
        compare(tmp_path / "a", tmp_path / "b", 10)
    write(tmp_path / "c", {"x": 0}, side=9)
    with pytest.raises(ValueError, match="sizes differ"):
        compare(tmp_path / "a", tmp_path / "c", 10)
