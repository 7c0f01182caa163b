"""FER-2013: its labels, and people that are unknown."""

import math

from datasets import ClassLabel, Image
from samples import png, write_parquet

from leed.config import EXPRESSIONS
from leed.data.faces import load_faces


def test_fer2013_labels_are_mapped_and_people_unknown(tmp_path):
    names = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]
    features = {"image": Image(), "label": ClassLabel(names=names)}
    write_parquet(tmp_path, "train", {"image": [png()] * 7, "label": list(range(7))}, features)
    faces = load_faces(tmp_path)
    expected = ["angry", "disgusted", "fearful", "happy", "neutral", "sad", "surprised"]
    assert [EXPRESSIONS[i] for i in faces["expression"]] == expected
    assert len(set(faces["person"])) == 7
    assert all(math.isnan(yaw) for yaw in faces["yaw"])
