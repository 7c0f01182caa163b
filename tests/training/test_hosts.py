"""Two hosts, each with files of its own: what both write, and that they refuse to go on with other things."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from subprocess import PIPE, STDOUT
from types import SimpleNamespace

import pytest
import torch
from conftest import ROOT, free_port
from processes import on_two
from training_runs import greatest_difference

import leed.training.hosts as hosts
from leed.training.hosts import LostProcessError, agreed, connected, processes_on_host, together

SCRIPT = ROOT / "train_accelerate.py"


def launched_on_two_hosts(arguments: list[list[str]]) -> list[str]:
    """What two launchers print, each a host of one process, with arguments of its own; "" for success."""
    port = str(free_port())
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    runs = []
    for rank, own in enumerate(arguments):
        launch = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--node-rank", str(rank)]
        launch += ["--nproc-per-node", "1", "--master-addr", "127.0.0.1", "--master-port", port, str(SCRIPT), *own]
        runs.append(subprocess.Popen(launch, env=environment, stdout=PIPE, stderr=STDOUT, text=True))
    outputs = [run.communicate(timeout=300)[0] for run in runs]
    return ["" if run.returncode == 0 else output for run, output in zip(runs, outputs, strict=True)]


@pytest.mark.slow
def test_hosts_without_a_shared_folder(classifier_run: list[str], tmp_path: Path) -> None:
    """Both keep the same checkpoints and models, go on from them, and refuse to go on from different ones."""
    folders = [tmp_path / "a", tmp_path / "b"]
    short = [*classifier_run, "--train_batch_size", "4", "--max_train_steps", "3", "--checkpointing_steps", "1"]
    arguments = [[*short, "--output_dir", f"{folder}", "--cache_dir", f"{folder}-cache"] for folder in folders]
    assert launched_on_two_hosts(arguments) == ["", ""]
    shutil.copytree(folders[0] / "classifier", tmp_path / "whole")
    assert greatest_difference(tmp_path / "whole", folders[1] / "classifier") == 0
    for folder in folders:
        shutil.rmtree(folder / "classifier")
        shutil.rmtree(folder / "checkpoints/classifier/step-0000003")

    again = [[*own, "--resume_from_checkpoint", "latest"] for own in arguments]
    shutil.move(folders[1] / "checkpoints", tmp_path / "kept")
    start = time.monotonic()
    for output in on_two(SCRIPT, again, one_host=False):
        assert "do not agree on the latest checkpoint: process 0 has step-0000002, process 1 has none" in output
        assert "let all hosts share one --output_dir" in output
    assert time.monotonic() - start < 100  # nobody waits for a timeout

    shutil.move(tmp_path / "kept", folders[1] / "checkpoints")
    assert on_two(SCRIPT, again, one_host=False) == ["", ""]
    for folder in folders:
        assert greatest_difference(folder / "classifier", tmp_path / "whole") == 0


def gathered(monkeypatch: pytest.MonkeyPatch, *of_others: object) -> None:
    """Lets this process be the first of several, of which the others give these objects."""
    monkeypatch.setattr(hosts, "gather_object", lambda own: [*own, *of_others])


def test_what_all_have_is_agreed(monkeypatch: pytest.MonkeyPatch) -> None:
    gathered(monkeypatch, {"step": 3, "data": "x"}, {"step": 3, "data": None})
    assert agreed({"step": 3, "data": None}, "") == {"step": 3, "data": "x"}
    gathered(monkeypatch, {"step": None}, {"step": 4})
    with pytest.raises(ValueError, match="agree on step: process 0 has 3, process 2 has 4; start again"):
        agreed({"step": 3}, "start again")


def test_an_error_of_one_is_an_error_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    gathered(monkeypatch, None, "no such folder")
    with pytest.raises(ValueError, match="process 2 cannot go on: no such folder"), together():
        pass
    with pytest.raises(OSError, match="my own"), together():
        raise OSError("my own")
    gathered(monkeypatch, None)
    with together():
        pass
    with pytest.raises(TypeError), together():  # an error of the program, which ends this process at once
        raise TypeError


def test_a_lost_process_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    gloo = (
        "[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:545] Connection closed by peer. This is advice.\nmore"
    )
    for error in (RuntimeError(gloo), torch.distributed.DistBackendError("NCCL error: remote process exited")):
        with pytest.raises(LostProcessError, match="another process of this run has ended") as caught, connected():
            raise error
        assert "advice" not in str(caught.value) and str(caught.value).endswith("--resume_from_checkpoint latest")
    with pytest.raises(RuntimeError, match="^size mismatch$"), connected():
        raise RuntimeError("size mismatch")


def test_processes_of_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    assert processes_on_host(8) == 8
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert processes_on_host(8) == 4


def test_a_folder_is_shared_if_all_see_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = SimpleNamespace(is_main_process=True, wait_for_everyone=lambda: None)
    monkeypatch.setattr(hosts, "broadcast_object_list", lambda names: names)
    assert hosts.share_folder(alone, tmp_path / "run")
    gathered(monkeypatch, False)
    assert not hosts.share_folder(alone, tmp_path / "run")
    assert not list((tmp_path / "run").iterdir())
