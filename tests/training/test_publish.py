"""What a run leaves: model, card, figures, and what is uploaded."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from training_runs import refusal

import leed.pretrained
import train_accelerate
from leed import ExpressionClassifier
from leed.config import TINY

ACCOUNT = {
    "name": "jo",
    "orgs": [{"name": "someone", "roleInOrg": "write"}],
    "auth": {"accessToken": {"role": "write"}},
}


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Hub knows a user who may write."""
    monkeypatch.setattr("leed.uploading.HfApi", lambda token=None: SimpleNamespace(whoami=lambda: ACCOUNT))


pytestmark = pytest.mark.usefixtures("fresh_accelerator")


def test_what_a_run_leaves(classifier_run: list[str], tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    arguments = [*classifier_run, "--validation_steps", "2", "--report_to", "tensorboard"]
    arguments += ["--push_to_hub", "--hub_token", "hf_secret", "--hub_model_id", "someone/faces"]
    uploads = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            leed.pretrained, "upload", lambda folder, repo, files, **options: uploads.append((folder, repo, options))
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


def test_what_the_card_loads(
    classifier_run: list[str], one_step: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the folder as it is; from the Hub, by the full name, once it is there."""
    shutil.copytree(one_step, tmp_path / "run")
    folder = tmp_path / "run" / "classifier"

    def loaded() -> str:
        return re.search(r"from_pretrained\(\"(.*)\"\)", (folder / "README.md").read_text())[1]

    monkeypatch.chdir(folder)
    assert ExpressionClassifier.from_pretrained(loaded()).config == TINY
    uploads = []
    monkeypatch.setattr(leed.pretrained, "upload", lambda folder, repo, files, **options: uploads.append(repo))
    again = [*classifier_run, "--max_train_steps", "1", "--resume_from_checkpoint", "latest", "--push_to_hub"]
    for arguments, repo in (([], "jo/run-classifier"), (["--hub_model_id", "someone/x"], "someone/x-classifier")):
        train_accelerate.main([*again, *arguments])
        assert loaded() == uploads[-1] == repo


def test_an_evaluation_classifier_of_another_build(classifier_run: list[str], tmp_path: Path) -> None:
    change = ["--model_classifier_block", "bottleneck", "--no-model_classifier_sees_neutral"]
    train_accelerate.main([*classifier_run, *change, "--max_train_steps", "1"])
    config = ExpressionClassifier.from_pretrained(tmp_path / "run" / "classifier").config
    assert config == replace(TINY, classifier_block="bottleneck", classifier_sees_neutral=False)


def test_a_push_that_cannot_work_is_refused_at_the_start(
    classifier_run: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = refusal([*classifier_run, "--push_to_hub", "--hub_model_id", "elsewhere/faces"])
    assert "the token of jo may not write to elsewhere/faces-classifier: give a --hub_token that may" in message
    assert not (tmp_path / "run").exists()


def test_a_push_that_fails_is_done_again_without_training(
    classifier_run: list[str], one_step: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(one_step, tmp_path / "run")

    def fail(*arguments: object, **options: object) -> None:
        raise ConnectionError("no route to host\nsecond line")

    monkeypatch.setattr(leed.pretrained, "upload", fail)
    again = [*classifier_run, "--max_train_steps", "1", "--resume_from_checkpoint", "latest", "--push_to_hub"]
    message = refusal(again)
    assert f"stage classifier is trained and lies in {tmp_path / 'run' / 'classifier'}" in message
    assert "was not uploaded to jo/run-classifier (ConnectionError: no route to host): the same command" in message
    sent = []
    monkeypatch.setattr(leed.pretrained, "upload", lambda folder, repo, files, **options: sent.append(repo))
    train_accelerate.main(again)
    assert sent == ["jo/run-classifier"]
