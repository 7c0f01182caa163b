"""Finding faces, on the composite people of the gallery."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leed import gallery
from leed.photo.detection import MIN_HEIGHT, decode_heads, find_faces, has_tiny_faces, suppress_overlaps

PORTRAITS = gallery.portraits()


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


def group(size: tuple[int, int], heights: list[float], columns: int = 4) -> tuple[Image.Image, np.ndarray]:
    """A photo of gallery people whose faces have these heights [px], row by row, and where their middles are."""
    photo, places = Image.new("RGB", size, (180, 182, 178)), []
    rows = -(-len(heights) // columns)
    for i, height in enumerate(heights):
        scale = height / 386  # of the faces in the gallery's portraits
        person = Image.open(PORTRAITS[i % len(PORTRAITS)]).convert("RGB")
        person = person.resize((round(person.width * scale), round(person.height * scale)), Image.Resampling.LANCZOS)
        corner = np.multiply((i % columns, i // columns), size) // (columns, rows) + 4
        photo.paste(person, tuple(corner.tolist()))
        places.append(corner + np.multiply(person.size, (0.5, 0.56)))
    return photo, np.array(places)


def test_small_faces_of_a_group_are_found():
    photo, places = group((1155, 866), [40.0] * 12)
    faces = find_faces(photo)
    assert len(faces) == 12
    nearest = [np.linalg.norm(places - face.centre, axis=1).argmin() for face in faces]
    assert sorted(nearest) == list(range(12))
    assert len(find_faces(photo, fine=False)) < 12


@pytest.mark.parametrize("height", [29.0, 45.0])
def test_small_faces_beside_a_large_one_are_found(height: float):
    photo, places = group((1155, 866), [height] * 12)
    large = Image.open(PORTRAITS[9]).convert("RGB")
    photo.paste(large.crop((60, 0, 640, 760)), (577, 0))
    faces = find_faces(photo)
    left = places[places[:, 0] < 560]
    assert len(faces) == 1 + len(left) and faces[0].height > 300
    nearest = [np.linalg.norm(left - face.centre, axis=1).argmin() for face in faces[1:]]
    assert sorted(nearest) == list(range(len(left)))
    assert len(find_faces(photo, fine=False)) < len(faces)


def test_a_portrait_takes_no_second_search(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("leed.photo.detection.finer_faces", lambda *_: pytest.fail("searched again"))
    for path in PORTRAITS:
        assert len(find_faces(Image.open(path))) == 1


def test_twenty_faces_are_numbered_by_size():
    heights = [28 + 4.0 * ((7 * i) % 20) for i in range(20)]
    photo, places = group((1200, 900), heights, columns=5)
    faces = find_faces(photo)
    assert len(faces) == 20
    nearest = [int(np.linalg.norm(places - face.centre, axis=1).argmin()) for face in faces]
    assert sorted(nearest) == list(range(20))
    found = [heights[i] for i in nearest]
    assert all(later < earlier + 10 for earlier, later in zip(found, found[1:], strict=False))
    areas = [face.area for face in faces]
    assert areas == sorted(areas, reverse=True)


def test_faces_below_the_smallest_are_too_small():
    photo, _ = group((600, 450), [14.0] * 4)
    assert not [face for face in find_faces(photo) if face.height >= MIN_HEIGHT]
    assert has_tiny_faces(photo) and not has_tiny_faces(Image.new("RGB", (600, 450), "gray"))


@pytest.mark.parametrize("picture", [Image.new("RGB", (300, 200), "white"), Image.new("RGB", (3, 1000), "red")])
def test_no_face_in_an_empty_picture(picture: Image.Image):
    assert find_faces(picture) == []


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
