"""A run: exact resuming, safe checkpoints, and what a step is."""

import json
import os
import shutil
import signal
import sys
import textwrap
import time
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from conftest import ROOT
from processes import on_two_processes, start
from safetensors.torch import load_file
from training_runs import greatest_difference, interrupted_at, refusal, tensors
from training_windows import steps_of

import train_accelerate
from leed import LEED
from leed.training.classifier import ClassifierObjective
from leed.training.run import Run, mix_seed
from leed.training.stage import Loss
from leed.training.stages import LEED_STAGES

pytestmark = pytest.mark.usefixtures("fresh_accelerator")


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


@pytest.mark.slow
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
    script = start(ROOT / "train_accelerate.py", arguments, tmp_path / "printed")
    folder, limit = tmp_path / "run" / "checkpoints" / "classifier", time.monotonic() + 300
    while not list(folder.glob("step-*")) and script.is_alive() and time.monotonic() < limit:
        time.sleep(0.02)
    os.kill(script.pid, signal.SIGKILL)
    script.join()
    assert script.exitcode == -signal.SIGKILL
    assert list(folder.glob("step-*/run.json"))
    train_accelerate.main([*arguments, "--resume_from_checkpoint", "latest"])
    assert greatest_difference(tmp_path / "run" / "classifier", whole / "classifier") == 0
    assert not list(folder.glob(".*"))


def test_the_seed_decides(classifier_run: list[str], whole_run: Path, tmp_path: Path) -> None:
    for name, seed in (("same", "0"), ("other", "4")):
        train_accelerate.main([*classifier_run, "--output_dir", str(tmp_path / name), "--seed", seed])
    assert greatest_difference(tmp_path / "same" / "classifier", whole_run / "classifier") == 0
    assert greatest_difference(tmp_path / "other" / "classifier", whole_run / "classifier") > 0


def test_seeds_are_mixed() -> None:
    seeds = {mix_seed(*n) for n in ((0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0), (0, 1, 1), (0, 2, 0))}
    assert len({seed % 2**32 for seed in seeds}) == 6  # torch's generator takes the low 32 bits
    assert mix_seed(1, 2, 3) == mix_seed(1, 2, 3) < 2**64


def test_a_resumed_run_must_be_the_same(classifier_run: list[str], whole_run: Path, tmp_path: Path) -> None:
    shutil.copytree(whole_run, tmp_path / "run")
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


