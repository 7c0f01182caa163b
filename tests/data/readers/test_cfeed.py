"""Compound Facial Expressions of Emotion: basic and compound categories."""

import pytest
from samples import save

from leed.config import EXPRESSIONS
from leed.data.faces import encoded, load_faces


def file_name(row, column="image"):
    return row[column]["path"].rsplit("/", 1)[1]


def test_cfeed_basic_and_compound(tmp_path):
    for name in (
        "01-04/Images1/01_126_3963.jpg",
        "01-04/Images1/04_126_3970.jpg",
        "05-08/Images2/08_111_2638.jpg",
        "21-26/Images6/26_222.jpg",
    ):
        save(tmp_path / name, size=(40, 30))
    rows = {file_name(row)[:2]: row for row in encoded(load_faces(tmp_path))}
    expected = {"01": "neutral", "04": "sad", "08": "fearful"}
    assert {key: EXPRESSIONS[rows[key]["expression"]] for key in expected} == expected
    assert rows["26"]["expression"] == -1 and rows["26"]["person"] == "cfeed-222"
    save(tmp_path / "01-04/Images1/portrait.jpg")
    with pytest.warns(UserWarning, match="portrait"):
        assert len(load_faces(tmp_path, reader="cfeed")) == 4
