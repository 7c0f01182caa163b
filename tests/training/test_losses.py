"""Each loss against a value worked out by hand; the arithmetic stands beside it."""

import inspect
import math
import sys

import pytest
import torch
from torch import Tensor

from leed.training import losses


def column(*values: float) -> Tensor:
    """Maps (B, 1, 1, 1)."""
    return torch.tensor(values, dtype=torch.float32).view(-1, 1, 1, 1)


def test_every_loss_is_tested() -> None:
    names = {n for n, f in inspect.getmembers(losses, inspect.isfunction) if f.__module__ == losses.__name__}
    tested = {n.removeprefix("test_") for n in dir(sys.modules[__name__]) if n.startswith("test_")}
    assert names <= tested, f"no test for {names - tested}"


def test_expression_loss() -> None:
    # C_RB - C_RN = (3, 5) - (1, 2) = (2, 3); delta_exp - that = (1, 0) - (2, 3) = (-1, -3); (1 + 9) / 2 = 5
    loss = losses.expression_loss(column(1, 0), column(3, 5), column(1, 2))
    assert loss.item() == pytest.approx(5)


def test_mutual_information_loss() -> None:
    delta, zero = torch.tensor([[0.0], [2.0]]), torch.zeros(2, 1)
    # -log Q = (0 + delta^2 / 1 + log 2 pi) / 2; mean of delta^2 = (0 + 4) / 2 = 2
    plain = losses.mutual_information_loss(delta, zero, zero, entropy=False)
    assert plain.item() == pytest.approx(1 + 0.5 * math.log(2 * math.pi))
    # Variance of (0, 2) is 1, so H = (log 1 + log 2 pi e) / 2 = log(2 pi) / 2 + 1 / 2; 1 - 1 / 2 = 1 / 2
    assert losses.mutual_information_loss(delta, zero, zero).item() == pytest.approx(0.5)
    # Ten times delta_exp, with Q's variance 100 times: the same
    scaled = losses.mutual_information_loss(10 * delta, zero, zero + math.log(100))
    assert scaled.item() == pytest.approx(0.5, abs=1e-5)


def test_interpolation_loss() -> None:
    # Targets 1 + (0, 1) * 2 = (1, 3); found (1, 1): (0 + 4) / 2 = 2
    loss = losses.interpolation_loss(column(1, 1), column(1, 1), column(2, 2), torch.tensor([0.0, 1.0]))
    assert loss.item() == pytest.approx(2)


def test_identity_loss() -> None:
    assert losses.identity_loss(column(1, 2), column(0, 0)).item() == pytest.approx(2.5)  # (1 + 4) / 2


def test_siamese_loss() -> None:
    reference, edit = torch.tensor([[1.0, 0], [1, 0]]), torch.tensor([[3.0, 0], [0, 1]])
    assert losses.siamese_loss(reference, edit).item() == pytest.approx(0.5)  # cosines 1 and 0: 1 - 1 / 2


def test_siamese_contrast_loss() -> None:
    # Cosines are the identity, divided by 0.1: -log(e^10 / (e^10 + 1)) = log(1 + e^-10)
    loss = losses.siamese_contrast_loss(torch.eye(2), 5 * torch.eye(2))
    assert loss.item() == pytest.approx(math.log1p(math.exp(-10)), rel=1e-2)
    # Exchanged: log(1 + e^10)
    loss = losses.siamese_contrast_loss(torch.eye(2), torch.eye(2).flip(0))
    assert loss.item() == pytest.approx(math.log1p(math.exp(10)))


def test_hinge_loss() -> None:
    """Scores beyond the margins cost nothing, others what they lack."""
    assert losses.hinge_loss(torch.tensor([1.0, 5]), torch.tensor([-1.0, -3])).item() == 0
    assert losses.hinge_loss(torch.tensor([0.5, -1]), torch.tensor([0.0, 2])).item() == pytest.approx(1.25 + 2)


def test_critic_loss() -> None:
    # mean(0, 1) - mean(1, 3) = 0.5 - 2
    assert losses.critic_loss(torch.tensor([1.0, 3]), torch.tensor([0.0, 1])).item() == pytest.approx(-1.5)


def test_gradient_penalty() -> None:
    direction = torch.tensor([3.0, 4.0])  # its gradient everywhere, of length 5: (5 - 1)^2 = 16
    weight = direction.clone().requires_grad_(True)
    penalty = losses.gradient_penalty(lambda x: x @ weight, torch.randn(6, 2), torch.randn(6, 2))
    assert penalty.item() == pytest.approx(16, rel=1e-5)
    # d/dw (|w| - 1)^2 = 2 (|w| - 1) w / |w| = 8 (0.6, 0.8)
    penalty.backward()
    torch.testing.assert_close(weight.grad, torch.tensor([4.8, 6.4]))


