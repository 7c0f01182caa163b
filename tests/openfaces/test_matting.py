"""The matte of a portrait before a plain background."""

import cv2
import numpy as np
import pytest

from leed.openfaces import templates as t
from leed.openfaces.eyes import fit_circle
from leed.openfaces.matting import find_matte

SHAPE = (t.HEIGHT, t.WIDTH)


def ellipse(axes):
    mask = np.zeros(SHAPE, np.uint8)
    cv2.ellipse(mask, (450, 430), axes, 0, 0, 360, 1, -1)
    return mask


@pytest.fixture(scope="module")
def portrait():
    """A dark oval on a background that grows lighter to the right."""
    image = np.tile(np.linspace(170, 230, t.WIDTH)[None, :, None], (t.HEIGHT, 1, 3)).astype(np.uint8)
    image[ellipse((150, 210)) > 0] = (60, 80, 120)
    return image


def test_the_person_is_opaque_and_the_background_is_not(portrait):
    valid = np.full(SHAPE, 255, np.uint8)
    matte = find_matte(portrait, valid, ellipse((110, 160)), top=220)
    assert matte.alpha[ellipse((140, 200)) > 0].min() > 0.95
    assert matte.alpha[ellipse((170, 230)) == 0].max() < 0.05


def test_the_background_goes_on_behind_the_person(portrait):
    matte = find_matte(portrait, np.full(SHAPE, 255, np.uint8), ellipse((110, 160)), top=220)
    expected = np.linspace(170, 230, t.WIDTH)[450]
    assert np.abs(matte.background[430, 450] - expected).max() < 4


def test_a_portrait_that_is_all_face_is_refused(portrait):
    everywhere = np.ones(SHAPE, np.uint8)
    with pytest.raises(ValueError, match="no background"):
        find_matte(portrait, everywhere * 255, everywhere, top=220)


def test_a_circle_is_found_from_a_few_of_its_points():
    angles = np.array([0.2, 1.0, 2.5, 4.0])
    circle = fit_circle(np.c_[30 + 7 * np.cos(angles), 40 + 7 * np.sin(angles)])
    assert np.allclose([*circle.centre, circle.radius], [30, 40, 7])
