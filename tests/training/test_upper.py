"""The stage of the upper level: what it trains, on what, and its figures."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from training_runs import greatest_difference, interrupted_at, refusal

import train_accelerate
from leed import LEED, RemainsEstimator
from leed.config import TINY
from leed.data.faces import FaceDataset, load_faces
from leed.networks.upper import UPPER_SCALE, Refinement, window_of
from leed.training.augmentation import NONE
from leed.training.config import LossWeights
from leed.training.upper import Compared, UpperStage, measured, upper_figures

pytestmark = pytest.mark.usefixtures("fresh_accelerator")
SIDE = UPPER_SCALE * TINY.image_size


@pytest.fixture(scope="module")
def large_faces(drawn_folder: Path) -> FaceDataset:
    return FaceDataset(load_faces(drawn_folder), SIDE)


@pytest.fixture
def stage(lively_leed: LEED) -> UpperStage:
    leed = LEED(UpperStage.sizes("tiny"))
    leed.load_state_dict(lively_leed.state_dict(), strict=False)
    return UpperStage(leed, LossWeights(), NONE)


@pytest.fixture(scope="module")
def trained(lively_leed: LEED, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny LEED with an estimator beside it."""
    folder = tmp_path_factory.mktemp("trained") / "leed"
    lively_leed.save_pretrained(folder)
    RemainsEstimator(TINY).save_pretrained(folder / "remains")
    return folder


@pytest.fixture
def upper_run(drawn_folder: Path, trained: Path, tmp_path: Path) -> list[str]:
    """Arguments of a short run into tmp_path / "run"."""
    return [
        *("--stage", "upper", "--preset", "tiny", "--dataset_name", str(drawn_folder), "--leed", str(trained)),
        *("--output_dir", str(tmp_path / "run"), "--train_batch_size", "8", "--max_train_steps", "3"),
        *("--checkpointing_steps", "1", "--checkpoints_total_limit", "9", "--lr_warmup_steps", "2"),
    ]


def test_it_trains_the_upper_level_alone(stage: UpperStage, large_faces: FaceDataset) -> None:
    """From the second step on all of it: at first its head, which is zero, gives others no gradient."""
    objective, values = stage.objectives["upper"], stage.inputs(large_faces.__getitems__(list(range(8))))
    optimizer = torch.optim.Adam(objective.parameters(), 1e-3)
    for _ in range(2):
        optimizer.zero_grad()
        total, terms, _ = objective(values)
        total.backward()
        optimizer.step()
    assert set(terms) == {"upper_image", "upper_structure", "upper_gradient"}
    moved = {name for name, p in stage.model.named_parameters() if p.grad is not None and p.grad.any()}
    assert moved == {name for name, _ in stage.model.named_parameters() if name.startswith(("upper.", "upper_eyes."))}
    alone = UpperStage(stage.model, replace(LossWeights(), upper_structure=0, upper_gradient=0), NONE)
    assert set(alone.objectives["upper"](values).terms) == {"upper_image"}


def test_a_critic_scores_and_learns_apart(stage: UpperStage, large_faces: FaceDataset) -> None:
    """The upper level learns from its score and leaves it alone; the critic learns to tell drawn from true mouths."""
    assert set(stage.objectives) == {"upper"}
    stage = UpperStage(stage.model, replace(LossWeights(), upper_adversarial=0.1), NONE)
    upper, critic = stage.objectives.values()
    values = stage.inputs(large_faces.__getitems__(list(range(8))))
    without = UpperStage(stage.model, LossWeights(), NONE).objectives["upper"](values)
    loss = upper(values)
    score = loss.terms["upper_adversarial"]
    torch.testing.assert_close(loss.total, without.total + 0.1 * score)
    loss.total.backward()
    assert all(p.grad is None for p in critic.parameters())
    heads = [level.head.weight for level in upper.levels.values()]
    learned = [head.grad for head in heads]
    for head in heads:
        head.grad = None
    without.total.backward()
    assert not any(torch.equal(before, head.grad) for before, head in zip(learned, heads, strict=True))
    optimizer = torch.optim.Adam(critic.parameters(), 3e-3, (0.5, 0.999))
    for _ in range(20):
        optimizer.zero_grad()
        total, terms, _ = critic(loss.outputs)
        total.backward()
        optimizer.step()
    assert terms["upper_critic"] < 1.9
    for window, shown in loss.outputs.items():
        real, fake = (critic.critics[window](shown[name]).mean((1, 2, 3)) for name in ("truth", "drawn"))
        assert bool((real > fake).float().mean() > 0.9), window


