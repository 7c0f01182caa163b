"""A clip that is written again is the same but for its codec, and is marked."""

import errno
from pathlib import Path

import av
import numpy as np
import pytest

from leed.photo.saving import DIGITAL_SOURCE_TYPE
from leed.video.reading import VideoError, look_into, read_frames
from leed.video.writing import Encoding, encoding_for, is_marked, writing
from video.clips import content, turned, waves, write_clip


def rewritten(source: Path, target: Path) -> list[str]:
    """Writes a clip again without a change; the notes."""
    clip, notes = look_into(source), list[str]()
    encoding = encoding_for(target, clip.bits, clip.has_alpha)
    with writing(target, encoding, clip, notes) as writer:
        for frame in read_frames(clip, encoding.pixel_format, notes):
            writer.write(frame)
    return notes


@pytest.mark.parametrize(("matrix", "full_range"), [(None, False), (1, False), (6, True)])
def test_picture_times_and_sound_are_kept(matrix: int | None, full_range: bool, tmp_path: Path) -> None:
    times = [0, 0.04, 0.1, 0.11, 0.3, 0.7]
    source = write_clip(
        tmp_path / "a.mp4", waves(6), times=times, sound="aac", matrix=matrix, full_range=full_range
    )  # fmt: skip
    assert rewritten(source, tmp_path / "b.mp4") == []
    before, after = content(source), content(tmp_path / "b.mp4")
    assert after.times == before.times and after.sound == before.sound and len(after.sound) > 10
    assert after.duration == pytest.approx(before.duration, abs=0.05)
    assert (after.matrix, after.color_range) == (before.matrix, before.color_range)
    error = np.subtract(before.pictures, after.pictures, dtype=np.float64)
    assert np.abs(error.mean((0, 1, 2))).max() < 0.5 and np.abs(error).mean() < 2


def test_a_clip_without_sound_has_none(tmp_path: Path) -> None:
    rewritten(write_clip(tmp_path / "a.mp4", waves(3)), tmp_path / "b.mp4")
    assert content(tmp_path / "b.mp4").sound == []


def test_sound_that_a_container_cannot_hold_is_encoded_anew(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", waves(10), sound="aac")
    rewritten(source, tmp_path / "b.webm")
    with av.open(str(tmp_path / "b.webm")) as container:
        assert container.streams.audio[0].codec_context.name == "opus"
        samples = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    assert len(samples) / 48_000 == pytest.approx(0.44, abs=0.05)
    spectrum = np.abs(np.fft.rfft(samples[4800:14400]))
    assert np.argmax(spectrum) * 48_000 / 9600 == pytest.approx(440, abs=6)


def test_a_turned_clip_is_written_upright(tmp_path: Path) -> None:
    rewritten(turned(write_clip(tmp_path / "a.mp4", waves(2)), 90), tmp_path / "b.mp4")
    assert content(tmp_path / "b.mp4").pictures[0].shape == (64, 48, 3)
    assert look_into(tmp_path / "b.mp4").turn == look_into(write_clip(tmp_path / "c.mp4", waves(1))).turn


@pytest.mark.parametrize(
    ("source", "codec", "pixel_format", "target"),
    [
        ("a.webm", "libvpx-vp9", "yuva420p", "b.webm"),
        ("a.webm", "libvpx-vp9", "yuva420p", "b.mov"),
        ("a.mov", "prores_ks", "yuva444p10le", "b.mkv"),
    ],
)
def test_transparency_is_kept(source: str, codec: str, pixel_format: str, target: str, tmp_path: Path) -> None:
    rewritten(write_clip(tmp_path / source, waves(2), codec, pixel_format), tmp_path / target)
    for alpha in content(tmp_path / target).alphas:
        assert alpha[:, :28].min() > 240 and alpha[:, 36:].max() < 15


def test_ten_bits_are_written(tmp_path: Path) -> None:
    options = {"x265-params": "log-level=error:bframes=0"}
    source = write_clip(tmp_path / "a.mp4", waves(2), "libx265", "yuv420p10le", options=options)
    for target in ("b.mp4", "b.webm"):
        rewritten(source, tmp_path / target)
        assert content(tmp_path / target).pixel_format == "yuv420p10le"
    assert b"hvc1" in (tmp_path / "b.mp4").read_bytes()


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_the_mark(suffix: str, tmp_path: Path) -> None:
    source = write_clip(tmp_path / f"a{suffix}", waves(1), "libvpx-vp9" if suffix == ".webm" else "libx264")
    rewritten(source, tmp_path / f"b{suffix}")
    assert is_marked(tmp_path / f"b{suffix}") and not is_marked(source)
    assert DIGITAL_SOURCE_TYPE.encode() in (tmp_path / f"b{suffix}").read_bytes()
    content(tmp_path / f"b{suffix}")  # players read it


def test_what_cannot_be_written(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.webm", waves(1), "libvpx-vp9", "yuva420p")
    for target, sentence in (
        ("b.avi", "clips are written as .mp4, .mov, .mkv, .webm, got b.avi"),
        ("b.mp4", "transparent in parts, which .mp4 cannot hold: write .webm, .mov or .mkv"),
        ("a.webm", "a.webm is the clip itself: write to another file"),
        ("nowhere/b.webm", "there is no folder .*nowhere to write b.webm to"),
    ):
        with pytest.raises(VideoError, match=sentence):
            rewritten(source, tmp_path / target)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.webm"]


def test_an_error_leaves_no_file(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", waves(3), sound="aac")
    (tmp_path / "b.mp4").write_text("older")
    clip = look_into(source)
    with pytest.raises(KeyError), writing(tmp_path / "b.mp4", encoding_for(source), clip) as writer:
        writer.write(next(read_frames(clip, "yuv420p")))
        raise KeyError
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]
    assert (tmp_path / "b.mp4").read_text() == "older"


def test_a_full_disk(tmp_path: Path) -> None:
    clip = look_into(source := write_clip(tmp_path / "a.mp4", waves(1)))
    with (
        pytest.raises(VideoError, match=r"b\.mp4 could not be written \(.+\): make room on the disk"),
        writing(tmp_path / "b.mp4", encoding_for(source), clip),
    ):
        raise av.error.FFmpegError(errno.ENOSPC, "No space left on device")


def test_what_an_encoder_refuses(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", waves(1))
    clip, impossible = look_into(source), Encoding("libx264", "yuv420p", {"preset": "none such"})
    with (
        pytest.raises(VideoError, match=r"b\.mp4 could not be written \(.+\): try another kind of file"),
        writing(tmp_path / "b.mp4", impossible, clip) as writer,
    ):
        writer.write(next(read_frames(clip, "yuv420p")))
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
