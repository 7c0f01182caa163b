"""The stages of LEED: what each loss trains, on which faces, and on which machines."""

import copy
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from training_runs import ALL_TERMS, refusal, stages

import leed
import leed.similarity
from leed import ExpressionClassifier
from leed.config import NEUTRAL, TINY
from leed.data.faces import FaceDataset
from leed.training.config import PAPER_WEIGHTS, LossWeights, TrainConfig
from leed.training.inputs import show_neutral
from leed.training.optimisation import moving_average
from leed.training.stages import STAGES

pytestmark = pytest.mark.usefixtures("fresh_accelerator")


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
    for stage in stages(psi, PAPER_WEIGHTS, config).values():
        values = stage.inputs(faces.__getitems__(list(range(12))))
        for objective in stage.objectives.values():
            total, _, outputs = objective(values)
            total.backward()
            assert all(p.grad is not None for p in objective.parameters() if p.requires_grad)
            values = outputs or values


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


class NoFloat64(TorchDispatchMode):
    """Refuses tensors of float64, as Apple's GPU does, but in SSIM, which is computed on the CPU."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # noqa: ANN001, ANN204 (torch's own)
        results = function(*args, **(kwargs or {}))
        double = any(
            isinstance(value, torch.Tensor) and value.dtype == torch.float64 for value in tree_leaves(results)
        )
        if double and not called_by(leed.similarity.__file__):
            raise TypeError(f"{function} gives float64")
        return results


def called_by(filename: str) -> bool:
    """Whether code of a file is being executed, without `inspect.stack`, which reads each file's source."""
    frame = sys._getframe()
    while frame is not None and frame.f_code.co_filename != filename:
        frame = frame.f_back
    return frame is not None


@pytest.mark.parametrize("name", ["classifier", "neutralizer", "leed"])
def test_a_gpu_without_float64_will_do(name: str, faces: FaceDataset, psi: ExpressionClassifier) -> None:
    stage, batch = stages(psi, ALL_TERMS)[name], faces.__getitems__(list(range(8)))
    average = moving_average(stage.model, 0.9)
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


def test_faces_that_are_neutral_already(faces: FaceDataset) -> None:
    batch = faces.__getitems__(list(range(16)))
    batch["has_neutral"] = torch.arange(16) < 12
    shown = show_neutral(batch, 1.0)
    assert torch.equal(shown["image"][:12], batch["neutral"][:12])
    assert shown["expression"][:12].eq(NEUTRAL).all()
    assert all(torch.equal(shown[name][12:], batch[name][12:]) for name in ("image", "expression"))
    before = torch.get_rng_state()
    assert show_neutral(batch, 0.0) is batch
    assert torch.equal(torch.get_rng_state(), before)  # runs without the setting stay as they were
    row = int((batch["image"] != batch["neutral"]).flatten(1).any(1)[:12].int().argmax())  # an expressive face
    many = {name: value[row : row + 1].repeat_interleave(400, 0) for name, value in batch.items()}
    changed = (show_neutral(many, 0.25)["image"] != many["image"]).flatten(1).any(1)
    assert 0.15 < changed.float().mean() < 0.35
    with pytest.raises(ValueError, match="neutral_share serves the neutraliser"):
        TrainConfig(stage="leed", neutral_share=0.5)


def test_whose_faces_lack_what_a_stage_needs(faces: FaceDataset, psi: ExpressionClassifier) -> None:
    bare = copy.copy(faces)
    bare.has_neutral = torch.zeros_like(faces.has_neutral)
    for name, stage in stages(psi, LossWeights()).items():
        config = TrainConfig(stage=name, preset="tiny")
        for held_out, words in ((False, "this data set has none.*--"), (True, "held-out people .*--validation_fra")):
            assert len(stage.select(faces, config, held_out)) == len(faces)
            with pytest.raises(ValueError, match=f"needs .*true neutral face.* {words}"):
                stage.select(bare, config, held_out)


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


def test_every_stage_says_what_card_and_records_need() -> None:
    terms = {field.name for field in fields(LossWeights)}
    used = set()
    for name, stage in STAGES.items():
        assert stage.name == name and stage.title and stage.figures
        assert getattr(leed, stage.model_class.__name__) is stage.model_class  # as the card imports it
        for start in stage.weights:
            assert (found := {term for term in terms if term.startswith(start)}), f"{name}: no term is called {start}"
            used |= found
    assert used == terms  # each term is some stage's


def test_a_card_says_what_every_figure_means(faces: FaceDataset, psi: ExpressionClassifier) -> None:
    for stage in stages(psi, LossWeights()).values():
        assert set(stage.validate(stage.model.eval(), faces).figures) == set(stage.figures)
