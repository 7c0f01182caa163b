"""Photos in, edited photos out: opening, pasting, and the whole editor with a tiny model."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image, ImageOps

from leed import LEED, Expression
from leed.photo.editor import FaceEditor, NoFaceError
from leed.photo.opening import PhotoError, open_photo, upright

PORTRAITS = ROOT / "leed/gallery/portraits"
PORTRAIT = PORTRAITS / "comp02.jpg"
HAPPY = ROOT / "leed/gallery/faces/090_comp07_female_happy_v0.webp"


@pytest.fixture(scope="module")
def editor(lively_leed: LEED) -> FaceEditor:
    return FaceEditor(lively_leed)


@pytest.fixture(scope="module")
def portrait() -> Image.Image:
    return open_photo(PORTRAIT)


# Opening photos.


def hollow_png(width: int, height: int) -> bytes:
    """A PNG that says it is large and holds next to nothing."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b""))
    body = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def encoded(image: Image.Image, format: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


BROKEN = {
    "empty.jpg": (b"", "not a picture"),
    "page.jpg": (b"<html><body>no picture</body></html>", "not a picture"),
    "drawing.svg": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "not a picture"),
    "bytes.png": (b"\x89PNG\r\n\x1a\n" + bytes(100), "not a picture"),
    "cut.jpg": (PORTRAIT.read_bytes()[:20000], "damaged"),
    "cut.png": (encoded(Image.effect_noise((64, 64), 50), "PNG")[:1500], "damaged"),
    "large.png": (hollow_png(13000, 13000), "more than 16 megapixels (169)"),
    "huge.png": (hollow_png(20000, 20000), "more than 16 megapixels"),
    "hollow.png": (hollow_png(100, 100), "damaged"),
    "long.png": (hollow_png(1, 17_000_000), "more than 16 megapixels (17)"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_photo_gives_one_sentence(name: str, tmp_path: Path):
    data, words = BROKEN[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(PhotoError) as error:
        open_photo(tmp_path / name)
    message = str(error.value)
    assert words in message and "\n" not in message and message.endswith(".") and str(tmp_path) not in message


def test_missing_photo_names_its_path(tmp_path: Path):
    with pytest.raises(PhotoError, match="no file .*missing.jpg"):
        open_photo(tmp_path / "missing.jpg")


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "RGBA", "CMYK", "I;16", "GIF"])
def test_every_mode_becomes_rgb(mode: str, tmp_path: Path):
    grey = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (64, 1))
    image = Image.fromarray(grey)
    path = tmp_path / {"CMYK": "a.jpg", "GIF": "a.gif"}.get(mode, "a.png")
    if mode == "I;16":
        image = Image.fromarray(grey.astype(np.uint16) * 257)
    elif mode != "GIF":
        image = (image if mode == "P" else image.convert("RGB")).convert(mode)
    image.save(path, **({"quality": 100} if mode == "CMYK" else {}))
    photo = open_photo(path)
    assert photo.mode == "RGB" and photo.size == (64, 64)
    tolerance = 255 if mode == "1" else 4
    assert np.abs(np.asarray(photo, int) - grey[..., None]).max() <= tolerance


def test_transparency_lies_over_white(tmp_path: Path):
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(tmp_path / "a.png")
    assert open_photo(tmp_path / "a.png").getpixel((4, 4)) == (255, 255, 255)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_and_metadata_left_behind(orientation: int, tmp_path: Path):
    picture = Image.new("RGB", (64, 32), "white")
    picture.paste("red", (0, 0, 32, 16))
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = "a secret"
    stored = ImageOps.exif_transpose(with_orientation(picture, inverse_orientation(orientation)))
    stored.save(tmp_path / "a.png", exif=exif)
    photo = open_photo(tmp_path / "a.png")
    np.testing.assert_array_equal(photo, picture)
    assert not photo.getexif() and not photo.info


def with_orientation(picture: Image.Image, orientation: int) -> Image.Image:
    picture = picture.copy()
    picture.getexif()[0x0112] = orientation
    return picture


