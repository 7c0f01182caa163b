"""Edited crops in their photos: what moved, what was painted, and what stays as it is."""

import numpy as np
import pytest
import torch
from conftest import ROOT
from PIL import Image
from torch import Tensor

import leed.photo.pasting
from leed import LEED
from leed.model import EditTrace
from leed.networks.upper import UPPER_SCALE, WINDOWS, Refinement, seen_of, window_of
from leed.photo.editor import FaceEditor
from leed.photo.geometry import Alignment
from leed.photo.opening import open_photo
from leed.photo.pasting import (
    Motion,
    change_of,
    changed,
    drawn_on,
    feather,
    maps_of,
    moved_by,
    paste,
    picture_of,
    tinted,
    without_small,
)

PORTRAITS = ROOT / "leed/gallery/portraits"
TILTED = Alignment((170.0, 250.0), (380.0, 12.0))
SIDE = 64


@pytest.fixture(scope="module")
def portrait() -> Image.Image:
    return open_photo(PORTRAITS / "comp02.jpg")


@pytest.fixture(scope="module")
def texture() -> Image.Image:
    """A photo of 512 pixels, finer than any crop of `SIDE`, on a slope of grey."""
    noise = np.random.default_rng(0).normal(size=(512, 512, 1)) * 20
    return Image.fromarray(
        (np.linspace(80, 170, 512)[:, None, None] + noise).clip(0, 255).repeat(3, 2).astype(np.uint8)
    )


def motion_by(crop: Image.Image, flow: Tensor) -> tuple[Image.Image, Motion]:
    """The crop moved by a flow (1, 2, S, S) in fractions of its side, as an edit and as its motion."""
    moved = moved_by(maps_of(crop), flow * crop.width)
    return picture_of(moved), Motion(moved, flow)


def hill(height: float, side: int = SIDE) -> Tensor:
    """A flow to the right (1, 2, S, S) that is `height` in the middle and nothing beyond a third of the side."""
    place = (torch.arange(side) + 0.5) / side - 0.5
    flow = torch.zeros(1, 2, side, side)
    flow[:, 0] = height * (1 - (torch.hypot(place[:, None], place) / 0.33) ** 2).clamp(0)
    return flow


def test_paste_of_an_unchanged_face_changes_nothing(portrait: Image.Image):
    alignment = Alignment((170.0, 250.0), (380.0, 12.0))
    crop = alignment.crop(portrait, 128)
    np.testing.assert_array_equal(paste(portrait, crop, crop, alignment), portrait)


def test_paste_leaves_the_rest_bit_for_bit_and_has_no_seam(portrait: Image.Image):
    alignment = Alignment((170.0, 250.0), (380.0, 12.0))
    crop = alignment.crop(portrait, 128)
    brighter = Image.eval(crop, lambda value: min(value + 40, 255))
    pasted = paste(portrait, crop, brighter, alignment)
    change = np.abs(np.asarray(pasted, int) - np.asarray(portrait, int)).max(2)
    y, x = np.mgrid[: portrait.height, : portrait.width] + 0.5
    place = alignment.to_crop(np.stack([x, y], 2))
    border = np.minimum(place, 1 - place).min(2)  # how far inside the crop, in sides
    assert change[border < 0].max() == 0
    assert change[(border > 0) & (border < 0.02)].max() <= 4
    assert change[border > 0.2].mean() > 20
    assert pasted.size == portrait.size and pasted is not portrait


def test_paste_keeps_detail_where_the_face_did_not_change():
    """Fine stripes, which a crop of 32 cannot hold, survive beside a change and give way to it."""
    stripes = np.full((512, 512, 3), 100, np.uint8)
    stripes[:, ::2] = 140
    photo, alignment = Image.fromarray(stripes), Alignment((0.0, 0.0), (512.0, 0.0))
    crop = alignment.crop(photo, 32)
    edited = crop.copy()
    edited.paste((220, 220, 220), (18, 8, 26, 24))
    pasted = np.asarray(paste(photo, crop, edited, alignment), int)
    np.testing.assert_array_equal(pasted[:, :192], stripes[:, :192])
    assert np.ptp(pasted[200:300, 330:380, 0]) < 30 and pasted[256, 352, 0] > 190


def test_paste_at_the_photo_s_border():
    photo = Image.new("RGB", (100, 80), (90, 90, 90))
    alignment = Alignment((-30.0, -20.0), (90.0, 0.0))
    edited = Image.new("RGB", (32, 32), (200, 90, 90))
    pasted = paste(photo, alignment.crop(photo, 32), edited, alignment)
    assert (
        pasted.size == (100, 80) and pasted.getpixel((10, 20))[0] > 180 and pasted.getpixel((80, 75)) == (90, 90, 90)
    )


