"""Crops of a photo and their places in it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leed import gallery
from leed.photo.geometry import SAMPLED_ONCE, Alignment, centre_alignment, padded_crop
from leed.photo.opening import open_photo

PORTRAITS = Path(gallery.__file__).parent / "portraits"


def test_alignment_goes_there_and_back():
    alignment = Alignment((10.0, 20.0), (30.0, 40.0))
    points = np.array([[0, 0], [1, 0], [0, 1], [0.3, 0.7]])
    assert alignment.side == 50
    np.testing.assert_allclose(alignment.to_photo(points)[:3], [[10, 20], [40, 60], [-30, 50]])
    np.testing.assert_allclose(alignment.to_crop(alignment.to_photo(points)), points, atol=1e-12)
    np.testing.assert_allclose(alignment.scaled(2).to_photo(points), 2 * alignment.to_photo(points))
    assert alignment.bounds((35, 75)) == (0, 20, 35, 75)


def test_eyes_of_an_alignment_lie_on_their_row():
    alignment = Alignment.at_eyes(np.array([50.0, 60.0]), 0.3, 40.0)
    np.testing.assert_allclose(alignment.to_photo([0.5, 0.30]), [50, 60])
    assert alignment.side == pytest.approx(40) and alignment.angle == pytest.approx(0.3)


def test_crop_of_a_whole_picture_is_that_picture():
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    np.testing.assert_array_equal(centre_alignment((64, 64)).crop(picture, 64), picture)


def test_crop_beyond_the_photo_repeats_its_border():
    picture = Image.new("RGB", (10, 10), (200, 100, 50))
    crop = Alignment((-20.0, -5.0), (40.0, 3.0)).crop(picture, 32)
    assert np.ptp(np.asarray(crop).reshape(-1, 3), axis=0).max() == 0


@pytest.mark.parametrize("box", [(-3, 2, 5, 12), (4, -2, 14, 3), (-9, -8, -4, -1), (12, 9, 15, 30), (-2, -2, 20, 20)])
def test_a_box_beyond_the_photo_repeats_its_border(box: tuple[int, int, int, int]):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 10, 3), dtype=np.uint8)
    left, top, right, bottom = box
    expected = pixels[np.arange(top, bottom).clip(0, 7)][:, np.arange(left, right).clip(0, 9)]
    np.testing.assert_array_equal(padded_crop(Image.fromarray(pixels), box), expected)


@pytest.mark.parametrize("side", [20.0, 64.0, 190.0, 700.0])
def test_crop_and_place_invert_each_other(side: float):
    rows, columns = np.mgrid[:800, :800]
    smooth = np.stack([rows / 4, columns / 4, (rows + columns) / 8], 2).astype(np.uint8)
    photo, alignment = Image.fromarray(smooth), Alignment((60.0, 50.0), (side * 0.995, side * 0.0999))
    box = alignment.bounds(photo.size)
    placed = np.asarray(alignment.place(alignment.crop(photo, 64), box), int)
    difference = np.abs(placed - np.asarray(photo.crop(box), int)).max(2)
    y, x = np.mgrid[box[1] : box[3], box[0] : box[2]] + 0.5
    inside = alignment.to_crop(np.stack([x, y], 2))
    inner = ((inside > 0.1) & (inside < 0.9)).all(2)
    assert difference[inner].max() <= 3


@pytest.mark.parametrize("reduction", [1.1, 1.25, 1.3, 1.9, 2.6, 5.0])
def test_a_reduced_crop_is_near_the_photo(reduction: float):
    """As near as one that is sampled at eight times its resolution, whatever the way that is fastest."""
    portrait, size = open_photo(PORTRAITS / "comp02.jpg"), round(400 / reduction)
    alignment = Alignment.at_eyes(np.array([350.0, 320.0]), 0.06, 400.0)
    finest = alignment.sampled(portrait, 8 * size, 1, Image.Resampling.BICUBIC)
    expected = np.asarray(finest.resize((size, size), Image.Resampling.LANCZOS), float)
    bound = 1.15 if reduction <= SAMPLED_ONCE else 1.5  # sampled twice as fine, these have 1.2 and more
    assert np.square(np.asarray(alignment.crop(portrait, size), float) - expected).mean() ** 0.5 < bound
