"""The Radboud Faces Database: file names, cameras and views."""

import warnings

import pytest
from samples import save

from leed.config import EXPRESSIONS
from leed.data.faces import FaceDataset, encoded, load_faces


def file_name(row, column="image"):
    return row[column]["path"].rsplit("/", 1)[1]


def test_rafd_names_cameras_and_views(tmp_path):
    for camera in ("000", "045", "090", "135", "180"):
        for model in ("01_Caucasian_female", "68_Moroccan_male", "40_Kid_male"):
            for expression in ("angry", "neutral"):
                for gaze in ("frontal", "left"):
                    save(tmp_path / f"Rafd{camera}_{model}_{expression}_{gaze}.jpg", size=(68, 102))
    with pytest.warns(UserWarning, match=r"24 of 60 pictures in .* are left out: cameras \['000', '180'\]"):
        faces = load_faces(tmp_path)
    assert len(faces) == 3 * 3 * 2 * 2 and set(faces["yaw"]) == {-45.0, 0.0, 45.0}
    assert set(faces["person"]) == {"rafd-01", "rafd-40", "rafd-68"}
    assert set(faces["expression"]) == {0, EXPRESSIONS.index("angry")}
    rows = list(encoded(faces))
    for row in rows:
        own, other = file_name(row), file_name(row, "view")
        assert own[:7] != other[:7] and own[7:] == other[7:]  # same person, expression and gaze, another camera
        assert row["neutral"] is None
    assert [row["view"] for row in encoded(load_faces(tmp_path))] == [row["view"] for row in rows]
    assert FaceDataset(faces, 16).images.shape == (36, 3, 16, 16)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        everything = load_faces(tmp_path, rafd_cameras=("000", "045", "090", "135", "180"))
    assert len(everything) == 60 and set(everything["yaw"]) == {-90.0, -45.0, 0.0, 45.0, 90.0}
    with pytest.raises(ValueError, match=r"RaFD has no cameras \['90'\]: expected some of \['000', '045'"):
        load_faces(tmp_path, rafd_cameras=("90",))
    with pytest.raises(ValueError, match="split_by_person"):
        load_faces(tmp_path, split="test")
