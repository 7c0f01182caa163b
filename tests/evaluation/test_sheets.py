"""Sheets of faces."""

import numpy as np
import pytest
import torch
from PIL import Image

from leed.evaluation.sheets import GAP, GROUP_GAP, TITLE_HEIGHT, panel, side_by_side


def test_titles_of_small_faces_do_not_touch() -> None:
    rows = [[torch.ones(3, 8, 8)] * 3]
    alone = panel(rows)
    titled = panel(rows, ["contemptuous", "sad", "contemptuous"])
    assert alone.width == 3 * 8 + 2 * GAP
    ink = np.array(titled.convert("L"))[:TITLE_HEIGHT].min(axis=0) < 128
    gaps = np.diff(np.flatnonzero(ink))
    assert not ink[0] and not ink[-1] and (gaps > GAP + 8).sum() == 2  # between the three titles alone


def test_a_panel_leaves_missing_faces_white() -> None:
    black = -torch.ones(3, 4, 4)
    page = np.array(panel([[black, None], [None, black]], group=1))
    assert page.shape == (2 * 4 + GAP, 2 * 4 + GAP + GROUP_GAP, 3)
    assert page[:4, :4].max() == 0 == page[-4:, -4:].max()
    assert page[:4, 4:].min() == 255 == page[-4:, :-4].min()
    with pytest.raises(ValueError, match="at least one face"):
        panel([[None]])


def test_titles_of_rows_stand_at_the_left() -> None:
    row = [torch.ones(3, 32, 32)]
    titled, plain = panel({"a title": row}), panel([row])
    assert titled.height == plain.height and titled.width > plain.width
    assert isinstance(titled, Image.Image) and np.array(titled)[:, : titled.width - 32].min() < 128


def test_cases_stand_side_by_side() -> None:
    before, after = torch.arange(6.0).view(2, 3, 1, 1, 1).expand(2, 3, 3, 4, 4)
    rows = side_by_side(before, after, a_row=2)
    assert [[int(face[0, 0, 0]) for face in row if face is not None] for row in rows] == [[0, 3, 1, 4], [2, 5]]
