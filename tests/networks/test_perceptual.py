"""Phi: its maps, and what it refuses."""

import importlib.util

import pytest
import torch
import torchvision

from leed.config import TINY
from leed.networks.classifier import ExpressionClassifier
from leed.networks.perceptual import PHI_CHOICES, PerceptualFeatures


@pytest.fixture
def faces() -> torch.Tensor:
    return torch.rand(2, 3, 64, 64) * 2 - 1


def test_unknown_phi_is_refused() -> None:
    with pytest.raises(ValueError, match="phi must be one of .*'alexnet'"):
        PerceptualFeatures("alexnet")


def test_lite0_maps(faces: torch.Tensor) -> None:
    phi = PerceptualFeatures("efficientnet-lite0")
    maps = phi(faces)
    assert [tuple(m.shape) for m in maps] == [(2, 32, 32, 32), (2, 16, 32, 32), (2, 24, 16, 16), (2, 40, 8, 8)]
    for m in maps:  # of unit length over the channels, but where all are 0
        lengths = m.norm(dim=1)
        assert ((lengths - 1).abs() < 1e-4).logical_or(lengths < 1e-4).all()
    again = PerceptualFeatures("efficientnet-lite0")(faces)  # trained weights, not random ones
    assert all(torch.equal(a, b) for a, b in zip(maps, again, strict=True))


def test_phi_is_frozen_and_stays_in_evaluation_mode(faces: torch.Tensor) -> None:
    phi = PerceptualFeatures("efficientnet-lite0").train()
    assert not any(module.training for module in phi.modules())
    assert not any(parameter.requires_grad for parameter in phi.parameters())
    faces.requires_grad_(True)
    sum(m.square().sum() + m.sum() for m in phi(faces)).backward()
    assert faces.grad.any()


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="efficientnet-lite-pytorch: pip install it, or choose another phi"):
        PerceptualFeatures("efficientnet-lite0")


def test_vgg19_that_cannot_be_fetched_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(weights: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(torchvision.models, "vgg19", refuse)
    with pytest.raises(OSError, match="no route to host.*choose phi 'efficientnet-lite0'"):
        PerceptualFeatures("vgg19")


def test_vgg19_maps(monkeypatch: pytest.MonkeyPatch, faces: torch.Tensor) -> None:
    network = torchvision.models.vgg19(weights=None)
    monkeypatch.setattr(torchvision.models, "vgg19", lambda weights: network)
    maps = PerceptualFeatures("vgg19")(faces)
    assert [tuple(m.shape[1:]) for m in maps] == [(64, 64, 64), (128, 32, 32), (256, 16, 16), (512, 8, 8)]


def test_psi_needs_a_classifier_and_the_neutral_face(faces: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="needs a trained expression classifier"):
        PerceptualFeatures("psi")
    classifier = ExpressionClassifier(TINY)
    phi = PerceptualFeatures("psi", classifier)
    assert [m.shape[1] for m in phi(faces, faces)] == [64, 64, 128]
    with pytest.raises(ValueError, match="pass image_neutral"):
        phi(faces)
    assert set(PHI_CHOICES) == {"efficientnet-lite0", "vgg19", "psi"}
