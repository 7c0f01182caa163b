"""What X and I promise by construction."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from leed.config import TINY
from leed.networks.editor import Extractor, Interpolator
from networks.inputs import inputs


@pytest.mark.parametrize("cells", [1, 2, 4])
def test_the_flow_has_as_many_vectors_as_asked_for(cells: int, perturb: Callable) -> None:
    """All of them different, and each where it belongs: what one place of the features gives stays about it."""
    config = replace(TINY, flow_cells=cells)
    network, x = perturb(Interpolator(config)), inputs(TINY)
    flow = network(x["code"], x["delta"]).flow
    side = config.code_size * cells
    assert flow.shape[1:] == (2, side, side) and flow[0, 0].unique().numel() > 0.9 * side**2
    features = torch.zeros(1, config.interpolator_width, config.code_size, config.code_size)
    features[..., 3, 5] = 1
    found = torch.nn.functional.pixel_shuffle(network.flow(features), cells)[0].abs().sum(0).nonzero()
    assert found.min(0).values.tolist() == [2 * cells, 4 * cells]
    assert found.max(0).values.tolist() == [5 * cells - 1, 7 * cells - 1]


def test_nothing_moves_at_alpha_zero(perturb: Callable) -> None:
    x = inputs(TINY)
    code, flow, _ = perturb(Interpolator(TINY))(x["code"], 0 * x["delta"])
    assert torch.equal(flow, torch.zeros_like(flow))
    torch.testing.assert_close(code, x["code"], rtol=0, atol=1e-4)  # through the transform and back
    code, *_ = perturb(Interpolator(replace(TINY, flow=False)))(x["code"], 0 * x["delta"])
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
