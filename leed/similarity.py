"""Similarity of two pictures. Pictures are face tensors (B, 3, H, W) in [-1, 1]."""

from torch import Tensor

from leed.images import inner_face


def ssim(image: Tensor, target: Tensor) -> Tensor:
    """SSIM (B,) of RGB pictures brought to [0, 1]: Gaussian window of 11 pixels, sigma 1.5.

    SSIM depends on where black lies: the same pictures in [-1, 1] score lower.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure  # slow import

    image, target = image * 0.5 + 0.5, target * 0.5 + 0.5
    values = structural_similarity_index_measure(image, target, data_range=1.0, reduction="none")
    assert isinstance(values, Tensor)  # other options give a tuple
    return values.reshape(len(image))  # torchmetrics drops the dimension of a batch of one


def inner_ssim(image: Tensor, target: Tensor) -> Tensor:
    """SSIM (B,) of the inner faces, cropped first."""
    return ssim(inner_face(image), inner_face(target))
