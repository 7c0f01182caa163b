"""Several face sets together: how often each is drawn from, and that a mix resumes exactly."""

import json
import textwrap
from collections import Counter
from pathlib import Path

import pytest
import torch
from PIL import Image
from processes import on_two_processes
from samples import png
from training_runs import ALL_TERMS, greatest_difference, interrupted_at, refusal, stages

import train_accelerate
from leed import ExpressionClassifier
from leed.data.faces import FaceDataset
from leed.data.table import standard_table
from leed.training.classifier import ClassifierStage
from leed.training.config import TrainConfig
from leed.training.data import set_titles
from leed.training.faces import FaceSubset
from leed.training.mixing import SharedDraws, by_set, shared_draws

pytestmark = pytest.mark.usefixtures("fresh_accelerator")

GROUPS = [torch.arange(100), torch.arange(100, 110), torch.arange(110, 140)]


def test_shares_are_kept_and_rows_drawn_alike() -> None:
    draws = SharedDraws(GROUPS, (0.5, 0.2, 0.3))
    counts = Counter(draws)
    assert sum(counts.values()) == len(draws) == 140
    for group, total, least in zip(GROUPS, (70, 28, 42), (0, 2, 1), strict=True):
        found = [counts[row] for row in group.tolist()]
        assert sum(found) == total and set(found) == {least, least + 1}


def test_each_epoch_has_its_own_order() -> None:
    draws = SharedDraws(GROUPS, (1.0, 0.0, 1.0), seed=3)
    first = list(draws)
    draws.set_epoch(1)
    second = list(draws)
    assert first != second and not set(first) & set(GROUPS[1].tolist())
    again = SharedDraws(GROUPS, (1.0, 0.0, 1.0), seed=3)
    again.set_epoch(1)
    assert list(again) == second
    assert list(SharedDraws(GROUPS, (1.0, 0.0, 1.0), seed=4)) != first


def test_sets_among_some_faces() -> None:
    faces = FaceDataset(standard_table(5, image=[png()] * 5), 32, sets={"left": 3, "right": 2, "none": 0})
    some = FaceSubset(FaceSubset(faces, [4, 2, 1, 0]), [0, 1, 3])
    assert some.set_ids.tolist() == [1, 0, 0]
    assert {name: rows.tolist() for name, rows in by_set(some).items()} == {"left": [1, 2], "right": [0]}
    assert len(shared_draws(some, (0.5, 0.5, 0.0), seed=0)) == 3
    with pytest.raises(ValueError, match="no face of none serves this stage: give such a set a share of 0"):
        shared_draws(some, (0.5, 0.4, 0.1), seed=0)


def test_shares_take_the_place_of_balance(faces: FaceDataset, psi: ExpressionClassifier) -> None:
    stage = stages(psi, ALL_TERMS)["neutralizer"]
    config = TrainConfig(stage="neutralizer", dataset_name="a,b", dataset_shares=(0.5, 0.5))
    assert stage.select(faces, config) is faces


