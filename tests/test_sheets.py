"""The contact sheets of a published model."""

import importlib.util
from pathlib import Path

import numpy as np
from conftest import ROOT
from PIL import Image

from leed import LEED, gallery


def test_the_sheets_of_a_model_lie_beside_its_weights(lively_leed: LEED, tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("sheets", ROOT / "hub" / "sheets.py")
    assert spec is not None and spec.loader is not None
    sheets = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sheets)

    lively_leed.save_pretrained(tmp_path)
    sheets.main([str(tmp_path)])
    assert {path.stem for path in tmp_path.glob("*.webp")} == {"contact-sheet", "people", "free", "alpha", "photos"}
    with Image.open(tmp_path / "free.webp") as sheet:
        rows = np.asarray(sheet)[sheets.TITLE_HEIGHT :]
    assert rows.shape[1] // rows.shape[0] == 1 and len(gallery.EXPRESSIONS) - 8 == 8  # nine columns, nine rows
    blank = [int(row.mean()) > 250 for row in np.array_split(rows[:, : rows.shape[1] // 9], 9)]
    assert blank == [True, False, True] * 3
