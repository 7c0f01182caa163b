"""Webmorph templates and the working frame."""

import numpy as np
import pytest

from leed.openfaces import templates as t


def made_up_template() -> np.ndarray:
    """Points of a tilted face: only pupils and mouth matter here."""
    points = np.random.default_rng(0).uniform(0, 500, (t.POINTS, 2))
    points[t.LEFT_PUPIL], points[t.RIGHT_PUPIL] = (200, 220), (300, 180)
    points[t.MOUTH_LEFT], points[t.MOUTH_RIGHT] = (240, 310), (320, 280)
    return points


def write_template(path, points, first=t.POINTS):
    path.write_text(f"{first}\n" + "".join(f"{x}\t{y}\n" for x, y in points) + "44\n0\n2\n0 0\n")


def test_a_template_is_read_as_it_was_written(tmp_path):
    points = made_up_template()
    write_template(tmp_path / "a.tem", points)
    assert np.array_equal(t.read_template(tmp_path / "a.tem"), points)


def test_the_working_frame_has_level_eyes_at_their_place_and_a_unit_of_140_px():
    points = made_up_template()
    transform = t.to_working_frame(points)
    moved = t.transformed(transform, points)
    left, right = moved[t.LEFT_PUPIL], moved[t.RIGHT_PUPIL]
    assert np.allclose((left + right) / 2, t.EYES) and np.isclose(left[1], right[1]) and left[0] < right[0]
    mouth = (moved[t.MOUTH_LEFT] + moved[t.MOUTH_RIGHT]) / 2
    assert np.isclose((right[0] - left[0] + np.linalg.norm(mouth - t.EYES)) / 2, t.UNIT)
    before = np.linalg.norm(points[50] - points[60])
    assert np.isclose(np.linalg.norm(moved[50] - moved[60]), before * t.scale_of(transform))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "189 in the first line"),
        ("68\n1 2\n", "189 in the first line"),
        ("189\n1 2\n", "189 lines"),
        ("189\n" + "x y\n" * 189, "two numbers"),
    ],
)
def test_another_file_is_refused_by_name(tmp_path, text, fault):
    (tmp_path / "b.tem").write_text(text)
    with pytest.raises(ValueError, match=rf"b\.tem: expected .*{fault}"):
        t.read_template(tmp_path / "b.tem")
