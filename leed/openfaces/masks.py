"""Small operations on masks and pictures that the parts of the builder share."""

import cv2
import numpy as np

from leed.openfaces.arrays import Bytes, Floats
from leed.openfaces.templates import HEIGHT, WIDTH


def polygon(points: Floats, shape: tuple[int, int] = (HEIGHT, WIDTH)) -> Bytes:
    """The mask (H, W) of a polygon's inside, its points (n, 2) to a sixteenth of a pixel."""
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.round(points * 16).astype(np.int32)], 1, shift=4)
    return mask


def blurred(picture: Floats, sigma: float) -> Floats:
    """A picture or mask blurred by a Gaussian [px]."""
    return cv2.GaussianBlur(picture, (0, 0), sigma)


def square(side: int) -> Bytes:
    """A square to erode or dilate with."""
    return np.ones((side, side), np.uint8)


def disc(side: int) -> Bytes:
    """A disc to open or close with."""
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))


def without_holes(mask: Bytes) -> Bytes:
    """A mask whose holes are filled."""
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = mask.copy()
    cv2.drawContours(filled, outlines, -1, 1, -1)
    return filled


def smoothstep(x: Floats) -> Floats:
    """An S-curve from 0, for x of 0 and less, to 1, for x of 1 and more."""
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def fill(values: Floats, weights: Floats) -> Floats:
    """Values (H, W) or (H, W, C) spread smoothly from where weights (H, W) are 1 to where they are 0.

    By push and pull: weighted means in ever coarser pictures, and from these back into what is empty.
    """
    values = values.astype(np.float32)
    if values.ndim == 2:
        values = values[..., None]
    levels: list[tuple[Floats, Floats]] = [(values * weights[..., None], weights.astype(np.float32))]
    while min(levels[-1][1].shape) > 3:
        sums, known = levels[-1]
        height, width = known.shape
        size = ((width + 1) // 2, (height + 1) // 2)
        coarser = cv2.resize(sums, size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0], -1)
        levels.append((coarser, cv2.resize(known, size, interpolation=cv2.INTER_AREA)))
    sums, known = levels[-1]
    filled: Floats = sums / np.maximum(known, 1e-6)[..., None]
    for level in range(len(levels) - 2, -1, -1):
        sums, known = levels[level]
        height, width = known.shape
        coarse = cv2.resize(filled, (width, height), interpolation=cv2.INTER_LINEAR).reshape(sums.shape)
        own = np.clip(known if level == 0 else known * 4, 0, 1)[..., None]
        filled = coarse * (1 - own) + sums / np.maximum(known, 1e-6)[..., None] * own
    return filled[..., 0] if filled.shape[2] == 1 else filled
