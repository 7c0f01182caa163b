"""The networks whose features are compared."""

import pytest
import torch

from leed.evaluation.paper.extractors import Lite0Pooled, load_extractor


def test_lite0_features_are_those_before_its_classifier() -> None:
    network = Lite0Pooled().eval()
    image = torch.rand(1, 3, 224, 224) * 2 - 1
    with torch.no_grad():
        features = network(image)
        logits = network.network((image * 0.5 + 0.5 - 0.498) / 0.502)
        assert torch.allclose(network.network._fc(features), logits, atol=1e-4)
    assert features.shape == (1, network.num_features)


def test_an_extractor_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    def unreachable() -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("leed.evaluation.paper.extractors.InceptionPooled", unreachable)
    with pytest.raises(OSError, match="no route to host; .* give --extractor efficientnet-lite0"):
        load_extractor("inception")
    assert load_extractor("auto").name.startswith("EfficientNet-Lite0")
    assert "weights are not available: no route to host" in capsys.readouterr().out
    with pytest.raises(ValueError, match="extractor must be one of .* got 'vgg'"):
        load_extractor("vgg")
