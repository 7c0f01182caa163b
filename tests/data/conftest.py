"""Face sets that several tests read."""

import pytest
from datasets import ClassLabel, Image, List, Value
from samples import embedded, plain, png, write_parquet

from leed.config import EXPRESSIONS


@pytest.fixture
def openfaces(tmp_path):
    """Two people, three pictures, red within the inner crop; one has no twin, and twins lie in another order."""
    image = plain((0, 0, 255), (256, 256))
    image.paste((255, 0, 0), (28, 40, 228, 240))
    text, numbers = Value("string"), List(Value("float32"))
    features = {
        "image": Image(),
        "file": text,
        "person": text,
        "camera": text,
        "expression": ClassLabel(names=list(EXPRESSIONS)),
        "yaw": Value("float32"),
        "landmarks": numbers,
        "blendshapes": numbers,
    }
    columns = {
        "image": [embedded(image)] * 3,
        "file": ["a.webp", "b.webp", "real.webp"],
        "person": ["p2", "p1", "p1"],
        "camera": ["045", "090", "090"],
        "expression": [3, 0, 1],
        "yaw": [-45.0, 0.0, 0.0],
        "landmarks": [[0.0]] * 3,
        "blendshapes": [[0.0]] * 3,
    }
    for split in ("train", "test"):
        write_parquet(tmp_path / "openfaces", split, columns, features)
        rows = {"file": ["b.webp", "a.webp"], "neutral": [png((0, 0, 2)), png((0, 0, 1))]}
        write_parquet(tmp_path / "openfaces-twins", split, rows, {"file": text, "neutral": Image()})
    rows = {"file": ["a.webp"], "view": [png((0, 0, 3))], "neutral": [png((0, 0, 4))]}
    write_parquet(tmp_path / "openfaces-views", "train", rows, {"file": text, "view": Image(), "neutral": Image()})
    return tmp_path / "openfaces"
