"""Aligning faces, on the composite people of the gallery."""

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

from leed.images import INNER_CROP
from leed.photo.alignment import align
from leed.photo.detection import find_faces
from leed.photo.geometry import Alignment

GALLERY = ROOT / "leed/gallery"
EYES = np.array([[94.5, 100.0], [160.8, 100.0]]) / 256  # where they lie in the gallery's frontal faces, on average
OWN_CROP = Alignment((INNER_CROP[0], INNER_CROP[1]), (INNER_CROP[2] - INNER_CROP[0], 0.0)).scaled(256)


def eye_error(found: Alignment, truth: Alignment, place: Alignment) -> float:
    """Largest distance between an eye's places in two crops, in pixels of 128.

    `truth` lies in a picture that lies at `place` in the photo of `found`.
    """
    eyes = place.to_photo(EYES)
    distance = found.to_crop(eyes) - truth.to_crop(EYES * 256)
    return float(np.linalg.norm(distance, axis=1).max() * 128)


def test_aligned_crop_is_found_again():
    """A face that fills the picture, small as the models' own crops."""
    picture = Image.open(GALLERY / "faces/090_comp03_female_happy_v0.webp")
    crop = OWN_CROP.crop(picture.convert("RGB"), 128)
    (face, *_) = find_faces(crop)
    _, found = align(crop, face)
    truth = Alignment((0.0, 0.0), (128.0, 0.0))
    eyes = OWN_CROP.to_crop(EYES * 256)
    assert np.linalg.norm(found.to_crop(truth.to_photo(eyes)) - eyes, axis=1).max() * 128 < 4


@pytest.mark.parametrize("degrees", [0, 20])
@pytest.mark.parametrize("name", ["comp02_male_angry_v1", "comp05_female_surprised_v2", "comp09_female_neutral_v0"])
def test_alignment_follows_the_gallery_s_convention(name: str, degrees: float):
    picture = Image.open(GALLERY / f"faces/090_{name}.webp").convert("RGB")
    side, angle = 420.0, np.radians(degrees)
    across = side * np.array([np.cos(angle), np.sin(angle)])
    corner = np.array([350.0, 300.0]) - 0.5 * across - 0.5 * np.array([-across[1], across[0]])
    place = Alignment(tuple(corner), tuple(across))
    photo = Image.new("RGB", (700, 620), (205, 208, 206))
    box = place.bounds(photo.size)
    mask = place.place(Image.new("L", (256, 256), 255), box)
    photo.paste(place.place(picture, box), box[:2], mask)
    crop, found = align(photo, find_faces(photo)[0])
    assert crop.size == (128, 128)
    assert eye_error(found, OWN_CROP, place) < 4


@pytest.mark.parametrize("camera", ["068", "112"])
def test_turned_head(camera: str):
    """The middle of the whole head, not of the eyes, is the middle of the crop."""
    picture = Image.open(GALLERY / f"faces/{camera}_comp04_male_neutral_v0.webp").convert("RGB")
    _, found = align(picture, find_faces(picture)[0])
    middle = found.to_photo([0.5, 0.30])
    assert abs(middle[0] - 128) < 7 and abs(middle[1] - 100) < 6 and abs(found.side - 200) < 14
