"""Changes of frames: what is left alone keeps its levels, the rest gets the colours that it is given."""

from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from leed.video.frames import Frame, change_of_levels, of_picture, own, planes
from video.clips import waves

FORMATS = ("yuv420p", "yuv420p10le", "yuva420p", "yuva444p10le")


def frame_in(pixel_format: str, matrix: int = 1, full_range: bool = False, size: tuple[int, int] = (64, 48)) -> Frame:
    video = av.VideoFrame.from_ndarray(np.asarray(waves(1, size)[0]), "rgba").reformat(
        format=pixel_format, dst_colorspace=matrix, dst_color_range=2 if full_range else 1
    )
    video.colorspace, video.color_range = matrix, 2 if full_range else 1
    return own(video, pixel_format)


def test_levels_of_black_made_white() -> None:
    white = np.full((1, 1, 3), 255.0, np.float32)
    for full_range, bits, luma in ((False, 8, 219), (True, 8, 255), (False, 10, 876), (True, 10, 1023)):
        y, cb, cr = change_of_levels(white, 1, full_range, bits)
        assert y.item() == pytest.approx(luma) and abs(cb).max() < 1e-3 and abs(cr).max() < 1e-3


@pytest.mark.parametrize(("matrix", "luma"), [(1, 0.2126), (5, 0.299), (6, 0.299), (9, 0.2627), (2, 0.299)])
def test_levels_of_black_made_red(matrix: int, luma: float) -> None:
    y, cb, cr = change_of_levels(np.array([[[255, 0, 0]]], np.float32), matrix, True, 8)
    assert y.item() == pytest.approx(255 * luma)
    assert cr.item() == pytest.approx(127.5)
    assert cb.item() == pytest.approx(-127.5 * luma / (1 - {1: 0.0722, 9: 0.0593}.get(matrix, 0.114)))


@pytest.mark.parametrize("pixel_format", FORMATS)
@pytest.mark.parametrize(("matrix", "full_range"), [(1, False), (5, True), (9, False)])
def test_a_change_reaches_its_colours_and_nothing_else(pixel_format: str, matrix: int, full_range: bool) -> None:
    frame = frame_in(pixel_format, matrix, full_range)
    before, untouched = frame.picture, [plane.copy() for plane in planes(frame.video)]
    box = (11, 7, 42, 38)
    wanted = before.copy()
    wanted.paste(before.crop(box).point(lambda level: 40 + level * 0.6), box)
    frame.change(box, before.crop(box), wanted.crop(box))
    frame.forget_picture()
    difference = np.abs(np.asarray(frame.picture, int) - np.asarray(wanted, int))[9:36, 13:40]
    assert difference.mean() < 1 and difference.max() <= 4
    for plane, old in zip(planes(frame.video)[:3], untouched[:3], strict=True):
        step = 64 // plane.shape[1]
        changed = np.argwhere(plane != old)
        assert (changed.min(0) >= np.array([7, 11]) // step).all() and (
            changed.max(0) <= np.array([38, 42]) // step
        ).all()
    if pixel_format.startswith("yuva"):
        np.testing.assert_array_equal(planes(frame.video)[3], untouched[3])


def test_no_change_is_none_and_half_a_change_half() -> None:
    frame, box = frame_in("yuv420p"), (10, 10, 30, 30)
    before = [plane.copy() for plane in planes(frame.video)]
    part = frame.picture.crop(box)
    frame.change(box, part, part)
    for plane, old in zip(planes(frame.video), before, strict=True):
        np.testing.assert_array_equal(plane, old)
    grey = Image.new("RGB", (20, 20), (100, 100, 100))
    frame.change(box, grey, Image.new("RGB", (20, 20), (140, 140, 140)), 0.5)
    assert (
        np.abs(planes(frame.video)[0][10:30, 10:30] - (before[0][10:30, 10:30] + 20 * 219 / 255)).max() <= 0.5 + 1e-6
    )


@pytest.mark.parametrize(
    ("pixel_format", "wanted"), [("yuvj420p", "yuv420p"), ("bgr0", "yuv420p"), ("gray", "yuv420p")]
)
def test_other_formats_keep_their_colours(pixel_format: str, wanted: str) -> None:
    picture = waves(1)[0].convert("L" if pixel_format == "gray" else "RGB").convert("RGB")
    video = av.VideoFrame.from_ndarray(np.asarray(picture), "rgb24").reformat(format=pixel_format, dst_color_range=2)
    frame = own(video, wanted)
    assert frame.video.format.name == wanted
    assert np.abs(np.asarray(frame.picture, int) - np.asarray(picture, int)).mean() < 4


def test_odd_sides_grow_by_a_pixel() -> None:
    frame = of_picture(waves(1, (65, 47))[0].convert("RGB"))
    assert frame.size == (66, 48)


def test_a_copy_is_a_frame_of_its_own() -> None:
    still = frame_in("yuv420p")
    copy = still.at(7, Fraction(1, 10))
    assert copy.video.pts == 7 and copy.picture is still.picture
    planes(copy.video)[0][:] = 0
    assert planes(still.video)[0].any()
