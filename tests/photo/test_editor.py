"""Photos in, edited photos out, with a tiny model."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

from leed import LEED, Expression
from leed.config import TINY
from leed.networks.upper import UPPER_SCALE, WINDOWS, window_of
from leed.photo.editor import FaceEditor, NoFaceError, PreparedPhoto, combined
from leed.photo.opening import open_photo, upright
from leed.photo.saving import save_marked

PORTRAITS = ROOT / "leed/gallery/portraits"
PORTRAIT = PORTRAITS / "comp02.jpg"
HAPPY = ROOT / "leed/gallery/faces/090_comp07_female_happy_v0.webp"


@pytest.fixture(scope="module")
def editor(lively_leed: LEED) -> FaceEditor:
    return FaceEditor(lively_leed)


@pytest.fixture(scope="module")
def portrait() -> Image.Image:
    return open_photo(PORTRAIT)


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
    assert prepared.at_most(10_000).photo is prepared.photo


def test_the_upper_level_draws_mouth_and_eyes_of_a_photo(perturb: Callable, portrait: Image.Image):
    """And nothing else; previews and frames do without, and so does an editor that is asked to."""
    leed = perturb(LEED(replace(TINY, upper_width=8, upper_eyes_width=8, upper_depth=1))).eval()
    with_it, without = FaceEditor(leed), FaceEditor(leed, upper_level=False)
    expression = with_it.expression(Image.open(HAPPY))
    prepared = with_it.prepare(portrait, expression)
    edit, plain = prepared(1.0), without.edit(portrait, expression)
    np.testing.assert_array_equal(edit.edited, plain.edited)
    change = np.abs(np.asarray(edit.photo, int) - np.asarray(plain.photo, int)).max(2)
    y, x = np.mgrid[: portrait.height, : portrait.width] + 0.5
    side = UPPER_SCALE * TINY.image_size
    across, down = side * prepared.alignment.to_crop(np.stack([x, y], 2)).transpose(2, 0, 1)
    anywhere = np.zeros(down.shape, bool)
    for window in WINDOWS:
        top, bottom, left, right = window_of(window, side)
        inside = (down > top - 2) & (down < bottom + 2) & (across > left - 2) & (across < right + 2)
        assert change[inside].mean() > 1, window
        anywhere |= inside
    assert change[~anywhere].max() == 0
    for frame in (prepared.at_most(10_000), with_it.prepare_at(portrait, expression, prepared.alignment)):
        np.testing.assert_array_equal(frame(1.0).photo, plain.photo)
    small = portrait.resize((40, round(40 * portrait.height / portrait.width)))
    face = prepared.alignment.scaled(40 / portrait.width)
    assert face.side < TINY.image_size
    assert PreparedPhoto(small, edit.crop, face, prepared.face).refined(prepared.face.trace(), 1.0) == {}


def test_rotated_photo_is_edited_upright(editor: FaceEditor, portrait: Image.Image):
    turned = portrait.transpose(Image.Transpose.ROTATE_90)
    turned.getexif()[0x0112] = 6
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
    with pytest.raises(NoFaceError, match="No face was found in the photo: give one that shows a face"):
        editor.edit(wall, Image.open(HAPPY))
    with pytest.raises(NoFaceError, match="No face was found in the reference picture"):
        editor.edit(portrait, wall)
    edit = editor.edit(wall, Image.open(HAPPY), center_crop=True)
    assert edit.photo.size == wall.size
    change = np.abs(np.asarray(edit.photo, int) - np.asarray(wall, int)).max(2)
    assert change[:, :50].max() == 0 and change[:, 250:].max() == 0  # the central square is 200 wide


def test_a_face_that_is_too_small(editor: FaceEditor, portrait: Image.Image):
    photo = Image.new("RGB", (1000, 800), (200, 200, 200))
    photo.paste(portrait.resize((30, 33)), (400, 300))
    with pytest.raises(NoFaceError, match="large enough: please crop"):
        editor.edit(photo, Image.open(HAPPY))


def test_a_cut_out_stays_cut_out(editor: FaceEditor, portrait: Image.Image, tmp_path: Path):
    """Colours and transparency are the photo's own where nothing was edited; a JPEG file shows white there."""
    cutout = portrait.convert("RGBA")
    alpha = Image.new("L", portrait.size, 0)
    alpha.paste(255, (100, 60, 600, 700))
    alpha.paste(128, (100, 60, 600, 70))  # a soft edge
    cutout.putalpha(alpha)
    cutout.save(tmp_path / "photo.png")
    photo = open_photo(tmp_path / "photo.png", keep_alpha=True)
    prepared = editor.prepare(photo, Image.open(HAPPY))
    edit = prepared(1.5)
    np.testing.assert_array_equal(edit.photo.getchannel("A"), alpha)
    same = np.asarray(edit.photo)[:150] == np.asarray(cutout)[:150]
    assert edit.photo.mode == "RGBA" and same.all() and edit.edited.mode == "RGB"
    flat = editor.edit(open_photo(tmp_path / "photo.png"), Image.open(HAPPY), 1.5)
    inside = np.s_[200:650, 150:550]
    np.testing.assert_array_equal(np.asarray(edit.photo)[inside][..., :3], np.asarray(flat.photo)[inside])
    np.testing.assert_array_equal(Image.open(save_marked(edit.photo, tmp_path / "edit.png")), edit.photo)
    white = Image.open(save_marked(edit.photo, tmp_path / "edit.jpg"))
    assert white.mode == "RGB" and min(white.getpixel((20, 20))) > 250
    small = prepared.at_most(200)
    assert small.photo.mode == "RGB" and small(1.0).photo.size == small.photo.size
    np.testing.assert_allclose(small(1.0).photo.getchannel("A"), alpha.resize(small.photo.size), atol=60)