def test_feather_is_smooth():
    mask = feather(128)
    assert mask[64, 64] == 1 and mask[0].max() == 0 and mask[:, -1].max() == 0
    assert mask.diff(dim=0).abs().max() < 0.15


# Motion.


def test_the_photo_s_own_pixels_move(texture: Image.Image):
    """Fine noise is carried along, as sharp as it was: in the middle by the 0.1 of the side that the flow says."""
    whole = Alignment((0.0, 0.0), (512.0, 0.0))
    crop = whole.crop(texture, SIDE)
    flow = hill(0.1)
    flow[:, 0, 24:40, 24:40] = 51 / 512  # whole pixels of the photo
    edited, motion = motion_by(crop, flow)
    before, after = np.asarray(texture, float), np.asarray(paste(texture, crop, edited, whole, motion), float)
    place = np.s_[224:288, 224:288]
    expected = np.roll(before, -51, 1)[place]

    def likeness(picture: np.ndarray, shift: int) -> float:
        return np.corrcoef(np.roll(before, -shift, 1)[place].ravel(), picture[place].ravel())[0, 1]

    assert max(likeness(after, 50), likeness(after, 51)) > 0.9 and abs(likeness(after, 0)) < 0.3
    assert after[place].std() > 0.9 * expected.std()
    alone = np.asarray(paste(texture, crop, edited, whole), float)  # without being told of the motion
    assert max(likeness(alone, 50), likeness(alone, 51)) < 0.6


def test_what_neither_moved_nor_changed_stays_bit_for_bit(portrait: Image.Image):
    crop = TILTED.crop(portrait, SIDE)
    edited, motion = motion_by(crop, hill(0.05))
    pasted = np.asarray(paste(portrait, crop, edited, TILTED, motion), int)
    difference = np.abs(pasted - np.asarray(portrait, int)).max(2)
    y, x = np.mgrid[: portrait.height, : portrait.width] + 0.5
    away = np.hypot(
        *(TILTED.to_crop(np.stack([x, y], 2)) - 0.5).transpose(2, 0, 1)
    )  # from the crop's middle, in sides
    assert difference[away > 0.38].max() == 0 and difference[away < 0.1].mean() > 1


def test_motion_and_change_below_notice_change_nothing(portrait: Image.Image):
    crop = TILTED.crop(portrait, SIDE)
    flow = hill(0.9 * leed.photo.pasting.STILL_PIXELS)
    pasted = paste(portrait, crop, crop, TILTED, Motion(maps_of(crop) + 0.5, flow))
    np.testing.assert_array_equal(pasted, portrait)


def test_paint_is_added_to_what_moved(texture: Image.Image):
    whole = Alignment((0.0, 0.0), (512.0, 0.0))
    texture = texture.copy()
    texture.paste("orange", (0, 0, 512, 100))
    texture.paste("blue", (0, 412, 512, 512))
    crop = whole.crop(texture, SIDE)
    edited, motion = motion_by(crop, hill(0.05))
    edited.paste((250, 20, 20), (28, 28, 36, 36))
    pasted = np.asarray(paste(texture, crop, edited, whole, motion), int)
    patch = pasted[236:276, 236:276]
    assert patch[..., 0].mean() > 225 and patch[..., 1].mean() < 45 and patch[..., 1].std() < 12


