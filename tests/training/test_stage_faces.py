"""The faces that a stage learns from: folds, several data sets."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from training_runs import refusal

import train_accelerate
from leed import ExpressionClassifier
from leed.data.faces import FaceDataset, load_faces, split_by_person
from leed.training.faces import balanced

pytestmark = pytest.mark.usefixtures("fresh_accelerator")


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


def test_rows_with_and_without_a_neutral_face_come_equally_often(faces: FaceDataset) -> None:
    few = torch.zeros(len(faces), dtype=torch.bool)
    few[:3] = True
    chosen = balanced(faces, few).indices
    assert set(chosen) == set(range(len(faces)))
    assert sum(bool(few[i]) for i in chosen) == len(chosen) / 2
    assert balanced(faces, torch.ones_like(few)).indices == list(range(len(faces)))


def test_several_data_sets_are_mixed(drawn_folder: Path, psi: ExpressionClassifier, tmp_path: Path) -> None:
    """Those without true neutral faces train by StarGAN's terms; each set by itself decides on its held-out people."""
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
