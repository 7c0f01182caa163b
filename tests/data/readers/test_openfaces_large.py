"""The open face set's large pictures: real smiles, and rendered expressions where they are asked for."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from samples import png

from leed.data.faces import FaceDataset, load_faces

SMILES = "smiles-00000-of-00001.parquet"


@pytest.fixture
def large_faces(tmp_path: Path) -> Path:
    """Real smiles of three people, one of them a test person's, and one rendered face."""
    rows = {"file": [f"090_p{i}_female_happy_real.webp" for i in range(3)], "split": ["train", "test", "train"]}
    rows |= {"image": [png()] * 3, "neutral": [png((0, 0, i)) for i in range(3)]}
    pq.write_table(pa.table(rows), tmp_path / SMILES)
    rendered = {"file": ["045_p1_male_sad_v2.webp"], "person": ["p1"], "expression": [2], "image": [png()]}
    pq.write_table(pa.table(rendered | {"neutral": [png()]}), tmp_path / "train-00000-of-00001.parquet")
    columns = {"file": ["p1_00", "p2_00"], "split": ["train", "train"], "person": ["p1", "p2"], "expression": [-1, 4]}
    more = columns | {"yaw": [-20.0, 0.0], "image": [png()] * 2, "neutral": [png()] * 2}
    pq.write_table(pa.table(more), tmp_path / "more-00000-of-00001.parquet")
    return tmp_path


def test_real_smiles_of_training_people(large_faces: Path) -> None:
    table = load_faces(large_faces)
    assert table["person"][:] == ["p0", "p2"] and table["expression"][:] == [1, 1] and table["yaw"][:] == [0, 0]
    assert FaceDataset(table, 16).neutrals[:, 2, 0, 0].tolist() == [0, 2]
    assert load_faces(large_faces, split="test")["person"][:] == ["p1"]


def test_rendered_faces_are_read_where_they_are_asked_for(large_faces: Path) -> None:
    table = load_faces(large_faces, "openfaces-large")
    assert table["person"][:] == ["p1"] and table["yaw"][:] == [-45] and table["expression"][:] == [2]


def test_more_of_them_are_free_expressions_too(large_faces: Path) -> None:
    table = load_faces(large_faces, "openfaces-large-more")
    assert table["expression"][:] == [-1, 4] and table["yaw"][:] == [-20, 0] and table["person"][:] == ["p1", "p2"]
    assert bool(FaceDataset(table, 16).has_neutral.all())


def test_a_picture_of_another_name_is_refused(large_faces: Path) -> None:
    table = pq.read_table(large_faces / SMILES)
    pq.write_table(table.set_column(0, "file", pa.array(["a.webp"] * 3)), large_faces / SMILES)
    with pytest.raises(ValueError, match=r"names a picture a\.webp, expected names like 090_"):
        load_faces(large_faces)
