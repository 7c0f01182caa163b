"""The neutraliser: its start, its bounds, and changes of larger pictures."""

import torch
import torch.nn.functional as F

from leed.config import TINY
from leed.networks.neutralizer import Neutralizer
from networks.inputs import inputs


def test_neutralizer_starts_near_the_identity() -> None:
    image = inputs(TINY)["image"]
    torch.testing.assert_close(Neutralizer(TINY)(image), image, rtol=0, atol=0.02)


def test_neutralizer_is_bounded_whatever_its_weights() -> None:
    model, image = Neutralizer(TINY), inputs(TINY)["image"].clamp(-1, 1)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=10.0)
    assert model(image).abs().max() <= 3


def test_a_change_is_carried_to_a_larger_picture() -> None:
    model, image = Neutralizer(TINY), F.interpolate(inputs(TINY)["image"][..., :8, :8], 32, mode="bicubic")
    for head in (model.generator.flow, model.generator.mask, model.generator.paint):
        torch.nn.init.constant_(head.bias, 1.0)
    change = model.change(image)
    torch.testing.assert_close(change.apply(image), model(image))
    small_again = F.avg_pool2d(change.apply(F.interpolate(image, scale_factor=4, mode="bicubic")), 4)
    assert (small_again - model(image)).abs().mean() < 0.1 * (image - model(image)).abs().mean()
