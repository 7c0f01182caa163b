"""Records of a run, and the settings in them that a resumed run must share."""

import json
import shutil
from dataclasses import fields
from pathlib import Path

import pytest
from training_runs import refusal

import train_accelerate
from leed.training.config import LossWeights
from leed.training.records import relevant_settings
from leed.training.stages import STAGES

pytestmark = pytest.mark.usefixtures("fresh_accelerator")


def test_weights_of_other_stages_do_not_matter(classifier_run: list[str], one_step: Path, tmp_path: Path) -> None:
    """Nor do those in records from before they were left out."""
    shutil.copytree(one_step, tmp_path / "run")
    folder = tmp_path / "run" / "checkpoints" / "classifier"
    file = folder / "step-0000001" / "run.json"
    record = json.loads(file.read_text())
    record["settings"]["weight_image"] = 3.0
    file.write_text(json.dumps(record))
    again = [*classifier_run, "--max_train_steps", "2", "--resume_from_checkpoint", "latest"]
    train_accelerate.main([*again, "--weight_image", "5"])
    assert (folder / "step-0000002").is_dir()


def test_each_weight_belongs_to_the_stages_that_compute_its_term() -> None:
    given = {f"weight_{field.name}": 1.0 for field in fields(LossWeights)}
    used = {name: set(relevant_settings(STAGES[name], given)) for name in STAGES}
    penalty, stargan = {"weight_gradient_penalty"}, {name for name in given if "stargan" in name}
    assert used["classifier"] == set() and used["stargan"] == stargan | penalty
    assert used["neutralizer"] == stargan | penalty | {name for name in given if "paired" in name}
    assert used["ganimation"] == penalty | {name for name in given if "ganimation" in name}
    assert used["leed"] == penalty | set(given) - used["neutralizer"] - used["ganimation"]
    assert {"weight_image", "weight_siamese", "weight_adversarial"} < used["leed"]


def test_a_damaged_record_is_named(classifier_run: list[str], one_step: Path, tmp_path: Path) -> None:
    shutil.copytree(one_step, tmp_path / "run")
    again = [*classifier_run, "--max_train_steps", "1", "--resume_from_checkpoint", "latest"]
    record = tmp_path / "run" / "classifier" / "training.json"
    record.write_bytes(b"")
    assert f"{record} is damaged" in refusal(again)
    record.unlink()  # the cure that is named
    train_accelerate.main(again)
    assert json.loads(record.read_text())["step"] == 1
    record.unlink()
    checkpoint = tmp_path / "run" / "checkpoints" / "classifier" / "step-0000001" / "run.json"
    checkpoint.write_bytes(b"{")
    assert f"{checkpoint} is damaged" in refusal(again)


def test_settings_are_written_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    arguments = ["--dry_run", "--output_dir", str(tmp_path), "--model_classifier_layers", "2,2,1,1"]
    train_accelerate.main([*arguments, "--no-model_flow", "--weight_exp", "0.5", "--preset", "paper"])
    shown = json.loads(capsys.readouterr().out)
    assert shown == json.loads((tmp_path / "settings-all.json").read_text())
    assert shown["model"]["classifier_layers"] == [2, 2, 1, 1] and shown["model"]["flow"] is False
    assert shown["weights"]["exp"] == 0.5 and shown["weights"]["siamese"] == 1.0
    assert "hub_token" not in shown["train"]


def test_only_a_run_that_is_accepted_leaves_its_settings(classifier_run: list[str], tmp_path: Path) -> None:
    file = tmp_path / "run" / "settings-classifier.json"
    assert "do not fill a batch" in refusal([*classifier_run, "--train_batch_size", "64"])
    assert not file.exists()
    train_accelerate.main([*classifier_run, "--max_train_steps", "1"])
    record = file.read_bytes()
    assert json.loads(record)["train"]["seed"] == 0
    assert "seed 0 -> 7" in refusal([*classifier_run, "--seed", "7", "--resume_from_checkpoint", "latest"])
    train_accelerate.main([*classifier_run, "--seed", "7", "--dry_run"])
    assert file.read_bytes() == record
    train_accelerate.main([*classifier_run, "--max_train_steps", "2", "--resume_from_checkpoint", "latest"])
    assert json.loads(file.read_text())["train"]["max_train_steps"] == 2
