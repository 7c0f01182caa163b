"""Every file that a visitor may give is edited or refused in one sentence."""

import io
import json
import re
import subprocess
import sys
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile, ImageOps

from leed import LEED
from leed.photo.detection import find_faces
from leed.photo.editor import FaceEditor, NoFaceError
from leed.photo.opening import HEIF, MAX_MEGAPIXELS, WORKING_MEGAPIXELS, PhotoError, open_photo, pixels_in
from leed.photo.saving import save_marked
from photo.photo_corpus import (
    BOMBS,
    CORPUS,
    EDITED,
    SECRET,
    TOO_LARGE,
    encoded,
    exif_with,
    frames,
    grid_of_faces,
    portrait,
    profile,
)

pytestmark = pytest.mark.filterwarnings("ignore")  # Pillow warns of what is odd in a file


@pytest.fixture(scope="module")
def editor(lively_leed: LEED) -> FaceEditor:
    return FaceEditor(lively_leed)


def write(name: str, folder: Path) -> Path:
    path = folder / name
    path.write_bytes(CORPUS[name][0]())
    return path


def is_one_sentence(message: str) -> bool:
    return message.endswith(".") and message[0].isupper() and "\n" not in message and len(message) < 160


def test_there_are_enough_files() -> None:
    assert len(CORPUS) >= 60


@pytest.mark.parametrize("name", CORPUS)
def test_file_is_edited_or_refused_in_one_sentence(name: str, editor: FaceEditor, tmp_path: Path) -> None:
    path, outcome = write(name, tmp_path), CORPUS[name][1]
    try:
        photo = open_photo(path)
        edit = editor.edit(photo, portrait(), alpha=1.5)
    except (PhotoError, NoFaceError) as error:
        message = str(error)
        assert is_one_sentence(message) and str(tmp_path) not in message
        assert any(words in message for words in outcome.split("|")), message
    else:
        assert EDITED in outcome
        assert edit.photo.size == photo.size and edit.photo.mode == photo.mode == "RGB"
        assert (np.asarray(edit.photo) != np.asarray(photo)).any()
        saved = save_marked(edit.photo, tmp_path / "edited.png")
        assert SECRET not in saved.read_bytes() and not Image.open(saved).getexif()


@pytest.mark.parametrize("name", [name for name, (_, outcome) in CORPUS.items() if outcome != EDITED])
def test_the_centre_of_any_readable_picture_can_be_taken(name: str, editor: FaceEditor, tmp_path: Path) -> None:
    try:
        photo = open_photo(write(name, tmp_path))
    except PhotoError:
        return
    assert editor.edit(photo, portrait(), center_crop=True).photo.size == photo.size


# What a photo becomes.


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


@pytest.mark.parametrize("overshoot", [0.0, 0.05])
def test_floats_to_one_are_scaled(overshoot: float, tmp_path: Path):
    ramp = np.tile(np.linspace(0, 1 + overshoot, 64, dtype=np.float32), (8, 1))
    Image.fromarray(ramp).save(tmp_path / "a.tif")
    expected = np.repeat((255 * ramp).clip(0, 255)[..., None], 3, axis=2)
    np.testing.assert_allclose(open_photo(tmp_path / "a.tif"), expected, atol=0.51)


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


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_colour_profile_is_applied_to_cutouts_as_well(mode: str, tmp_path: Path):
    picture = Image.new(mode, (8, 8), (200, 60, 60, 128)[: len(mode)])
    names = {b"rXYZ": b"gXYZ", b"gXYZ": b"rXYZ"}  # a profile in which red is called green
    swapped = re.sub(b"[rg]XYZ", lambda name: names[name[0]], profile("sRGB"))
    picture.save(tmp_path / "a.png", icc_profile=swapped)
    plain = open_photo(tmp_path / "a.png", keep_alpha=True)
    assert plain.mode == mode
    colours = plain.getpixel((4, 4))
    np.testing.assert_allclose(colours, (60, 200, 60, 128)[: len(mode)], atol=3)


def test_broken_colour_profile_is_ignored(tmp_path: Path):
    picture = Image.new("RGB", (8, 8), (10, 200, 90))
    picture.save(tmp_path / "a.png", icc_profile=b"no profile")
    np.testing.assert_array_equal(open_photo(tmp_path / "a.png"), picture)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_shows_the_same_photo(orientation: int, tmp_path: Path) -> None:
    photo = np.asarray(open_photo(write(f"orientation-{orientation}.jpg", tmp_path)), int)
    assert np.abs(photo - np.asarray(portrait(), int)).mean() < 3


@pytest.mark.parametrize(
    "name", ["16-bit.png", "16-bit.tiff", "float.tiff", "float-to-1.tiff", "grey.jpg", "print.tiff", "luma.tiff"]
)
def test_kinds_of_pixels_keep_their_brightness(name: str, tmp_path: Path) -> None:
    photo = np.asarray(open_photo(write(name, tmp_path)).convert("L"), int)
    assert np.abs(photo - np.asarray(portrait().convert("L"), int)).mean() < 3


def test_all_of_twenty_faces_can_be_chosen(editor: FaceEditor) -> None:
    photo = grid_of_faces()
    faces = find_faces(photo)
    places = {
        tuple(np.round(editor.align(photo, face, faces=faces)[1].to_photo([0.5, 0.5]) / 150 - 0.5))
        for face in range(20)
    }
    assert len(places) == 20
    with pytest.raises(ValueError, match=r"face must be in \[0, 19\]"):
        editor.align(photo, 20, faces=faces)


