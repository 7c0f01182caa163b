"""The place of a face in a photo: a square crop, moved, turned and scaled.

Positions are (x, y) in pixels of an upright photo, (0, 0) being the outer corner of the first pixel.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

EYE_ROW = 0.30  # row of the eyes in a crop, as a fraction of its side
SAMPLED_ONCE = 1.25  # reduction up to which one bicubic sampling is nearer to the photo than one twice as fine


@dataclass(frozen=True)
class Alignment:
    """A similarity transform between a photo and a square crop of it."""

    corner: tuple[float, float]  # the crop's upper left corner in the photo
    across: tuple[float, float]  # from there to the upper right corner

    @property
    def side(self) -> float:
        """Side of the crop, in pixels of the photo."""
        return float(np.hypot(*self.across))

    @classmethod
    def at_eyes(cls, anchor: np.ndarray, angle: float, side: float) -> "Alignment":
        """The crop of a given side and roll [rad] whose eye row has its middle at `anchor`."""
        across = side * np.array([np.cos(angle), np.sin(angle)])
        down = np.array([-across[1], across[0]])
        corner = np.asarray(anchor) - 0.5 * across - EYE_ROW * down
        return cls(tuple(corner.tolist()), tuple(across.tolist()))

    @property
    def angle(self) -> float:
        """Roll of the crop in the photo, clockwise, in radians."""
        return float(np.arctan2(self.across[1], self.across[0]))

    @property
    def axes(self) -> np.ndarray:
        """(2, 2): the crop's upper and left side as vectors in the photo."""
        x, y = self.across
        return np.array([[x, y], [-y, x]])

    def to_photo(self, points: ArrayLike) -> np.ndarray:
        """Positions in the crop, as fractions of its side, to positions in the photo; (..., 2) both."""
        return np.asarray(self.corner) + np.asarray(points) @ self.axes

    def to_crop(self, points: ArrayLike) -> np.ndarray:
        """Inverse of `to_photo`."""
        return (np.asarray(points) - np.asarray(self.corner)) @ self.axes.T / self.side**2

    def distance(self, other: "Alignment") -> float:
        """Largest distance between a corner of this crop and of another, as a fraction of the other's side."""
        corners = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
        return float(np.linalg.norm(other.to_crop(self.to_photo(corners)) - corners, axis=1).max())

    def scaled(self, factor: float) -> "Alignment":
        """The same crop in a photo resized by `factor`."""
        (x, y), (right, down) = self.corner, self.across
        return Alignment((factor * x, factor * y), (factor * right, factor * down))

    def bounds(
        self, size: tuple[int, int], part: tuple[float, float, float, float] = (0, 0, 1, 1)
    ) -> tuple[int, int, int, int]:
        """The smallest box (left, top, right, bottom) around the crop in a photo of (width, height) `size`.

        `part` (left, top, right, bottom), in fractions of the crop's side, is the part of it to be held.
        """
        x1, y1, x2, y2 = part
        corners = self.to_photo([[x1, y1], [x2, y1], [x1, y2], [x2, y2]])
        low, high = np.floor(corners.min(0)), np.ceil(corners.max(0))
        left, top = np.clip(low, 0, np.subtract(size, 1)).astype(int).tolist()
        right, bottom = np.clip(high, [left + 1, top + 1], size).astype(int).tolist()
        return left, top, right, bottom

    def crop(self, photo: Image.Image, size: int) -> Image.Image:
        """The crop (size, size); what lies outside the photo repeats its border."""
        if self.side <= SAMPLED_ONCE * size:
            return self.sampled(photo, size, 1, Image.Resampling.BICUBIC)
        factor = max(1, int(self.side / (2 * size)))  # a box filter does the larger part of the reduction
        fine = self.sampled(photo, 2 * size, factor, Image.Resampling.BILINEAR)  # twice as fine, it is enough
        return fine.resize((size, size), Image.Resampling.LANCZOS)

    def view(self, photo: Image.Image, size: int) -> Image.Image:
        """As `crop`, in a third of the time but with aliases: enough to find a face in it."""
        return self.sampled(photo, size, max(1, int(self.side / size)), Image.Resampling.BILINEAR)

    def sampled(self, photo: Image.Image, size: int, factor: int, kind: Image.Resampling) -> Image.Image:
        """The crop (size, size) by one resampling of the photo reduced by a whole `factor`."""
        corners = self.to_photo([[0, 0], [1, 0], [0, 1], [1, 1]])
        left, top = np.floor(corners.min(0)).astype(int) - 2
        right, bottom = np.ceil(corners.max(0)).astype(int) + 2
        piece = padded_crop(photo, (left, top, right, bottom)).reduce(factor)
        origin = (np.asarray(self.corner) - (left, top)) / factor
        (a, d), (b, e) = self.axes / (factor * size)
        coefficients = (a, b, origin[0], d, e, origin[1])
        return piece.transform((size, size), Image.Transform.AFFINE, coefficients, kind)

    def place(
        self,
        crop: Image.Image,
        box: tuple[int, int, int, int],
        resampling: Image.Resampling = Image.Resampling.BICUBIC,
    ) -> Image.Image:
        """Inverse of `crop`: a box of the photo with the crop in it, black around the crop."""
        size = min(crop.width, max(1, round(self.side)))
        if size < crop.width:  # `transform` can enlarge but would skip pixels
            crop = crop.resize((size, size), Image.Resampling.LANCZOS)
        left, top, right, bottom = box
        (a, b), (d, e) = self.axes * (size / self.side**2)
        x, y = self.to_crop([left, top]) * size
        coefficients = (a, b, x, d, e, y)
        return crop.transform((right - left, bottom - top), Image.Transform.AFFINE, coefficients, resampling)


def padded_crop(photo: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """The box of a photo; where it reaches beyond the photo, the border's pixels are repeated."""
    left, top, right, bottom = box
    if left >= 0 and top >= 0 and right <= photo.width and bottom <= photo.height:
        return photo.crop((left, top, right, bottom))
    columns, rows = clip_range(left, right, photo.width), clip_range(top, bottom, photo.height)
    part = np.asarray(photo.crop((columns.start, rows.start, columns.stop, rows.stop)))
    return Image.fromarray(np.pad(part, (rows.missing, columns.missing, (0, 0)), mode="edge"))


class ClippedRange(NamedTuple):
    """The part of a range that lies in another, and how much of it is missing before and after that part."""

    start: int
    stop: int
    missing: tuple[int, int]


def clip_range(start: int, stop: int, length: int) -> ClippedRange:
    """The part of a range in [0, length); the place nearest to the range if they do not meet."""
    low = min(max(start, 0), length - 1)
    high = max(min(stop, length), low + 1)
    missing = stop - start - (high - low)
    before = min(max(-start, 0), missing)
    return ClippedRange(low, high, (before, missing - before))


def centre_alignment(size: tuple[int, int]) -> Alignment:
    """The largest square in the middle of a photo of (width, height) `size`."""
    side = min(size)
    return Alignment(((size[0] - side) / 2, (size[1] - side) / 2), (side, 0.0))
