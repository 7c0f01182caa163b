"""Metrics of the neutral faces of free expressions and real smiles, and their command."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from samples import picture

from leed.evaluation import neutral, neutral_pairs
from leed.evaluation.metrics import largest
from leed.evaluation.sheets import GAP, TITLE_HEIGHT
from leed.images import EYES, MOUTH, normalize, part


@pytest.fixture
def smiles_folder(tmp_path: Path) -> Path:
    """Three real smiles, one of them a test person's."""
    generator = np.random.default_rng(0)
    rows = {"file": [f"090_p{i}_female_happy_real.webp" for i in range(3)], "split": ["train", "test", "train"]}
    rows |= {name: [picture(generator, 32) for _ in range(3)] for name in ("image", "neutral")}
    folder = tmp_path / "faces-large"
    folder.mkdir()
    pq.write_table(pa.table(rows), folder / "smiles-00000-of-00001.parquet")
    return folder


def test_half_of_a_difference_is_left() -> None:
    neutrals = torch.full((10, 3, 32, 32), 100, dtype=torch.uint8)
    images = neutrals.clone()
    part(images, EYES)[:] += (4 * torch.arange(10, dtype=torch.uint8))[:, None, None, None]
    part(images, MOUTH)[:] += 40
    pairs = neutral_pairs.NeutralPairs(images, neutrals, np.array([f"p{i}" for i in range(10)]), "pictures")
    target = normalize(neutrals[:1])
    values = neutral_pairs.measure(lambda faces: torch.lerp(faces, target, 0.5), pairs, batch_size=4)
    found = neutral_pairs.evaluate(values, pairs)
    assert all(found[f"left_{name}"].value == pytest.approx(0.5, abs=1e-3) for name in ("eyes", "mouth", "eyes_most"))
    assert found["neutral_in"].value == pytest.approx(1) and np.isnan(found["identity_ratio"].value)
    assert np.flatnonzero(largest(values["before_eyes"], 0.3)).tolist() == [7, 8, 9]


@pytest.mark.parametrize(
    ("fixture", "count", "title"), [("free_folder", 8, "free expressions"), ("smiles_folder", 1, "real smiles")]
)
def test_command(
    fixture: str,
    count: int,
    title: str,
    evaluation_folders: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    request: pytest.FixtureRequest,
) -> None:
    arguments = ["--model", str(evaluation_folders["leed"]), "--data_dir", str(request.getfixturevalue(fixture))]
    neutral.main([*arguments, "--no-identity", "--output_dir", str(tmp_path), "--device", "cpu"])
    assert f"{count} pictures, {title}" in capsys.readouterr().out
    content = json.loads((tmp_path / "neutral.json").read_text())
    assert content["num_pictures"] == count
    assert content["metrics"]["all"]["left_mouth"]["value"] > 0.9  # untrained
    rows = -(-count // neutral_pairs.A_ROW)
    assert Image.open(tmp_path / "pairs.png").height == TITLE_HEIGHT + rows * (32 + GAP) - GAP
    with pytest.raises(SystemExit, match="go with triples"):
        neutral.main([*arguments, "--wild_dir", str(tmp_path)])


def test_smiles_of_training_people_alone(smiles_folder: Path) -> None:
    file = smiles_folder / "smiles-00000-of-00001.parquet"
    pq.write_table(pq.read_table(file).slice(2), file)
    with pytest.raises(ValueError, match="no real smiles of test people"):
        neutral_pairs.load_neutral_pairs(smiles_folder)
