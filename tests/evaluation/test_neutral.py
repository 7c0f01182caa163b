"""Metrics of neutral faces, and their command, on a few drawn triples."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from samples import mean_colour, picture

from leed import ExpressionClassifier
from leed.config import TINY
from leed.evaluation import neutral
from leed.evaluation.pairs import Triples
from leed.evaluation.sheets import GAP, GROUP_GAP
from leed.images import normalize


def test_moved_pictures() -> None:
    images = torch.arange(128.0).expand(1, 1, 128, 128)
    assert torch.equal(neutral.move(images), images)
    assert neutral.move(images, right=4)[0, 0, 5, 4:].tolist() == pytest.approx(list(range(124)), abs=1e-3)
    assert neutral.move(images.mT, down=4)[0, 0, 4:, 5].tolist() == pytest.approx(list(range(124)), abs=1e-3)
    # 10 % smaller: a pixel 10 columns from the centre comes from 10 / 0.9 columns away.
    smaller = neutral.move(images, scale=0.9)[0, 0, 64]
    assert smaller[64 + 10] - smaller[64 - 10] == pytest.approx(20 / 0.9, abs=1e-3)


def test_most_open() -> None:
    assert neutral.most_open(np.arange(10.0)).tolist() == [False] * 7 + [True] * 3


def test_widest_mouths_are_of_different_people(triples: Triples) -> None:
    for rows in neutral.widest_mouths(triples, count=2):
        people = triples.reference_persons[rows]
        assert len(set(people)) == len(people) and len(set(triples.reference_yaws[rows])) == 1
        others = (triples.reference_yaws == triples.reference_yaws[rows[0]]) & (triples.reference_persons == people[0])
        assert triples.reference_openings[rows[0]] == triples.reference_openings[others].max()
    assert len(neutral.widest_mouths(triples)) == len(set(triples.reference_yaws.tolist()))


def test_identity_of_neutral_faces_is_sampled(triples: Triples) -> None:
    values = neutral.measure(lambda faces: faces, triples, mean_colour, batch_size=4)
    assert np.isfinite(values["neutral_identity"]).tolist() == [row % 4 == 0 for row in range(20)]
    image, true = (mean_colour(normalize(x)) for x in (triples.inputs, triples.input_neutrals))
    assert values["neutral_identity"][4] == pytest.approx(np.linalg.norm(true[4] - image[4]))
    assert values["guess_identity"][4] == 0


def test_neutral_command(evaluation_folders: dict[str, Path], tmp_path: Path, capsys) -> None:
    arguments = [
        "--model",
        str(evaluation_folders["leed"]),
        "--data_dir",
        str(evaluation_folders["pairs"]),
        "--no-identity",
    ]
    neutral.main([*arguments, "--output_dir", str(tmp_path), "--device", "cpu"])
    printed = capsys.readouterr().out
    rows = {line.split(" | ")[0].removeprefix("| "): line.split(" | ")[1:] for line in printed.splitlines()}
    for line in neutral.LINES.values():
        assert line in rows, line
    # An untrained neutraliser returns the picture, but for the 2 % that its mask starts with.
    found = json.loads((tmp_path / "neutral.json").read_text())["metrics"]["all"]
    assert found["ssim_face"]["value"] == pytest.approx(found["picture_ssim_face"]["value"], abs=0.03)
    assert found["left_open"]["value"] == pytest.approx(1, abs=0.03)
    assert found["neutral_in_face"]["value"] == pytest.approx(1, abs=0.03)
    assert math.isclose(found["left_right"]["value"], 1, abs_tol=0.03)
    assert "yaw +-45" in printed
    with Image.open(tmp_path / "mouths.png") as sheet:
        groups = (sheet.width + GAP + GROUP_GAP) / (3 * (32 + GAP) + GROUP_GAP)  # of picture, result and truth
        assert groups in (1, 2, 3, 4)


def test_neutral_command_on_photographs(evaluation_folders: dict[str, Path], tmp_path: Path, capsys) -> None:
    generator = np.random.default_rng(0)
    wild = tmp_path / "wild"
    wild.mkdir()
    rows = {
        "image": [picture(generator, 128) for _ in range(4)],
        "expression": [1, 0, 1, 2],
        "person": ["a", "b", "c", "d"],
    }
    pq.write_table(pa.table(rows), wild / "test-0.parquet")
    arguments = [
        "--model",
        str(evaluation_folders["leed"]),
        "--data_dir",
        str(evaluation_folders["pairs"]),
        "--no-identity",
    ]
    arguments += ["--wild_dir", str(wild), "--output_dir", str(tmp_path), "--device", "cpu"]
    neutral.main([*arguments, "--classifier", str(evaluation_folders["evaluator"])])
    assert (
        "wild faces called neutral: not measured, since this classifier needs a neutral face"
        in capsys.readouterr().out
    )
    assert Image.open(tmp_path / "wild_smiles.png").size == (
        4 * 32 + 3 * GAP + GROUP_GAP,
        32,
    )  # two smiles, before and after

    alone = ExpressionClassifier(replace(TINY, classifier_sees_neutral=False))
    alone.resnet.fc.bias.data[0] = 100.0  # calls every face neutral
    alone.save_pretrained(tmp_path / "alone")
    neutral.main([*arguments, "--classifier", str(tmp_path / "alone")])
    printed = capsys.readouterr().out
    assert "wild faces called neutral: 1.000 of 4 (before: 1.000)" in printed
    assert "smiles among them: 1.000 of 2 (before: 1.000)" in printed