def test_alpha_out_of_range(editor: FaceEditor, portrait: Image.Image):
    with pytest.raises(ValueError, match="alpha must be in"):
        editor.edit(portrait, Image.open(HAPPY), alpha=3)


@pytest.fixture(scope="module")
def pair(two_people: Path) -> Image.Image:
    return open_photo(two_people)


def test_faces_are_listed(editor: FaceEditor, pair: Image.Image):
    large, small = editor.faces(pair)
    assert large.area > small.area and small.centre[0] < 700 < large.centre[0]


def test_several_faces_each_with_its_own(editor: FaceEditor, pair: Image.Image):
    happy, other = editor.expression(Image.open(HAPPY)), editor.expression(open_photo(PORTRAIT))
    both = np.asarray(editor.edit_faces(pair, {0: (happy, 1.5), 1: (other, 0.6)}))
    swapped = np.asarray(editor.edit_faces(pair, {1: (other, 0.6), 0: (happy, 1.5)}))
    np.testing.assert_array_equal(both, swapped)
    large = np.asarray(editor.edit(pair, happy, 1.5, face=0).photo)
    small = np.asarray(editor.edit(pair, other, 0.6, face=1).photo)
    np.testing.assert_array_equal(both[:, 700:], large[:, 700:])  # each is what it is alone
    np.testing.assert_array_equal(both[:, :600], small[:, :600])
    assert (large != small).any()
    np.testing.assert_array_equal(editor.edit_faces(pair, {0: (Image.open(HAPPY), 1.5)}), large)


def test_faces_whose_crops_overlap(editor: FaceEditor, portrait: Image.Image):
    """Both are edited, neither sees the other's edit, and the larger lies on top."""
    photo = Image.new("RGB", (640, 400), (200, 200, 200))
    face = portrait.crop((140, 60, 560, 700))
    photo.paste(face.resize((220, 335)), (90, 30))
    photo.paste(face.resize((240, 366)), (300, 20))
    happy = editor.expression(Image.open(HAPPY))
    faces = editor.faces(photo)
    prepared = [editor.prepare(photo, happy, face, faces=faces) for face in (0, 1)]
    left, right = (each.alignment.bounds(photo.size) for each in (prepared[1], prepared[0]))
    assert left[2] > right[0]  # they do overlap
    result = np.asarray(editor.edit_faces(photo, {0: (happy, 2.0), 1: (happy, 2.0)}))
    np.testing.assert_array_equal(result, combined([(prepared[1], 2.0), (prepared[0], 2.0)]))
    for each in prepared:
        alone = np.asarray(each(2.0).photo)
        changed = (alone != np.asarray(photo)).any(2)
        agree = (result == alone).all(2)[changed].mean()
        assert changed.sum() > 1000 and agree > 0.9


def test_several_faces_of_a_cutout(editor: FaceEditor, pair: Image.Image):
    cutout = pair.convert("RGBA")
    alpha = Image.new("L", pair.size, 255)
    alpha.paste(0, (0, 0, pair.width, 60))
    cutout.putalpha(alpha)
    happy = editor.expression(Image.open(HAPPY))
    result = editor.edit_faces(cutout, {0: (happy, 1.0), 1: (happy, 1.0)})
    assert result.mode == "RGBA"
    np.testing.assert_array_equal(result.getchannel("A"), alpha)
    np.testing.assert_array_equal(np.asarray(result)[:60], np.asarray(cutout)[:60])


def test_faces_that_are_not_there(editor: FaceEditor, pair: Image.Image):
    happy = editor.expression(Image.open(HAPPY))
    with pytest.raises(ValueError, match=r"face must be in \[0, 1\] for this photo, got 2"):
        editor.edit_faces(pair, {0: (happy, 1.0), 2: (happy, 1.0)})
    with pytest.raises(ValueError, match="no face was chosen"):
        editor.edit_faces(pair, {})
    with pytest.raises(NoFaceError, match="No face was found in the photo"):
        editor.edit_faces(Image.new("RGB", (300, 200), "grey"), {0: (happy, 1.0)})
