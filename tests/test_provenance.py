"""Edited pictures are marked, and nothing of the input's metadata is written."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leed.provenance import DIGITAL_SOURCE_TYPE, is_marked, save_marked, save_plain


@pytest.fixture
def picture() -> Image.Image:
    """A picture that carries a place, a comment and a colour profile."""
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8))
    picture.getexif()[0x010E] = "a secret"
    picture.info |= {"comment": b"a secret", "exif": picture.getexif().tobytes(), "icc_profile": b"a secret"}
    return picture


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_mark_is_written_and_read(picture: Image.Image, suffix: str, tmp_path: Path):
    marked = save_marked(picture, tmp_path / f"marked{suffix}")
    plain = save_plain(picture, tmp_path / f"plain{suffix}")
    assert is_marked(marked) and not is_marked(plain)
    assert DIGITAL_SOURCE_TYPE.encode() in marked.read_bytes()  # uncompressed, so that any reader finds it
    for path in (marked, plain):
        assert b"a secret" not in path.read_bytes()
        with Image.open(path) as saved:
            assert saved.size == picture.size and not saved.getexif() and "icc_profile" not in saved.info


def test_png_keeps_every_pixel(picture: Image.Image, tmp_path: Path):
    np.testing.assert_array_equal(Image.open(save_marked(picture, tmp_path / "a.png")), picture)


def test_other_formats_are_refused(picture: Image.Image, tmp_path: Path):
    with pytest.raises(ValueError, match=r"\.png or \.jpg, got a\.webp"):
        save_marked(picture, tmp_path / "a.webp")
