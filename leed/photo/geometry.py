"""A face's crop as a similarity transform of the photo."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

EYE_ROW = 0.30  # of the crop's side


@dataclass(frozen=True)
class Alignment:
    """The similarity between a photo and a square crop of it."""

    corner: tuple[float, float]  # the crop's upper left corner in the photo
    across: tuple[float, float]  # from there to the upper right corner

    @property
    def side(self) -> float:
        """Of the crop, in pixels of the photo."""
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

    def to_photo(self, points: np.ndarray) -> np.ndarray:
        """Positions in the crop, as fractions of its side, to positions in the photo; (..., 2) both."""
        return np.asarray(self.corner) + np.asarray(points) @ self.axes

    def to_crop(self, points: np.ndarray) -> np.ndarray:
        """Inverse of `to_photo`."""
        return (np.asarray(points) - np.asarray(self.corner)) @ self.axes.T / self.side**2

    def distance(self, other: "Alignment") -> float:
        """From this crop's corners to another's, at most, as a fraction of the other's side."""
        corners = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
        return float(np.linalg.norm(other.to_crop(self.to_photo(corners)) - corners, axis=1).max())

    def scaled(self, factor: float) -> "Alignment":
        """The same crop in a photo resized by `factor`."""
        return Alignment(*(tuple(factor * value for value in pair) for pair in (self.corner, self.across)))

    def bounds(
        self, size: tuple[int, int], part: tuple[float, float, float, float] = (0, 0, 1, 1)
    ) -> tuple[int, int, int, int]:
        """The smallest box of a photo of (width, height) `size` that holds what it shows of the crop.

        `part` (left, top, right, bottom), in fractions of the crop's side, is the part of it that is meant.
        """
        x1, y1, x2, y2 = part
        corners = self.to_photo([[x1, y1], [x2, y1], [x1, y2], [x2, y2]])
        low, high = np.floor(corners.min(0)), np.ceil(corners.max(0))
        left, top = np.clip(low, 0, np.subtract(size, 1)).astype(int).tolist()
        right, bottom = np.clip(high, [left + 1, top + 1], size).astype(int).tolist()
        return left, top, right, bottom

    def crop(self, photo: Image.Image, size: int) -> Image.Image:
        """The crop (size, size); what lies outside the photo repeats its border."""
        factor = max(1, int(self.side / (2 * size)))  # a box filter does the larger part of the reduction
        if self.side <= 1.01 * factor * size:
            return self.sampled(photo, size, factor, Image.Resampling.BICUBIC)
        fine = self.sampled(photo, 2 * size, factor, Image.Resampling.BILINEAR)  # twice as fine, it is enough
        return fine.resize((size, size), Image.Resampling.LANCZOS)

    def view(self, photo: Image.Image, size: int) -> Image.Image:
        """As `crop`, in a third of the time and not free of aliases: enough to find a face in it."""
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
        """What the box of the photo shows of the crop: the way back; black where it shows nothing."""
        size = min(crop.width, max(1, round(self.side)))
        if size < crop.width:  # what follows can enlarge but would skip pixels
            crop = crop.resize((size, size), Image.Resampling.LANCZOS)
        left, top, right, bottom = box
        (a, b), (d, e) = self.axes * (size / self.side**2)
        x, y = self.to_crop([left, top]) * size
        coefficients = (a, b, x, d, e, y)
        size = (right - left, bottom - top)
        return crop.transform(size, Image.Transform.AFFINE, coefficients, resampling)


def padded_crop(photo: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """The box of a photo; where it reaches beyond the photo, the border's pixels are repeated."""
    left, top, right, bottom = box
    if left >= 0 and top >= 0 and right <= photo.width and bottom <= photo.height:
        return photo.crop((left, top, right, bottom))
    (left, right, *columns), (top, bottom, *rows) = within(left, right, photo.width), within(top, bottom, photo.height)
    return Image.fromarray(np.pad(photo.crop((left, top, right, bottom)), (rows, columns, (0, 0)), mode="edge"))


def within(start: int, stop: int, length: int) -> tuple[int, int, int, int]:
    """The part of a range in [0, length), at least the place nearest to it; and how much is missing on either side."""
    low = min(max(start, 0), length - 1)
    high = max(min(stop, length), low + 1)
    missing = stop - start - (high - low)
    before = min(max(-start, 0), missing)
    return low, high, before, missing - before


def centre_alignment(size: tuple[int, int]) -> Alignment:
    """The largest square in the middle of a photo of (width, height) `size`."""
    side = min(size)
    return Alignment(((size[0] - side) / 2, (size[1] - side) / 2), (side, 0.0))