def closing(crop: Tensor) -> Motion:
    """The motion of a crop whose middle rows vanish between the rows above and below, as a closing mouth's teeth do.

    The model warps in two steps, and nothing of the middle shows after the first.
    """
    flow = torch.zeros(1, 2, SIDE, SIDE)
    flow[:, 1, SIDE // 2 - 12 : SIDE // 2] = -6 / SIDE
    flow[:, 1, SIDE // 2 : SIDE // 2 + 12] = 6 / SIDE
    half = torch.zeros(1, 2, SIDE, SIDE)
    half[:, 1] = 0.5 / SIDE
    moved = moved_by(moved_by(crop, flow * SIDE), half * SIDE)
    return Motion(moved, moved_by(flow, half * SIDE) + half)


def mouth() -> Image.Image:
    """A photo with white between two dark bands."""
    photo = Image.new("RGB", (512, 512), (190, 140, 120))
    photo.paste((130, 50, 60), (130, 180, 380, 332))
    photo.paste((250, 245, 235), (130, 218, 380, 294))
    return photo


@pytest.mark.parametrize("side", [28.0, 100.0, 247.5])
def test_skin_that_gives_way_to_skin_of_its_colour_stays_as_it_is(side: float):
    """However the share changes from pixel to pixel, of the crop's paint and of the upper level's."""
    colour = maps_of(Image.new("RGB", (1, 1), (200, 120, 90)))
    random = torch.Generator().manual_seed(0)
    share, instead, shown = (torch.rand(1, 1, SIDE, SIDE, generator=random) for _ in range(3))
    change = torch.cat([torch.zeros(1, 2, SIDE, SIDE), share, share * colour], 1)
    drawn = torch.cat([shown, shown * instead, shown * instead * colour], 1)
    photo, alignment = Image.new("RGB", (260, 260), (200, 120, 90)), Alignment((5.0, 5.0), (side + 5, 9.0))
    for given in (None, drawn):
        result = changed(photo, (0, 0, *photo.size), change, alignment, given)
        difference = np.abs(np.asarray(result, int) - (200, 120, 90))
        assert difference.max() <= 1


def test_where_detail_gives_way_entirely_the_photo_is_the_edit():
    """Also under flows so steep that one warp of the photo differs from the model's steps."""
    crop = maps_of(Alignment((0.0, 0.0), (512.0, 0.0)).crop(mouth(), SIDE))
    motion = closing(crop)
    random = torch.Generator().manual_seed(0)
    steep = Motion(motion.moved, motion.flow + 0.05 * torch.randn(motion.flow.shape, generator=random))
    for way in (motion, steep):
        for paint in (0.0, 60.0):
            after = (way.moved + paint * torch.rand(way.moved.shape, generator=random)).clamp(0, 255)
            change = change_of(crop, after, way)
            whole = (change[:, 2:3] > 0.9999).expand(-1, 3, -1, -1)
            assert whole.any()
            torch.testing.assert_close(change[:, 3:][whole], after[whole], atol=0.3, rtol=0)


def test_a_warp_of_the_photo_that_the_model_did_not_make_does_not_appear():
    """Teeth that the model closed away stay away: the pasted photo is the upsampled edit there."""
    photo, whole = mouth(), Alignment((0.0, 0.0), (512.0, 0.0))
    crop = whole.crop(photo, SIDE)
    motion = closing(maps_of(crop))
    edited = picture_of(motion.moved)
    assert np.asarray(edited)[30:34, 20:44].max() < 140  # no teeth
    pasted = np.asarray(paste(photo, crop, edited, whole, motion), int)
    assert pasted[240:272, 160:350].max() < 150


@pytest.mark.parametrize("tint", [(1.0, 1.0, 1.0), (1.08, 0.97, 0.76), (0.8, 0.95, 1.1)])
def test_a_grey_or_toned_photo_keeps_its_tint(portrait: Image.Image, tint: tuple[float, float, float]):
    grey = np.asarray(portrait.convert("L"), float)[..., None]
    photo = Image.fromarray((20 + 0.75 * grey * tint).round().clip(0, 255).astype(np.uint8))
    crop = TILTED.crop(photo, SIDE)
    edited, motion = motion_by(crop, hill(0.05))
    edited.paste((150, 70, 20), (24, 24, 40, 32))
    edited.paste((180, 220, 190), (24, 32, 40, 40))
    pasted = np.asarray(paste(photo, crop, edited, TILTED, motion), float)
    assert np.abs(pasted - np.asarray(photo, float)).max() > 20
    shade = (pasted - 20) / np.array(tint)
    assert np.ptp(shade, axis=2).max() <= (0 if tint == (1.0, 1.0, 1.0) else 4)


def test_paint_on_a_colour_photo_stays_as_it_is(portrait: Image.Image):
    paint = torch.randn(1, 3, SIDE, SIDE)
    crop = maps_of(TILTED.crop(portrait, SIDE))
    torch.testing.assert_close(tinted(paint, crop), paint, rtol=0, atol=0)
    grey = crop.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    colour = (crop - grey) * 0.22  # nearly grey
    between = tinted(paint, grey + colour)
    assert 0 < (between - paint).abs().mean() < (tinted(paint, grey) - paint).abs().mean()


def test_strips_give_what_the_whole_gives(portrait: Image.Image, monkeypatch: pytest.MonkeyPatch):
    crop = TILTED.crop(portrait, SIDE)
    edited, motion = motion_by(crop, hill(0.08))
    edited.paste((250, 20, 20), (28, 28, 36, 36))
    whole = paste(portrait, crop, edited, TILTED, motion)
    monkeypatch.setattr(leed.photo.pasting, "STRIP", 5000)
    strips = paste(portrait, crop, edited, TILTED, motion)
    assert np.abs(np.asarray(whole, int) - np.asarray(strips, int)).max() <= 1


def test_short_vectors_vanish_and_long_ones_stay():
    vectors = torch.tensor([[3.0, 4.0], [0.0, 0.5], [0.0, 0.0], [2.0, 0.0]]).T[None, ..., None]
    short = torch.tensor([[3.0, 4.0], [0.0, 0.0], [0.0, 0.0], [1.0, 0.0]]).T[None, ..., None]
    torch.testing.assert_close(without_small(vectors, 1.0), short)


def test_motion_of_a_trace():
    """From [-1, 1] and units of half a side to grey levels and fractions of the side."""
    flow = torch.zeros(1, 2, 4, 4)
    flow[:, 0] = 0.5
    motion = Motion.of(EditTrace(torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), -1.0), flow))
    assert motion.moved.shape == (1, 3, 4, 4) and (motion.moved == 0).all()
    assert (motion.flow[:, 0] == 0.25).all() and (motion.flow[:, 1] == 0).all()


