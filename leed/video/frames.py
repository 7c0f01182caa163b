"""A frame of a clip, changed without a detour through RGB: what an edit leaves alone keeps its very levels.

A change is computed in RGB with 8 bits, then turned into a change of brightness and colour differences, and added to
the frame's own planes, which may have more bits, other matrices and transparency.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import av
import numpy as np
from PIL import Image

LUMA_WEIGHTS = {1: (0.2126, 0.0722), 4: (0.30, 0.11), 7: (0.212, 0.087), 9: (0.2627, 0.0593), 10: (0.2627, 0.0593)}
"""Weights of red and blue in the brightness, by the matrix's number in ITU-T H.273; all others are those of BT.601."""

BT601, BT709 = 5, 1
UNSPECIFIED = (0, 2)
LIMITED_RANGE, FULL_RANGE = 1, 2  # as FFmpeg numbers them
HD_HEIGHT = 720  # from which on players take a matrix that a file does not name for BT.709's [px]


@dataclass(frozen=True)
class Turn:
    """How a stored frame is shown upright: rows and columns swapped, then columns or rows reversed."""

    swap: bool = False
    mirror: bool = False
    flip: bool = False

    @classmethod
    def of(cls, frame: av.VideoFrame) -> "Turn":
        """The turn that a frame's display matrix asks for, to the nearest quarter."""
        side_data: Any = frame.side_data  # PyAV's stubs have that of packets
        if "DISPLAYMATRIX" not in {data.type.name for data in side_data}:
            return cls()
        a, b, _, c, d, *_ = np.frombuffer(side_data["DISPLAYMATRIX"], np.int32).tolist()
        swap = abs(b) > abs(a)
        return cls(swap, (c if swap else a) < 0, (b if swap else d) < 0)

    def apply(self, plane: np.ndarray) -> np.ndarray:
        """A plane (H, W), upright."""
        plane = plane.T if self.swap else plane
        return plane[:: -1 if self.flip else 1, :: -1 if self.mirror else 1]


UPRIGHT = Turn()


