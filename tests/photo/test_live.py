"""Frames of a camera."""

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

import leed.photo.detection
from leed import LEED
from leed.photo.editor import FaceEditor
from leed.photo.live import MAX_SIDE, SEARCH_EVERY, Track, captioned, edit_frame, track_face
from leed.photo.opening import open_photo

PORTRAITS = ROOT / "leed/gallery/portraits"
PORTRAIT = PORTRAITS / "comp02.jpg"


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The sizes of the pictures that were searched for faces from now on."""
    sizes, find = [], leed.photo.detection.FaceDetector.find

    def counting(self, photo: Image.Image, border: float = 0.0, **options) -> list:
        sizes.append(photo.size)
        return find(self, photo, border, **options)

    monkeypatch.setattr(leed.photo.detection.FaceDetector, "find", counting)
    return sizes


def frame_of(name: str, x: int, y: int, height: int = 480) -> Image.Image:
    """A webcam's frame with a person at (x, y)."""
    person = open_photo(PORTRAITS / f"{name}.jpg")
    frame = Image.new("RGB", (640, 480), (128, 130, 126))
    frame.paste(person.resize((round(height * person.width / person.height), height)), (x, y))
    return frame


def test_a_face_is_edited_and_captioned(lively_leed: LEED):
    editor = FaceEditor(lively_leed)
    photo = Image.open(PORTRAIT)
    expression = editor.expression(photo)
    frame, track = edit_frame(editor, photo.resize((1400, 1520)), expression, alpha=1.0)
    neutral, _ = edit_frame(editor, photo.resize((1400, 1520)), expression, alpha=0.0)
    assert track is not None and track.size == frame.size and max(frame.size) == MAX_SIDE
    change = np.abs(np.asarray(frame, int) - np.asarray(neutral, int)).max(2)
    assert change[200:450, 150:450].max() > 3 and change[:100].max() == 0
    assert (np.asarray(frame) != np.asarray(photo.resize(frame.size)))[-40:, :150].any()  # the caption


def test_without_a_face_the_frame_comes_back_unaltered(lively_leed: LEED):
    wall = Image.new("RGB", (320, 240), (120, 140, 160))
    editor = FaceEditor(lively_leed)
    frame, track = edit_frame(editor, wall, editor.expression(Image.open(PORTRAIT)))
    assert track is None and frame.size == wall.size
    np.testing.assert_array_equal(np.asarray(frame)[:200], np.asarray(wall)[:200])


def test_a_moving_face_is_followed_without_a_search(lively_leed: LEED, searches: list):
    """Its crop stays where a search of the same frame puts it."""
    editor = FaceEditor(lively_leed)
    expression = editor.expression(open_photo(PORTRAIT))
    _, track = edit_frame(editor, frame_of("comp02", 60, 0), expression)
    searches.clear()
    for step in range(1, 4):
        frame = frame_of("comp02", 60 + 12 * step, 4 * step, 480 + 6 * step)
        _, track = edit_frame(editor, frame, expression, last=track)
        assert track.followed == step and not searches
    _, searched = edit_frame(editor, frame, expression)
    assert searched.followed == 0 and searches
    assert track.alignment.distance(searched.alignment) < 0.03


def test_a_face_that_is_gone_is_searched_for(lively_leed: LEED, searches: list):
    """It jumped, or left: nothing of where it was is believed."""
    editor = FaceEditor(lively_leed)
    expression = editor.expression(open_photo(PORTRAIT))
    _, track = edit_frame(editor, frame_of("comp02", 0, 200, 280), expression)
    searches.clear()
    jumped = frame_of("comp02", 380, 0, 280)
    _, found = edit_frame(editor, jumped, expression, last=track)
    _, alone = edit_frame(editor, jumped, expression)
    assert searches == 2 * [jumped.size] and found == alone
    frame, lost = edit_frame(editor, Image.new("RGB", jumped.size, "gray"), expression, last=track)
    assert lost is None and np.ptp(np.asarray(frame)[:400]) == 0


def test_a_frame_is_searched_now_and_then(lively_leed: LEED, searches: list):
    """Another face may have become the largest; and a camera may change its pictures' size."""
    editor = FaceEditor(lively_leed)
    expression = editor.expression(open_photo(PORTRAIT))
    frame = frame_of("comp02", 0, 240, 240)
    _, first = edit_frame(editor, frame, expression)
    frame.paste(frame_of("comp05", 0, 0).crop((0, 0, 400, 480)), (240, 0))
    searches.clear()
    _, track = edit_frame(editor, frame, expression, last=Track(first.alignment, first.size, SEARCH_EVERY - 1))
    assert not searches and track.followed == SEARCH_EVERY
    _, track = edit_frame(editor, frame, expression, last=track)
    assert searches and track.followed == 0 and track.alignment.side > 1.5 * first.alignment.side
    searches.clear()
    _, track = edit_frame(editor, frame.resize((320, 240)), expression, last=track)
    assert searches and track.size == (320, 240)


@pytest.mark.parametrize("name", ["comp01", "comp04", "comp05", "comp08"])
def test_equal_frames_keep_the_face_where_it_is(name: str):
    """Also where a search comes between; and a search alone finds the same place."""
    frame = frame_of(name, 100, 0)
    track = track_face(frame)
    first, places = track.alignment, []
    for _ in range(SEARCH_EVERY + 3):
        track = track_face(frame, track)
        places.append(track.alignment)
    assert track.followed == 2  # so one of the frames was searched
    steps = [later.distance(earlier) for earlier, later in zip(places[7:], places[8:], strict=False)]
    assert max(steps) < 0.01
    assert first.distance(places[-1]) < 0.03


def test_captions_can_be_read_and_leave_the_frame_given_alone():
    frame = Image.new("RGB", (640, 480), "white")
    captioned_frame = np.asarray(captioned(frame, "AI-modified"))
    assert (captioned_frame[:400] == 255).all()
    assert (captioned_frame[400:] < 64).any(2).mean() > 0.02
    assert np.asarray(frame).min() == 255