def test_it_learns_both_ways(stage: UpperStage, large_faces: FaceDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neutral faces get an expression, faces lose theirs; both as `LEED.edit` does it."""
    batch = large_faces.__getitems__(list(range(1, 5)))
    stage.mirror = False
    pictures = {name: batch[name].float() / 127.5 - 1 for name in ("image", "neutral")}
    for closed, truth in ((0.0, "image"), (1.0, "neutral")):
        monkeypatch.setattr("leed.training.upper.CLOSED_SHARE", closed)
        values = stage.inputs(batch)
        assert bool(values["delta_exp"].any()) != bool(closed) and set(values["windows"]) == {"mouth", "eyes"}
        for window, seen in values["windows"].items():
            torch.testing.assert_close(seen["truth"], window_of(window, SIDE).of(pictures[truth]))
            assert seen["moved"].shape == seen["edit"].shape == seen["truth"].shape


def test_a_resumed_run_equals_an_unbroken_one(upper_run: list[str], tmp_path: Path) -> None:
    """And the model is the given one, whose estimator it keeps, with an upper level that has changed."""
    train_accelerate.main(upper_run)
    run, resumed = tmp_path / "run", tmp_path / "resumed"
    interrupted_at(1, run, resumed, "upper")
    train_accelerate.main([*upper_run, "--output_dir", str(resumed), "--resume_from_checkpoint", "latest"])
    assert greatest_difference(run / "upper", resumed / "upper") == 0
    name = "checkpoints/upper/step-0000003"
    assert greatest_difference(run / name, resumed / name) == 0
    leed, given = LEED.from_pretrained(run / "upper"), LEED.from_pretrained(upper_run[7])
    assert leed.estimator is not None and leed.config == UpperStage.sizes("tiny")
    assert all(torch.equal(leed.state_dict()[name], value) for name, value in given.state_dict().items())
    assert all(bool(level.head.weight.any()) for level in leed.upper_levels.values())


def test_it_goes_on_from_an_upper_level(upper_run: list[str], tmp_path: Path) -> None:
    first = LEED(UpperStage.sizes("tiny"))
    torch.nn.init.normal_(first.upper.head.bias)
    first.save_pretrained(tmp_path / "first")
    train_accelerate.main([*upper_run, "--leed", str(tmp_path / "first"), "--max_train_steps", "1"])
    bias = LEED.from_pretrained(tmp_path / "run" / "upper").upper.head.bias
    assert float((bias - first.upper.head.bias).detach().abs().max()) < 0.01


def test_eyes_are_added_to_a_mouth_that_stays(upper_run: list[str], lively_leed: LEED, tmp_path: Path) -> None:
    first = LEED(replace(UpperStage.sizes("tiny"), upper_eyes_width=0))
    first.load_state_dict(lively_leed.state_dict(), strict=False)
    torch.nn.init.normal_(first.upper.head.bias)
    first.save_pretrained(tmp_path / "first")
    train_accelerate.main([*upper_run, "--leed", str(tmp_path / "first"), "--upper_window", "eyes"])
    leed = LEED.from_pretrained(tmp_path / "run" / "upper")
    assert all(torch.equal(leed.state_dict()[name], value) for name, value in first.state_dict().items())
    assert leed.upper_eyes is not None and bool(leed.upper_eyes.head.weight.any())


def test_what_cannot_be_trained_is_refused(upper_run: list[str], trained: Path, capsys: pytest.CaptureFixture) -> None:
    assert "delta_size 16 and 8; pass its own as --model_<field>" in refusal([*upper_run, "--model_delta_size", "8"])
    none = ("--model_upper_width", "0", "--model_upper_eyes_width", "0")
    assert "give --model_upper_width or --model_upper_eyes_width" in refusal([*upper_run, *none])
    idle = refusal([*upper_run, "--upper_window", "mouth"])
    assert "does not draw the eyes yet" in idle and "give --model_upper_eyes_width 0, or no --upper_window" in idle
    only = refusal([*upper_run, *none, "--upper_window", "mouth"])
    assert "give --model_upper_width" in only and "eyes" not in only.split("learns nothing")[1]
    off = [f"--weight_upper_{name}=0" for name in ("image", "structure", "gradient")]
    assert "nothing tells the upper level what mouth and eyes look like" in refusal([*upper_run, *off])
    assert "from the model that --leed names" in refusal([*upper_run, "--init_from", str(trained)], capsys)
    assert "leed and upper_window serve --stage upper" in refusal([*upper_run, "--stage", "leed"], capsys)


def test_figures_of_known_faces() -> None:
    truth = torch.rand(1, 3, 384, 384) * 2 - 1
    values = measured(Compared(truth, truth.flip(-1), 0.5 * truth, truth), torch.zeros_like(truth))
    found = upper_figures({name: torch.cat([value, value]) for name, value in values.items()})
    assert set(found) == set(UpperStage.figures)
    for box in ("mouth", "eyes"):
        assert [found[f"{box}_{name}"] for name in ("ssim", "detail", "energy")] == pytest.approx([1, 1, 1])
        assert found[f"{box}_energy_enlarged"] == pytest.approx(0.25)
        assert found[f"{box}_detail_enlarged"] == pytest.approx(1)
        assert abs(found[f"{box}_detail_pasted"]) < 0.05


def test_validation_compares_with_the_pasting(stage: UpperStage, large_faces: FaceDataset) -> None:
    """An upper level that gives nothing of its own shows the edit in its windows."""
    figures, rows = stage.validate(stage.model.eval(), large_faces)
    assert set(figures) == set(UpperStage.figures)
    for box in ("mouth", "eyes"):
        ssim, pasted, enlarged = (figures[f"{box}_ssim{suffix}"] for suffix in ("", "_pasted", "_enlarged"))
        assert ssim != pasted and abs(ssim - enlarged) < 0.2
    assert all(len(row) == 4 and row[0].shape == (3, SIDE, SIDE) for row in rows)


def test_the_sheet_shows_opened_and_closed_mouths(
    stage: UpperStage, large_faces: FaceDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By turns, also where the rows that are chosen lie at even distances."""
    some = large_faces.__getitems__([0, 1] * 8)
    strengths: list[float] = []

    def drawn(model: LEED, photo: Tensor, reference: Tensor, truth: Tensor, alpha: float) -> Compared:
        strengths.append(alpha)
        picture = torch.full_like(photo[None], alpha)
        return Compared(picture, picture, picture, picture)

    monkeypatch.setattr("leed.training.upper.batches", lambda faces, device: [(some, [0, 4, 8]), (some, [0])])
    monkeypatch.setattr("leed.training.upper.compared_edit", drawn)
    _, rows = stage.validate(stage.model.eval(), large_faces)
    assert strengths == [1.0, 0.0] * 16
    assert [row[3].mean().item() for row in rows] == [1.0, 0.0, 1.0, 0.0]


def test_what_is_drawn_is_the_moved_picture_and_what_is_added() -> None:
    moved, added = torch.full((1, 3, 2, 2), 0.5), torch.full((1, 3, 2, 2), 0.1)
    assert torch.allclose(Refinement(moved, torch.full((1, 1, 2, 2), 0.25), added).drawn, torch.tensor(0.475))