# Files that are larger than they should be.


@pytest.mark.parametrize("name", BOMBS)
def test_megapixels_are_refused_before_decoding(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(name, tmp_path)
    decoded = []
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: decoded.append(image.size))
    if TOO_LARGE in CORPUS[name][1]:
        with pytest.raises(PhotoError):
            open_photo(path)
        assert not decoded


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("megapixels", [24, 48])
def test_photos_of_phones_are_reduced(format: str, megapixels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """At a thousandth of their size; they stay upright and keep their colours."""
    monkeypatch.setattr("leed.photo.opening.MAX_MEGAPIXELS", MAX_MEGAPIXELS / 1000)
    monkeypatch.setattr("leed.photo.opening.WORKING_MEGAPIXELS", WORKING_MEGAPIXELS / 1000)
    width = round((megapixels * 1000 * 3 / 2) ** 0.5)
    whole = portrait(400, 3).resize((width, width * 2 // 3))
    stored = whole.transpose(Image.Transpose.ROTATE_90)
    photo = open_photo(io.BytesIO(encoded(stored, format, exif=exif_with(6))))
    assert 0.2 * WORKING_MEGAPIXELS < photo.width * photo.height / 1e3 <= WORKING_MEGAPIXELS
    assert photo.mode == "RGB" and not photo.info and not photo.getexif()
    assert np.abs(np.asarray(whole.resize(photo.size, Image.Resampling.BOX), int) - np.asarray(photo, int)).mean() < 4


@pytest.mark.skipif(not HEIF, reason="needs pillow-heif")
def test_heic_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.heic"
    portrait().save(path, quality=90)
    assert np.abs(np.asarray(open_photo(path), int) - np.asarray(portrait(), int)).mean() < 4


def test_the_number_of_pixels_is_true_or_none() -> None:
    assert pixels_in("Image size (400000000 pixels) exceeds limit of 178956970 pixels, could be ...") == 400_000_000
    assert pixels_in("something else") is None


MEASURE = """
import json, resource, sys, time, warnings
from leed.photo.opening import PhotoError, open_photo
warnings.simplefilter("ignore")
for path in sys.argv[1:]:
    start = time.perf_counter()
    try:
        open_photo(path)
    except PhotoError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": time.perf_counter() - start, "peak": peak}))
"""


def test_a_phone_s_photo_costs_no_more_than_a_small_one(tmp_path: Path) -> None:
    """Peak memory after a JPEG of 12 megapixels has been read, and after one of 48."""
    paths = [tmp_path / "12.jpg", tmp_path / "48.jpg"]
    for path, size in zip(paths, [(4000, 3000), (8000, 6000)], strict=True):
        path.write_bytes(encoded(portrait().resize(size), "JPEG"))
    run = [sys.executable, "-c", MEASURE, *map(str, paths)]
    lines = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    small, large = map(json.loads, lines)
    assert large["peak"] - small["peak"] < 32


def test_bombs_cost_no_more_than_a_small_photo(tmp_path: Path) -> None:
    """In a process of their own: peak memory [MiB] and time, after a photo of 12 megapixels has been read."""
    small = tmp_path / "small.jpg"
    small.write_bytes(encoded(portrait().resize((4000, 3000)), "JPEG"))
    paths = [small, *(write(name, tmp_path) for name in BOMBS)]
    run = [sys.executable, "-c", MEASURE, *map(str, paths)]
    lines = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    first, *others = map(json.loads, lines)
    for name, cost in zip(BOMBS, others, strict=True):
        assert cost["peak"] - first["peak"] < 16, name
        assert cost["seconds"] < 2 * first["seconds"] + 1, name


# Files that go wrong by chance.


@cache
def healthy() -> dict[str, bytes]:
    """Small photos in every format, with EXIF data and a colour profile where there is room for them."""
    photo, extra = portrait(32), {"exif": exif_with(6), "icc_profile": profile("sRGB")}
    return {
        "JPEG": encoded(photo, "JPEG", **extra),
        "PNG": encoded(photo, "PNG", **extra),
        "palette": encoded(photo.convert("P"), "PNG", transparency=3),
        "WEBP": encoded(photo, "WEBP", **extra),
        "AVIF": encoded(photo, "AVIF", **extra),
        "GIF": frames("GIF", duration=100),
        "BMP": encoded(photo, "BMP"),
        "TIFF": encoded(photo, "TIFF", compression="tiff_lzw", **extra),
        "CMYK": encoded(photo.convert("CMYK"), "TIFF", exif=exif_with(3)),
    }


@st.composite
def hurt_files(draw: st.DrawFn) -> bytes:
    """A healthy file with a few bytes changed, most of them in its header, and sometimes its end missing."""
    data = bytearray(healthy()[draw(st.sampled_from(sorted(healthy())))])
    places = st.one_of(st.integers(0, min(len(data), 300) - 1), st.integers(0, len(data) - 1))
    for place in draw(st.lists(places, min_size=1, max_size=8)):
        data[place] = draw(st.sampled_from([0, 1, 127, 128, 254, 255]) | st.integers(0, 255))
    end = draw(st.none() | st.integers(1, len(data)))
    return bytes(data[:end])


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
@given(hurt_files())
def test_a_file_hurt_at_random_is_opened_or_refused(data: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            photo = open_photo(io.BytesIO(data))
        except PhotoError as error:
            assert is_one_sentence(str(error))
        else:
            assert photo.mode == "RGB" and photo.width * photo.height <= WORKING_MEGAPIXELS * 1e6 and not photo.info
