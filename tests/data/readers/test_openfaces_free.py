"""Free expressions: true neutral faces, second views and action units, without labels."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from samples import png

from leed.config import ACTION_UNITS
from leed.data.action_units import BLENDSHAPES, FULL_WEIGHT
from leed.data.faces import FaceDataset, load_faces
from leed.data.readers.registry import guess_reader

NAMES = sorted({shape for shapes in BLENDSHAPES.values() for shape in shapes})


@pytest.fixture
def free_faces(tmp_path: Path) -> Path:
    """Two pictures of two people, their jaws open; a split of triples, which has other columns, lies beside them."""
    folder = tmp_path / "faces-free"
    folder.mkdir()
    rows = {"file": ["a", "b"], "person": ["p2", "p1"], "yaw": [-22.0, 1.5], "view_camera": ["090", "135"]}
    rows |= {"blendshapes": [[0.8 if name == "jawOpen" else 0.0 for name in NAMES]] * 2}
    rows |= {name: [png((0, 0, i)), png()] for i, name in enumerate(("image", "neutral", "view", "view_neutral"))}
    pq.write_table(pa.table(rows), folder / "train-00000-of-00001.parquet")
    pq.write_table(pa.table({"triple": [0], "input": [png()]}), folder / "test-00000-of-00001.parquet")
    return folder


def test_free_expressions_have_no_label(free_faces: Path) -> None:
    assert guess_reader(free_faces) == "openfaces-free"
    faces = FaceDataset(load_faces(free_faces), 32)
    assert faces.expressions.tolist() == [-1, -1] and faces.persons == ["p1", "p2"]
    assert faces.yaws.tolist() == [-22, 1.5]
    assert faces.has_neutral.all() and faces.has_view.all() and faces.has_view_neutral.all()
    pictures = (faces.images, faces.neutrals, faces.views, faces.view_neutrals)
    assert [int(stored[0, 2, 0, 0]) for stored in pictures] == [0, 1, 2, 3]


def test_the_set_beside_them_names_the_weights(free_faces: Path) -> None:
    assert load_faces(free_faces)["action_units"][:] == [None, None]
    (free_faces.parent / "faces").mkdir()
    (free_faces.parent / "faces" / "blendshapes.txt").write_text("\n".join(NAMES))
    units = load_faces(free_faces)["action_units"][0]
    assert units[ACTION_UNITS.index("AU26")] == pytest.approx(0.8 / FULL_WEIGHT)
