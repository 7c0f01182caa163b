"""Likeness, sharpness and detail in boxes about mouth and eyes."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity

from leed.training import detail
from leed.training.detail import BOXES, DETAIL_SIGMA, SIDE, box_of


def noise(seed: int) -> torch.Tensor:
    return torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_ssim_of_a_box_is_the_mean_of_the_map_there() -> None:
    image, truth = noise(0), 0.7 * noise(0) + 0.3 * noise(1)
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "full": True}
    arrays = [np.asarray(pictures[0].double() * 0.5 + 0.5) for pictures in (image, truth)]
    _, ssim_map = structural_similarity(*arrays, data_range=1.0, channel_axis=0, **settings)
    for box, (top, bottom, left, right) in BOXES.items():
        expected = ssim_map[:, top:bottom, left:right].mean()
        assert float(detail.box_ssim(image, truth, box)) == pytest.approx(expected, abs=1e-6)


def test_energy_and_detail_of_known_patterns() -> None:
    rows = torch.arange(SIDE)
    stripes = (0.1 * (-1.0) ** rows).view(1, 1, -1, 1).expand(1, 3, -1, SIDE)  # 0.2 from row to row
    assert float(detail.gradient_energy(stripes, "mouth")) == pytest.approx(0.04)
    fine = detail.detail(stripes)
    grey = stripes[0, 0].double().numpy()
    expected = torch.from_numpy(grey - gaussian_filter(grey, DETAIL_SIGMA, mode="mirror"))[None, None]
    assert torch.allclose(box_of(fine, "eyes").double(), box_of(expected, "eyes"), atol=1e-3)
    assert float(detail.detail_correlation(stripes, -stripes, "eyes")) == pytest.approx(-1)


def test_boxes_grow_with_the_picture() -> None:
    pictures = torch.arange(96.0).view(1, 1, 1, -1).expand(1, 3, 96, -1)
    assert box_of(pictures, "mouth").shape == (1, 3, 86 - 51, 75 - 21)
    assert float(box_of(pictures, "mouth").min()) == 21
