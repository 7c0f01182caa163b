"""What makes a portrait unfit: the gallery's people are fit until something is done to them."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="fitness looks at what is drawn")

from leed.gallery import FOLDER
from leed.openfaces import templates as t
from leed.openfaces.fitness import faults_of, template_faults
from leed.openfaces.parts import read_picture
from leed.openfaces.people import OWN, Person, own_people

PORTRAITS = FOLDER / "portraits"


@pytest.fixture(scope="module")
def image():
    return read_picture(PORTRAITS / "comp02.jpg")


@pytest.fixture
def points():
    return t.read_template(PORTRAITS / "comp02.tem")


def test_the_gallery_is_an_example_of_own_portraits(image):
    people = own_people(PORTRAITS)
    assert [person.name for person in people] == [f"comp{k:02d}" for k in range(1, 11)]
    assert [person.gender for person in people[:2]] == ["female", "male"]
    for person in people:
        assert not list(template_faults(image, t.read_template(person.template)))


def test_a_template_of_a_larger_picture_is_noticed(image, points):
    (fault,) = template_faults(image, points * 3)
    assert "lie outside the picture of 700 x 760 pixels" in fault


def test_a_small_face_is_noticed(image, points):
    (fault,) = template_faults(image, points / 4)
    assert "the pupils are 33 pixels apart, expected 60 or more" in fault


def test_a_tilted_head_is_noticed(image, points):
    angle = np.radians(30)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    middle = points[: t.JAW.stop].mean(0)
    (fault,) = template_faults(image, (points - middle) @ turn + middle)
    assert "tilted by 30 degrees" in fault


def test_an_open_mouth_is_noticed(image, points):
    points[list(t.LOWER_LIP_INNER[1:-1])] += [0, 20]
    (fault,) = template_faults(image, points)
    assert "the lips are open by 14%" in fault


def test_files_that_cannot_be_read_are_named(tmp_path):
    portrait, template = tmp_path / "a.jpg", tmp_path / "a.tem"
    person = Person("a", OWN, "unknown", None, "unknown", portrait, template)
    assert faults_of(None, None, person) == [f"{portrait}: There is no file {portrait}."]
    whole = (PORTRAITS / "comp02.jpg").read_bytes()
    portrait.write_bytes(whole[:20000])  # OpenCV would read it, its lower part grey
    assert faults_of(None, None, person) == [f"{portrait}: This picture is damaged and cannot be read."]
    portrait.write_bytes(whole)
    template.write_text("68\n")
    (fault,) = faults_of(None, None, person)
    assert "a.tem: expected 189 in the first line" in fault
