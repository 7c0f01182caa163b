"""What tests of training share, beside the fixtures in training_fixtures.py."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import train_accelerate
from leed import LEED, ExpressionClassifier
from leed.config import TINY, ModelConfig
from leed.networks.perceptual import PerceptualFeatures
from leed.training.augmentation import NONE
from leed.training.classifier import ClassifierStage
from leed.training.config import LossWeights
from leed.training.editor import EditorStage
from leed.training.neutralizer import NeutralizerStage
from leed.training.stage import Stage

ALL_TERMS = LossWeights(
    similarity=0.1,
    siamese=1.0,
    adversarial=1.0,
    psi_maps=0.1,
    eyes=0.5,
    paired_eyes=0.5,
    stargan_adversarial=1.0,
    stargan_classification=1.0,
    stargan_cycle=1.0,
)


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    """All weights in a folder: of models, their average and the optimiser."""
    found = {}
    for file in sorted(folder.glob("*.safetensors")):
        found |= {f"{file.name} {name}": value for name, value in load_file(file).items()}
    for file in sorted(folder.glob("optimizer*.bin")):
        state = torch.load(file, weights_only=True)["state"]
        found |= {f"{file.name} {i} {k}": torch.as_tensor(v) for i, entry in state.items() for k, v in entry.items()}
    assert found
    return found


def greatest_difference(a: Path, b: Path) -> float:
    """Greatest difference of any weight of two folders with the same tensors."""
    first, second = tensors(a), tensors(b)
    assert first.keys() == second.keys()
    return max(float((first[name].double() - second[name].double()).abs().max()) for name in first)


def refusal(arguments: list[str], capsys: pytest.CaptureFixture | None = None) -> str:
    """The one-sentence error that ends the script."""
    with pytest.raises(SystemExit) as caught:
        train_accelerate.main(arguments)
    if isinstance(caught.value.code, str):
        return caught.value.code
    assert caught.value.code == 2 and capsys is not None
    return capsys.readouterr().err


def interrupted_at(step: int, done: Path, run: Path, stage: str) -> None:
    """Makes `run` look like the run `done` killed right after this step's checkpoint."""
    name = f"step-{step:07d}"
    shutil.copytree(done / "checkpoints" / stage / name, run / "checkpoints" / stage / name)


def stages(psi: ExpressionClassifier, weights: LossWeights, config: ModelConfig = TINY) -> dict[str, Stage]:
    """The stages of LEED with untrained networks and without augmentation."""
    phi = PerceptualFeatures("psi", psi)
    return {
        "classifier": ClassifierStage(config, NONE),
        "neutralizer": NeutralizerStage(config, weights, phi, NONE),
        "leed": EditorStage(LEED(config), psi, phi, weights, NONE),
    }
