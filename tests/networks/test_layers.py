"""The transform of patches, and warping."""

from dataclasses import replace

import torch

from leed.config import TINY
from leed.networks.editor import Decoder, Encoder
from leed.networks.layers import PatchTransform, warp
from networks.inputs import inputs


def test_codes_survive_the_transform_and_whole_ones_hold_a_picture() -> None:
    x = inputs(TINY)
    transform = PatchTransform(TINY.patch_size, TINY.code_channels)
    torch.testing.assert_close(transform.encode(transform.decode(x["code"])), x["code"], rtol=0, atol=1e-4)
    whole = replace(TINY, code_channels=3 * TINY.patch_size**2)
    code = Encoder(whole)(x["image"])  # what convolutions add starts at zero
    torch.testing.assert_close(Decoder(whole)(code), x["image"], rtol=0, atol=1e-4)


def test_transform_is_exact_under_autocast() -> None:
    x = inputs(TINY)
    transform = PatchTransform(TINY.patch_size, TINY.code_channels)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(transform.encode(x["image"]), transform.encode(x["image"].float()))
        code = transform.encode(x["image"])
    assert code.dtype == torch.float32
    assert torch.equal(code, transform.encode(x["image"]))


def test_warp_takes_the_pictures_precision() -> None:
    image = torch.rand(1, 3, 64, 64)
    flow = torch.zeros(1, 2, 16, 16, dtype=torch.bfloat16)
    torch.testing.assert_close(warp(image, flow), image, rtol=0, atol=1e-5)


def test_warp_moves_by_half_sides() -> None:
    image = torch.zeros(1, 1, 8, 8)
    image[..., 3, 4] = 1
    flow = torch.zeros(1, 2, 8, 8)
    flow[:, 0] = 2 / 8  # one pixel: each place takes what is one to its right
    torch.testing.assert_close(warp(image, flow)[0, 0, 3, 3], torch.tensor(1.0))
