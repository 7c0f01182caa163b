"""Short training runs, and what they need, as fixtures for every test (see conftest.py).

Training is imported where it is used: most tests do without, and it takes seconds.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from conftest import reset_accelerator

from leed import ExpressionClassifier, Neutralizer
from leed.config import TINY

if TYPE_CHECKING:
    from leed.data.faces import FaceDataset


@pytest.fixture(scope="session")
def earlier_models(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Arguments naming an untrained classifier and neutraliser, for stages that need one."""
    folder = tmp_path_factory.mktemp("earlier")
    torch.manual_seed(1)
    ExpressionClassifier(TINY).save_pretrained(folder / "classifier")
    Neutralizer(TINY).save_pretrained(folder / "neutralizer")
    return ("--classifier", str(folder / "classifier"), "--neutralizer", str(folder / "neutralizer"), "--phi", "psi")


def classifier_arguments(faces: Path, output_dir: Path) -> list[str]:
    """A short run of the quickest stage."""
    return [
        *("--stage", "classifier", "--preset", "tiny", "--dataset_name", str(faces)),
        *("--output_dir", str(output_dir), "--train_batch_size", "8", "--max_train_steps", "4"),
        *("--checkpointing_steps", "1", "--checkpoints_total_limit", "9", "--lr_warmup_steps", "2"),
    ]


@pytest.fixture
def classifier_run(drawn_folder: Path, tmp_path: Path) -> list[str]:
    """Arguments of a short run of the quickest stage into tmp_path / "run"."""
    return classifier_arguments(drawn_folder, tmp_path / "run")


@pytest.fixture(scope="session")
def whole_run(drawn_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of such a run of 4 steps, which no test changes."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    import train_accelerate

    train_accelerate.main(classifier_arguments(drawn_folder, folder))
    reset_accelerator()
    return folder


@pytest.fixture(scope="session")
def one_step(drawn_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of such a run of a single step, which no test changes."""
    folder = tmp_path_factory.mktemp("one_step") / "run"
    import train_accelerate

    train_accelerate.main([*classifier_arguments(drawn_folder, folder), "--max_train_steps", "1"])
    reset_accelerator()
    return folder


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
def faces(drawn_folder: Path) -> "FaceDataset":
    """The faces of `drawn_folder`."""
    from leed.data.faces import FaceDataset, load_faces

    return FaceDataset(load_faces(drawn_folder), TINY.image_size)


@pytest.fixture
def psi() -> ExpressionClassifier:
    """An untrained classifier."""
    return ExpressionClassifier(TINY).eval()