@dataclass
class Frame:
    """A frame that is upright, has planes of its own and sides that are even; `change` changes it in place."""

    video: av.VideoFrame

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.video.width, self.video.height

    @property
    def time(self) -> float:
        """When it is shown, in seconds."""
        assert self.video.pts is not None and self.video.time_base is not None  # as `own` makes them
        return float(self.video.pts * self.video.time_base)

    @cached_property
    def picture(self) -> Image.Image:
        """The frame in RGB, as it was when this was first asked for."""
        rgb = self.video.reformat(
            format="rgb24", src_colorspace=matrix_of(self.video), src_color_range=self.video.color_range
        )
        return Image.fromarray(rgb.to_ndarray())

    def forget_picture(self) -> None:
        """Frees `picture`, which takes twice the memory of the planes; it is made anew when it is asked for."""
        self.__dict__.pop("picture", None)

    def at(self, pts: int, time_base: Fraction) -> "Frame":
        """A copy to be shown at another time."""
        copy = own(self.video, self.video.format.name, pts=pts, time_base=time_base)
        copy.__dict__["picture"] = self.picture  # it is the same
        return copy

    def change(
        self, box: tuple[int, int, int, int], before: Image.Image, after: Image.Image, weight: float = 1.0
    ) -> None:
        """Adds what differs between two RGB pictures of a box of the frame, times a weight in [0, 1]."""
        change = np.subtract(np.asarray(after), np.asarray(before), dtype=np.float32)
        if weight != 1:
            change *= weight
        components = self.video.format.components
        luma, chroma = components[0], components[1]
        step_x, step_y = round(luma.width / chroma.width), round(luma.height / chroma.height)
        left, top = box[0] % step_x, box[1] % step_y
        right, bottom = -(left + change.shape[1]) % step_x, -(top + change.shape[0]) % step_y
        change = np.pad(change, ((top, bottom), (left, right), (0, 0)))
        levels = change_of_levels(change, matrix_of(self.video), self.video.color_range == FULL_RANGE, luma.bits)
        x, y = box[0] - left, box[1] - top
        views = planes(self.video)
        add(views[0], levels[0], x, y)
        for view, level in zip(views[1:3], levels[1:], strict=True):
            height, width = level.shape[0] // step_y, level.shape[1] // step_x
            mean = level.reshape(height, step_y, width, step_x).mean((1, 3))
            add(view, mean, x // step_x, y // step_y)


def change_of_levels(change: np.ndarray, matrix: int, full: bool, bits: int) -> tuple[np.ndarray, ...]:
    """A change (H, W, 3) of 8-bit red, green and blue as one of Y, Cb and Cr with so many bits, (H, W) each."""
    red, blue = LUMA_WEIGHTS.get(matrix, (0.299, 0.114))
    brightness = change @ np.array([red, 1 - red - blue, blue], np.float32)
    levels = (2**bits - 1) / 255 if full else 2 ** (bits - 8)
    luma, chroma = (levels, levels) if full else (levels * 219 / 255, levels * 224 / 255)
    return (
        luma * brightness,
        chroma / (2 - 2 * blue) * (change[..., 2] - brightness),
        chroma / (2 - 2 * red) * (change[..., 0] - brightness),
    )


def add(plane: np.ndarray, change: np.ndarray, x: int, y: int) -> None:
    """Adds a change (h, w) to the part of a plane that begins at (x, y), in place."""
    part = plane[y : y + change.shape[0], x : x + change.shape[1]]
    most = 255 if plane.dtype == np.uint8 else 1023
    part[...] = np.clip(part + np.rint(change[: part.shape[0], : part.shape[1]]), 0, most).astype(plane.dtype)


def planes(video: av.VideoFrame) -> list[np.ndarray]:
    """The planes (H, W) of a planar frame, not copied."""
    kind = np.dtype(np.uint8 if video.format.components[0].bits == 8 else np.uint16)
    views = []
    for plane in video.planes:
        rows = np.frombuffer(memoryview(plane), kind)[: plane.height * plane.line_size // kind.itemsize].reshape(
            plane.height, -1
        )
        views.append(rows[:, : plane.width])
    return views


def own(
    video: av.VideoFrame, pixel_format: str, turn: Turn = UPRIGHT, pts: int = 0, time_base: Fraction = Fraction(1)
) -> Frame:
    """A copy of a decoded frame: upright, in a planar format of YUV, an odd side one pixel longer."""
    matrix, full_range = int(video.colorspace), is_full_range(video)
    if video.format.name.replace("yuvj", "yuv") != pixel_format:
        if video.format.is_rgb:
            matrix, full_range = matrix_of_size(video), False
        video = converted(video, pixel_format, matrix_of(video), matrix, full_range)
    width, height = (video.height, video.width) if turn.swap else (video.width, video.height)
    copy = av.VideoFrame(width + width % 2, height + height % 2, pixel_format)
    for source, target in zip(planes(video), planes(copy), strict=True):
        upright = turn.apply(source)
        missing = [(0, wanted - given) for wanted, given in zip(target.shape, upright.shape, strict=True)]
        target[...] = np.pad(upright, missing, "edge") if any(extra for _, extra in missing) else upright
    copy.colorspace, copy.color_range = matrix, FULL_RANGE if full_range else LIMITED_RANGE
    copy.pts, copy.time_base = pts, time_base
    return Frame(copy)


def of_picture(picture: Image.Image) -> Frame:
    """A picture in RGB as a frame with four times fewer colour differences, as players expect it.

    Its matrix is named: BT.601 or BT.709, by its size.
    """
    return own(av.VideoFrame.from_ndarray(np.asarray(picture), "rgb24"), "yuv420p")


def converted(
    video: av.VideoFrame, pixel_format: str, matrix: int, wanted_matrix: int, full_range: bool
) -> av.VideoFrame:
    """A frame in another planar format, in the same range unless it was RGB."""
    kind = FULL_RANGE if full_range else LIMITED_RANGE
    wanted = wanted_matrix if wanted_matrix not in UNSPECIFIED else matrix
    source = {} if video.format.is_rgb else {"src_colorspace": matrix, "src_color_range": kind}
    return video.reformat(format=pixel_format, dst_colorspace=wanted, dst_color_range=kind, **source)


def is_full_range(video: av.VideoFrame) -> bool:
    """Whether black is 0 in a frame; the old names of formats (yuvj) say so, too."""
    return video.color_range == FULL_RANGE or video.format.name.startswith("yuvj")


def matrix_of(video: av.VideoFrame) -> int:
    """The number of a frame's colour matrix; of one that names none, that of its size, as players take it."""
    named = int(video.colorspace)
    if named in UNSPECIFIED:
        return matrix_of_size(video)
    return named if named in LUMA_WEIGHTS else BT601


def matrix_of_size(video: av.VideoFrame) -> int:
    """The number of the colour matrix that is usual for a frame's size."""
    return BT709 if min(video.width, video.height) >= HD_HEIGHT else BT601
