"""Edited pictures are marked, and nothing of the input's metadata is written."""

from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from leed.photo.saving import DIGITAL_SOURCE_TYPE, is_marked, jpeg_bytes, save_marked, save_marked_sequence, save_plain


@pytest.fixture
def picture() -> Image.Image:
    """A picture that carries a place, a comment and a colour profile."""
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8))
    picture.getexif()[0x010E] = "a secret"
    picture.info |= {"comment": b"a secret", "exif": picture.getexif().tobytes(), "icc_profile": b"a secret"}
    return picture


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg"])
def test_mark_is_written_and_read(picture: Image.Image, suffix: str, tmp_path: Path):
    marked = save_marked(picture, tmp_path / f"marked{suffix}")
    plain = save_plain(picture, tmp_path / f"plain{suffix}")
    assert is_marked(marked) and not is_marked(plain)
    assert DIGITAL_SOURCE_TYPE.encode() in marked.read_bytes()  # uncompressed, so that any reader finds it
    for path in (marked, plain):
        assert b"a secret" not in path.read_bytes()
        with Image.open(path) as saved:
            assert saved.size == picture.size and not saved.getexif() and "icc_profile" not in saved.info


def test_bytes_are_those_of_the_file(picture: Image.Image, tmp_path: Path):
    assert jpeg_bytes(picture, marked=True) == save_marked(picture, tmp_path / "marked.jpg").read_bytes()
    assert jpeg_bytes(picture, marked=False) == save_plain(picture, tmp_path / "plain.jpg").read_bytes()


@pytest.fixture
def cutout() -> Image.Image:
    """A picture whose left third is transparent, whose middle is by half."""
    cutout = Image.new("RGBA", (60, 40), (200, 50, 50, 255))
    cutout.paste((10, 200, 10, 128), (20, 0, 40, 40))
    cutout.paste((0, 0, 0, 0), (0, 0, 20, 40))
    return cutout


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_every_pixel_is_kept(picture: Image.Image, cutout: Image.Image, suffix: str, tmp_path: Path):
    np.testing.assert_array_equal(Image.open(save_marked(picture, tmp_path / f"a{suffix}")), picture)
    np.testing.assert_array_equal(Image.open(save_marked(cutout, tmp_path / f"b{suffix}")), cutout)


def test_a_cutout_lies_over_a_colour_in_jpeg(cutout: Image.Image, tmp_path: Path):
    for options, expected in (({}, (255, 255, 255)), ({"background": "#0000ff"}, (0, 0, 255))):
        saved = Image.open(save_marked(cutout, tmp_path / "a.jpg", **options))
        np.testing.assert_allclose(saved.getpixel((8, 20)), expected, atol=3)
        np.testing.assert_allclose(saved.getpixel((52, 20)), (200, 50, 50), atol=6)


def test_a_moving_cutout_stays_transparent(cutout: Image.Image, tmp_path: Path):
    """In GIF, pixels are transparent or not; MP4 can hold no transparency."""
    frames = [cutout.copy() for _ in range(3)]
    for i, frame in enumerate(frames):
        frame.paste((0, 0, 250, 255), (42 + i, 10, 50, 20))
    for suffix, middle in ((".webp", 128), (".gif", 255)):
        with Image.open(save_marked_sequence(frames, tmp_path / f"a{suffix}", fps=10)) as film:
            for i in range(film.n_frames):
                film.seek(i)
                shown = film.convert("RGBA").getchannel("A")
                assert [shown.getpixel((x, 20)) for x in (8, 30, 52)] == [0, middle, 255]
    film = imageio_ffmpeg.read_frames(save_marked_sequence(frames, tmp_path / "a.mp4", fps=10))
    width = next(film)["size"][0]
    assert np.frombuffer(next(film), np.uint8).reshape(-1, width, 3)[20, 8].min() > 245


def test_other_formats_are_refused(picture: Image.Image, tmp_path: Path):
    with pytest.raises(ValueError, match=r"\.png, \.webp or \.jpg, got a\.tif"):
        save_marked(picture, tmp_path / "a.tif")


@pytest.fixture
def frames() -> list[Image.Image]:
    """Six frames of odd sides whose brightness grows; the first carries a comment."""
    frames = [Image.new("RGB", (33, 47), (30 * i, 30 * i, 30 * i)) for i in range(6)]
    frames[0].info["comment"] = b"a secret"
    return frames


@pytest.mark.parametrize("suffix", [".webp", ".gif"])
def test_animated_pictures_are_marked_and_repeat(frames: list[Image.Image], suffix: str, tmp_path: Path):
    path = save_marked_sequence(frames, tmp_path / f"a{suffix}", fps=10)
    assert is_marked(path)
    assert DIGITAL_SOURCE_TYPE.encode() in path.read_bytes() and b"a secret" not in path.read_bytes()
    with Image.open(path) as saved:
        assert saved.n_frames == 6 and saved.size == (33, 47) and saved.info["loop"] == 0
        for i in range(6):
            saved.seek(i)
            saved.load()
            assert saved.info["duration"] == 100
            assert abs(int(saved.convert("L").getpixel((16, 20))) - 30 * i) < 6


def test_films_are_marked_and_play(frames: list[Image.Image], tmp_path: Path):
    path = save_marked_sequence(frames, tmp_path / "a.mp4", fps=10)
    assert is_marked(path)
    reader = imageio_ffmpeg.read_frames(path)
    about = next(reader)
    assert about["codec"] == "h264" and about["size"] == (34, 48) and about["fps"] == 10
    brightness = [np.frombuffer(frame, np.uint8).mean() for frame in reader]
    np.testing.assert_allclose(brightness, [30 * i for i in range(6)], atol=6)


def test_unmarked_animations_are_told_apart(frames: list[Image.Image], tmp_path: Path):
    for suffix in ("webp", "gif"):
        frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:])
        assert not is_marked(tmp_path / f"a.{suffix}")
    film = save_marked_sequence(frames, tmp_path / "a.mp4", fps=10)
    film.write_bytes(film.read_bytes().partition(b"uuid")[0][:-4])
    assert not is_marked(film)


def test_other_formats_of_sequences_are_refused(frames: list[Image.Image], tmp_path: Path):
    with pytest.raises(ValueError, match=r"\.webp, \.gif or \.mp4, got a\.avi"):
        save_marked_sequence(frames, tmp_path / "a.avi", fps=10)
