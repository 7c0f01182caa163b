"""What the launcher says and what the command line says: precision and accumulation; and what a machine lacks."""

import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from conftest import reset_accelerator
from torch.torch_version import TorchVersion
from training_runs import refusal

import train_accelerate
from leed.training import launch
from leed.training.config import TrainConfig

pytestmark = pytest.mark.usefixtures("fresh_accelerator")


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment that `accelerate launch` makes of its configuration."""
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "2")


@pytest.mark.usefixtures("configured")
def test_the_launchers_settings_hold_where_flags_are_left_out(
    classifier_run: list[str], tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_accelerate.main([*classifier_run, "--max_train_steps", "3"])  # 5 batches: an epoch of 3 steps
    assert "mixed precision bf16, an update: 2 x 8 faces of each process" in capsys.readouterr().out
    run = tmp_path / "run"
    settings = json.loads((run / "settings-classifier.json").read_text())["train"]
    recorded = json.loads((run / "classifier" / "training.json").read_text())["settings"]
    card = (run / "classifier" / "README.md").read_text()
    for name, value in (("mixed_precision", "bf16"), ("gradient_accumulation_steps", 2)):
        assert settings[name] == recorded[name] == value
        assert f"| {name} | {value} |" in card
    again = [*classifier_run, "--max_train_steps", "4", "--resume_from_checkpoint", "latest"]
    train_accelerate.main(again)
    assert "resumed stage classifier at step 3" in capsys.readouterr().out
    monkeypatch.delenv("ACCELERATE_MIXED_PRECISION")
    reset_accelerator()
    assert "mixed_precision bf16 -> no" in refusal(again)


@pytest.mark.usefixtures("configured")
def test_flags_count_more_than_the_launcher(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    flags = ["--mixed_precision", "no", "--gradient_accumulation_steps", "3"]
    train_accelerate.main(["--dry_run", "--output_dir", str(tmp_path), *flags])
    shown = json.loads(capsys.readouterr().out)["train"]
    assert (shown["mixed_precision"], shown["gradient_accumulation_steps"]) == ("no", 3)


def test_a_machine_that_emulates_bfloat16_is_named(
    classifier_run: list[str], capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "has_bfloat16", lambda device: False)
    quick = [*classifier_run, "--max_train_steps", "1", "--resume_from_checkpoint", "latest"]
    train_accelerate.main([*quick, "--mixed_precision", "bf16"])
    shown = capsys.readouterr().out
    assert "bfloat16 is emulated on this machine: Muon works in float32; mixed precision bf16 will be many" in shown


def test_what_this_machine_lacks(classifier_run: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert "fp16 needs a GPU" in refusal([*classifier_run, "--mixed_precision", "fp16"])
    reset_accelerator()
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "fp16")
    assert "fp16 needs a GPU" in refusal(classifier_run)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "pip install trackio" in refusal([*classifier_run, "--report_to", "trackio"])


def test_the_gpu_of_a_mac(monkeypatch: pytest.MonkeyPatch) -> None:
    mac = SimpleNamespace(device=torch.device("mps"), mixed_precision="no", num_processes=1)
    monkeypatch.setattr(launch, "Accelerator", lambda **named: mac)
    monkeypatch.setattr(torch, "__version__", TorchVersion("2.9.1"))
    with pytest.raises(ValueError, match="torch 2.9.1 cannot .* ACCELERATE_USE_CPU=true"):
        launch.make_accelerator(TrainConfig())
    monkeypatch.setattr(torch, "__version__", TorchVersion("2.13.0"))
    assert launch.make_accelerator(TrainConfig()) is mac


def test_processes_that_would_train_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """As torchrun's do without a GPU, unless Accelerate is told to use the CPU."""
    launch.check_together(2, launched=2)
    launch.check_together(2, launched=1)  # other launchers do not say
    monkeypatch.delenv("ACCELERATE_USE_CPU")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr("accelerate.state.PartialState._prepare_backend", lambda *_: (None, "NO"))
    with pytest.raises(ValueError, match="started 2 processes, and they would train apart.* ACCELERATE_USE_CPU=true"):
        launch.make_accelerator(TrainConfig())
