"""Registering a photograph by its eyes, and films with true frames."""

import cv2
import numpy as np
import pytest

pytest.importorskip("numba", reason="registration looks at heads")

import imageio_ffmpeg

from leed.gallery import FOLDER
from leed.openfaces import clips
from leed.openfaces import registration as r
from leed.openfaces import templates as t
from leed.openfaces.presets import BLENDSHAPES


@pytest.fixture(scope="module")
def portrait():
    """A person of the gallery in the working frame, where the gallery's portraits come from."""
    image = cv2.imread(str(FOLDER / "portraits" / "comp02.jpg"))
    return cv2.copyMakeBorder(image, 0, t.HEIGHT - 760, 100, 100, cv2.BORDER_REPLICATE)


@pytest.mark.parametrize(("shift", "degrees"), [((14.0, -9.0), 0.0), ((-30.0, 20.0), 6.0)])
def test_the_way_from_one_photograph_to_the_other_is_found(portrait, shift, degrees):
    known = cv2.getRotationMatrix2D(t.EYES, degrees, 1.0)
    known[:, 2] += shift
    other = cv2.warpAffine(portrait, known, (t.WIDTH, t.HEIGHT), borderMode=cv2.BORDER_REPLICATE)
    fixed, moving = r._grey(portrait), r._grey(other)
    move = r._refined(fixed, moving, r._found(fixed, moving))
    eyes = np.array([[383.0, 370], [516, 370], [450, 400]])
    assert move.score > 0.99
    assert np.abs(t.transformed(move.transform, eyes) - t.transformed(known, eyes)).max() < 0.5


def test_clips_begin_and_end_neutral_and_blink_twice():
    planned = clips.plan_clips(["c", "a", "b"], count=3)
    assert clips.plan_clips(["a"]) == [] and len(planned) == 3
    blink = BLENDSHAPES.index("eyeBlink_L")
    for clip in planned:
        assert clip.person != clip.driver and len(clip.weights) == len(clip.driver_poses) == clips.FRAMES
        others = np.delete(np.stack(clip.weights), [blink, blink + 1], axis=1)
        assert not others[0].any() and not others[-1].any() and others.max() > 0.4
        assert np.stack(clip.weights)[:, blink].max() > 0.9


def test_a_film_has_its_frames_nearly_unchanged(tmp_path):
    ramp = np.tile(np.linspace(40, 200, 256, dtype=np.uint8)[:, None], (256, 1, 3))
    frames = [np.roll(ramp, 8 * k, axis=0) for k in range(3)]
    clips._write_film(iter(frames), tmp_path / "film.mp4")
    read = imageio_ffmpeg.read_frames(str(tmp_path / "film.mp4"))
    facts = next(read)
    shown = [np.frombuffer(frame, np.uint8).reshape(256, 256, 3) for frame in read]
    assert facts["fps"] == clips.RATE and len(shown) == 3
    assert max(np.abs(a.astype(int) - b).mean() for a, b in zip(frames, shown, strict=True)) < 3