def inverse_orientation(orientation: int) -> int:
    """The flag that undoes another; all but the two quarter turns undo themselves."""
    return {6: 8, 8: 6}.get(orientation, orientation)


def test_broken_colour_profile_is_ignored(tmp_path: Path):
    picture = Image.new("RGB", (8, 8), (10, 200, 90))
    picture.save(tmp_path / "a.png", icc_profile=b"no profile")
    np.testing.assert_array_equal(open_photo(tmp_path / "a.png"), picture)


# The editor.


def test_edit_of_a_portrait(editor: FaceEditor, portrait: Image.Image):
    edit = editor.edit(portrait, Image.open(HAPPY), alpha=1.5)
    size = editor.leed.config.image_size
    assert edit.crop.size == edit.edited.size == (size, size) and edit.photo.size == portrait.size
    change = np.abs(np.asarray(edit.photo, int) - np.asarray(portrait, int)).max(2)
    assert change[:150].max() == 0 and change[300:560, 250:450].max() > 3


def test_edit_is_the_model_s_own(editor: FaceEditor, portrait: Image.Image):
    """The aligned face goes through `LEED.edit` as it is."""
    reference, _ = editor.align(upright(Image.open(HAPPY)))
    edit = editor.edit(portrait, Image.open(HAPPY), alpha=0.7)
    np.testing.assert_array_equal(edit.edited, editor.leed.edit(edit.crop, reference, alpha=0.7))


def test_prepared_photo_equals_edit(editor: FaceEditor, portrait: Image.Image):
    expression = editor.expression(Image.open(HAPPY))
    assert isinstance(expression, Expression)
    prepared = editor.prepare(portrait, editor.expression(portrait)).with_expression(expression)
    np.testing.assert_array_equal(prepared(0.5).photo, editor.edit(portrait, expression, 0.5).photo)
    preview = prepared.at_most(350)
    assert preview.photo.size == (322, 350) and preview(0.5).photo.size == (322, 350)
    np.testing.assert_array_equal(preview(0.5).edited, prepared(0.5).edited)
    assert prepared.at_most(10_000) is prepared


def test_rotated_photo_is_edited_upright(editor: FaceEditor, portrait: Image.Image):
    turned = with_orientation(portrait.transpose(Image.Transpose.ROTATE_90), 6)
    np.testing.assert_array_equal(
        editor.edit(turned, Image.open(HAPPY)).photo, editor.edit(portrait, Image.open(HAPPY)).photo
    )


def test_second_face_is_edited(editor: FaceEditor, portrait: Image.Image):
    photo = Image.new("RGB", (800, 560), (200, 200, 200))
    photo.paste(portrait.resize((250, 271)), (0, 100))
    photo.paste(open_photo(PORTRAITS / "comp05.jpg").resize((500, 543)), (280, 0))
    edit = editor.edit(photo, Image.open(HAPPY), alpha=1.5, face=1)
    change = np.abs(np.asarray(edit.photo, int) - np.asarray(photo, int)).max(2)
    assert change[:, 280:].max() == 0 and change[:, :250].max() > 3
    with pytest.raises(ValueError, match=r"face must be in \[0, 1\] for this photo, got 2"):
        editor.edit(photo, Image.open(HAPPY), face=2)


def test_no_face(editor: FaceEditor, portrait: Image.Image):
    wall = Image.new("RGB", (300, 200), (120, 140, 160))
    with pytest.raises(NoFaceError, match="No face was found in the photo: .*centre"):
        editor.edit(wall, Image.open(HAPPY))
    with pytest.raises(NoFaceError, match="No face was found in the reference picture"):
        editor.edit(portrait, wall)
    edit = editor.edit(wall, Image.open(HAPPY), center_crop=True)
    assert edit.photo.size == wall.size
    change = np.abs(np.asarray(edit.photo, int) - np.asarray(wall, int)).max(2)
    assert change[:, :50].max() == 0 and change[:, 250:].max() == 0  # the central square is 200 wide


def test_alpha_out_of_range(editor: FaceEditor, portrait: Image.Image):
    with pytest.raises(ValueError, match="alpha must be in"):
        editor.edit(portrait, Image.open(HAPPY), alpha=3)
