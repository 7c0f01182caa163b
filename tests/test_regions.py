"""Regions of a face: masks that add up, an algebra that is exact, and an edit that stays where it belongs."""

from collections.abc import Callable

import pytest
import torch

from leed import LEED, Expression
from leed.config import TINY, ModelConfig
from leed.regions import REGIONS, in_quarters, joined, parts, quarter_masks, quarters_of


def expression(seed: int = 0, count: int = 1) -> Expression:
    return Expression(torch.randn(count, TINY.delta_size, generator=torch.Generator().manual_seed(seed)))


X, Y = expression(0), expression(1)


def test_masks_add_up_and_lie_where_they_say() -> None:
    for side in (8, 16, 128):
        masks = quarter_masks(side)
        torch.testing.assert_close(masks.sum(0), torch.ones(side, side))
        assert bool((masks >= 0).all())
    eye_row, mouth_row = round(0.30 * 128), round(0.66 * 128)
    for quarter, row, columns in ((0, eye_row, (80, 128)), (1, eye_row, (0, 48)), (2, mouth_row, (80, 128))):
        assert bool((masks[quarter, row, slice(*columns)] == 1).all())  # the person's left is on the right


def test_regional_algebra_is_exact() -> None:
    assert X.at("mouth") + X.at("eyes") == X and X.at("left") + X.at("right") == X
    assert X.at("eyes").at("left") == X.at("eyes", "left") == X.at("left").at("eyes")
    assert X.at("mouth") + 0 * Y == X.at("mouth") and 0 * X.at("mouth") == 0 * X
    assert (X + Y).at("left") == X.at("left") + Y.at("left")
    mix = X.at("mouth") + Y.at("eyes")
    assert (
        mix == Y.at("eyes") + X.at("mouth")
        and mix.at("mouth") == X.at("mouth")
        and mix - X.at("mouth") == Y.at("eyes")
    )
    assert mix.delta_exp.shape == (1, 4, TINY.delta_size) and len(expression(count=3) + mix) == 3


@pytest.mark.parametrize(
    ("regions", "message"),
    [
        (("nose",), "a region is one of eyes, mouth, left, right, got 'nose'"),
        ((), "got none"),
        (("eyes", "mouth"), "no part of a face is both eyes and mouth"),
    ],
)
def test_other_regions_are_refused(regions: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        X.at(*regions)
    assert quarters_of("mouth", "right") == (False, False, False, True)


def test_only_what_differs_is_computed() -> None:
    mix = (X.at("mouth") + Y.at("eyes")).delta_exp
    found, masks = parts(mix, 16)
    assert found.shape[1] == 2 and torch.allclose(masks.sum(0), torch.ones(16, 16))
    assert torch.equal(found[:, 0], Y.delta_exp) and torch.equal(found[:, 1], X.delta_exp)
    found, masks = parts(X.at("left").delta_exp, 16)
    assert torch.equal(found, X.delta_exp[:, None]) and masks[0, :, 0].max() == 0 and masks[0, :, -1].min() == 1
    found, masks = parts(X.delta_exp, 16)
    assert found.shape[1] == 1 and bool((masks == 1).all())
    assert parts(in_quarters(0 * X.delta_exp), 16)[0].shape[1] == 1
    assert torch.equal(joined(in_quarters(X.delta_exp)), X.delta_exp)


def halves(pictures: torch.Tensor) -> dict[str, torch.Tensor]:
    """The outermost quarters of pictures: of a network with few pixels, what no neighbour reaches."""
    side = pictures.shape[-1]
    edge = side // 8
    return {
        "eyes": pictures[..., :edge, :],
        "mouth": pictures[..., -edge:, :],
        "left": pictures[..., -edge:],
        "right": pictures[..., :edge],
    }


def test_a_regional_edit_is_each_region_s_own(variant: ModelConfig, perturb: Callable) -> None:
    leed = perturb(LEED(variant)).eval()
    side = variant.image_size
    image, reference, other = torch.rand(3, 2, 3, side, side) * 2 - 1
    one, two = leed.expression(reference), leed.expression(other)
    own, others, neutral = (leed.edit(image, each, 0.8) for each in (one, two, 0 * one))
    torch.testing.assert_close(leed.edit(image, one.at("eyes") + one.at("mouth"), 0.8), own, rtol=0, atol=0)
    for region, opposite in (("eyes", "mouth"), ("mouth", "eyes"), ("left", "right")):
        mixed = leed.edit(image, one.at(region) + two.at(opposite), 0.8)
        alone = leed.edit(image, one.at(region), 0.8)
        assert not torch.equal(mixed, own) and not torch.equal(mixed, others)
        near, far = halves(mixed - own), halves(mixed - others)
        assert near[region].abs().mean() < 0.4 * near[opposite].abs().mean()
        assert far[opposite].abs().mean() < 0.4 * far[region].abs().mean()
        still = halves(alone - neutral)
        assert still[opposite].abs().mean() < 0.4 * still[region].abs().mean()


def test_each_face_of_a_batch_has_its_own(lively_leed: LEED) -> None:
    side = TINY.image_size
    images = torch.rand(3, 3, side, side) * 2 - 1
    expressions = lively_leed.expression(images.flip(0))
    mixed = expressions.at("mouth") + expressions[0].at("eyes")
    alpha = torch.tensor([0.5, 1.0, 1.5])
    together = lively_leed.edit(images, mixed, alpha)
    for i in range(3):
        apart = lively_leed.edit(images[i : i + 1], mixed[i], float(alpha[i]))
        torch.testing.assert_close(together[i : i + 1], apart, rtol=0, atol=1e-4)
    shared = lively_leed.edit(images, mixed[1])
    torch.testing.assert_close(shared[2:], lively_leed.edit(images[2:], mixed[1]), rtol=0, atol=1e-4)
    trace = lively_leed.prepare(images, mixed).trace(1.0)
    assert trace.edited.shape == images.shape and bool(trace.flow.isfinite().all())


def test_regions_in_half_precision(variant: ModelConfig, perturb: Callable) -> None:
    leed = perturb(LEED(variant)).eval().to(torch.bfloat16)
    faces = torch.rand(1, 3, variant.image_size, variant.image_size) * 2 - 1
    edited = leed.edit(faces, leed.expression(faces.flip(3)).at("eyes"))
    assert edited.dtype == torch.bfloat16 and bool(edited.isfinite().all())


def test_every_region_has_its_quarters() -> None:
    assert all(len(quarters) == 4 and sum(quarters) == 2 for quarters in REGIONS.values())
