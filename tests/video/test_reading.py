"""Clips of all kinds are read right, or refused in one sentence."""

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from leed.video.frames import planes
from leed.video.reading import VideoError, look_into, read_frames
from video.clips import MATRIX, tone, turned, waves, write_clip


@pytest.mark.parametrize("degrees", sorted(MATRIX))
def test_a_turned_clip_is_upright(degrees: int, tmp_path: Path) -> None:
    stored = [picture.convert("RGB") for picture in waves(2)]
    clip = look_into(turned(write_clip(tmp_path / "a.mp4", stored), degrees))
    upright = stored[1].rotate(-degrees, expand=True)  # Pillow turns counterclockwise
    assert clip.size == upright.size
    frame = list(read_frames(clip, "yuv420p"))[1]
    assert np.abs(np.asarray(frame.picture, int) - np.asarray(upright, int)).mean() < 6


def test_times_are_kept(tmp_path: Path) -> None:
    times = [0, 0.04, 0.1, 0.11, 0.3, 0.7]
    clip = look_into(write_clip(tmp_path / "a.mp4", waves(6), times=times))
    np.testing.assert_allclose([frame.time for frame in read_frames(clip, "yuv420p")], times, atol=1e-4)
    assert clip.num_frames is not None and abs(clip.num_frames - 6) <= 1


def test_ten_bits_are_kept(tmp_path: Path) -> None:
    options = {"x265-params": "log-level=error:bframes=0"}
    clip = look_into(write_clip(tmp_path / "a.mp4", waves(2), "libx265", "yuv420p10le", options=options))
    assert clip.bits == 10 and not clip.has_alpha
    frame = next(read_frames(clip, "yuv420p10le"))
    assert planes(frame.video)[0].dtype == np.uint16 and planes(frame.video)[0].max() > 255


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format"),
    [("a.webm", "libvpx-vp9", "yuva420p"), ("a.mov", "prores_ks", "yuva444p10le")],
)
def test_transparency_is_seen(name: str, codec: str, pixel_format: str, tmp_path: Path) -> None:
    clip = look_into(write_clip(tmp_path / name, waves(2), codec, pixel_format))
    assert clip.has_alpha
    alpha = planes(next(read_frames(clip, pixel_format)).video)[3]
    assert alpha[:, :28].min() > 0.95 * alpha.max() and alpha[:, 36:].max() < 0.05 * alpha.max()


def test_colours_are_described(tmp_path: Path) -> None:
    for matrix, full_range in ((1, False), (5, True)):
        clip = look_into(write_clip(tmp_path / "a.mp4", waves(1), matrix=matrix, full_range=full_range))
        assert (clip.matrix, clip.full_range) == (matrix, full_range)


def test_what_is_no_clip(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("This is a text.\n" * 100)
    (tmp_path / "nothing.mp4").write_bytes(b"")
    Image.new("RGB", (32, 32)).save(tmp_path / "photo.jpg")
    write_clip(tmp_path / "short.mp4", waves(2))
    for name in ("text.mp4", "nothing.mp4", "photo.jpg"):
        with pytest.raises(VideoError, match=f"{name} cannot be read as a video"):
            look_into(tmp_path / name)
    with pytest.raises(VideoError, match="is a folder: give the path of a video file"):
        look_into(tmp_path)
    with pytest.raises(VideoError, match=r"missing\.mp4 is missing: give the path"):
        look_into(tmp_path / "missing.mp4")


def test_a_playlist_has_no_other_file_read(tmp_path: Path) -> None:
    write_clip(tmp_path / "secret.ts", waves(2))
    (tmp_path / "list.mp4").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.ts\n#EXT-X-ENDLIST\n")
    (tmp_path / "concat.mp4").write_text("ffconcat version 1.0\nfile secret.ts\n")
    for name in ("list.mp4", "concat.mp4"):
        with pytest.raises(VideoError, match="cannot be read as a video"):
            look_into(tmp_path / name)


def test_a_clip_without_frames(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"empty\.mkv (cannot be read as a video|has no)"):
        look_into(write_clip(tmp_path / "empty.mkv", [], times=[]))
    with av.open(str(tmp_path / "song.mp4"), "w") as container:
        track = container.add_stream("aac", rate=48_000, layout="mono")
        container.mux(track.encode(tone(0.2)))
        container.mux(track.encode(None))
    with pytest.raises(VideoError, match=r"song\.mp4 has no pictures"):
        look_into(tmp_path / "song.mp4")


def test_a_clip_that_breaks_off(tmp_path: Path) -> None:
    options = {"g": "1", "movflags": "+faststart"}
    whole = write_clip(tmp_path / "a.mkv", waves(50, (128, 96)), options=options)
    data = whole.read_bytes()
    half = tmp_path / "half.mkv"
    half.write_bytes(data[: len(data) // 2])
    clip, notes = look_into(half), list[str]()
    count = sum(1 for _ in read_frames(clip, "yuv420p", notes))
    assert 10 < count < 40
    assert any("the clip breaks off after" in note for note in notes)


def test_a_clip_that_is_broken_in_the_middle(tmp_path: Path) -> None:
    data = bytearray(write_clip(tmp_path / "a.mkv", waves(50, (128, 96)), options={"g": "1"}).read_bytes())
    middle = len(data) // 2
    data[middle : middle + len(data) // 8] = bytes(len(data) // 8)
    (tmp_path / "broken.mkv").write_bytes(data)
    clip, notes = look_into(tmp_path / "broken.mkv"), list[str]()
    times = [frame.time for frame in read_frames(clip, "yuv420p", notes)]
    assert 20 < len(times) <= 50 and times == sorted(set(times)) and times[-1] == pytest.approx(49 / 25, abs=0.01)
    assert not any("breaks off" in note for note in notes)


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "libx264"), ("a.ts", "libx264"), ("a.ts", "libx265")])
def test_damage_that_the_decoder_patches_is_told(name: str, codec: str, tmp_path: Path) -> None:
    """Every frame is there, so that nothing else tells of it."""
    options = {"x265-params": "log-level=error:bframes=0", "bf": "0"}
    whole = write_clip(tmp_path / name, waves(30, (256, 192)), codec, options=options)
    assert notes_on(whole) == (30, [])
    with av.open(str(whole)) as container:
        at, size = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size][15]
    data = bytearray(whole.read_bytes())
    if whole.suffix == ".ts":  # a packet of 188 bytes is lost
        del data[at + 188 : at + 2 * 188]
    else:
        data[at + size // 2] ^= 0xFF
        data[at + size // 2 + 1] ^= 0xFF
    whole.write_bytes(data)
    said = "the picture is damaged in 1 frame, and may be in those that follow: look at the result there"
    assert notes_on(whole) == (30, [said])


def notes_on(path: Path) -> tuple[int, list[str]]:
    """How many frames a clip has, and what is said of it."""
    notes = list[str]()
    return sum(1 for _ in read_frames(look_into(path), "yuv420p", notes)), notes
