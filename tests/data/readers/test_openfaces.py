"""The open face set: true neutral faces, second views, splits and action units."""

import math

import pytest
import torch
from datasets import Image, List, Value
from samples import png, write_parquet

from leed.config import ACTION_UNITS
from leed.data.action_units import BLENDSHAPES
from leed.data.faces import FaceDataset, load_faces

RED = torch.tensor([255, 0, 0], dtype=torch.uint8)[:, None, None]


def test_openfaces_joins_twins_and_views_and_is_cropped(openfaces):
    faces = FaceDataset(load_faces(openfaces), image_size=16)
    assert faces.persons == ["p1", "p2"] and faces.expressions.tolist() == [3, 0, 1]
    assert faces.has_neutral.tolist() == [True, True, False]
    assert faces.has_view.tolist() == [True, False, False]
    assert (faces.images == RED).all()  # nothing but the crop
    assert faces.neutrals[:, 2, 0, 0].tolist() == [1, 2, 0]
    assert faces.views[0, 2, 0, 0] == 3 and faces.view_neutrals[0, 2, 0, 0] == 4


def test_openfaces_splits(openfaces):
    test = load_faces(openfaces, split="test")
    assert FaceDataset(test, 16).views is None  # views exist for the training people only
    with pytest.raises(ValueError, match="validation"):
        load_faces(openfaces, split="validation")


def test_openfaces_without_siblings(openfaces, tmp_path):
    alone = openfaces.rename(tmp_path / "alone")
    batch = FaceDataset(load_faces(alone), 16).__getitems__([0, 1])
    assert not batch["has_neutral"].any() and not batch["neutral"].any()


def test_openfaces_action_units_need_the_names_of_the_weights(tmp_path):
    names = sorted({shape for shapes in BLENDSHAPES.values() for shape in shapes})
    smile = [1.6 if name == "mouthSmile" else 0.0 for name in names]
    features = {"image": Image(), "file": Value("string"), "person": Value("string"), "expression": Value("int64")}
    features |= {"yaw": Value("float32"), "camera": Value("string")}
    features |= {"landmarks": List(Value("float32")), "blendshapes": List(Value("float32"))}
    columns = {
        "image": [png()] * 3,
        "file": ["a", "b", "real"],
        "person": ["p", "q", "q"],
        "expression": [1, 0, 1],
        "yaw": [0.0, 45.0, 0.0],
        "camera": ["090"] * 3,
        "landmarks": [[0.0]] * 3,
        "blendshapes": [smile, [0.0] * len(names), [math.nan] * len(names)],
    }
    write_parquet(tmp_path, "train", columns, features)
    bare = FaceDataset(load_faces(tmp_path), 8)
    assert not bare.has_action_units.any() and bare.action_units.isnan().all()
    (tmp_path / "blendshapes.txt").write_text("\n".join(names))
    faces = FaceDataset(load_faces(tmp_path), 8)
    assert faces.has_action_units.tolist() == [True, True, False]  # a real smile has no weights
    assert faces.action_units[0].nonzero().flatten().tolist() == [ACTION_UNITS.index("AU12")]
    assert faces.action_units[0].max() == 1 and not faces.action_units[1].any()
    assert faces.action_units[2].isnan().all()
    batch = faces.__getitems__([2, 0])
    assert batch["has_action_units"].tolist() == [False, True]
    assert torch.equal(batch["action_units"][1], faces.action_units[0])
    (tmp_path / "blendshapes.txt").write_text("mouthSmile")
    with pytest.raises(ValueError, match=r"weights must be \(N, 1\)"):
        load_faces(tmp_path)
