"""Completing eyes, on a person of the gallery."""

import cv2
import numpy as np
import pytest

from leed.gallery import FOLDER
from leed.openfaces import templates as t
from leed.openfaces.eyes import complete_eyes


@pytest.fixture(scope="module")
def completed():
    """The portrait, its template, the eyes' openings, and what comes of them."""
    portrait = cv2.imread(str(FOLDER / "portraits" / "comp02.jpg")).astype(np.float32)
    portrait = cv2.copyMakeBorder(portrait, 0, t.HEIGHT - 760, 0, t.WIDTH - 700, cv2.BORDER_REPLICATE)
    points = t.read_template(FOLDER / "portraits" / "comp02.tem")
    lids = ((t.LEFT_UPPER_LID, t.LEFT_LOWER_LID), (t.RIGHT_UPPER_LID, t.RIGHT_LOWER_LID))
    openings = tuple(points[[*upper, *lower[::-1]]] for upper, lower in lids)
    return portrait, points, complete_eyes(portrait, points, openings)


def test_what_the_photo_shows_of_an_eye_stays(completed):
    portrait, points, eyes = completed
    for pupil in (t.LEFT_PUPIL, t.RIGHT_PUPIL):
        x, y = points[pupil].astype(int)
        assert np.abs(eyes.picture[y - 1 : y + 2, x - 3 : x + 4] - portrait[y - 1 : y + 2, x - 3 : x + 4]).max() < 3


def test_the_white_goes_on_under_the_lids_and_the_face_around_stays(completed):
    portrait, points, eyes = completed
    for corner, white in zip((t.LEFT_EYE_OUTER, t.RIGHT_EYE_OUTER), eyes.whites, strict=True):
        x, y = points[corner].astype(int)
        x += 20 if corner == t.RIGHT_EYE_OUTER else -20  # beyond the lids' corner
        assert np.abs(eyes.picture[y, x] - white).max() < 25
    assert np.array_equal(eyes.picture[600:], portrait[600:])
