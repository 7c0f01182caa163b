"""Filling holes in pictures, and polygons."""

import numpy as np

from leed.openfaces.masks import fill, polygon, without_holes


def test_holes_are_filled_smoothly_and_what_is_known_stays():
    ramp = np.tile(np.arange(32, dtype=np.float32), (32, 1))
    known = np.ones((32, 32), np.float32)
    known[10:20, 10:20] = 0
    filled = fill(ramp * known, known)
    assert np.array_equal(filled[known > 0], ramp[known > 0])
    assert np.abs(filled - ramp)[10:20, 10:20].max() < 4


def test_channels_are_filled_alike():
    picture, known = np.full((9, 14, 3), (10, 20, 30), np.float32), np.zeros((9, 14), np.float32)
    known[::3, ::3] = 1
    assert np.allclose(fill(picture * known[..., None], known), [10, 20, 30], atol=1e-3)


def test_a_polygon_covers_its_inside_and_holes_close():
    square = polygon(np.array([[2.0, 2], [6, 2], [6, 6], [2, 6]]), (9, 9))
    assert square[2:7, 2:7].all() and square.sum() == 25
    ring = square.copy()
    ring[4, 4] = 0
    assert np.array_equal(without_holes(ring), square)
