"""The measure of what the estimator tells, and its command."""

import json
from pathlib import Path

import numpy as np
import pytest

from leed import LEED
from leed.config import TINY
from leed.data.faces import load_faces
from leed.evaluation import remains
from leed.evaluation.metrics import everyone
from leed.networks.remains import RemainsEstimator


def value(metric: object, count: int) -> float:
    """A metric over all of so many pictures."""
    return float(metric(everyone(count)[None].astype(float))[0])


def test_figures_of_known_values() -> None:
    """Two of four neutral faces keep something; one is warned about, and one of the others too."""
    values = {
        "truth": np.array([2.0, 1.0, 0.5, 0.0]),
        "estimate": np.array([1.5, 0.6, 1.2, 0.1]),
        "before": np.array([0.01, 0.02, 0.1, 0.0]),
        "estimate_true": np.array([0.1, 0.2, 0.3, 1.1]),
        "truth_as_is": np.array([2.0, 2.0, 2.0, 0.0]),
        "estimate_as_is": np.array([2.0, 1.5, 0.25, 0.0]),
        "mouth_as_is": np.array([2.0, 0.5, 0.25, 0.0]),
        "jaw": np.array([0.5, 0.5, 0.0, np.nan]),
    }
    found = {name: value(metric, 4) for name, metric in remains.rendered_metrics(values).items()}
    assert found == {
        "visible": 0.5,
        "auc": 0.75,
        "auc_before": 0.5,
        "missed": 0.5,
        "missed_before": 1.0,
        "alarms": 0.5,
        "alarms_before": 0.5,
        "alarms_true": 0.25,
        "auc_as_is": pytest.approx(10 / 12),
        "warned_as_is": pytest.approx(2 / 3),
        "warned_wide": 0.5,
    }
    smiles = {name: value(metric, 4) for name, metric in remains.smile_metrics(values).items()}
    assert smiles == {"auc": pytest.approx(10.0 / 16), "warned": 0.5, "alarms": 0.25, "warned_after": 0.5}


def test_command(drawn_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    leed = LEED(TINY)
    sets = ["--rendered", str(drawn_folder), "--smiles", str(drawn_folder)]
    arguments = ["--model", str(tmp_path / "leed"), *sets, "--output_dir", str(tmp_path / "out"), "--device", "cpu"]
    leed.save_pretrained(tmp_path / "leed")
    with pytest.raises(SystemExit, match="has no estimator: make one"):
        remains.main(arguments)
    leed._estimators = (RemainsEstimator(TINY),)
    leed.save_pretrained(tmp_path / "leed")
    remains.main(arguments)
    out = capsys.readouterr().out
    assert "warned about of the wide-open mouths left as they are" in out and "real neutral photographs" in out
    content = json.loads((tmp_path / "out" / "remains.json").read_text())
    assert content["split"] == "held_out" and content["metrics"]


def test_a_set_without_neutral_faces_is_named(drawn_folder: Path) -> None:
    leed = LEED(TINY)
    leed._estimators = (RemainsEstimator(TINY),)
    table = load_faces(drawn_folder)
    without = table.remove_columns("neutral").add_column("neutral", [None] * len(table)).cast(table.features)
    with pytest.raises(ValueError, match=f"none of the {len(table)} pictures of mine has a true neutral face"):
        remains.measure(leed, without, "cpu", of="mine")


def test_missed_and_alarms_are_shown(lively_leed: LEED, drawn_folder: Path) -> None:
    table = load_faces(drawn_folder)
    count = len(table)
    values = {"estimate": np.zeros(count), "truth": np.zeros(count), "row": np.arange(count, dtype=float)}
    values["truth"][:3] = 2.0
    values["estimate"][5] = 2.0
    measured = remains.Measured(values, np.array(["p"] * count))
    sheets = remains.doubtful_sheets(lively_leed, table, measured, "cpu")
    assert sheets["missed"].width > sheets["alarms"].width and sheets["alarms"].height == 32
