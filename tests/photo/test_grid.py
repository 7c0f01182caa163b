"""All expressions of one face on a sheet."""

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

from leed import LEED
from leed.photo.editor import FaceEditor, PreparedPhoto
from leed.photo.grid import CAPTION, GAP, TILE, close_up, expression_grid

PORTRAITS = ROOT / "leed/gallery/portraits"


@pytest.fixture
def prepared(lively_leed: LEED) -> PreparedPhoto:
    return FaceEditor(lively_leed).prepare(
        Image.open(PORTRAITS / "comp02.jpg"), Image.open(PORTRAITS / "comp05.jpg").rotate(8)
    )


def test_sheet_holds_every_expression_at_every_strength(prepared: PreparedPhoto):
    expression = prepared.face.expression
    sheet = expression_grid(prepared, {"one": expression, "two": expression, "three": expression}, alphas=(0.5, 1.0))
    assert sheet.size == (2 * (TILE + GAP) + GAP, 4 * (TILE + CAPTION) + GAP + CAPTION)
    pixels, face = np.asarray(sheet), close_up(prepared, TILE)
    expected = [[face.photo, face(0.0).photo], *[[face(alpha).photo for alpha in (0.5, 1.0)]] * 3]
    for i, row in enumerate(expected):
        for j, tile in enumerate(row):
            top, left = GAP + i * (TILE + CAPTION), GAP + j * (TILE + GAP)
            np.testing.assert_array_equal(pixels[top : top + TILE, left : left + TILE], tile)
            below = pixels[top + TILE : top + TILE + CAPTION, left : left + TILE]
            assert (below < 128).any(), "a caption"


def test_close_up_shows_the_crop_upright_in_its_middle(prepared: PreparedPhoto):
    face = close_up(prepared, 240)
    assert face.photo.size == (240, 240) and abs(face.alignment.angle) < 1e-9
    crop = np.asarray(face.alignment.crop(face.photo, prepared.crop.width), int)
    assert np.abs(crop - np.asarray(prepared.crop, int)).mean() < 4
