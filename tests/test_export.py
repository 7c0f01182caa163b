"""The export of a run: every kind of model that it has, in half precision, the editor with the run's neutraliser."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch
from conftest import ROOT
from safetensors import safe_open

from leed import LEED, ExpressionClassifier, GANimation, Neutralizer
from leed.config import TINY, replace
from leed.pretrained import WEIGHTS

STARGAN = replace(TINY, neutralizer="stargan")


@pytest.fixture
def export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """hub/export.py, which writes into tmp_path/hub; in place of graphs (see test_runtime.py), a file."""
    spec = importlib.util.spec_from_file_location("export", ROOT / "hub" / "export.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "HUB", tmp_path / "hub")
    monkeypatch.setattr(module, "export_graphs", lambda folder: (folder / "graphs").touch())
    return module


def test_a_run_with_everything(export: ModuleType, tmp_path: Path) -> None:
    run, hub = tmp_path / "run", tmp_path / "hub"
    newer = Neutralizer(TINY)
    models = {"classifier": ExpressionClassifier(TINY), "neutralizer": newer, "leed": LEED(TINY)}
    models |= {"stargan": Neutralizer(STARGAN), "ganimation": GANimation(TINY)}
    for kind, model in models.items():
        model.save_pretrained(run / kind)
    folders = export.export(run, "faces")
    assert folders == [hub / (f"faces-{kind}" if kind != "leed" else "faces") for kind in models]
    for folder, model in zip(folders, models.values(), strict=True):
        expected = model.state_dict() | {
            f"neutralizer.{name}": value for name, value in newer.state_dict().items() if isinstance(model, LEED)
        }
        found = type(model).from_pretrained(folder)
        assert found.config == model.config
        for name, value in found.state_dict().items():
            torch.testing.assert_close(value, expected[name].to(value.dtype), rtol=1e-3, atol=1e-6)
        with safe_open(folder / WEIGHTS, "pt") as file:
            assert {file.get_tensor(name).dtype for name in file.keys()} <= {torch.float16, torch.int64}  # noqa: SIM118
    assert [path.parent.name for path in hub.rglob("graphs")] == ["faces"]


def test_the_runs_card_goes_with_new_weights(export: ModuleType, tmp_path: Path) -> None:
    """It claims no licence, and what stands in the published folder stays."""
    run, published = tmp_path / "run" / "stargan", tmp_path / "hub" / "faces-stargan" / "README.md"
    Neutralizer(STARGAN).save_pretrained(run)
    (run / "README.md").write_text("trained on faces\n")
    export.export(tmp_path / "run", "faces")
    assert published.read_text() == "trained on faces\n"
    published.write_text("better words\n")
    export.export(tmp_path / "run", "faces")
    assert published.read_text() == "better words\n"


def test_a_run_of_a_baseline(export: ModuleType, tmp_path: Path) -> None:
    Neutralizer(STARGAN).save_pretrained(tmp_path / "run" / "stargan")
    assert export.export(tmp_path / "run", "faces") == [tmp_path / "hub" / "faces-stargan"]
    with pytest.raises(ValueError, match="none of the folders classifier, neutralizer, .*, ganimation: give a run"):
        export.export(tmp_path / "hub", "faces")


def test_a_run_with_an_upper_level(export: ModuleType, tmp_path: Path) -> None:
    """Its model takes the editor's place, with or without the editor beside it."""
    run, with_it = tmp_path / "run", LEED(replace(TINY, upper_width=8))
    with_it.save_pretrained(run / "upper")
    LEED(TINY).save_pretrained(run / "leed")
    assert export.export(run, "faces") == [tmp_path / "hub" / "faces"]
    found = LEED.from_pretrained(tmp_path / "hub" / "faces")
    assert found.config == with_it.config and (tmp_path / "hub" / "faces" / "graphs").exists()
    torch.testing.assert_close(found.upper.stem.weight, with_it.upper.stem.weight, rtol=1e-3, atol=1e-6)
