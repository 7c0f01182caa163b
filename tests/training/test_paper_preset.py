"""The preset "paper": complete, and trained on files named as RaFD's are."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import train_accelerate
from leed.training.cli import parse_args
from leed.training.config import PAPER_SETTINGS, TrainConfig

SMALL = {
    **{"image_size": 32, "patch_size": 4, "code_channels": 16, "encoder_width": 8, "encoder_depth": 1},
    **{"decoder_width": 8, "decoder_depth": 1, "extractor_width": 8, "interpolator_width": 8, "critic_width": 8},
    **{"siamese_width": 8, "siamese_size": 8, "neutralizer_width": 8, "neutralizer_depth": 1},
    **{"neutralizer_critic_width": 8, "neutralizer_critic_depth": 3, "classifier_size": 32},
}


@pytest.fixture
def rafd(tmp_path: Path) -> Path:
    """Four people, two expressions, five cameras."""
    folder, generator = tmp_path / "rafd", np.random.default_rng(0)
    folder.mkdir()
    for camera in ("000", "045", "090", "135", "180"):
        for person in ("01", "02", "03", "04"):
            for expression in ("angry", "neutral"):
                pixels = generator.integers(0, 255, (102, 68, 3), dtype=np.uint8)
                name = f"Rafd{camera}_{person}_Caucasian_female_{expression}_frontal.jpg"
                Image.fromarray(pixels).save(folder / name)
    return folder


def test_the_preset_is_complete_and_flags_count_more() -> None:
    train, weights, model = parse_args(["--preset", "paper"])
    assert {name: getattr(train, name) for name in PAPER_SETTINGS} == PAPER_SETTINGS
    assert weights.recon_image == weights.image == 0 and weights.recon == 10
    assert not model.classifier_sees_neutral and not model.flow and model.delta_size == 0
    changed = parse_args(["--preset", "paper", "--random_flip", "--optimizer", "muon", "--phi", "psi"]).train
    assert (changed.random_flip, changed.optimizer, changed.phi, changed.use_ema) == (True, "muon", "psi", False)


def test_other_presets_and_the_baselines_keep_their_settings() -> None:
    assert parse_args([]).train == TrainConfig()
    assert parse_args(["--preset", "tiny"]).train == TrainConfig(preset="tiny")
    baseline = parse_args(["--preset", "paper", "--stage", "stargan"]).train
    assert baseline == TrainConfig(preset="paper", stage="stargan")


@pytest.mark.usefixtures("fresh_accelerator")
@pytest.mark.filterwarnings("error:.*are left out")
def test_all_stages_train_on_rafd(rafd: Path, tmp_path: Path) -> None:
    """With nothing but the data; smaller networks, and Phi that is not downloaded, are the test's."""
    sizes = [argument for name, value in SMALL.items() for argument in (f"--model_{name}", str(value))]
    run = ["--preset", "paper", "--dataset_name", str(rafd), "--output_dir", str(tmp_path / "run")]
    train_accelerate.main([*run, *sizes, "--phi", "psi", "--train_batch_size", "4", "--max_train_steps", "2"])
    recorded = {
        stage: json.loads((tmp_path / "run" / stage / "training.json").read_text())
        for stage in ("classifier", "neutralizer", "leed")
    }
    assert [record["step"] for record in recorded.values()] == [2, 2, 2]
    settings = recorded["leed"]["settings"]
    assert settings["faces"] + settings["held_out"] == 40 and settings["weight_recon_image"] == 0
    assert settings["neutrals"] == "learned" and settings["augmentation"] == "none"
