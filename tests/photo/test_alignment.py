"""Finding and aligning faces, on the composite people of the gallery."""

from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

from leed.images import INNER_CROP
from leed.photo.alignment import align
from leed.photo.detection import decode_heads, find_faces, suppress_overlaps
from leed.photo.geometry import Alignment, centre_alignment, padded_crop

GALLERY = ROOT / "leed/gallery"
PORTRAITS = sorted((GALLERY / "portraits").glob("*.jpg"))
EYES = np.array([[94.5, 100.0], [160.8, 100.0]]) / 256  # where they lie in the gallery's frontal faces, on average
OWN_CROP = Alignment((INNER_CROP[0], INNER_CROP[1]), (INNER_CROP[2] - INNER_CROP[0], 0.0)).scaled(256)


def eye_error(found: Alignment, truth: Alignment, place: Alignment) -> float:
    """Largest distance between an eye's places in two crops, in pixels of 128.

    `truth` lies in a picture that lies at `place` in the photo of `found`.
    """
    eyes = place.to_photo(EYES)
    distance = found.to_crop(eyes) - truth.to_crop(EYES * 256)
    return float(np.linalg.norm(distance, axis=1).max() * 128)


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


@pytest.mark.parametrize("path", PORTRAITS[::3], ids=lambda path: path.stem)
def test_portrait_has_one_face(path: Path):
    photo = Image.open(path)
    (face,) = find_faces(photo)
    left, top, right, bottom = face.box
    assert 150 < left < 300 < right < 550 and 150 < top < bottom < 680
    assert (face.points[0] < face.points[1])[0] and face.points[:2, 1].max() < face.points[2, 1] < face.points[
        3:, 1
    ].min()


def test_largest_face_comes_first():
    small, large = Image.open(PORTRAITS[0]).resize((250, 271)), Image.open(PORTRAITS[1]).resize((500, 543))
    photo = Image.new("RGB", (800, 560), (200, 200, 200))
    photo.paste(small, (0, 100))
    photo.paste(large, (280, 0))
    faces = find_faces(photo)
    assert len(faces) == 2
    assert faces[0].area > 2 * faces[1].area and faces[0].box[0] > 280 > faces[1].box[2]


@pytest.mark.parametrize("picture", [Image.new("RGB", (300, 200), "white"), Image.new("RGB", (3, 1000), "red")])
def test_no_face_in_an_empty_picture(picture: Image.Image):
    assert find_faces(picture) == []


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


def test_decode_reads_the_heads():
    """One cell, by hand: row 2, column 3 of a map at a quarter of the picture's side."""
    heat, log_size = np.zeros((1, 1, 8, 8)), np.zeros((1, 2, 8, 8))
    offset, points = np.zeros((1, 2, 8, 8)), np.zeros((1, 10, 8, 8))
    heat[0, 0, 2, 3] = 0.9
    log_size[0, :, 2, 3] = np.log([5, 3])  # height 20, width 12
    offset[0, :, 2, 3] = 0.25, -0.25  # row 2.75 * 4 = 11, column 3.25 * 4 = 13
    points[0, ::2, 2, 3] = 0.5  # rows, in heights
    points[0, 1::2, 2, 3] = 0.25  # columns, in widths
    scores, boxes, places = decode_heads(heat, log_size, offset, points)
    np.testing.assert_allclose(scores, [0.9])
    np.testing.assert_allclose(boxes, [[7, 1, 19, 21]])
    np.testing.assert_allclose(places, np.full((1, 5, 2), [10, 11]))


def test_suppression_keeps_the_surer_of_two_overlapping_boxes():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [8, 0, 18, 10]], float)  # overlaps: 9/11, 2/18, 3/17
    assert suppress_overlaps(np.array([0.6, 0.9, 0.7]), boxes) == [1, 2]
