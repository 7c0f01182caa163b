"""Wrinkles: the same for a person each time, and gone after drawing."""

import numpy as np
import pytest

pytest.importorskip("cv2")

from leed.openfaces import templates as t
from leed.openfaces.presets import BLENDSHAPES, weights_of
from leed.openfaces.wrinkles import amounts, wrinkle_maps, wrinkled


@pytest.fixture(scope="module")
def points():
    """A template whose brows, eyes and hairline are roughly where they belong."""
    points = np.full((t.POINTS, 2), 450.0)
    points[:, 1] = 400
    points[[t.LEFT_PUPIL, t.RIGHT_PUPIL]] = (380, 370), (520, 370)
    points[[t.LEFT_EYE_OUTER, t.RIGHT_EYE_OUTER]] = (340, 370), (560, 370)
    points[list(t.BROWS_LOWER_EDGE)] = [(x, 320) for x in (320, 350, 380, 410, 490, 520, 550, 580)]
    points[list(t.INNER_BROWS)] = (420, 330), (480, 330)
    points[list(t.MIDDLE_HAIRLINE), 1] = 200
    return points


def test_a_persons_wrinkles_are_the_same_each_time_and_deeper_with_age(points):
    young, again, old = (wrinkle_maps("p", age, points) for age in (20, 20, 60))
    assert all(np.array_equal(a.change, b.change) for a, b in zip(young, again, strict=True))
    assert all(b.change.min() < a.change.min() for a, b in zip(young, old, strict=True))
    assert not np.array_equal(young[0].change, wrinkle_maps("q", 20, points)[0].change)


def test_a_texture_is_as_before_after_drawing(points):
    maps = wrinkle_maps("p", None, points)
    skin = np.full((t.HEIGHT, t.WIDTH, 4), 150, np.uint8)
    with wrinkled(skin, maps, [1.0] * 5):
        assert skin[..., :3].min() < 140 and (skin[..., 3] == 150).all()
    assert (skin == 150).all()


@pytest.mark.parametrize(
    ("preset", "kinds"),
    [({}, []), ({"browInnerUp": 1, "browOuterUp": 1}, [0]), ({"browDown": 1}, [1]), ({"cheekSquint_L": 1}, [3])],
)
def test_wrinkles_follow_the_expression(preset, kinds):
    strengths = amounts(BLENDSHAPES, weights_of(preset))
    assert [k for k, strength in enumerate(strengths) if strength > 0.03] == kinds
