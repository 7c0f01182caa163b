"""Psi: its features and the probability of neutrality."""

import pytest
import torch

from leed.config import TINY
from leed.networks.classifier import ExpressionClassifier


@pytest.fixture
def faces() -> torch.Tensor:
    return torch.rand(2, 3, 64, 64) * 2 - 1


def test_classifier_features_and_neutrality(faces: torch.Tensor) -> None:
    classifier = ExpressionClassifier(TINY).eval()
    features = classifier.features(faces, faces)
    assert features.shape == (2, classifier.num_features)
    torch.testing.assert_close(classifier.resnet.fc(features), classifier(faces, faces))
    assert ((classifier.neutrality(faces, faces) > 0) & (classifier.neutrality(faces, faces) < 1)).all()
