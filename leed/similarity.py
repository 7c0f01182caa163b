"""Similarity of two pictures. Pictures are face tensors (B, 3, H, W) in [-1, 1]."""

import torch
from pytorch_msssim import ssim as structural_similarity
from torch import Tensor

from leed.images import inner_face

WINDOW, SIGMA = 11, 1.5  # pixels


def ssim(image: Tensor, target: Tensor) -> Tensor:
    """Standard SSIM (B,) of RGB pictures, brought to [0, 1] first (Wang et al. 2004).

    The window, a Gaussian of sigma 1.5 in 11 x 11 pixels, stays inside the picture; the channels' values are averaged.
    Equal to scikit-image with `gaussian_weights=True, sigma=1.5, use_sample_covariance=False`.
    Raises `ValueError` for pictures smaller than the window or of different shapes.
    """
    if image.shape != target.shape or min(image.shape[-2:]) < WINDOW:
        raise ValueError(
            f"SSIM compares pictures of one shape and at least {WINDOW} x {WINDOW} pixels, "
            f"got {tuple(image.shape)} and {tuple(target.shape)}"
        )
    # In double precision, on the CPU since not all devices have it: variances are small differences of large numbers.
    pictures = [picture.cpu().double() * 0.5 + 0.5 for picture in (image, target)]
    offsets = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    window = torch.exp(-(offsets**2) / (2 * SIGMA**2))
    window = (window / window.sum()).expand(image.shape[1], 1, 1, -1)
    values = structural_similarity(*pictures, data_range=1.0, size_average=False, win=window)
    return values.to(image.device, torch.float32)


def inner_ssim(image: Tensor, target: Tensor) -> Tensor:
    """SSIM (B,) of the inner faces, cropped first."""
    return ssim(inner_face(image), inner_face(target))