def test_adversarial_loss() -> None:
    assert losses.adversarial_loss(torch.tensor([1.0, 3])).item() == pytest.approx(-2)


def test_perceptual_loss() -> None:
    first = torch.tensor([[[[1.0, 0.0]], [[2.0, 0.0]]]])  # (1, 2, 1, 2): squares sum to 1 + 4 and 0; mean 2.5
    second = torch.ones(1, 3, 2, 2)  # no difference: 0; the mean of both maps is 1.25
    loss = losses.perceptual_loss([first, second], [torch.zeros_like(first), second])
    assert loss.item() == pytest.approx(1.25)


@pytest.mark.parametrize(("change", "weight"), [(0.0, 1.0), (0.05, 2.5), (0.2, 7.0), (1.0, 7.0)])
def test_image_loss(change: float, weight: float) -> None:
    target = torch.zeros(1, 3, 8, 8)
    assert losses.image_loss(target + 0.2, target).item() == pytest.approx(0.2)
    # Weight 1 + 3 min(change / 0.1, 2): 1; 1 + 3 / 2; 1 + 3 * 2; no more than that
    loss = losses.image_loss(target + 0.2, target, target - change)
    assert loss.item() == pytest.approx(0.2 * weight, rel=1e-5)


def test_structure_loss() -> None:
    zeros = torch.zeros(1, 3, 16, 16)
    # In [0, 1] the pictures are 0.5 and 0. No variance: the second factor is c2 / c2; the first is
    # c1 / (0.5^2 + c1), with c1 = 0.01^2 = 0.0001
    loss = losses.structure_loss(zeros, zeros - 1)
    assert loss.item() == pytest.approx(1 - 0.0001 / 0.2501, abs=1e-4)
    noise = torch.rand(1, 3, 16, 16)
    assert losses.structure_loss(noise, noise).item() == pytest.approx(0, abs=1e-5)
    # Smaller than the windows: one window, of the same value
    assert losses.structure_loss(zeros[..., :6, :6], zeros[..., :6, :6] - 1).item() == pytest.approx(loss.item())


def test_expression_similarity_loss() -> None:
    features, target = torch.tensor([[1.0], [3.0]]), torch.tensor([[0.0], [2.0]])
    # Squares (1, 1), mean 1; variance of (0, 2) is 1
    assert losses.expression_similarity_loss(features, target).item() == pytest.approx(1)


def test_label_loss() -> None:
    # Logits log(3), 0 are 3/4 and 1/4; of two labels, smoothing by 0.05 leaves 0.975 and 0.025
    loss = losses.label_loss(torch.tensor([[math.log(3), 0.0]]), torch.tensor([0]))
    assert loss.item() == pytest.approx(-0.975 * math.log(3 / 4) - 0.025 * math.log(1 / 4))


def test_domain_classification_loss() -> None:
    # Equal logits: log 2
    loss = losses.domain_classification_loss(torch.zeros(3, 2), torch.tensor([0, 1, 0]))
    assert loss.item() == pytest.approx(math.log(2))


def test_cycle_loss() -> None:
    assert losses.cycle_loss(column(1, 2), column(0, 4)).item() == pytest.approx(1.5)  # (1 + 2) / 2


def test_attention_loss() -> None:
    assert losses.attention_loss(column(1, 0, 0.5, 0.5)).item() == pytest.approx(1.5 / 4)  # (1 + 0 + 1/4 + 1/4) / 4


def test_smoothness_loss() -> None:
    # To the right (1 - 0, 1 - 0.5), downwards (0.5 - 0, 1 - 1): (1 + 1/4) / 2 + (1/4 + 0) / 2 = 3/4
    attention = torch.tensor([[[[0.0, 1.0], [0.5, 1.0]]]])
    assert losses.smoothness_loss(attention).item() == pytest.approx(0.75)
    assert losses.smoothness_loss(torch.full((2, 1, 8, 8), 0.3)).item() == 0


def test_action_unit_loss() -> None:
    found, units = torch.tensor([[0.0, 1.0]]), torch.tensor([[1.0, 0.5]])
    assert losses.action_unit_loss(found, units).item() == pytest.approx(0.625)  # (1 + 1/4) / 2


def test_gradient_loss() -> None:
    ramp = torch.linspace(0, 0.7, 8).expand(1, 3, 8, 8)  # 0.1 from column to column
    assert float(losses.gradient_loss(ramp, torch.zeros_like(ramp))) == pytest.approx(0.1)
    assert float(losses.gradient_loss(ramp, ramp + 0.3)) == pytest.approx(0, abs=1e-7)
    both = ramp + ramp.mT
    assert float(losses.gradient_loss(both, ramp)) == pytest.approx(0.1)
