"""What X and I promise by construction."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from leed.config import TINY
from leed.networks.editor import Extractor, Interpolator
from networks.inputs import inputs


def test_nothing_moves_at_alpha_zero(perturb: Callable) -> None:
    x = inputs(TINY)
    code, flow = perturb(Interpolator(TINY))(x["code"], 0 * x["delta"])
    assert torch.equal(flow, torch.zeros_like(flow))
    torch.testing.assert_close(code, x["code"], rtol=0, atol=1e-4)  # through the transform and back
    code, _ = perturb(Interpolator(replace(TINY, flow=False)))(x["code"], 0 * x["delta"])
    assert torch.equal(code, x["code"])


@pytest.mark.parametrize("alpha", [0.25, 0.5, 2.0])
def test_flow_and_residual_are_linear_in_alpha(alpha: float, perturb: Callable) -> None:
    x = inputs(TINY)
    network = perturb(Interpolator(TINY))
    whole, part = network(x["code"], x["delta"]), network(x["code"], alpha * x["delta"])
    torch.testing.assert_close(part.flow, alpha * whole.flow, rtol=1e-4, atol=1e-6)
    network = perturb(Interpolator(replace(TINY, flow=False)))
    whole, part = network(x["code"], x["delta"]), network(x["code"], alpha * x["delta"])
    torch.testing.assert_close(part.code - x["code"], alpha * (whole.code - x["code"]), rtol=1e-4, atol=1e-5)


def test_a_neutral_face_has_no_expression() -> None:
    code = inputs(TINY)["code"]
    assert Extractor(TINY)(code, code).abs().max() < 1e-6
