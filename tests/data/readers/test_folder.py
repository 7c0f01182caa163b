"""Folders of one's own pictures: classes, splits, descriptions."""

import json

import pytest
from samples import save

from leed.config import EXPRESSIONS
from leed.data.faces import FaceDataset, check_images, load_faces


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


@pytest.mark.parametrize("name", ["emotion", "identity", "neutral_filename", "Person", "neutrals_file_name"])
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_other_columns_are_refused(tmp_path, name, kind):
    """Ignored, labels would be lost, and each picture would count as a person of its own."""
    lines = [f"file_name,{name}", "a.png,", "b.png,x"]
    if kind == "jsonl":
        lines = [json.dumps({"file_name": "a.png"}), json.dumps({"file_name": "b.png", name: "x"})]
    (tmp_path / f"metadata.{kind}").write_text("\n".join(lines))
    with pytest.raises(
        ValueError, match=rf"metadata.{kind} has columns \['{name}'\]; known are \['file_name', .*'yaw'\]"
    ):
        load_faces(tmp_path)


def test_spaces_after_commas_are_no_part_of_names(tmp_path):
    for name in ("a.png", "b.png"):
        save(tmp_path / name)
    (tmp_path / "metadata.csv").write_text(
        'file_name, expression, person\na.png, happy, "Bell, Ann"\n\nb.png , sad , Jo\n'
    )
    table = load_faces(tmp_path)
    assert table["expression"][:] == [1, 2] and table["person"][:] == ["Bell, Ann", "Jo"]
    FaceDataset(table, 8)  # the files are found


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("file_name;person\na.png;x", "metadata.csv has its columns separated by semicolons: save it with commas"),
        ("file_name\tperson\na.png\tx", "separated by tabs"),
        ("file_name,person\na.png,J\xf6rg", "metadata.csv cannot be read as CSV in UTF-8 .*: save it again in UTF-8"),
        ("file_name,person\na.png,Bell, Ann", "metadata.csv, line 2, has 3 values for 2 columns"),
        ("file_name,person,person\na.png,a,b", r"names columns twice: \['person'\]"),
        ("file_name,label,expression\na.png,,", "both columns expression and label"),
        ("file_name,person\na.png,x\nb.png,nan", "metadata.csv, row 2 has the person 'nan': leave people"),
        ("file_name,yaw\na.png,left", "metadata.csv, row 1: could not convert"),
        ("file_name,label\na.png,bored", "metadata.csv, row 1: unknown expression 'bored'"),
        ("person\nx", r"a column file_name; it has \['person'\]"),
        ("file_name,person\n,x", "metadata.csv, row 1 has no file_name"),
    ],
)
def test_descriptions_that_cannot_be_read(tmp_path, content, message):
    (tmp_path / "metadata.csv").write_bytes(content.encode("latin-1"))
    with pytest.raises(ValueError, match=message):
        load_faces(tmp_path)


def test_json_lines(tmp_path):
    save(tmp_path / "a.png")
    file = tmp_path / "metadata.jsonl"
    file.write_text('{"file_name": "a.png", "person": NaN, "yaw": null}\n')
    assert load_faces(tmp_path)["person"][:] == ["unknown-0000000"]
    for line in ('{"file_name": "a.png"', '["a.png"]'):
        file.write_text(f'{{"file_name": "a.png"}}\n{line}\n')
        with pytest.raises(ValueError, match="metadata.jsonl, line 2, is no JSON object such as"):
            load_faces(tmp_path)


def test_people_from_folders_below_classes(tmp_path):
    for name in ("happy/anna/1.png", "happy/ben/1.png", "sad/anna/2.png", "sad/3.png"):
        save(tmp_path / name)
    table = load_faces(tmp_path)
    assert table["person"][:] == ["anna", "ben", "unknown-0000002", "anna"]
    assert table["expression"][:] == [1, 1, 2, 2]
    save(tmp_path / "sad" / "old" / "ben" / "1.png")
    with pytest.raises(ValueError, match="lie in sad/old/ben, and expected are <expression>/<person>/"):
        load_faces(tmp_path)


def test_a_description_one_folder_down(tmp_path):
    save(tmp_path / "photos" / "a.png")
    (tmp_path / "photos" / "metadata.csv").write_text("file_name,person\na.png,anna\n")
    table = load_faces(tmp_path)
    assert table["person"][:] == ["anna"] and table["image"][0].size == (32, 32)
    save(tmp_path / "more" / "b.png")
    (tmp_path / "more" / "metadata.csv").write_text("file_name\nb.png\n")
    with pytest.raises(ValueError, match="has several descriptions, .*more/metadata.csv"):
        load_faces(tmp_path)


def test_hidden_files_are_left_out(tmp_path):
    save(tmp_path / "happy" / "a.png")
    (tmp_path / "happy" / "._a.png").write_bytes(b"no picture")
    save(tmp_path / ".thumbnails" / "a.png")
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "metadata.csv").write_text("file_name\nx.png\n")
    (tmp_path / ".cache" / "train.parquet").write_bytes(b"")
    table = load_faces(tmp_path)
    assert len(table) == 1 and table["expression"][:] == [1]
    check_images(table)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_metadata_as_excel_writes_it(tmp_path, encoding):
    save(tmp_path / "jörg.png")
    (tmp_path / "metadata.csv").write_text("file_name,expression,person\njörg.png,happy,Jörg\n", encoding)
    table = load_faces(tmp_path)
    assert table["expression"] == [1] and table["person"] == ["Jörg"]
    assert table["image"][0].size == (32, 32)
