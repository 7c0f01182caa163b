"""The training script: exact resuming, safe checkpoints, refusals, and what each objective trains."""

import contextlib
import copy
import importlib.util
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from conftest import ROOT, on_two_processes
from PIL import Image
from safetensors.torch import load_file
from torch.torch_version import TorchVersion
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import leed.pretrained
import train_accelerate
from leed import LEED, ExpressionClassifier, Neutralizer
from leed.config import TINY
from leed.data.faces import FaceDataset, load_faces, split_by_person
from leed.networks.perceptual import PerceptualFeatures
from leed.training.augmentation import NONE
from leed.training.build import MODELS, stage_faces
from leed.training.classifier import ClassifierObjective, ClassifierStage
from leed.training.cli import Settings, parse_args
from leed.training.config import STAGES, LossWeights, TrainConfig
from leed.training.editor import EditorStage, choose_neutrals
from leed.training.faces import LearnedNeutrals, balanced, predict_neutrals
from leed.training.inputs import SHEET_ROWS
from leed.training.neutralizer import NeutralizerStage
from leed.training.run import Run, average_of, make_optimizer, mix_seed, used_by
from leed.training.stage import Loss, Stage
from leed.training.terms import gradient_penalty

pytestmark = pytest.mark.usefixtures("fresh_accelerator")

ALL_TERMS = LossWeights(
    similarity=0.1,
    siamese=1.0,
    adversarial=1.0,
    psi_maps=0.1,
    stargan_adversarial=1.0,
    stargan_classification=1.0,
    stargan_cycle=1.0,
)


