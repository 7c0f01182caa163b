"""Records of a run, and the settings in them that a resumed run must share."""

import json
import re
import shutil
from dataclasses import fields
from pathlib import Path

import pytest
from conftest import ROOT
from processes import on_two_processes
from safetensors.torch import load_file, save_file
from training_runs import refusal

import train_accelerate
from leed import ExpressionClassifier
from leed.config import TINY
from leed.data.faces import load_faces
from leed.training.config import LossWeights
from leed.training.records import file_digests, relevant_settings
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
    assert used["upper"] == {name for name in given if "upper" in name}
    assert used["leed"] == penalty | set(given) - used["neutralizer"] - used["ganimation"] - used["upper"]
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
    checkpoint.write_bytes(b"{}")
    assert f"{checkpoint} is damaged (it holds no settings)" in refusal(again)


def test_a_checkpoint_that_was_changed_on_disk(
    classifier_run: list[str], one_step: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """Weights and optimiser that can be read, but are not the run's; records of earlier versions have no digests."""
    shutil.copytree(one_step, tmp_path / "run")
    again = [*classifier_run, "--max_train_steps", "2", "--resume_from_checkpoint", "latest"]
    folder = tmp_path / "run" / "checkpoints" / "classifier" / "step-0000001"
    whole = {name: (folder / name).read_bytes() for name in ("model.safetensors", "optimizer.bin")}
    weights = load_file(folder / "model.safetensors")
    save_file({name: value * 2 for name, value in weights.items()}, folder / "model.safetensors")
    message = refusal(again)
    assert f"{folder} is damaged" in message and "(model.safetensors not as the run wrote it)" in message
    (folder / "optimizer.bin").unlink()
    assert "(model.safetensors, optimizer.bin not as the run wrote it)" in refusal(again)
    for name, content in whole.items():
        (folder / name).write_bytes(content)
    record = json.loads((folder / "run.json").read_text())
    assert len(record.pop("digests")) == 3  # with the average
    (folder / "run.json").write_text(json.dumps(record))
    train_accelerate.main(again)
    assert "without digests: its files are not checked" in capsys.readouterr().out


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


def moved_run(classifier_run: list[str], one_step: Path, drawn_folder: Path, tmp_path: Path) -> list[str]:
    """Arguments of the same run, whose checkpoint lies in `tmp_path`, on a copy of its faces."""
    shutil.copytree(one_step, tmp_path / "run")
    shutil.copytree(drawn_folder, tmp_path / "elsewhere")
    changed = [str(tmp_path / "elsewhere") if value == str(drawn_folder) else value for value in classifier_run]
    return [*changed, "--max_train_steps", "2", "--resume_from_checkpoint", "latest"]


def test_faces_may_move_but_not_change(
    classifier_run: list[str], one_step: Path, drawn_folder: Path, tmp_path: Path
) -> None:
    again = moved_run(classifier_run, one_step, drawn_folder, tmp_path)
    train_accelerate.main(again)
    run, step = tmp_path / "run", Path("checkpoints") / "classifier" / "step-0000002"
    assert (run / step / "run.json").is_file()
    file = next((tmp_path / "elsewhere").glob("*.parquet"))
    table = load_faces(tmp_path / "elsewhere")
    table.select([1, 0, *range(2, len(table))]).to_parquet(file)
    message = refusal([*again, "--max_train_steps", "3"])
    assert re.search(r"other settings \(content of dataset_name [0-9a-f]{32} -> [0-9a-f]{32}\)", message)


def test_records_without_digests_are_compared_by_names(
    classifier_run: list[str], one_step: Path, drawn_folder: Path, tmp_path: Path
) -> None:
    again = moved_run(classifier_run, one_step, drawn_folder, tmp_path)
    file = tmp_path / "run" / "checkpoints" / "classifier" / "step-0000001" / "run.json"
    record = json.loads(file.read_text())
    assert len(record["settings"].pop("dataset_digest")) == 32
    file.write_text(json.dumps(record))
    assert f"dataset_name {drawn_folder} -> {tmp_path / 'elsewhere'}" in refusal(again)


def test_a_network_may_move_but_not_change(
    classifier_run: list[str], earlier_models: tuple[str, ...], tmp_path: Path
) -> None:
    run = [*classifier_run, "--stage", "neutralizer", *earlier_models, "--max_train_steps", "1"]
    train_accelerate.main(run)
    moved = shutil.copytree(earlier_models[1], tmp_path / "psi")
    again = [*run, "--classifier", str(moved), "--resume_from_checkpoint", "latest"]
    train_accelerate.main([*again, "--max_train_steps", "2"])
    ExpressionClassifier(TINY).save_pretrained(moved)
    assert "content of classifier " in refusal([*again, "--max_train_steps", "3"])


def test_another_number_of_processes_where_it_is_asked_for(
    classifier_run: list[str], one_step: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """Of two processes' checkpoint, in which Accelerate puts a prefix before each weight's name."""
    shutil.copytree(one_step, tmp_path / "run")
    folder = tmp_path / "run" / "checkpoints" / "classifier" / "step-0000001"
    weights = load_file(folder / "model.safetensors")
    save_file({f"module.{name}": value for name, value in weights.items()}, folder / "model.safetensors")
    record = json.loads((folder / "run.json").read_text())
    record["settings"] |= {"processes": 2, "train_batch_size": 4}
    record["digests"] = file_digests(folder)
    (folder / "run.json").write_text(json.dumps(record))
    again = [*classifier_run, "--max_train_steps", "2", "--resume_from_checkpoint", "latest"]
    message = refusal(again)
    assert "processes 2 -> 1, train_batch_size 4 -> 8): give it the same, or --resume_elastic, which" in message
    assert "a new --output_dir" in refusal([*again, "--resume_elastic", "--seed", "3"])
    capsys.readouterr()
    train_accelerate.main([*again, "--resume_elastic"])
    shown = capsys.readouterr().out
    assert "from here on not bit for bit the unbroken run: processes 2 -> 1, train_batch_size 4 -> 8" in shown
    train_accelerate.main([*again, "--max_train_steps", "3"])  # the same from then on
    recorded = json.loads((tmp_path / "run" / "classifier" / "training.json").read_text())["settings"]
    assert recorded["earlier"] == ["until step 1: processes 2, train_batch_size 4"] and recorded["processes"] == 1


def test_one_process_goes_on_as_two(classifier_run: list[str], one_step: Path, tmp_path: Path) -> None:
    shutil.copytree(one_step, tmp_path / "run")
    again = [*classifier_run, "--max_train_steps", "2", "--resume_from_checkpoint", "latest", "--resume_elastic"]
    on_two_processes(ROOT / "train_accelerate.py", *again)
    recorded = json.loads((tmp_path / "run" / "classifier" / "training.json").read_text())
    assert recorded["step"] == 2 and recorded["settings"]["earlier"] == ["until step 1: processes 1"]
