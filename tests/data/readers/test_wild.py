"""Everyday photographs."""

from datasets import Image, List, Value
from samples import png, write_parquet

from leed.data.faces import load_faces


def test_wild(tmp_path):
    number = Value("float32")
    features = {"image": Image(), "person": Value("string"), "expression": Value("int64"), "grey": Value("bool")}
    features |= {"coverage": number, "points5": List(number)}
    rows = {
        "image": [png()],
        "person": ["x"],
        "expression": [5],
        "grey": [True],
        "coverage": [0.5],
        "points5": [[1.0]],
    }
    write_parquet(tmp_path, "train", rows, features)
    faces = load_faces(tmp_path)
    assert (faces["expression"][0], faces["person"][0]) == (5, "x")
