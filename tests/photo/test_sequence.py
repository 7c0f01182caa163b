"""A loop from neutral over the full expression and back."""

import numpy as np
from conftest import ROOT
from PIL import Image

from leed import LEED
from leed.photo.editor import FaceEditor
from leed.photo.sequence import MAX_SIDE, sequence_frames, swing

PORTRAIT = ROOT / "leed/gallery/portraits/comp02.jpg"
HAPPY = ROOT / "leed/gallery/portraits/comp05.jpg"


def test_swing_goes_up_and_comes_back_without_a_repeated_frame():
    alphas = swing(1.5, 16)
    assert len(alphas) == 30 and alphas[0] == 0 and max(alphas) == alphas[15] == 1.5
    assert alphas[1:15] == alphas[:15:-1] and sorted(alphas[:16]) == alphas[:16]
    assert np.abs(np.diff([*alphas, 0])).max() < 0.2  # the jump from the last frame to the first included


def test_frames_follow_alpha_and_have_a_sensible_size(lively_leed: LEED):
    photo = Image.open(PORTRAIT).resize((1400, 1520))
    prepared = FaceEditor(lively_leed).prepare(photo, Image.open(HAPPY))
    frames = sequence_frames(prepared, max_alpha=1.0, steps=4)
    assert len(frames) == 6 and all(max(frame.size) == MAX_SIDE for frame in frames)
    first, full = (np.asarray(frames[i], int) for i in (0, 3))
    np.testing.assert_array_equal(first, prepared.at_most(MAX_SIDE)(0.0).photo)
    np.testing.assert_array_equal(full, prepared.at_most(MAX_SIDE)(1.0).photo)
    assert (first != full).any() and (first[:100] == full[:100]).all()
    np.testing.assert_array_equal(frames[1], frames[5])