def test_titles_tell_sets_apart() -> None:
    assert set_titles(["a/faces", "b/faces", "owner/other"]) == ["faces-1", "faces-2", "other"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dataset_shares": (0.5,)}, "a number for each of 2 data sets"),
        ({"dataset_shares": (1.0, -1.0)}, "must not be negative"),
        ({"dataset_shares": (float("nan"), 1.0)}, "must not be negative"),
        ({"dataset_shares": (0.0, 0.0)}, "one must be above 0"),
        ({"dataset_reader": "a,b,c"}, "one for all or one for each of 2 data sets"),
    ],
)
def test_settings_that_make_no_sense(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainConfig(dataset_name="one,other", **settings)


def test_readers_of_several_sets() -> None:
    assert TrainConfig(dataset_name="a,b", dataset_reader="table").readers == ["table", "table"]
    assert TrainConfig(dataset_name="a,b", dataset_reader="table,").readers == ["table", None]
    assert TrainConfig(dataset_name="a,b").readers == [None, None]


@pytest.fixture
def mixed_run(drawn_folder: Path, tmp_path: Path) -> list[str]:
    """Arguments of a classifier's run on two sets, in one of which few pictures have a label."""
    own = tmp_path / "own"
    for name in ("happy", "sad", "other"):
        (own / name).mkdir(parents=True)
        for i in range(4):
            Image.new("RGB", (32, 32), (20 * i, 60, 90)).save(own / name / f"{i}.png")
    return [
        *("--stage", "classifier", "--preset", "tiny", "--no-model_classifier_sees_neutral"),
        *("--dataset_name", f"{drawn_folder},{own}", "--dataset_reader", "table,folder"),
        *("--dataset_shares", "0.75,0.25", "--train_batch_size", "16", "--max_train_steps", "5"),
        *("--checkpointing_steps", "1", "--checkpoints_total_limit", "9", "--lr_warmup_steps", "2"),
    ]


def test_a_mix_resumes_exactly(mixed_run: list[str], drawn_folder: Path, tmp_path: Path) -> None:
    """47 labelled faces are two batches of 16: the run is resumed within its second epoch."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train_accelerate.main([*mixed_run, "--output_dir", str(whole)])
    interrupted_at(3, whole, parts, "classifier")
    train_accelerate.main([*mixed_run, "--output_dir", str(parts), "--resume_from_checkpoint", "latest"])
    first, second = (folder / "checkpoints/classifier/step-0000005" for folder in (whole, parts))
    assert greatest_difference(first, second) == 0
    figures = json.loads((whole / "classifier" / "figures.json").read_text())
    assert figures.keys() == {f"{drawn_folder.name}/accuracy", "own/accuracy"}
    card = (whole / "classifier" / "README.md").read_text()
    assert f"| own/accuracy | {figures['own/accuracy']:.4f} | {ClassifierStage.figures['accuracy']} |" in card
    other = [*mixed_run, "--dataset_shares", "0.5,0.5", "--output_dir", str(parts)]
    assert "dataset_shares [0.75, 0.25] -> [0.5, 0.5]" in refusal([*other, "--resume_from_checkpoint", "latest"])


@pytest.mark.slow
def test_a_mix_on_two_processes(mixed_run: list[str], tmp_path: Path) -> None:
    """Both processes draw one epoch between them, and a resumed run draws it again."""
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
        seen, update = [], Run.update

        def recorded_update(run, batch, num_steps):
            seen.append(batch["index"].tolist())
            return update(run, batch, num_steps)

        Run.update = recorded_update
        train_accelerate.main([*arguments, "--output_dir", str(folder / "whole")])
        if dist.get_rank() == 0:
            place = pathlib.Path("checkpoints/classifier/step-0000003")
            shutil.copytree(folder / "whole" / place, folder / "parts" / place)
        dist.barrier()
        resumed = ["--output_dir", str(folder / "parts"), "--resume_from_checkpoint", "latest"]
        train_accelerate.main([*arguments, *resumed])
        gathered = [None, None]
        dist.all_gather_object(gathered, seen)
        if dist.get_rank() == 0:
            (folder / "seen.json").write_text(json.dumps(gathered))
        dist.destroy_process_group()
        """)
    )
    on_two_processes(driver, str(tmp_path), *mixed_run, "--train_batch_size", "8")
    first, second = json.loads((tmp_path / "seen.json").read_text())
    both = [a + b for a, b in zip(first, second, strict=True)]
    assert len(both) == 5 + 2 and both[5:] == both[3:5]  # two steps an epoch, and the resumed run's last two
    for epoch in (both[0] + both[1], both[2] + both[3]):  # 32 of 47 draws, of which 35 are from the 40 drawn faces
        counts = Counter(epoch)
        assert max(counts[row] for row in range(40)) == 1 and 4 <= sum(row >= 40 for row in epoch) <= 12
    assert sorted(both[0] + both[1]) != sorted(both[2] + both[3])
    first_end, second_end = (tmp_path / name / "checkpoints/classifier/step-0000005" for name in ("whole", "parts"))
    assert greatest_difference(first_end, second_end) == 0
