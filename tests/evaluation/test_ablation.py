"""Models side by side."""

import json
from pathlib import Path

import pytest
from PIL import Image

from leed import LEED
from leed.config import TINY, replace
from leed.evaluation import ablation, edits
from leed.evaluation.sheets import GAP, TITLE_HEIGHT


def test_ablation(
    evaluation_folders: dict[str, Path],
    lively_leed: LEED,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Models of two sizes and plain arithmetic, a row each; a second run measures what is new alone."""
    lively, other = tmp_path / "lively", tmp_path / "other"
    lively_leed.save_pretrained(lively)
    LEED(replace(TINY, image_size=48)).save_pretrained(other)
    given = [f"lively={lively}", f"same={lively}", f"larger={other}", "--plain", "lively"]
    given += ["--evaluator", str(evaluation_folders["evaluator"])]
    given += ["--data_dir", str(evaluation_folders["pairs"]), "--no-identity"]
    output = ["--output_dir", str(tmp_path / "out"), "--num_alpha", "2"]
    ablation.main([*given, *output])
    printed = capsys.readouterr().out
    found = json.loads((tmp_path / "out" / "ablation.json").read_text())["metrics"]
    assert list(found) == ["lively", "same", "larger", "plain arithmetic, lively"]
    lines = {line.split(" | ")[0].strip("| "): line for line in printed.splitlines() if line[:1] == "|"}
    assert "| 32 px |" in lines["lively"] and "| 48 px |" in lines["larger"]
    assert lines["same"].replace("same", "lively") == lines["lively"] and "*" not in lines["lively"]
    assert "*" in lines["larger"]  # it edits nothing
    # Input, reference, four rows of edits, true edit.
    sheet = Image.open(tmp_path / "out" / "ablation.png")
    assert sheet.height == TITLE_HEIGHT + 7 * (48 + GAP) - GAP
    measured = []
    measure = edits.measure
    monkeypatch.setattr(edits, "measure", lambda *rest: measured.append(rest[0]) or measure(*rest))
    ablation.main(["other=" + str(other), *given, *output])
    assert measured == []
    ablation.main([*given, *output, "--neutrals", "true"])
    assert len(measured) == 3  # weights that are given twice are measured once
    with pytest.raises(SystemExit):
        ablation.main([f"a={other}", f"a={other}", *given[-5:]])
    assert "every model needs a name of its own, got a, a" in capsys.readouterr().err
