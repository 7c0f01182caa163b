"""Films by ffmpeg: whole, or an error that says why."""

from pathlib import Path

import imageio_ffmpeg
import pytest

from leed.photo.filming import film

SIZE = (8, 8)
H264 = {"size": SIZE, "pixels": "rgb24", "fps": 10, "codec": "libx264", "film_pixels": "yuv444p"}
FRAME = bytes(8 * 8 * 3)


def test_all_frames_are_in_the_film(tmp_path):
    film([FRAME] * 5, tmp_path / "a.mp4", **H264, options=[])
    assert imageio_ffmpeg.count_frames_and_secs(str(tmp_path / "a.mp4"))[0] == 5


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
@pytest.mark.parametrize("count", [1, 4000])  # it is noticed after the last frame, or before it
def test_a_film_that_a_full_disk_cuts_short_is_an_error(count):
    raw = H264 | {"codec": "rawvideo", "film_pixels": "rgb24"}
    with pytest.raises(OSError, match="^ffmpeg: .*No space left on device"):
        film((FRAME for _ in range(count)), Path("/dev/full"), **raw, options=["-f", "rawvideo"])


def test_an_impossible_place_is_an_error(tmp_path):
    with pytest.raises(OSError, match="^ffmpeg: .*No such file"):
        film([FRAME], tmp_path / "nowhere" / "a.mp4", **H264, options=[])


def test_frames_that_cannot_be_made_end_the_program(tmp_path):
    def frames():
        yield FRAME
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        film(frames(), tmp_path / "a.mp4", **H264, options=[])
