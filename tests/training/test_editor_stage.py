"""The editor's stage: terms, validation, and its learned neutral faces."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from training_runs import stages

from leed import ExpressionClassifier, Neutralizer
from leed.config import TINY
from leed.data.faces import FaceDataset
from leed.training.config import LossWeights, Settings, TrainConfig
from leed.training.editor import EditorStage
from leed.training.inputs import SHEET_ROWS, choose_neutrals
from leed.training.neutral_faces import LearnedNeutrals

pytestmark = pytest.mark.usefixtures("fresh_accelerator")


def test_no_terms_that_no_weight_asks_for(faces: FaceDataset, psi: ExpressionClassifier) -> None:
    off = replace(LossWeights(), idt=0, recon=0, siamese=0, mutual_information=0, perceptual=0, structure=0)
    stage = stages(psi, off)["leed"]
    terms = stage.objectives["editor"](stage.inputs(faces.__getitems__(list(range(12))))).terms
    assert set(terms) == {"image"}
    assert not any(name.startswith("auxiliary") for name, _ in stage.objectives["editor"].named_parameters())


def test_validation_without_second_views(faces: FaceDataset, psi: ExpressionClassifier) -> None:
    bare = copy.copy(faces)
    bare.views = bare.view_neutrals = None
    bare.has_view = bare.has_view_neutral = torch.zeros_like(faces.has_view)
    stage = stages(psi, LossWeights())["leed"]
    figures, rows = stage.validate(stage.model.eval(), bare)
    assert set(figures) == {"autoencoded", "share_own", "accuracy", "distance"}
    assert len(rows) == SHEET_ROWS and all(len(row) == 9 and row[3] is None for row in rows)
    figures, rows = stage.validate(stage.model, faces)
    assert "share_view" in figures and any(row[3] is not None for row in rows)
    assert figures["autoencoded"] > 0.9 and abs(figures["share_own"]) < 0.2  # untrained: the neutral face itself


def test_learned_neutrals_replace_the_true_ones(faces: FaceDataset, psi: ExpressionClassifier, tmp_path: Path) -> None:
    neutralizer = Neutralizer(TINY)  # untrained, the identity but for the 2 % that its mask starts with
    learned = LearnedNeutrals(faces, neutralizer, cache=tmp_path)
    batch = learned.__getitems__(list(range(16)))
    assert (batch["learned_neutral"].int() - faces.images[:16].int()).abs().max() <= 4
    assert torch.equal(batch["neutral"], faces.neutrals[:16])
    always = choose_neutrals(batch, 1.0)
    assert torch.equal(always["neutral"], batch["learned_neutral"])
    never = choose_neutrals(batch, 0.0)
    assert torch.equal(never["neutral"], batch["neutral"])
    batch["has_neutral"] = torch.zeros(16, dtype=torch.bool)
    assert torch.equal(choose_neutrals(batch, 0.0)["neutral"], batch["learned_neutral"])


def test_a_frozen_encoder_keeps_its_weights(psi: ExpressionClassifier, faces: FaceDataset, tmp_path: Path) -> None:
    psi.save_pretrained(tmp_path / "classifier")
    Neutralizer(TINY).save_pretrained(tmp_path / "neutralizer")
    config = TrainConfig(stage="leed", output_dir=str(tmp_path), phi="psi", freeze_encoder=True)
    stage = EditorStage.build(Settings(config, LossWeights(), TINY), torch.device("cpu"))
    stage.objectives["editor"](stage.inputs(faces.__getitems__(list(range(8))))).total.backward()
    assert all(parameter.grad is None for parameter in stage.model.encoder.parameters())
    assert all(parameter.grad is not None for parameter in stage.model.interpolator.parameters())
    from_nothing = Settings(config, LossWeights(), replace(TINY, patch_skip=False, flow=False))
    with pytest.raises(ValueError, match="freeze_encoder needs --init_from"):
        EditorStage.build(from_nothing, torch.device("cpu"))
    with pytest.raises(ValueError, match="freeze_encoder serves the editor"):
        TrainConfig(stage="neutralizer", freeze_encoder=True)
