"""Folders of one's own pictures: classes, splits, descriptions."""

import json

import pytest
from samples import save

from leed.config import EXPRESSIONS
from leed.data.faces import FaceDataset, load_faces


def test_folder_of_classes(tmp_path):
    save(tmp_path / "Happiness" / "a.jpg")
    save(tmp_path / "neutral" / "b.png")
    assert load_faces(tmp_path)["expression"][:] == [1, 0]
    save(tmp_path / "bored" / "c.png")
    with pytest.raises(ValueError, match="bored.*taken for 'folder'"):
        load_faces(tmp_path)


def test_folder_of_splits_and_of_pictures_alone(tmp_path):
    save(tmp_path / "train" / "happy" / "a.jpg")
    save(tmp_path / "test" / "sad" / "a.jpg")
    save(tmp_path / "flat" / "x.png")
    assert load_faces(tmp_path)["expression"][:] == [1]
    assert load_faces(tmp_path, split="test")["expression"][:] == [2]
    assert load_faces(tmp_path / "flat")["expression"][:] == [-1]


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_folder_with_metadata(tmp_path, kind):
    for name in ("a.png", "a_neutral.png", "b.png", "b_view.png"):
        save(tmp_path / name, size=(20, 30))
    rows = [
        {"file_name": "a.png", "label": "anger", "person": "x", "yaw": 10, "neutral_file_name": "a_neutral.png"},
        {"file_name": "b.png", "label": 6, "person": "", "yaw": "", "view_file_name": "b_view.png"},
    ]
    lines = [json.dumps(row) for row in rows]
    if kind == "csv":
        columns = ["file_name", "label", "person", "yaw", "neutral_file_name", "view_file_name"]
        lines = [",".join(columns)] + [",".join(str(row.get(name, "")) for name in columns) for row in rows]
    (tmp_path / f"metadata.{kind}").write_text("\n".join(lines))
    faces = FaceDataset(load_faces(tmp_path), 8)
    assert faces.expressions.tolist() == [EXPRESSIONS.index("angry"), EXPRESSIONS.index("surprised")]
    assert faces.has_neutral.tolist() == [True, False] and faces.has_view.tolist() == [False, True]
    assert faces.yaws[0] == 10 and faces.yaws[1].isnan() and len(faces.persons) == 2


def test_misspelt_metadata_is_refused(tmp_path):
    (tmp_path / "metadata.csv").write_text("file_name,neutrals_file_name\na.png,b.png")
    with pytest.raises(ValueError, match="neutrals_file_name"):
        load_faces(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_metadata_as_excel_writes_it(tmp_path, encoding):
    save(tmp_path / "jörg.png")
    (tmp_path / "metadata.csv").write_text("file_name,expression,person\njörg.png,happy,Jörg\n", encoding)
    table = load_faces(tmp_path)
    assert table["expression"] == [1] and table["person"] == ["Jörg"]
    assert table["image"][0].size == (32, 32)
