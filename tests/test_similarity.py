"""SSIM against scikit-image, against values worked out by hand, and what it refuses."""

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from leed import gallery
from leed.images import inner_face, to_tensor
from leed.similarity import inner_ssim, ssim


def reference_ssim(image: torch.Tensor, target: torch.Tensor) -> float:
    """scikit-image's value for two pictures (3, H, W), with the settings of Wang et al. (2004)."""
    pictures = [np.asarray(picture.double() * 0.5 + 0.5) for picture in (image, target)]
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return structural_similarity(*pictures, data_range=1.0, channel_axis=0, **settings)


def test_ssim_equals_scikit_image() -> None:
    """Of gallery faces against each other, of a flat picture with a faint pattern, and of noise."""
    portraits = torch.cat([to_tensor(face.open(), 128) for face in gallery.faces()[:6]])
    noise = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(0)) * 2 - 1
    flat = torch.full((1, 3, 128, 128), 0.9)
    images, targets = torch.cat([portraits, noise, flat]), torch.cat([portraits.roll(1, 0), noise.flip(0), flat])
    targets[-1, :, ::2] += 1e-3
    for function, crop in ((ssim, torch.Tensor.clone), (inner_ssim, inner_face)):
        expected = [reference_ssim(*pair) for pair in zip(crop(images), crop(targets), strict=True)]
        assert function(images, targets).tolist() == pytest.approx(expected, abs=1e-6)


def constant(value: float, size: int = 32) -> torch.Tensor:
    return torch.full((2, 3, size, size), value)


def test_ssim_of_constant_pictures() -> None:
    """Without variance SSIM is (2 a b + c1) / (a^2 + b^2 + c1), c1 = 0.01^2, of values in [0, 1]."""
    a, b = 0.5, -0.5  # 0.75 and 0.25 in [0, 1]
    expected = (2 * 0.75 * 0.25 + 1e-4) / (0.75**2 + 0.25**2 + 1e-4)
    for function in (ssim, inner_ssim):
        assert function(constant(a), constant(b)).tolist() == pytest.approx([expected] * 2, abs=1e-6)
    assert ssim(constant(a)[:1], constant(b)[:1]).tolist() == pytest.approx([expected], abs=1e-6)


def test_each_picture_is_compared_alone() -> None:
    pictures = torch.stack([constant(0.0)[0], constant(0.2)[0]])  # 0.5 and 0.6 in [0, 1]
    expected = (2 * 0.5 * 0.6 + 1e-4) / (0.5**2 + 0.6**2 + 1e-4)
    assert ssim(pictures, constant(0.0)).tolist() == pytest.approx([1, expected], abs=1e-6)


@pytest.mark.parametrize("shape", [(2, 3, 32, 33), (1, 3, 32, 32), (2, 3, 10, 10)])
def test_ssim_refuses_other_shapes(shape: tuple[int, ...]) -> None:
    image = torch.zeros(2, 3, 10, 10) if shape[-1] == 10 else constant(0.0)
    with pytest.raises(ValueError, match="11 x 11 pixels, got"):
        ssim(image, torch.zeros(shape))