@pytest.fixture(scope="session")
def earlier_models(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Arguments naming an untrained classifier and neutraliser, for stages that need one."""
    folder = tmp_path_factory.mktemp("earlier")
    torch.manual_seed(1)
    ExpressionClassifier(TINY).save_pretrained(folder / "classifier")
    Neutralizer(TINY).save_pretrained(folder / "neutralizer")
    return ("--classifier", str(folder / "classifier"), "--neutralizer", str(folder / "neutralizer"), "--phi", "psi")


@pytest.fixture
def classifier_run(drawn_folder: Path, tmp_path: Path) -> list[str]:
    """Arguments of a short run of the quickest stage into tmp_path / "run"."""
    return [
        *("--stage", "classifier", "--preset", "tiny", "--dataset_name", str(drawn_folder)),
        *("--output_dir", str(tmp_path / "run"), "--train_batch_size", "8", "--max_train_steps", "4"),
        *("--checkpointing_steps", "1", "--checkpoints_total_limit", "9", "--lr_warmup_steps", "2"),
    ]


@pytest.fixture
def editor_run(drawn_folder: Path, earlier_models: tuple[str, ...]) -> list[str]:
    """Arguments of a run with all objectives; 40 faces are 10 batches, an epoch has 4 steps (the last of 1)."""
    return [
        *("--stage", "leed", "--preset", "tiny", "--dataset_name", str(drawn_folder), *earlier_models),
        *("--train_batch_size", "4", "--gradient_accumulation_steps", "3", "--max_train_steps", "6"),
        *("--checkpointing_steps", "1", "--checkpoints_total_limit", "9", "--lr_warmup_steps", "2"),
        *("--weight_siamese", "1", "--weight_adversarial", "1", "--neutrals", "mixed"),
    ]


@pytest.fixture(scope="session")
def faces(drawn_folder: Path) -> FaceDataset:
    return FaceDataset(load_faces(drawn_folder), TINY.image_size)


@pytest.fixture
def psi() -> ExpressionClassifier:
    return ExpressionClassifier(TINY).eval()


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    """All weights in a folder: of models, their average and the optimiser."""
    found = {}
    for file in sorted(folder.glob("*.safetensors")):
        found |= {f"{file.name} {name}": value for name, value in load_file(file).items()}
    for file in sorted(folder.glob("optimizer*.bin")):
        state = torch.load(file, weights_only=True)["state"]
        found |= {f"{file.name} {i} {k}": torch.as_tensor(v) for i, entry in state.items() for k, v in entry.items()}
    assert found
    return found


def greatest_difference(a: Path, b: Path) -> float:
    """Greatest difference of any weight of two folders with the same tensors."""
    first, second = tensors(a), tensors(b)
    assert first.keys() == second.keys()
    return max(float((first[name].double() - second[name].double()).abs().max()) for name in first)


def refusal(arguments: list[str], capsys: pytest.CaptureFixture | None = None) -> str:
    """The one-sentence error that ends the script."""
    with pytest.raises(SystemExit) as caught:
        train_accelerate.main(arguments)
    if isinstance(caught.value.code, str):
        return caught.value.code
    assert caught.value.code == 2 and capsys is not None
    return capsys.readouterr().err


def interrupted_at(step: int, done: Path, run: Path, stage: str) -> None:
    """Makes `run` look like the run `done` killed right after this step's checkpoint."""
    name = f"step-{step:07d}"
    shutil.copytree(done / "checkpoints" / stage / name, run / "checkpoints" / stage / name)


# ----------------------------------------------------------------------------------------------------------- resuming


def test_resumed_equals_unbroken(editor_run: list[str], tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    train_accelerate.main([*editor_run, "--output_dir", str(whole)])
    checkpoints = whole / "checkpoints" / "leed"
    assert len(list(checkpoints.iterdir())) == 6
    assert len([file for file in (checkpoints / "step-0000006").glob("model*.safetensors")]) == 3  # E..Q, critic, S
    for step in (1, 3, 4, 6):  # at once, within an epoch, at its end, with nothing left to do
        run = tmp_path / f"from-{step}"
        interrupted_at(step, whole, run, "leed")
        train_accelerate.main([*editor_run, "--output_dir", str(run), "--resume_from_checkpoint", "latest"])
        assert greatest_difference(run / "leed", whole / "leed") == 0
        last = Path("checkpoints") / "leed" / "step-0000006"
        assert greatest_difference(run / last, whole / last) == 0


def test_resumed_equals_unbroken_with_two_processes(editor_run: list[str], tmp_path: Path) -> None:
    driver = tmp_path / "driver.py"
    driver.write_text(
        textwrap.dedent("""
        import json, pathlib, shutil, sys
        import torch
        import torch.distributed as dist
        import train_accelerate
        from leed.training.run import Run

        torch.set_num_threads(1)
        folder, arguments = pathlib.Path(sys.argv[1]), sys.argv[2:]
        seen, ends = [], []
        update, train = Run.update, train_accelerate.train

        def recorded_update(run, batch, num_steps):
            seen.append(batch["index"].tolist())
            return update(run, batch, num_steps)

        def recorded_train(run, faces, held_out):
            figures = train(run, faces, held_out)
            ends.append([float(p.double().sum()) for o in run.objectives.values() for p in o.parameters()])
            return figures

        Run.update, train_accelerate.train = recorded_update, recorded_train
        train_accelerate.main([*arguments, "--output_dir", str(folder / "whole")])
        gathered = [None, None]
        dist.all_gather_object(gathered, (seen, ends))
        for step in (1, 3, 4):
            run = folder / f"from-{step}"
            if dist.get_rank() == 0:
                place = pathlib.Path("checkpoints/leed") / f"step-{step:07d}"
                shutil.copytree(folder / "whole" / place, run / place)
                (folder / "seen.json").write_text(json.dumps(gathered))
            dist.barrier()
            train_accelerate.main([*arguments, "--output_dir", str(run), "--resume_from_checkpoint", "latest"])
        dist.destroy_process_group()
        """)
    )
    # 40 faces, 4 for each of 2 processes: 5 batches, 3 steps an epoch (2, 2 and 1 batches)
    arguments = [*editor_run, "--gradient_accumulation_steps", "2", "--max_train_steps", "5"]
    on_two_processes(driver, str(tmp_path), *arguments)
    (first, first_ends), (second, second_ends) = json.loads((tmp_path / "seen.json").read_text())
    assert first_ends == second_ends  # the same weights on both processes
    for a, b in zip(first, second, strict=True):
        assert not set(a) & set(b)  # from different faces
    assert len(first) == 5 + 4  # one epoch of 5 batches, and two steps of 2
    for step in (1, 3, 4):
        assert greatest_difference(tmp_path / f"from-{step}" / "leed", tmp_path / "whole" / "leed") == 0


def test_killed_run_resumes_exactly(classifier_run: list[str], tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    arguments = [*classifier_run, "--max_train_steps", "8"]
    train_accelerate.main([*arguments, "--output_dir", str(whole)])
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    script = subprocess.Popen(
        [sys.executable, str(ROOT / "train_accelerate.py"), *arguments],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    folder, limit = tmp_path / "run" / "checkpoints" / "classifier", time.monotonic() + 300
    while not list(folder.glob("step-*")) and script.poll() is None and time.monotonic() < limit:
        time.sleep(0.02)
    os.kill(script.pid, signal.SIGKILL)
    script.wait()
    assert list(folder.glob("step-*/run.json"))
    train_accelerate.main([*arguments, "--resume_from_checkpoint", "latest"])
    assert greatest_difference(tmp_path / "run" / "classifier", whole / "classifier") == 0
    assert not list(folder.glob(".*"))


def test_the_seed_decides(classifier_run: list[str], tmp_path: Path) -> None:
    for name, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        train_accelerate.main([*classifier_run, "--output_dir", str(tmp_path / name), "--seed", seed])
    a, b, c = (tmp_path / name / "classifier" for name in "abc")
    assert greatest_difference(a, b) == 0
    assert greatest_difference(a, c) > 0


def test_seeds_are_mixed() -> None:
    seeds = {mix_seed(*n) for n in ((0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0), (0, 1, 1), (0, 2, 0))}
    assert len({seed % 2**32 for seed in seeds}) == 6  # torch's generator takes the low 32 bits
    assert mix_seed(1, 2, 3) == mix_seed(1, 2, 3) < 2**64


def test_a_resumed_run_must_be_the_same(classifier_run: list[str], tmp_path: Path) -> None:
    train_accelerate.main(classifier_run)
    again = [*classifier_run, "--resume_from_checkpoint", "latest", "--max_train_steps", "5"]
    assert "seed 0 -> 7" in refusal([*again, "--seed", "7"])
    assert "model_classifier_block basic -> bottleneck" in refusal([*again, "--model_classifier_block", "bottleneck"])
    assert "continue it with --resume_from_checkpoint latest" in refusal(classifier_run)
    folder = tmp_path / "run" / "checkpoints" / "classifier" / "step-0000004"
    wrong = [*classifier_run, "--resume_from_checkpoint", str(tmp_path), "--max_train_steps", "5"]
    assert "is no checkpoint: it has no run.json" in refusal(wrong)
    other = [*classifier_run, "--stage", "neutralizer", "--phi", "psi", "--resume_from_checkpoint", str(folder)]
    assert "is a checkpoint of stage classifier" in refusal(other)
    train_accelerate.main([*again, "--learning_rate", "1e-5"])  # may change
    assert json.loads((tmp_path / "run" / "classifier" / "training.json").read_text())["step"] == 5


def test_weights_of_other_stages_do_not_matter(classifier_run: list[str], tmp_path: Path) -> None:
    """Nor do those in records from before they were left out."""
    train_accelerate.main([*classifier_run, "--max_train_steps", "1"])
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
    used = {name: set(used_by(name, given)) for name in MODELS}
    penalty, stargan = {"weight_gradient_penalty"}, {name for name in given if "stargan" in name}
    assert used["classifier"] == set() and used["stargan"] == stargan | penalty
    assert used["neutralizer"] == stargan | penalty | {name for name in given if "paired" in name}
    assert used["ganimation"] == penalty | {name for name in given if "ganimation" in name}
    assert used["leed"] == penalty | set(given) - used["neutralizer"] - used["ganimation"]
    assert {"weight_image", "weight_siamese", "weight_adversarial"} < used["leed"]


def test_all_stages_resume_where_they_stopped(
    drawn_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    arguments = [
        *("--preset", "tiny", "--phi", "psi", "--dataset_name", str(drawn_folder), "--output_dir", str(tmp_path)),
        *("--train_batch_size", "8", "--max_train_steps", "2", "--checkpointing_steps", "1"),
    ]
    train_accelerate.main(arguments)
    before = {name: load_file(tmp_path / name / "model.safetensors") for name in STAGES}
    shutil.rmtree(tmp_path / "leed")  # as if killed in the last stage, after its first step
    shutil.rmtree(tmp_path / "checkpoints" / "leed" / "step-0000002")
    capsys.readouterr()
    train_accelerate.main([*arguments, "--resume_from_checkpoint", "latest"])
    printed = capsys.readouterr().out
    assert "stage classifier is finished" in printed and "stage neutralizer is finished" in printed
    assert "resumed stage leed at step 1" in printed
    after = {name: load_file(tmp_path / name / "model.safetensors") for name in STAGES}
    assert all(torch.equal(before[name][key], after[name][key]) for name in before for key in before[name])
    leed_inside = LEED.from_pretrained(tmp_path / "leed").neutralizer.state_dict()
    assert all(torch.equal(leed_inside[key], after["neutralizer"][key]) for key in leed_inside)


# --------------------------------------------------------------------------------------------------------- checkpoints


def test_checkpoints_are_whole_and_few(classifier_run: list[str], tmp_path: Path) -> None:
    train_accelerate.main([*classifier_run, "--checkpoints_total_limit", "2"])
    folder = tmp_path / "run" / "checkpoints" / "classifier"
    assert sorted(path.name for path in folder.iterdir()) == ["step-0000003", "step-0000004"]


def test_a_save_cut_short_is_ignored(
    classifier_run: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_state = Accelerator.save_state

    def cut_short(accelerator: Accelerator, folder: str) -> None:
        save_state(accelerator, folder)
        if "0000003" in folder:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Accelerator, "save_state", cut_short)
        train_accelerate.main(classifier_run)
    folder = tmp_path / "run" / "checkpoints" / "classifier"
    assert sorted(path.name for path in folder.iterdir()) == [".step-0000003.part", "step-0000001", "step-0000002"]
    train_accelerate.main([*classifier_run, "--resume_from_checkpoint", "latest"])
    assert [path.name for path in sorted(folder.iterdir())] == [f"step-000000{i}" for i in (1, 2, 3, 4)]


def test_a_damaged_record_is_named(classifier_run: list[str], tmp_path: Path) -> None:
    train_accelerate.main([*classifier_run, "--max_train_steps", "1"])
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


def test_nan_stops_before_it_reaches_the_weights(
    classifier_run: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_accelerate.main([*classifier_run, "--output_dir", str(tmp_path / "whole")])
    forward, calls = ClassifierObjective.forward, []

    def spoilt(objective: torch.nn.Module, inputs: dict) -> Loss:
        calls.append(None)
        loss = forward(objective, inputs)
        return loss._replace(total=loss.total * float("nan")) if len(calls) == 3 else loss

    with monkeypatch.context() as patched:
        patched.setattr(ClassifierObjective, "forward", spoilt)
        message = refusal(classifier_run)
    assert "the gradient of 'classifier' is not finite at step 2 of stage classifier" in message
    assert "lower --learning_rate" in message
    assert len(calls) == 3 and not (tmp_path / "run" / "classifier").exists()
    kept = sorted((tmp_path / "run" / "checkpoints" / "classifier").iterdir())
    assert kept[-1].name == "step-0000002" and all(bool(v.isfinite().all()) for v in tensors(kept[-1]).values())
    train_accelerate.main([*classifier_run, "--resume_from_checkpoint", "latest"])
    assert greatest_difference(tmp_path / "run" / "classifier", tmp_path / "whole" / "classifier") == 0


def test_what_a_run_leaves(classifier_run: list[str], tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    arguments = [*classifier_run, "--validation_steps", "2", "--report_to", "tensorboard"]
    arguments += ["--push_to_hub", "--hub_token", "hf_secret", "--hub_model_id", "someone/faces"]
    uploads = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            leed.pretrained, "_upload", lambda folder, repo, **options: uploads.append((folder, repo, options))
        )
        train_accelerate.main(arguments)
    run = tmp_path / "run"
    assert ExpressionClassifier.from_pretrained(run / "classifier").config == TINY
    figures = json.loads((run / "classifier" / "figures.json").read_text())
    assert json.loads((run / "validation" / "classifier-0000004.json").read_text())["figures"] == figures
    assert (run / "validation" / "classifier-0000002.json").is_file()
    assert list((run / "logs").rglob("events.out.tfevents*"))
    assert [(folder, repo) for folder, repo, _ in uploads] == [(run / "classifier", "someone/faces-classifier")]
    assert uploads[0][2]["token"] == "hf_secret"
    card = (run / "classifier" / "README.md").read_text()
    assert 'from_pretrained("someone/faces-classifier")\n' in card
    assert f"{figures['accuracy']:.4f}" in card and "someone/faces-classifier" in card and "| seed | 0 |" in card
    assert str(tmp_path) not in card
    texts = [file.read_text() for file in run.rglob("*") if file.suffix in (".json", ".md")]
    assert texts and not any("hf_secret" in text for text in texts)
    assert not [file for file in (run / "classifier").iterdir() if file.suffix in (".bin", ".pkl", ".pt")]
    capsys.readouterr()
    train_accelerate.main([*classifier_run, "--resume_from_checkpoint", "latest"])
    assert "stage classifier is finished" in capsys.readouterr().out


def test_what_the_card_loads(classifier_run: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the folder as it is; from the Hub, by the full name, once it is there."""
    train_accelerate.main([*classifier_run, "--max_train_steps", "1"])
    folder = tmp_path / "run" / "classifier"

    def loaded() -> str:
        return re.search(r"from_pretrained\(\"(.*)\"\)", (folder / "README.md").read_text())[1]

    monkeypatch.chdir(folder)
    assert ExpressionClassifier.from_pretrained(loaded()).config == TINY
    uploads = []
    monkeypatch.setattr(leed.pretrained, "_upload", lambda folder, repo, **options: uploads.append(repo))
    monkeypatch.setattr("leed.training.publish.whoami", lambda token: {"name": "jo"})
    again = [*classifier_run, "--max_train_steps", "1", "--resume_from_checkpoint", "latest", "--push_to_hub"]
    for arguments, repo in (([], "jo/run-classifier"), (["--hub_model_id", "someone/x"], "someone/x-classifier")):
        train_accelerate.main([*again, *arguments])
        assert loaded() == uploads[-1] == repo


# ------------------------------------------------------------------------------------------------- steps and gradients


def test_a_step_is_an_update(classifier_run: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    update, steps = Run.update, []

    def recorded(run: Run, batch: dict, num_steps: int) -> dict | None:
        terms = update(run, batch, num_steps)
        steps.append((run.step, int(run.average.n_averaged), run.optimizer.param_groups[0]["lr"]))
        return terms

    monkeypatch.setattr(Run, "update", recorded)
    # 40 faces in batches of 8: 5 batches, so steps of 2, 2 and 1 batches, then 2
    train_accelerate.main([*classifier_run, "--gradient_accumulation_steps", "2", "--lr_scheduler", "constant"])
    assert [step for step, _, _ in steps] == [0, 1, 1, 2, 3, 3, 4]
    assert [averaged for _, averaged, _ in steps] == [0, 1, 1, 2, 3, 3, 4]
    assert [rate for _, _, rate in steps][1:] == pytest.approx([5e-4, 5e-4, 1e-3, 1e-3, 1e-3, 1e-3])


def test_learning_rate_follows_the_faces_per_update() -> None:
    config = replace(TrainConfig(stage="classifier"), scale_lr=True, train_batch_size=8, gradient_accumulation_steps=8)
    accelerator = Accelerator(gradient_accumulation_steps=8)
    settings = Settings(config, LossWeights(), TINY)
    run = Run(accelerator, ClassifierStage(TINY, NONE), "classifier", settings, {})
    assert run.base_rate == pytest.approx(1e-3 * 64 / 16)


def test_adam_has_rates_of_its_own_where_muon_is_the_default() -> None:
    for stage, rates in {"classifier": (1e-3, 1e-3), "neutralizer": (1e-3, 5e-4), "leed": (1e-3, 6e-4)}.items():
        assert TrainConfig(stage=stage).of_stage("learning_rate", stage) == rates[0]
        assert TrainConfig(stage=stage, optimizer="adam").of_stage("learning_rate", stage) == rates[1]
        assert TrainConfig(stage=stage, optimizer="adam", learning_rate=2e-3).of_stage("learning_rate", stage) == 2e-3


def test_an_update_is_as_large_along_all_directions_with_muon_and_for_all_numbers_with_adam() -> None:
    changes = {}
    for optimizer in ("muon", "adam"):
        torch.manual_seed(0)
        layer = torch.nn.Conv2d(8, 16, 3)
        before = layer.weight.detach().clone()
        config = TrainConfig(stage="leed", optimizer=optimizer)
        learner = make_optimizer([{"params": layer.parameters()}], 0.1, config, "leed", before.device)
        layer.weight.grad = torch.randn(16, 1, 1, 1) * torch.randn(8, 3, 3) + 0.1 * torch.randn(16, 8, 3, 3)
        layer.bias.grad = torch.randn(16)
        learner.step()
        changes[optimizer] = (before - layer.weight.detach()).flatten(1)
    assert torch.linalg.svdvals(changes["muon"]) == pytest.approx(16 * [0.1 * 0.2 * math.sqrt(72)], rel=0.25)
    assert changes["adam"].abs().flatten() == pytest.approx(1152 * [0.1], rel=1e-3)
    assert float(torch.linalg.svdvals(changes["adam"])[-1]) < 0.5 * float(torch.linalg.svdvals(changes["adam"])[0])


def stages(psi: ExpressionClassifier, weights: LossWeights, config=TINY) -> dict[str, Stage]:  # noqa: ANN001
    phi = PerceptualFeatures("psi", psi)
    return {
        "classifier": ClassifierStage(config, NONE),
        "neutralizer": NeutralizerStage(config, weights, phi, NONE),
        "leed": EditorStage(LEED(config), psi, phi, weights, NONE),
    }


@pytest.mark.parametrize("name", ["classifier", "neutralizer", "leed"])
@pytest.mark.parametrize("weights", [LossWeights(), ALL_TERMS], ids=["default", "all terms"])
def test_each_loss_trains_its_own_networks(
    name: str, weights: LossWeights, faces: FaceDataset, psi: ExpressionClassifier
) -> None:
    stage = stages(psi, weights)[name]
    everything = {f"{k} {n}": p for k, o in stage.objectives.items() for n, p in o.named_parameters()}
    everything |= {f"psi {n}": p for n, p in psi.named_parameters()}
    if name == "leed":
        everything |= {f"neutralizer {n}": p for n, p in stage.model.neutralizer.named_parameters()}
    values = stage.inputs(faces.__getitems__(list(range(12))))
    counts = {"classifier": (1, 1), "neutralizer": (1, 2), "leed": (2, 3)}  # by default, with all
    assert len(stage.objectives) == counts[name][weights == ALL_TERMS]
    for key, objective in stage.objectives.items():
        for parameter in everything.values():
            parameter.grad = None
        total, terms, outputs = objective(values)
        assert total.isfinite() and all(bool(value.isfinite()) for value in terms.values())
        total.backward()
        moved = {n for n, p in everything.items() if p.grad is not None}
        own = {n for n, p in everything.items() if n.startswith(f"{key} ") and p.requires_grad}
        assert moved == own
        values = outputs or values


def test_objectives_of_the_paper(faces: FaceDataset) -> None:
    config = replace(TINY, patch_skip=False, delta_size=0, flow=False, neutralizer="stargan")
    psi = ExpressionClassifier(config).eval()
    from leed.training.config import PAPER_WEIGHTS

    for stage in stages(psi, PAPER_WEIGHTS, config).values():
        values = stage.inputs(faces.__getitems__(list(range(12))))
        for objective in stage.objectives.values():
            total, _, outputs = objective(values)
            total.backward()
            assert all(p.grad is not None for p in objective.parameters() if p.requires_grad)
            values = outputs or values


def test_no_terms_that_no_weight_asks_for(faces: FaceDataset, psi: ExpressionClassifier) -> None:
    off = replace(LossWeights(), idt=0, recon=0, siamese=0, mutual_information=0, perceptual=0, structure=0)
    stage = stages(psi, off)["leed"]
    terms = stage.objectives["editor"](stage.inputs(faces.__getitems__(list(range(12))))).terms
    assert set(terms) == {"image"}
    assert not any(name.startswith("auxiliary") for name, _ in stage.objectives["editor"].named_parameters())


def test_small_batches_without_labels_or_neutrals(faces: FaceDataset, psi: ExpressionClassifier) -> None:
    bare = copy.copy(faces)
    bare.has_neutral = torch.zeros_like(faces.has_neutral)
    bare.has_view = torch.zeros_like(faces.has_view)
    bare.expressions = torch.full_like(faces.expressions, -1)
    stage = stages(psi, ALL_TERMS)["neutralizer"]
    values = stage.inputs(bare.__getitems__([0, 1]))
    for objective in stage.objectives.values():
        total, _, outputs = objective(values)
        assert total.isfinite()
        total.backward()
        assert all(p.grad is not None for p in objective.parameters())
        values = outputs


def test_gradient_checkpointing_changes_memory_alone(faces: FaceDataset, psi: ExpressionClassifier) -> None:
    gradients, kept = [], []
    for saving in (False, True):
        torch.manual_seed(0)
        stage = stages(psi, LossWeights())["leed"]
        if saving:
            stage.checkpoint_activations()
        values, sizes = stage.inputs(faces.__getitems__(list(range(8)))), []

        def count(value: torch.Tensor, sizes: list[int] = sizes) -> torch.Tensor:
            sizes.append(value.nbytes)
            return value

        objective = stage.objectives["editor"]
        with torch.autograd.graph.saved_tensors_hooks(count, lambda value: value):
            total = objective(values).total
        kept.append(sum(sizes))
        total.backward()
        gradients.append([p.grad for p in objective.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))
    assert kept[1] < 0.7 * kept[0]


def test_penalty_is_in_full_precision_under_autocast() -> None:
    critic = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.LeakyReLU(), torch.nn.Linear(16, 1))
    real, fake = torch.randn(4, 8), torch.randn(4, 8)
    values = []
    for context in (contextlib.nullcontext(), torch.autocast("cpu", torch.bfloat16)):
        torch.manual_seed(0)
        with context:
            values.append(gradient_penalty(critic, real, fake))
    assert torch.equal(values[0], values[1])


def test_bf16(editor_run: list[str], tmp_path: Path) -> None:
    train_accelerate.main([*editor_run, "--output_dir", str(tmp_path / "run"), "--mixed_precision", "bf16"])
    weights = load_file(tmp_path / "run" / "leed" / "model.safetensors")
    assert all(value.dtype == torch.float32 and bool(value.isfinite().all()) for value in weights.values())


# ------------------------------------------------------------------------------------------------- data and validation


def test_validation_without_second_views(faces: FaceDataset, psi: ExpressionClassifier) -> None:
    bare = copy.copy(faces)
    bare.views = bare.view_neutrals = None
    bare.has_view = bare.has_view_neutral = torch.zeros_like(faces.has_view)
    stage = stages(psi, LossWeights())["leed"]
    figures, rows = stage.validate(stage.model.eval(), bare)
    assert set(figures) == {"autoencoded", "share_own", "accuracy", "distance"}
    assert len(rows) == SHEET_ROWS and all(len(row) == 9 and row[3] is None for row in rows)
    figures, rows = stage.validate(stage.model, faces)
    assert "share_view" in figures and any(row[3] is not None for row in rows)
    assert figures["autoencoded"] > 0.9 and abs(figures["share_own"]) < 0.2  # untrained: the neutral face itself


class NoFloat64(TorchDispatchMode):
    """Refuses tensors of float64, as Apple's GPU does."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # noqa: ANN001, ANN204 (torch's own)
        results = function(*args, **(kwargs or {}))
        if any(isinstance(value, torch.Tensor) and value.dtype == torch.float64 for value in tree_leaves(results)):
            raise TypeError(f"{function} gives float64")
        return results


@pytest.mark.parametrize("name", ["classifier", "neutralizer", "leed"])
def test_a_gpu_without_float64_will_do(name: str, faces: FaceDataset, psi: ExpressionClassifier) -> None:
    stage, batch = stages(psi, ALL_TERMS)[name], faces.__getitems__(list(range(8)))
    average = average_of(stage.model, 0.9)
    with NoFloat64():
        values = stage.inputs(batch)
        for objective in stage.objectives.values():
            total, _, outputs = objective(values)
            total.backward()
            values = outputs or values
        average.update_parameters(stage.model)
        stage.validate(stage.model.eval(), faces)
    with pytest.raises(TypeError, match="float64"), NoFloat64():
        torch.zeros(1).double()


def test_learned_neutrals_replace_the_true_ones(faces: FaceDataset, psi: ExpressionClassifier) -> None:
    neutralizer = Neutralizer(TINY)  # untrained, the identity but for the 2 % that its mask starts with
    learned = LearnedNeutrals(faces, neutralizer)
    batch = learned.__getitems__(list(range(16)))
    assert (batch["learned_neutral"].int() - faces.images[:16].int()).abs().max() <= 4
    assert torch.equal(batch["neutral"], faces.neutrals[:16])
    always = choose_neutrals(batch, 1.0)
    assert torch.equal(always["neutral"], batch["learned_neutral"])
    never = choose_neutrals(batch, 0.0)
    assert torch.equal(never["neutral"], batch["neutral"])
    batch["has_neutral"] = torch.zeros(16, dtype=torch.bool)
    assert torch.equal(choose_neutrals(batch, 0.0)["neutral"], batch["learned_neutral"])


def test_learned_neutrals_out_of_fold(faces: FaceDataset) -> None:
    """Each person's neutral faces come from the neutraliser that has not seen that person."""
    neutralizers = [Neutralizer(TINY) for _ in range(2)]
    torch.nn.init.constant_(neutralizers[0].generator.paint.bias, 1.0)
    learned = LearnedNeutrals(faces, *neutralizers)
    for name, pictures in (("learned_neutral", faces.images), ("learned_view_neutral", faces.views)):
        for person, known in enumerate(faces.persons):
            rows = (faces.person_ids == person).nonzero().flatten()
            neutralizer = neutralizers[leed.data.faces.fold_of(known, 2)]
            expected = predict_neutrals(neutralizer, pictures[rows])
            assert torch.equal(learned.learned[name][rows], expected)
    assert {leed.data.faces.fold_of(person, 2) for person in faces.persons} == {0, 1}  # the test sees both


def test_pictures_over_the_limit_are_kept_in_memory_where_asked(
    editor_run: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leed.data.faces, "IN_MEMORY_BYTES", 1)
    arguments = [*editor_run, "--output_dir", str(tmp_path / "run"), "--max_train_steps", "1"]
    assert "learned neutral faces are computed once" in (message := refusal(arguments))
    assert "--data_in_memory" in message
    assert "--data_in_memory" in refusal([*arguments, "--neutrals", "true", "--data_on_device"])
    train_accelerate.main([*arguments, "--data_in_memory"])
    assert (tmp_path / "run" / "leed" / "training.json").is_file()


def test_folds_in_their_order(
    drawn_folder: Path, earlier_models: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    common = ["--preset", "tiny", "--dataset_name", str(drawn_folder), "--train_batch_size", "4"]
    common += ["--max_train_steps", "1", "--phi", "psi", "--classifier", earlier_models[1]]
    for fold in (0, 1):
        arguments = [*common, "--stage", "neutralizer", "--held_out_fold", f"{fold}/2"]
        train_accelerate.main([*arguments, "--output_dir", str(tmp_path / f"{fold}")])
    records = [json.loads((tmp_path / f"{i}/neutralizer/training.json").read_text()) for i in (0, 1)]
    counts = [record["settings"]["faces"] for record in records]
    training, _ = split_by_person(load_faces(drawn_folder))
    assert sum(counts) == len(training) and min(counts) > 0  # of two folds, each trains on what the other leaves out
    folders = [str(tmp_path / f"{i}" / "neutralizer") for i in (0, 1)]
    editor = [*common, "--stage", "leed", "--neutralizer", earlier_models[3], "--neutrals", "mixed"]
    editor += ["--output_dir", str(tmp_path / "editor"), "--fold_neutralizers"]
    train_accelerate.main([*editor, ",".join(folders)])
    assert "must be 0/2" in refusal([*editor, ",".join(reversed(folders))])
    assert "like 0/2" in refusal(["--held_out_fold", "first"], capsys)
    assert "--neutrals mixed" in refusal(["--stage", "leed", "--fold_neutralizers", "a,b"], capsys)


def test_average_forgets_the_first_weights_soon() -> None:
    model = torch.nn.Linear(1, 1)
    average = average_of(model, 0.9)
    values = []
    for value in (1.0, 2.0, 3.0):
        torch.nn.init.constant_(model.weight, value)
        average.update_parameters(model)
        values.append(average.module.weight.item())
    # The first as it is; then decay (1 + 1) / (10 + 1) and (1 + 2) / (10 + 2)
    second = 2 / 11 * 1 + 9 / 11 * 2
    assert values == pytest.approx([1.0, second, 3 / 12 * second + 9 / 12 * 3])


# ------------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--stage", "editor"], "stage must be one of"),
        (["--no_such_option", "1"], "unrecognized arguments"),
        (["--output", "x"], "unrecognized arguments"),  # no abbreviations
        (["--train_batch_size", "0"], "train_batch_size must be at least 1"),
        (["--learning_rate", "0"], "learning_rate must be greater than 0"),
        (["--max_grad_norm", "nan"], "max_grad_norm must be greater than 0"),
        (["--ema_decay", "1"], "ema_decay must be in"),
        (["--report_to", "csv"], "report_to must be one of"),
        (["--init_from", "x"], "choose that --stage instead of all"),
        (["--stage", "classifier", "--gradient_checkpointing"], "not for the classifier"),
        (["--stage", "leed", "--train_batch_size", "1"], "must be at least 2"),
        (["--data_on_device", "--dataloader_num_workers", "2"], "set dataloader_num_workers to 0"),
        (["--data_on_device", "--no-data_in_memory"], "leave out --no-data_in_memory"),
        (["--hub_model_id", "a/b"], "only with --push_to_hub"),
        (["--no-use_ema", "--ema_decay", "0.9"], "no effect with --no-use_ema"),
        (["--resume_from_checkpoint", "runs/x"], "a checkpoint folder is of one stage"),
        (["--model_image_size", "100"], "image_size must be a multiple"),
        (["--model_image_size", "0"], "image_size must be at least 1"),
        (["--model_image_size", "96", "--model_patch_size", "6"], "patch_size must be a power of two and at least 4"),
        (["--model_patch_size", "2"], "patch_size must be a power of two and at least 4"),
        (["--model_neutralizer_critic_depth", "8"], "at most 7 with an image_size of 128"),
        (["--model_encoder_width", "0"], "encoder_width must be at least 1"),
        (["--model_interpolator_depth", "-1"], "interpolator_depth must be at least 0"),
        (["--model_classifier_layers", "1,1"], "classifier_layers"),
    ],
)
def test_settings_that_make_no_sense(arguments: list[str], message: str, capsys: pytest.CaptureFixture) -> None:
    assert message in refusal(arguments, capsys)


def test_what_this_machine_lacks(classifier_run: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert "fp16 needs a GPU" in refusal([*classifier_run, "--mixed_precision", "fp16"])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "pip install trackio" in refusal([*classifier_run, "--report_to", "trackio"])


def test_weights_that_leave_a_network_untrained(editor_run: list[str], tmp_path: Path) -> None:
    off = [f"--weight_{name}=0" for name in ("image", "perceptual", "structure", "recon", "siamese", "adversarial")]
    message = refusal([*editor_run, *off, "--output_dir", str(tmp_path)])
    assert "no term of the loss trains" in message and "of 'editor', such as decoder." in message
    assert "--weight_" in message


def test_the_gpu_of_a_mac(monkeypatch: pytest.MonkeyPatch) -> None:
    mac = SimpleNamespace(device=torch.device("mps"))
    monkeypatch.setattr(train_accelerate, "Accelerator", lambda **named: mac)
    monkeypatch.setattr(torch, "__version__", TorchVersion("2.9.1"))
    with pytest.raises(ValueError, match="torch 2.9.1 cannot .* ACCELERATE_USE_CPU=true"):
        train_accelerate.make_accelerator(TrainConfig())
    monkeypatch.setattr(torch, "__version__", TorchVersion("2.13.0"))
    assert train_accelerate.make_accelerator(TrainConfig()) is mac


def test_what_a_run_lacks(
    classifier_run: list[str], earlier_models: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leed_stage = [*classifier_run, "--stage", "leed"]
    assert "this stage needs a trained classifier: run `--stage classifier` first" in refusal(leed_stage)
    leed_stage += earlier_models
    assert "neutralizer_width 16 and 8" in refusal([*leed_stage, "--model_neutralizer_width", "8"])
    off = [f"--weight_{name}=0" for name in ("image", "perceptual", "structure", "idt")]
    assert "nothing tells the editor what a face looks like" in refusal([*leed_stage, *off])
    neutralizer = [*classifier_run, "--stage", "neutralizer", *earlier_models]
    off = [f"--weight_{name}=0" for name in ("paired", "paired_perceptual", "paired_structure")]
    assert "the neutraliser has no loss" in refusal([*neutralizer, *off])
    assert "do not fill a batch of 64" in refusal([*classifier_run, "--train_batch_size", "64"])
    assert "no-such-folder does not exist" in refusal([*classifier_run, "--dataset_name", "no-such-folder"])


def test_whose_faces_lack_what_a_stage_needs(faces: FaceDataset, psi: ExpressionClassifier) -> None:
    bare = copy.copy(faces)
    bare.has_neutral = torch.zeros_like(faces.has_neutral)
    for name, stage in stages(psi, LossWeights()).items():
        settings = parse_args(["--stage", name, "--preset", "tiny"])
        for held_out, words in ((False, "this data set has none.*--"), (True, "held-out people .*--validation_fra")):
            assert len(stage_faces(faces, name, stage, settings, held_out=held_out)) == len(faces)
            with pytest.raises(ValueError, match=f"needs .*true neutral face.* {words}"):
                stage_faces(bare, name, stage, settings, held_out=held_out)


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


def test_an_evaluation_classifier_of_another_build(classifier_run: list[str], tmp_path: Path) -> None:
    change = ["--model_classifier_block", "bottleneck", "--no-model_classifier_sees_neutral"]
    train_accelerate.main([*classifier_run, *change, "--max_train_steps", "1"])
    config = ExpressionClassifier.from_pretrained(tmp_path / "run" / "classifier").config
    assert config == replace(TINY, classifier_block="bottleneck", classifier_sees_neutral=False)


def test_rows_with_and_without_a_neutral_face_come_equally_often(faces: FaceDataset) -> None:
    few = torch.zeros(len(faces), dtype=torch.bool)
    few[:3] = True
    chosen = balanced(faces, few).indices
    assert set(chosen) == set(range(len(faces)))
    assert sum(bool(few[i]) for i in chosen) == len(chosen) / 2
    assert balanced(faces, torch.ones_like(few)).indices == list(range(len(faces)))


def test_several_data_sets_are_mixed(drawn_folder: Path, psi: ExpressionClassifier, tmp_path: Path) -> None:
    """Those without true neutral faces train by StarGAN's terms; who is held out is each set's own matter."""
    bare = tmp_path / "bare" / "happy"
    bare.mkdir(parents=True)
    for i in range(12):
        Image.fromarray(np.full((32, 32, 3), 20 * i, np.uint8)).save(bare / f"{i}.png")
    psi.save_pretrained(tmp_path / "psi")
    train_accelerate.main(
        [
            *("--stage", "neutralizer", "--preset", "tiny", "--phi", "psi", "--classifier", str(tmp_path / "psi")),
            *("--dataset_name", f"{drawn_folder},{bare.parent}", "--output_dir", str(tmp_path / "run")),
            *("--max_train_steps", "2", "--train_batch_size", "8", "--weight_stargan_adversarial", "0.1"),
            *("--weight_stargan_classification", "0.1", "--weight_stargan_cycle", "1"),
        ]
    )
    settings = json.loads((tmp_path / "run/neutralizer/training.json").read_text())["settings"]
    alone = split_by_person(load_faces(drawn_folder), 0.1)
    assert settings["faces"] == len(alone[0]) + 11 and settings["held_out"] == len(alone[1]) + 1
