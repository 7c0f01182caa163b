"""Frames of a camera."""

from pathlib import Path

import numpy as np
from PIL import Image

from leed import LEED
from leed.editor import FaceEditor
from leed.live import MAX_SIDE, captioned, edit_frame

PORTRAIT = Path(__file__).parent.parent / "assets/gallery/portraits/comp02.jpg"


def test_a_face_is_edited_and_captioned(lively_leed: LEED):
    editor = FaceEditor(lively_leed)
    photo = Image.open(PORTRAIT)
    expression = editor.expression(photo)
    frame, altered = edit_frame(editor, photo.resize((1400, 1520)), expression, alpha=1.0)
    neutral, _ = edit_frame(editor, photo.resize((1400, 1520)), expression, alpha=0.0)
    assert altered and max(frame.size) == MAX_SIDE
    change = np.abs(np.asarray(frame, int) - np.asarray(neutral, int)).max(2)
    assert change[200:450, 150:450].max() > 3 and change[:100].max() == 0
    assert (np.asarray(frame) != np.asarray(photo.resize(frame.size)))[-40:, :150].any()  # the caption


def test_without_a_face_the_frame_comes_back_unaltered(lively_leed: LEED):
    wall = Image.new("RGB", (320, 240), (120, 140, 160))
    frame, altered = edit_frame(
        FaceEditor(lively_leed), wall, FaceEditor(lively_leed).expression(Image.open(PORTRAIT))
    )
    assert not altered and frame.size == wall.size
    np.testing.assert_array_equal(np.asarray(frame)[:200], np.asarray(wall)[:200])


def test_captions_can_be_read_and_leave_the_frame_given_alone():
    frame = Image.new("RGB", (640, 480), "white")
    captioned_frame = np.asarray(captioned(frame, "AI-modified"))
    assert (captioned_frame[:400] == 255).all()
    assert (captioned_frame[400:] < 64).any(2).mean() > 0.02
    assert np.asarray(frame).min() == 255
