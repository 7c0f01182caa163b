"""The points found in the gallery's portraits, which have templates; and what a stage does."""

import numpy as np
import pytest

from leed.gallery import FOLDER
from leed.openfaces import landmarks as lm
from leed.openfaces import templates as t
from leed.openfaces.finding import find_templates, looked_at, the_face
from leed.openfaces.parts import read_picture
from leed.openfaces.people import own_people
from leed.photo.detection import Face

PORTRAITS = FOLDER / "portraits"
EYES_AND_MOUTH = [*range(34), *range(87, 109)]


@pytest.fixture(scope="module")
def portrait():
    return read_picture(PORTRAITS / "comp02.jpg")


@pytest.fixture(scope="module")
def points():
    return t.read_template(PORTRAITS / "comp02.tem")


def five_of(points):
    """What a perfect detector would say of a template (189, 2)."""
    return points[[t.LEFT_PUPIL, t.RIGHT_PUPIL, 55, t.MOUTH_LEFT, t.MOUTH_RIGHT]]


def apart(found, points):
    """The distances (189,) in pixels of the working frame."""
    return np.linalg.norm(found - points, axis=1) * t.scale_of(t.to_working_frame(points))


def test_the_points_found_are_near_the_template(portrait, points):
    face = five_of(points) + [4, -3]  # a detector is no more precise
    rough = apart(lm.rough_points(lm.load(), face), points)
    found = apart(lm.find_points(portrait, face), points)
    assert found[EYES_AND_MOUTH].mean() < 2.5 < rough[EYES_AND_MOUTH].mean()
    assert found.mean() < 5 < rough.mean()


def test_a_mirror_image_has_the_mirrored_points(portrait, points):
    """Exactly, because each stage looks at both; a portrait of odd width keeps its pixels in place."""
    width = portrait.shape[1]
    face = five_of(points)
    flipped = (face * [-1, 1] + [width - 1, 0])[[1, 0, 2, 4, 3]]
    found = lm.find_points(portrait, face)
    in_mirror = lm.find_points(np.ascontiguousarray(portrait[:, ::-1]), flipped)
    partners = lm.load().partners
    assert np.abs(in_mirror - (found * [-1, 1] + [width - 1, 0])[partners]).max() < 0.2


def test_a_stage_moves_the_points_in_the_working_frame_by_what_it_learned(portrait, points):
    """Wherever the portrait lies: here it always moves them one pixel down, whatever it sees."""
    finder = lm.load()
    first = finder.stages[0]
    down = np.tile([0.0, 1.0], t.POINTS)
    stage = lm.Stage(first.looked_at, first.mean, first.basis * 0, first.moves, down)
    scale = t.scale_of(t.to_working_frame(points))
    moved = lm.refined(finder, stage, portrait, points, lm.SPACINGS[0])
    assert np.allclose(np.linalg.norm(moved - points, axis=1), 1 / scale)
    assert (moved[:, 1] > points[:, 1]).all()


def test_points_become_each_other_in_a_mirror():
    finder = lm.load()
    assert np.array_equal(finder.partners[finder.partners], np.arange(t.POINTS))
    assert finder.partners[t.LEFT_PUPIL] == t.RIGHT_PUPIL and finder.partners[t.CHIN] == t.CHIN
    assert np.allclose(lm.mirrored(finder.partners, finder.template), finder.template, atol=1e-3)


def test_templates_are_written_beside_the_portraits_that_have_none(tmp_path):
    folder = tmp_path / "faces"
    folder.mkdir()
    for name in ("comp02.jpg", "comp03.jpg", "comp03.tem"):
        (folder / name).write_bytes((PORTRAITS / name).read_bytes())
    assert find_templates(folder) == [folder / "comp02.tem"]
    assert (folder / "comp03.tem").read_bytes() == (PORTRAITS / "comp03.tem").read_bytes()
    found = t.read_template(folder / "comp02.tem")
    assert apart(found, t.read_template(PORTRAITS / "comp02.tem")).mean() < 5
    assert sorted(path.name for path in looked_at(folder).iterdir()) == [".gitignore", "comp02.webp"]
    assert len(own_people(folder)) == 2 and find_templates(folder) == []


def test_unfit_portraits_are_named_and_the_others_get_their_templates(tmp_path, portrait):
    import cv2

    (tmp_path / "good.jpg").write_bytes((PORTRAITS / "comp02.jpg").read_bytes())
    (tmp_path / "half.jpg").write_bytes((PORTRAITS / "comp02.jpg").read_bytes()[:20000])
    cv2.imwrite(str(tmp_path / "plain.png"), np.full((400, 400, 3), 128, np.uint8))
    cv2.imwrite(str(tmp_path / "two.png"), np.hstack([portrait, portrait]))
    cv2.imwrite(str(tmp_path / "small.png"), cv2.resize(portrait, None, fx=0.3, fy=0.3))
    with pytest.raises(ValueError, match="1 templates written; these portraits are unfit:") as refused:
        find_templates(tmp_path)
    text = str(refused.value)
    assert "plain.png: no face found" in text and "two.png: 2 faces found" in text
    assert "half.jpg: " in text and "damaged" in text
    assert "small.png: the pupils are 4" in text and "good" not in text
    assert (tmp_path / "good.tem").is_file() and not (tmp_path / "two.tem").exists()


def test_a_small_face_in_the_background_is_no_second_one():
    def face(area):
        return Face((0.0, 0.0, area, 1.0), np.zeros((5, 2)), 0.9)

    large, small = face(100.0), face(10.0)
    assert the_face([large, small]) is large
    with pytest.raises(ValueError, match="2 faces"):
        the_face([large, face(60.0)])
