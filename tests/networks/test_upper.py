"""The upper level: its window, what it sees, and what it gives before it has learned anything."""

from collections.abc import Callable

import pytest
import torch

from leed.config import BASE, TINY, ModelConfig, replace
from leed.networks.upper import CELL, UPPER_SCALE, UpperLevel, mouth_window, seen_of, soft_window

WITH_UPPER = replace(TINY, upper_width=8, upper_depth=1)


def inputs(config: ModelConfig, count: int = 2) -> tuple[torch.Tensor, ...]:
    """Random moved pictures, edits, features and expressions."""
    side = UPPER_SCALE * config.image_size
    moved, edit = (mouth_window(side).of(torch.rand(count, 3, side, side) * 2 - 1) for _ in range(2))
    features = torch.randn(count, config.interpolator_width, config.code_size, config.code_size)
    return moved, edit, features, torch.randn(count, config.delta_size)


def test_shapes_and_gradients(perturb: Callable) -> None:
    network, given = perturb(UpperLevel(WITH_UPPER)), inputs(WITH_UPPER)
    replaced, added = network(*given)
    assert replaced.shape == (2, 1, *given[0].shape[2:]) and added.shape == given[0].shape
    assert bool(((replaced > 0) & (replaced < 1)).all())
    (replaced.sum() + (added * torch.randn_like(added)).sum()).backward()
    assert not [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]


def test_untrained_it_shows_the_edit_with_some_detail_of_the_picture() -> None:
    moved, edit, *others = inputs(WITH_UPPER)
    replaced, added = UpperLevel(WITH_UPPER)(moved, edit, *others)
    torch.testing.assert_close((1 - replaced) * moved + added, torch.lerp(moved, edit, replaced))
    assert float(replaced.detach().min()) == pytest.approx(0.82, abs=0.01)


@pytest.mark.parametrize("config", [TINY, BASE, replace(TINY, image_size=48)])
def test_the_window_is_whole_cells_about_the_mouth(config: ModelConfig) -> None:
    side = UPPER_SCALE * config.image_size
    window = mouth_window(side)
    assert not any(edge % CELL for edge in window)
    assert 0 < window.top < 0.6 * side < 0.75 * side < window.bottom <= side and window.left + window.right == side
    share = soft_window(side)
    assert share.shape == window.of(torch.zeros(1, 1, side, side)).shape[2:]
    assert share.max() == 1 and max(share[0].max(), share[-1].max(), share[:, 0].max()) < 0.2
    assert max(share.diff(dim=0).abs().max(), share.diff(dim=1).abs().max()) < 0.5


def test_it_sees_the_moved_picture_and_the_edit_in_its_window() -> None:
    side = UPPER_SCALE * TINY.image_size
    columns = torch.linspace(-1, 1, side).expand(1, 3, side, side)
    edited = torch.full((1, 3, TINY.image_size, TINY.image_size), 0.25)
    flow = torch.zeros(1, 2, *edited.shape[2:])
    flow[:, 0] = 2 * 6 / side  # six pixels from the right
    moved, edit = seen_of(columns, edited, flow)
    torch.testing.assert_close(moved, mouth_window(side).of(columns.roll(-6, 3)), rtol=0, atol=1e-5)
    torch.testing.assert_close(edit, torch.full_like(moved, 0.25))


def test_the_mouth_s_part_of_several_expressions() -> None:
    """Masks add up to one: the same expression everywhere is that expression."""
    masks = torch.rand(3, 8, 8)
    masks = masks / masks.sum(0)
    delta_exp = torch.randn(2, 16)
    same = UpperLevel.at_mouth(delta_exp[:, None].expand(-1, 3, -1), masks)
    torch.testing.assert_close(same, delta_exp)
    above = torch.zeros(1, 8, 8)
    above[:, :4] = 1
    two = UpperLevel.at_mouth(torch.stack([torch.randn(2, 16), delta_exp], 1), torch.cat([above, 1 - above]))
    torch.testing.assert_close(two, delta_exp)


def test_it_needs_the_flow() -> None:
    with pytest.raises(ValueError, match="upper_width needs flow"):
        replace(WITH_UPPER, flow=False)