def test_all_stages_resume_where_they_stopped(
    drawn_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    arguments = [
        *("--preset", "tiny", "--phi", "psi", "--dataset_name", str(drawn_folder), "--output_dir", str(tmp_path)),
        *("--train_batch_size", "8", "--max_train_steps", "2", "--checkpointing_steps", "1"),
    ]
    train_accelerate.main(arguments)
    before = {name: load_file(tmp_path / name / "model.safetensors") for name in (stage.name for stage in LEED_STAGES)}
    shutil.rmtree(tmp_path / "leed")  # as if killed in the last stage, after its first step
    shutil.rmtree(tmp_path / "checkpoints" / "leed" / "step-0000002")
    capsys.readouterr()
    train_accelerate.main([*arguments, "--resume_from_checkpoint", "latest"])
    printed = capsys.readouterr().out
    assert "stage classifier is finished" in printed and "stage neutralizer is finished" in printed
    assert "resumed stage leed at step 1" in printed
    after = {name: load_file(tmp_path / name / "model.safetensors") for name in (stage.name for stage in LEED_STAGES)}
    assert all(torch.equal(before[name][key], after[name][key]) for name in before for key in before[name])
    leed_inside = LEED.from_pretrained(tmp_path / "leed").neutralizer.state_dict()
    assert all(torch.equal(leed_inside[key], after["neutralizer"][key]) for key in leed_inside)


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


def test_a_damaged_checkpoint_is_named(classifier_run: list[str], whole_run: Path, tmp_path: Path) -> None:
    shutil.copytree(whole_run / "checkpoints", tmp_path / "run" / "checkpoints")
    folder = tmp_path / "run" / "checkpoints" / "classifier" / "step-0000004"
    again = [*classifier_run, "--resume_from_checkpoint", "latest"]
    for file in (
        "model.safetensors",
        "average.safetensors",
        "optimizer.bin",
    ):  # no random state: it follows from the step
        content = (folder / file).read_bytes()
        for damaged in (content[: len(content) // 2], b""):
            (folder / file).write_bytes(damaged)
            message = refusal(again)
            assert f"{folder} is damaged, or of another version of leed (" in message and "\n" not in message
            assert message.endswith("remove this folder, and --resume_from_checkpoint latest goes on at step-0000003")
        (folder / file).write_bytes(content)
    shutil.rmtree(folder)  # the cure that is named
    train_accelerate.main(again)
    assert greatest_difference(tmp_path / "run" / "classifier", whole_run / "classifier") == 0


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files as POSIX does")
def test_a_disk_that_is_full(classifier_run: list[str], whole_run: Path, tmp_path: Path) -> None:
    """At the weights, and at the optimiser's state, which is twice as large and written by another library."""
    import resource

    checkpoints = tmp_path / "run" / "checkpoints" / "classifier"
    interrupted_at(2, whole_run, tmp_path / "run", "classifier")
    again = [*classifier_run, "--resume_from_checkpoint", "latest"]
    weights = (checkpoints / "step-0000002" / "model.safetensors").stat().st_size
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    for limit in (weights // 2, weights * 3 // 2):
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
            message = refusal(again)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert f"the checkpoint {checkpoints / 'step-0000003'} could not be written (" in message
        assert message.endswith("with --resume_from_checkpoint latest the run then goes on at step-0000002")
        assert "\n" not in message and not list(checkpoints.glob(".*"))  # makes room
    signal.signal(signal.SIGXFSZ, handler)
    train_accelerate.main(again)
    assert greatest_difference(tmp_path / "run" / "classifier", whole_run / "classifier") == 0


def test_nan_stops_before_it_reaches_the_weights(
    classifier_run: list[str], whole_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward, calls = ClassifierObjective.forward, []

    def nan_loss(objective: torch.nn.Module, inputs: dict) -> Loss:
        calls.append(None)
        loss = forward(objective, inputs)
        return loss._replace(total=loss.total * float("nan")) if len(calls) == 3 else loss

    with monkeypatch.context() as patched:
        patched.setattr(ClassifierObjective, "forward", nan_loss)
        message = refusal(classifier_run)
    assert "the gradient of 'classifier' is not finite at step 2 of stage classifier" in message
    assert "lower --learning_rate" in message
    assert len(calls) == 3 and not (tmp_path / "run" / "classifier").exists()
    kept = sorted((tmp_path / "run" / "checkpoints" / "classifier").iterdir())
    assert kept[-1].name == "step-0000002" and all(bool(v.isfinite().all()) for v in tensors(kept[-1]).values())
    train_accelerate.main([*classifier_run, "--resume_from_checkpoint", "latest"])
    assert greatest_difference(tmp_path / "run" / "classifier", whole_run / "classifier") == 0


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


def test_the_gradient_of_a_step_is_the_mean_over_its_batches(tmp_path: Path) -> None:
    """Of the last step of an epoch, too, which has fewer batches."""
    alone = steps_of(11)  # 5 batches of 2, steps of 3 and of 2
    assert [len(batches) for batches, _ in alone] == [3, 2]
    for batches, gradient in alone:
        assert gradient == pytest.approx(float(torch.tensor(batches).mean()))
    on_two_processes(ROOT / "tests" / "training_windows.py", str(tmp_path), "16")
    shared = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1)]
    assert [len(batches) for batches, _ in shared[0]] == [3, 1]
    for (first, gradient), (second, same) in zip(*shared, strict=True):
        assert gradient == same == pytest.approx(float(torch.tensor(first + second).mean()))


def test_bf16(editor_run: list[str], tmp_path: Path) -> None:
    train_accelerate.main([*editor_run, "--output_dir", str(tmp_path / "run"), "--mixed_precision", "bf16"])
    weights = load_file(tmp_path / "run" / "leed" / "model.safetensors")
    assert all(value.dtype == torch.float32 and bool(value.isfinite().all()) for value in weights.values())


def test_weights_that_leave_a_network_untrained(editor_run: list[str], tmp_path: Path) -> None:
    off = [f"--weight_{name}=0" for name in ("image", "perceptual", "structure", "recon", "siamese", "adversarial")]
    message = refusal([*editor_run, *off, "--output_dir", str(tmp_path)])
    assert "no term of the loss trains" in message and "of 'editor', such as decoder." in message
    assert "--weight_" in message