def test_motion_is_finite_and_within_a_side():
    """What a huge expression gives must not decide how much memory a photo's surroundings take."""
    picture = torch.zeros(1, 3, 4, 4)
    motion = Motion.of(EditTrace(picture, picture, torch.full((1, 2, 4, 4), -1e9)))
    assert (motion.flow == -1).all()
    with pytest.raises(ValueError, match="NaN or infinite values: give a weaker expression"):
        Motion.of(EditTrace(picture, picture, torch.full((1, 2, 4, 4), float("nan"))))


def test_an_edit_of_a_large_photo_is_sharper_than_its_crop(lively_leed: LEED, portrait: Image.Image):
    """The whole way through the editor, with a model whose crops are of 32 pixels."""
    edit = FaceEditor(lively_leed).edit(portrait, portrait, alpha=1.0)
    difference = np.abs(np.asarray(edit.photo, int) - np.asarray(portrait, int)).max(2)
    assert difference[:150].max() == 0 and difference[300:560, 250:450].max() > 3


# The upper level.

LARGE = UPPER_SCALE * SIDE
WHOLE = Alignment((0.0, 0.0), (float(LARGE), 0.0))


def drawn_by(photo: Image.Image, flow: Tensor, replaced: float, seed: int = 0) -> dict[str, Refinement]:
    """Random colours in place of a share of the moved photo, of LARGE pixels a side; the flow as in `Motion`."""
    picture, found = maps_of(photo) / 127.5 - 1, {}
    for window in WINDOWS:
        moved, _ = seen_of(window, picture, torch.zeros(1, 3, SIDE, SIDE), 2 * flow)
        colours = torch.rand(moved.shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1
        found[window] = Refinement(moved, torch.full_like(moved[:, :1], replaced), replaced * colours)
    return found


@pytest.fixture(scope="module")
def square(portrait: Image.Image) -> Image.Image:
    return TILTED.crop(portrait, LARGE)


def shown_in(window: str, picture: Image.Image) -> np.ndarray:
    """A window of a picture with LARGE pixels a side."""
    return np.asarray(picture, int)[window_of(window, LARGE).area]


@pytest.mark.parametrize("alignment", [TILTED, Alignment((300.0, 300.0), (90.0, 20.0))])
def test_beyond_its_windows_the_upper_level_changes_nothing(portrait: Image.Image, alignment: Alignment):
    """Bit for bit, and also where the edit itself changes nothing."""
    crop, large = alignment.crop(portrait, SIDE), alignment.crop(portrait, LARGE)
    edited, motion = motion_by(crop, hill(0.05))
    edited = Image.eval(edited, lambda level: min(level + 30, 255))
    drawn = drawn_by(large, motion.flow, 0.7)
    with_it = np.asarray(paste(portrait, crop, edited, alignment, motion, drawn), int)
    without = np.asarray(paste(portrait, crop, edited, alignment, motion), int)
    y, x = np.mgrid[: portrait.height, : portrait.width] + 0.5
    across, down = LARGE * alignment.to_crop(np.stack([x, y], 2)).transpose(2, 0, 1)
    reach = 4 * max(1, LARGE / alignment.side)  # of the kernels, the larger the smaller the crop is in the photo
    difference, anywhere = np.abs(with_it - without).max(2), np.zeros(down.shape, bool)
    for window in WINDOWS:
        top, bottom, left, right = window_of(window, LARGE)
        inside = (down > top - reach) & (down < bottom + reach) & (across > left - reach) & (across < right + reach)
        assert difference[inside].mean() > 5, window
        anywhere |= inside
    assert difference[~anywhere].max() == 0
    np.testing.assert_array_equal(paste(portrait, crop, crop, alignment, None, drawn), portrait)


def test_in_its_windows_the_photo_is_what_the_upper_level_draws(square: Image.Image):
    """Where the moved photo gives way entirely and where half of it stays."""
    crop = WHOLE.crop(square, SIDE)
    still = torch.zeros(1, 2, SIDE, SIDE)
    edited = Image.eval(crop, lambda level: level // 2 + (100 if level < 128 else 0))
    for replaced in (1.0, 0.5):
        drawn = drawn_by(square, still, replaced)
        pasted = paste(square, crop, edited, WHOLE, Motion(maps_of(crop), still), drawn)
        for window, inner in {"mouth": np.s_[8:-24, 8:-8], "eyes": np.s_[8:-8, 16:-16]}.items():
            expected = np.asarray(picture_of((drawn[window].drawn + 1) * 127.5), int)
            np.testing.assert_allclose(shown_in(window, pasted)[inner], expected[inner], atol=1)


def test_skin_that_is_merely_moved_is_the_photos_own(square: Image.Image):
    """The upper level shows where the edit is painted, and not where the photo's pixels are moved."""
    crop = WHOLE.crop(square, SIDE)
    moved, motion = motion_by(crop, hill(0.02))
    drawn = drawn_by(square, motion.flow, 0.7)
    painted = moved.copy()
    painted.paste((255, 0, 0), (28, 40, 36, 44))
    changes = []
    for edited in (moved, painted):
        with_it, without = (np.asarray(paste(square, crop, edited, WHOLE, motion, d), int) for d in (drawn, {}))
        changes.append(np.abs(with_it - without).max(2))
    assert changes[0].max() == 0 and changes[1][120:132, 84:108].mean() > 20


def test_an_upper_level_that_agrees_with_the_pasting_changes_nothing():
    """The same share and the same colours as the paint: the same photo, also in the passage to what surrounds it."""
    flat = Image.new("RGB", (LARGE, LARGE), (120, 100, 90))
    crop, edited = WHOLE.crop(flat, SIDE), Image.new("RGB", (SIDE, SIDE), (160, 110, 90))
    still = torch.zeros(1, 2, SIDE, SIDE)
    picture = maps_of(flat) / 127.5 - 1
    moved, edit = seen_of("mouth", picture, maps_of(edited) / 127.5 - 1, still)
    for replaced in (0.0, 0.4, 1.0):
        share = torch.full_like(moved[:, :1], replaced)
        same = {"mouth": Refinement(moved, share, edit - (1 - share) * moved)}
        with_it, without = (np.asarray(paste(flat, crop, edited, WHOLE, None, given), int) for given in (same, {}))
        middle = np.s_[100:150]
        assert np.abs(with_it[middle, 70:120] - (160, 110, 90)).max() <= 1
        assert np.abs(with_it - without)[middle].max() <= 1


def test_the_passage_to_the_window_is_smooth():
    flat = Image.new("RGB", (LARGE, LARGE), (120, 120, 120))
    crop = WHOLE.crop(flat, SIDE)
    change = change_of(maps_of(crop), maps_of(crop) + 40, None)
    moved = {window: torch.zeros_like(window_of(window, LARGE).of(maps_of(flat))) for window in WINDOWS}
    refinements = {name: Refinement(maps, torch.ones_like(maps[:, :1]), maps + 1) for name, maps in moved.items()}
    drawn = drawn_on(change, maps_of(crop), refinements)
    for window in WINDOWS:
        share = window_of(window, LARGE).of(drawn)[0, 0]
        assert share.max() == 1 and max(share.diff(dim=0).abs().max(), share.diff(dim=1).abs().max()) < 0.35
        torch.testing.assert_close(window_of(window, LARGE).of(drawn)[0, 2:], (share * 255).expand(3, -1, -1))


def test_a_grey_photo_stays_grey_under_the_upper_level(square: Image.Image):
    grey = square.convert("L").convert("RGB")
    crop = WHOLE.crop(grey, SIDE)
    edited, motion = motion_by(crop, hill(0.05))
    edited = Image.merge(
        "RGB", [band.point(lambda level, i=i: min(level + 20 * i, 255)) for i, band in enumerate(edited.split())]
    )
    pasted = np.asarray(paste(grey, crop, edited, WHOLE, motion, drawn_by(grey, motion.flow, 0.6)), int)
    assert np.ptp(pasted, axis=2).max() == 0
    change = np.abs(pasted - np.asarray(grey, int))[:, 60:130]
    assert change[110:160].mean() > 10 and change[40:75].mean() > 10
