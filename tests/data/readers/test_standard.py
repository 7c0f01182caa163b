"""Standard tables on disk."""

import math

import pytest
import torch
from datasets import ClassLabel, Image, Value
from samples import png, write_parquet

from leed.config import EXPRESSIONS
from leed.data.faces import FaceDataset, load_faces


def test_table_with_class_labels(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    labels = ClassLabel(names=["surprise", "Fear"])
    rows = {"image": [png(), png()], "expression": [0, 1], "person": ["a", None], "yaw": [3.0, None]}
    features = {"image": Image(), "expression": labels, "person": Value("string"), "yaw": Value("float64")}
    write_parquet(tmp_path / "mine", "train", rows, features)
    faces = load_faces(tmp_path / "mine")
    assert faces["expression"][:] == [EXPRESSIONS.index("surprised"), EXPRESSIONS.index("fearful")]
    assert faces["person"][0] == "a" and faces["person"][1]
    assert faces["yaw"][0] == 3 and math.isnan(faces["yaw"][1])
    with pytest.raises(ValueError, match="'test'"):
        load_faces(tmp_path / "mine", split="test")


def test_a_saved_standard_table_comes_back(openfaces, tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    table = load_faces(openfaces)
    (tmp_path / "saved").mkdir()
    table.to_parquet(tmp_path / "saved" / "train.parquet")
    first, second = FaceDataset(table, 16), FaceDataset(load_faces(tmp_path / "saved"), 16)
    assert torch.equal(first.images, second.images) and torch.equal(first.neutrals, second.neutrals)
    assert first.persons == second.persons and torch.equal(first.has_view, second.has_view)


def test_columns_that_mean_standard_ones(tmp_path, monkeypatch):
    """Ignored, `emotion` would lose the labels, and `identity` would put people on both sides of a split."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    for name, meant in (("emotion", "expression"), ("identity", "person"), ("persons", "person"), ("views", "view")):
        write_parquet(
            tmp_path / name, "train", {"image": [png()], name: ["x"]}, {"image": Image(), name: Value("string")}
        )
        with pytest.raises(ValueError, match=rf"has a column '{name}' and no '{meant}': rename it with"):
            load_faces(tmp_path / name)
    rows = {"image": [png()], "person": ["a"], "identity": ["b"], "age": [31]}
    features = {"image": Image(), "person": Value("string"), "identity": Value("string"), "age": Value("int64")}
    write_parquet(tmp_path / "more", "train", rows, features)
    with pytest.warns(UserWarning, match=r"has columns that are not read: \['age', 'identity'\]"):
        assert load_faces(tmp_path / "more")["person"][:] == ["a"]
