"""The script as a newcomer runs it: no data, three stages, and the editor has visibly learned."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import ROOT

from leed import LEED, ExpressionClassifier, Neutralizer
from leed.data.drawn import drawn_triples
from leed.images import inner_face, normalize, resize

STEPS = "160"
ARGUMENTS = [  # what a short run learns most from: a high rate, no augmentation
    *("--stage", "all", "--preset", "tiny", "--dataset_name", "drawn", "--max_train_samples", "192"),
    *("--max_train_steps", STEPS, "--validation_steps", STEPS, "--checkpointing_steps", STEPS),
    *("--train_batch_size", "16", "--learning_rate", "5e-3", "--lr_warmup_steps", "10", "--ema_decay", "0.95"),
    *("--augmentation", "none", "--model_classifier_layers", "1,1,1,1"),
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of the script, run in a process of its own."""
    folder = tmp_path_factory.mktemp("trained")
    command = [sys.executable, str(ROOT / "train_accelerate.py"), *ARGUMENTS, "--output_dir", str(folder)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.mark.slow
def test_the_edit_is_nearer_to_the_truth_than_the_input_is(trained: Path) -> None:
    leed = LEED.from_pretrained(trained / "leed")
    side = leed.config.image_size
    triples = drawn_triples(64)  # of people whom training never saw
    image, reference, target = (resize(normalize(triples[k]), side) for k in ("image", "reference", "target"))
    edit = leed.edit(image.clamp(-1, 1), reference.clamp(-1, 1))

    def error(guess: torch.Tensor) -> torch.Tensor:
        return inner_face(guess - target).abs().mean((1, 2, 3))

    copied, edited = error(image), error(edit)
    print(
        f"error copied {copied.mean():.4f}, edited {edited.mean():.4f}, better {(edited < copied).float().mean():.2f}"
    )
    assert edited.mean() < 0.85 * copied.mean()
    assert (edited < copied).float().mean() > 0.6


@pytest.mark.slow
def test_every_stage_has_published_its_model(trained: Path) -> None:
    classifier = ExpressionClassifier.from_pretrained(trained / "classifier")
    neutralizer = Neutralizer.from_pretrained(trained / "neutralizer")
    leed = LEED.from_pretrained(trained / "leed")
    assert classifier.config == neutralizer.config == leed.config
    inside, beside = leed.neutralizer.state_dict(), neutralizer.state_dict()
    assert all(torch.equal(inside[name], beside[name]) for name in beside)
    figures = {name: json.loads((trained / name / "figures.json").read_text()) for name in ("classifier", "leed")}
    print(figures, json.loads((trained / "neutralizer" / "figures.json").read_text()))
    assert figures["classifier"]["accuracy"] > 0.5  # 1 in 8 by chance
    assert figures["leed"]["share_own"] > 0.2
    assert (trained / "validation" / f"leed-{int(STEPS):07d}.png").is_file()
