"""A clip with an expression, without one, and a photo driven by a clip."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from leed import LEED, Expression
from leed.video.driving import driven
from leed.video.editing import Progress, VideoEditor
from leed.video.reading import VideoError, look_into, read_frames
from leed.video.writing import is_marked
from video.clips import content, frame_of, write_clip

SIZE = (160, 120)
FACE = np.s_[40:100, 50:110]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A person who moves to the right, with sound, at uneven times."""
    pictures = [frame_of(("comp02", 20 + 2 * i, 0, 120), size=SIZE) for i in range(5)]
    path = tmp_path_factory.mktemp("clips") / "a.mp4"
    return write_clip(path, pictures, times=[0, 0.04, 0.1, 0.12, 0.3], sound="aac")


@pytest.fixture(scope="module")
def editor(lively_leed: LEED) -> VideoEditor:
    return VideoEditor(lively_leed)


@pytest.fixture(scope="module")
def expression(editor: VideoEditor) -> Expression:
    return editor.photos.expression(frame_of(("comp05", 0, 0, 240)))


def test_an_expression_is_given_throughout(
    editor: VideoEditor, expression: Expression, clip: Path, tmp_path: Path
) -> None:
    seen: list[Progress] = []
    summary = editor.edit(clip, tmp_path / "b.mp4", expression, 1.5, progress=seen.append)
    assert (summary.path, summary.num_frames, summary.num_edited) == (tmp_path / "b.mp4", 5, 5)
    assert summary.notes == [] and [one.done for one in seen] == [1, 2, 3, 4, 5]
    before, after = content(clip), content(tmp_path / "b.mp4")
    assert after.times == before.times and after.sound == before.sound and is_marked(tmp_path / "b.mp4")
    for old, new in zip(before.pictures, after.pictures, strict=True):
        change = np.abs(new.astype(int) - old)
        assert change[FACE].mean() > 2 * change[:, :20].mean() and change[:, :20].mean() < 1


def test_strength_and_reference_count(editor: VideoEditor, expression: Expression, clip: Path, tmp_path: Path) -> None:
    """Without strength, the expression does not matter: the face is neutral. A picture stands for its expression."""
    editor.edit(clip, tmp_path / "none.mp4", expression, alpha=0.0)
    editor.neutralize(clip, tmp_path / "neutral.mp4")
    editor.edit(clip, tmp_path / "picture.mp4", frame_of(("comp05", 0, 0, 240)))
    editor.edit(clip, tmp_path / "given.mp4", expression)
    none, neutral, picture, given = (
        content(tmp_path / f"{name}.mp4").pictures for name in ("none", "neutral", "picture", "given")
    )
    np.testing.assert_array_equal(none, neutral)
    np.testing.assert_array_equal(picture, given)
    assert np.abs(np.subtract(none, given, dtype=int)).max() > 3
    with pytest.raises(ValueError, match=r"alpha must be in \[0, 2\], got \[3.0\]"):
        editor.edit(clip, tmp_path / "strong.mp4", expression, alpha=3.0)
    assert not (tmp_path / "strong.mp4").exists()


def test_a_closed_edit_leaves_no_file(editor: VideoEditor, expression: Expression, clip: Path, tmp_path: Path) -> None:
    steps = editor.editing(clip, tmp_path / "b.mp4", expression)
    next(steps)
    assert any(tmp_path.iterdir())
    steps.close()
    assert not any(tmp_path.iterdir())

    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        editor.neutralize(clip, tmp_path / "b.mp4", progress=stop)
    assert not any(tmp_path.iterdir())


def test_a_photo_follows_a_clip(editor: VideoEditor, clip: Path, tmp_path: Path) -> None:
    photo = frame_of(("comp05", 30, 0, 119), size=(161, 119))
    summary = editor.animate(photo, clip, tmp_path / "b.mp4", alpha=1.5)
    assert summary.num_edited == summary.num_frames == 5
    driver, after = content(clip), content(tmp_path / "b.mp4")
    assert after.times == driver.times and after.sound == driver.sound
    assert after.pictures[0].shape == (120, 162, 3) and is_marked(tmp_path / "b.mp4")
    still = np.asarray(photo, int)[:, :20]
    assert all(np.abs(picture[:119, :20] - still).mean() < 2.5 for picture in after.pictures)


def test_no_face(editor: VideoEditor, expression: Expression, clip: Path, tmp_path: Path) -> None:
    empty = write_clip(tmp_path / "empty.mp4", [Image.new("RGB", (64, 48), "grey")] * 2)
    for steps in (
        editor.editing(empty, tmp_path / "b.mp4", expression),
        editor.animating(frame_of(("comp05", 0, 0, 120)), empty, tmp_path / "b.mp4"),
    ):
        with pytest.raises(VideoError, match=r"no face was found in empty\.mp4: give a clip that shows one"):
            list(steps)
    with pytest.raises(ValueError, match="No face was found in the photo"):
        editor.animate(Image.new("RGB", (64, 48)), clip, tmp_path / "b.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["empty.mp4"]


def test_frames_without_the_face_stay_as_they_are_and_are_noted(
    editor: VideoEditor, expression: Expression, tmp_path: Path
) -> None:
    person, nobody = frame_of(("comp02", 20, 0, 120), size=SIZE), frame_of(size=SIZE)
    source = write_clip(tmp_path / "a.mp4", [person] * 2 + [nobody] * 2)
    summary = editor.edit(source, tmp_path / "b.mp4", expression)
    assert summary.notes == ["the face was not found in 2 of 4 frames"]
    before, after = content(source).pictures, content(tmp_path / "b.mp4").pictures
    assert np.abs(np.subtract(before[2:], after[2:], dtype=int)).mean() < 1


def test_a_driver_shows_its_own_expression(editor: VideoEditor, clip: Path) -> None:
    frames = list(read_frames(look_into(clip), "yuv420p"))
    shown = list(driven(editor.photos.leed, frames, smoothing=False))
    expected = editor.photos.leed.expression(editor.photos.align(frames[0].picture)[0])
    torch.testing.assert_close(shown[0].expression.delta_exp, expected.delta_exp, rtol=1e-4, atol=1e-5)
    assert [one.pts for one in shown] == [frame.video.pts for frame in frames]
    steady = list(driven(editor.photos.leed, frames))
    assert all(one.weight == 1 for one in steady)
