"""How good mouth and eyes of a large picture of a face are: likeness, sharpness, and detail finer than 2 pixels.

Pictures are face tensors (B, 3, H, H) in [-1, 1], of SIDE pixels where figures are to be compared.
"""

import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from leed.similarity import WINDOW, ssim

SIDE = 384  # of the pictures [px]
BOXES = {"mouth": (205, 346, 85, 300), "eyes": (84, 157, 60, 325)}  # top, bottom, left, right [px]
DETAIL_SIGMA = 2.0  # [px] of the Gaussian blur that detail is what goes beyond of


def box_of(pictures: Tensor, box: str, margin: int = 0) -> Tensor:
    """The part of pictures (B, 3, H, H) in a box, and a margin about it [px]."""
    top, bottom, left, right = (round(edge * pictures.shape[-1] / SIDE) for edge in BOXES[box])
    return pictures[..., top - margin : bottom + margin, left - margin : right + margin]


def box_ssim(image: Tensor, truth: Tensor, box: str) -> Tensor:
    """SSIM (B,), mean over the box's pixels."""
    margin = WINDOW // 2
    return ssim(box_of(image, box, margin), box_of(truth, box, margin))


def gradient_energy(pictures: Tensor, box: str) -> Tensor:
    """Mean squared difference (B,) of neighbouring grey values in the box, across and down together."""
    grey = box_of(pictures, box).mean(1)
    return grey.diff(dim=1).square().mean((1, 2)) + grey.diff(dim=2).square().mean((1, 2))


def detail(pictures: Tensor) -> Tensor:
    """What a blur takes away of the grey values of pictures (B, 3, H, H): (B, 1, H, H)."""
    grey = pictures.mean(1, keepdim=True)
    size = 2 * round(4 * DETAIL_SIGMA) + 1
    return grey - gaussian_blur(grey, [size, size], [DETAIL_SIGMA, DETAIL_SIGMA])


def detail_correlation(image: Tensor, truth: Tensor, box: str) -> Tensor:
    """Correlation (B,) of the detail of both in the box."""
    values = [box_of(detail(pictures), box).flatten(1).double() for pictures in (image, truth)]
    centred = [part - part.mean(1, keepdim=True) for part in values]
    lengths = [part.norm(dim=1).clamp(min=1e-9) for part in centred]
    return (centred[0] * centred[1]).sum(1) / (lengths[0] * lengths[1])


def enlarged(pictures: Tensor) -> Tensor:
    """Pictures (B, 3, h, w) at SIDE pixels, as sharp as interpolation allows."""
    return F.interpolate(pictures, (SIDE, SIDE), mode="bicubic").clamp(-1, 1)
