"""The upper level: its windows, what it sees, and what it gives before it has learned anything."""

from collections.abc import Callable

import pytest
import torch

from leed.config import BASE, TINY, UPPER_WIDTHS, ModelConfig, replace
from leed.model.leed import UPPER_LEVELS
from leed.networks.upper import CELL, UPPER_SCALE, WINDOWS, UpperLevel, seen_of, soft_window, window_of
from leed.regions import quarter_masks
from leed.runtime import REFINE

WITH_UPPER = replace(TINY, upper_width=8, upper_eyes_width=8, upper_depth=1)
each_window = pytest.mark.parametrize("window", WINDOWS)


def inputs(config: ModelConfig, window: str, count: int = 2) -> tuple[torch.Tensor, ...]:
    """Random moved pictures, edits, features and expressions."""
    side = UPPER_SCALE * config.image_size
    moved, edit = (window_of(window, side).of(torch.rand(count, 3, side, side) * 2 - 1) for _ in range(2))
    features = torch.randn(count, config.interpolator_width, config.code_size, config.code_size)
    return moved, edit, features, torch.randn(count, config.delta_size)


@each_window
def test_shapes_and_gradients(perturb: Callable, window: str) -> None:
    network, given = perturb(UpperLevel(WITH_UPPER, window)), inputs(WITH_UPPER, window)
    replaced, added = network(*given)
    assert replaced.shape == (2, 1, *given[0].shape[2:]) and added.shape == given[0].shape
    assert bool(((replaced > 0) & (replaced < 1)).all())
    (replaced.sum() + (added * torch.randn_like(added)).sum()).backward()
    assert not [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]


@each_window
def test_untrained_it_shows_the_edit_with_some_detail_of_the_picture(window: str) -> None:
    moved, edit, *others = inputs(WITH_UPPER, window)
    replaced, added = UpperLevel(WITH_UPPER, window)(moved, edit, *others)
    torch.testing.assert_close((1 - replaced) * moved + added, torch.lerp(moved, edit, replaced))
    assert float(replaced.detach().min()) == pytest.approx(0.82, abs=0.01)


@pytest.mark.parametrize("config", [TINY, BASE, replace(TINY, image_size=48)])
def test_windows_are_whole_cells_about_mouth_and_eyes(config: ModelConfig) -> None:
    """They share no pixel: each draws without knowing of the other."""
    side = UPPER_SCALE * config.image_size
    mouth, eyes = (window_of(name, side) for name in ("mouth", "eyes"))
    assert 0 < mouth.top < 0.6 * side < 0.75 * side < mouth.bottom <= side
    assert 0 < eyes.top < 0.24 * side < 0.36 * side < eyes.bottom <= mouth.top
    for name, window in (("mouth", mouth), ("eyes", eyes)):
        assert not any(edge % CELL for edge in window) and window.left + window.right == side
        share = soft_window(name, side)
        assert share.shape == window.of(torch.zeros(1, 1, side, side)).shape[2:]
        assert share.max() == 1 and max(share[0].max(), share[-1].max(), share[:, 0].max()) < 0.2
        assert max(share.diff(dim=0).abs().max(), share.diff(dim=1).abs().max()) < 0.5


@each_window
def test_it_sees_the_moved_picture_and_the_edit_in_its_window(window: str) -> None:
    side = UPPER_SCALE * TINY.image_size
    columns = torch.linspace(-1, 1, side).expand(1, 3, side, side)
    edited = torch.full((1, 3, TINY.image_size, TINY.image_size), 0.25)
    flow = torch.zeros(1, 2, *edited.shape[2:])
    flow[:, 0] = 2 * 6 / side  # six pixels from the right
    moved, edit = seen_of(window, columns, edited, flow)
    torch.testing.assert_close(moved, window_of(window, side).of(columns.roll(-6, 3)), rtol=0, atol=1e-5)
    torch.testing.assert_close(edit, torch.full_like(moved, 0.25))


@each_window
def test_each_expression_works_where_its_mask_is(perturb: Callable, window: str) -> None:
    """The same one everywhere is that expression; the half of the face that keeps its own hardly changes."""
    network = perturb(UpperLevel(WITH_UPPER, window))
    moved, edit, features, delta_exp = inputs(WITH_UPPER, window)
    quarters = quarter_masks(WITH_UPPER.code_size)
    halves = torch.stack([quarters[0] + quarters[2], quarters[1] + quarters[3]])  # the person's left first
    alone = network(moved, edit, features, delta_exp)
    same = network(moved, edit, features, torch.stack([delta_exp, delta_exp], 1), halves)
    torch.testing.assert_close(same, alone)
    two = network(moved, edit, features, torch.stack([delta_exp, torch.randn_like(delta_exp)], 1), halves)
    change = (two[1] - alone[1]).detach().abs().mean((0, 1, 2))
    third = len(change) // 3
    assert change[:third].mean() > 4 * change[-third:].mean()


def test_it_needs_the_flow() -> None:
    with pytest.raises(ValueError, match="^upper_width and upper_eyes_width without flow"):
        replace(WITH_UPPER, flow=False)
    with pytest.raises(ValueError, match="^upper_eyes_width without flow"):
        replace(TINY, upper_eyes_width=8, flow=False)


def test_every_part_of_the_code_knows_the_same_windows() -> None:
    assert set(WINDOWS) == set(UPPER_WIDTHS) == set(UPPER_LEVELS) == set(REFINE)
