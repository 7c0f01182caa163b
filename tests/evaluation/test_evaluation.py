"""The command for edits, on a few drawn triples."""

import json
from pathlib import Path

from PIL import Image

from leed import EXPRESSIONS
from leed.evaluation import __main__ as command
from leed.evaluation import metrics
from leed.evaluation.pairs import Triples
from leed.evaluation.sheets import GAP, TITLE_HEIGHT


def test_command(evaluation_folders: dict[str, Path], tmp_path: Path, capsys) -> None:
    arguments = ["--model", str(evaluation_folders["leed"]), "--evaluator", str(evaluation_folders["evaluator"])]
    arguments += ["--data_dir", str(evaluation_folders["pairs"]), "--output_dir", str(tmp_path), "--contact_sheet"]
    command.main([*arguments, "--no-identity", "--batch_size", "4", "--num_alpha", "5", "--device", "cpu"])
    printed = capsys.readouterr().out
    assert (tmp_path / "metrics.md").read_text() == printed
    first_columns = [line.split(" | ")[0].removeprefix("| ") for line in printed.splitlines() if line[:1] == "|"]
    assert first_columns == [
        "compared with the truth",
        "---",
        *command.COMPARED_NAMES.values(),
        "metric",
        "---",
        *command.LINES.values(),
        "triples",
        "---",
        "all",
        "yaw 0",
        "yaw +-22",
        "yaw +-45",
        "same camera",
        "other camera",
        *EXPRESSIONS,
    ]
    assert "10 triples; alpha varied on 5" in printed
    content = json.loads((tmp_path / "metrics.json").read_text())
    assert content["num_triples"]["all"] == 10 and content["num_triples"]["yaw 0"] == 2
    found = content["metrics"]["all"]
    assert found["identity"]["value"] is None and 0 <= found["alpha_zero"]["value"] < 5
    assert found["edit_ssim"]["low"] <= found["edit_ssim"]["value"] <= found["edit_ssim"]["high"]
    assert 0 < found["autoencoded_psnr"]["value"] <= metrics.MAX_PSNR
    # 10 triples of 8 expressions and 5 yaws: all on the sheets, below titles that are wider than faces of 32 pixels.
    for name, num_faces in (("contact_sheet.png", 4), ("alphas.png", 9)):
        sheet = Image.open(tmp_path / name)
        assert sheet.height == TITLE_HEIGHT + 10 * 32 + 9 * GAP and sheet.width > num_faces * 32


def test_sheet_shows_every_expression(triples: Triples) -> None:
    rows = command.sheet_rows(triples, 8)
    assert len(set(rows)) == 8
    assert sorted(triples.reference_expressions[rows].tolist()) == list(range(8))
