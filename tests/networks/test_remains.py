"""The estimate of what remains of an expression in a neutral face."""

import pytest
import torch

from leed.networks.remains import VISIBLE, Remains, RemainsEstimator


@pytest.fixture
def faces() -> torch.Tensor:
    return torch.nn.functional.interpolate(torch.rand(3, 3, 16, 16) * 2 - 1, (128, 128))


def test_light_and_contrast_do_not_count(faces: torch.Tensor) -> None:
    estimator = RemainsEstimator().eval()
    with torch.no_grad():
        torch.testing.assert_close(estimator(0.4 * faces + 0.3), estimator(faces), rtol=0, atol=1e-3)
        torch.testing.assert_close(estimator(faces.mean(1, keepdim=True).expand_as(faces)), estimator(faces))
        assert estimator(torch.zeros(1, 3, 64, 64)).isfinite().all()


def test_estimates_are_not_negative(faces: torch.Tensor) -> None:
    estimator = RemainsEstimator().eval()
    torch.nn.init.constant_(estimator.mouth[-1].bias, -100)
    torch.nn.init.constant_(estimator.eyes[-1].bias, 100)
    remains = estimator.remains(faces)
    assert not remains.mouth.any() and (remains.eyes > VISIBLE).all() and torch.equal(remains.most, remains.eyes)
    assert not remains.eyes.requires_grad


@pytest.mark.parametrize(
    ("mouth", "eyes", "parts"),
    [(0.2, 0.3, ()), (VISIBLE, 0.3, ("mouth",)), (0.2, 2.0, ("eyes",)), (1.5, 2.0, ("mouth", "eyes"))],
)
def test_where_it_can_be_seen(mouth: float, eyes: float, parts: tuple[str, ...]) -> None:
    assert Remains(torch.tensor([mouth]), torch.tensor([eyes])).visible_in() == parts
