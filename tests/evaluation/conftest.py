"""Pictures of free expressions, which several tests measure."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from samples import picture

from leed.data.action_units import BLENDSHAPES
from leed.evaluation import free

SHAPES = {shape for shapes in BLENDSHAPES.values() for shape in shapes} - {"jawOpen"}
NAMES = ["jawOpen", *sorted(f"{shape}_{side}" for shape in SHAPES for side in "LR")]


def weights(**values: float) -> list[float]:
    """Blendshape weights in the order of NAMES."""
    return [values.get(name, 0.0) for name in NAMES]


@pytest.fixture(scope="module")
def free_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`faces-free`, a folder of eight triples; the names of the weights lie in `faces`, next to it."""
    generator = np.random.default_rng(0)
    root = tmp_path_factory.mktemp("sets")
    folder = root / "faces-free"
    folder.mkdir()
    shown = [weights(eyeBlink_L=1.0, eyeBlink_R=0.9), weights(eyeBlink_R=0.9), weights(jawOpen=0.9), weights()] * 2
    rows = {"triple": range(8), "input_person": [f"q{i % 3}" for i in range(8)], "reference_person": ["q3"] * 8}
    rows |= {"input_camera": ["045", "090"] * 4, "reference_camera": ["045"] * 8, "blendshapes": shown}
    rows |= {name: [picture(generator, 32) for _ in range(8)] for name in free.PICTURES}
    pq.write_table(pa.table(rows), folder / "test-00000-of-00001.parquet")
    (root / "faces").mkdir()
    (root / "faces" / "blendshapes.txt").write_text("\n".join(NAMES))
    return folder
