"""The command for the paper's tables and figures, end to end, on drawn faces that bear RaFD's and CFEED's names."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from leed import EXPRESSIONS, LEED
from leed.config import TINY, replace
from leed.drawn import draw_face
from leed.evaluation import paper
from leed.neutralizer import Neutralizer

RAFD_NAMES = ("neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised", "contemptuous")
CFEED_CATEGORIES = {"neutral": 1, "happy": 2, "sad": 3, "angry": 5, "surprised": 6, "disgusted": 7, "fearful": 8}
CFEED_COMPOUND = 9
SMALL = ["--num_edits", "24", "--seeds", "2", "--steps", "2", "--classifier_batch_size", "8", "--num_points", "30"]
SMALL += ["--batch_size", "16", "--held_out", "0.5"]


class FewFeatures(nn.Module):
    """Stands for a large network: the colours of 9 parts of the picture."""

    name, num_features = "few features", 27

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return nn.functional.adaptive_avg_pool2d(image, 3).flatten(1)


@pytest.fixture(autouse=True)
def small_extractor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paper, "load_extractor", lambda name: FewFeatures())


def save(face: torch.Tensor, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(face.permute(1, 2, 0).numpy()).save(path)


@pytest.fixture(scope="module")
def rafd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six people, eight expressions, two cameras, named as the Radboud Faces Database names them."""
    folder = tmp_path_factory.mktemp("data") / "RafD"
    for person in range(1, 7):
        for i, name in enumerate(RAFD_NAMES):
            for camera, yaw in (("045", -45.0), ("090", 0.0)):
                file = f"Rafd{camera}_{person:02d}_Caucasian_female_{name}_frontal.png"
                save(draw_face(person, i, yaw=yaw, size=32), folder / file)
    return folder


@pytest.fixture(scope="module")
def cfeed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six people with the seven primary expressions and a compound one, as CFEED lies on disk."""
    folder = tmp_path_factory.mktemp("data") / "CFEE_Database_230"
    for person in range(6):
        for name, category in CFEED_CATEGORIES.items():
            face = draw_face(person, EXPRESSIONS.index(name), size=32)
            save(face, folder / "01-04" / "Images1" / f"{category:02d}_{person + 100}_3963.png")
        save(draw_face(person, 1, size=32), folder / "05-08" / f"{CFEED_COMPOUND:02d}_{person + 100}_12.png")
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, lively_leed: LEED) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    lively_leed.save_pretrained(folder / "leed")
    torch.manual_seed(1)
    Neutralizer(replace(TINY, neutralizer="stargan")).save_pretrained(folder / "stargan")
    return {name: folder / name for name in ("leed", "stargan")}


def arguments(models: dict[str, Path], data: Path, output: Path, *more: str) -> list[str]:
    return ["--leed", str(models["leed"]), "--data_dir", str(data), "--output_dir", str(output), *SMALL, *more]


def test_rafd(rafd: Path, models: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    paper.main(arguments(models, rafd, tmp_path, "--stargan", str(models["stargan"]), "--without_q", str(models["leed"])))
    printed = capsys.readouterr().out
    print(printed)
