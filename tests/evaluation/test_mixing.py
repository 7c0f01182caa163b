"""Mixed expressions and regions: what is measured has known answers."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from samples import write_triples
from torch import Tensor

from leed import LEED, Expression, ExpressionClassifier, PreparedEdit
from leed.config import TINY
from leed.evaluation import mixing
from leed.evaluation.metrics import goes_on, monotone
from leed.evaluation.pairs import Triples
from leed.model import Rendered, unchanged

LARGE = replace(TINY, image_size=128, patch_size=16, neutralizer_critic_depth=3)
"""Regions of smaller pictures are narrower than SSIM's window."""


def test_partners_have_another_expression(triples: Triples) -> None:
    found, labels = mixing.partners(triples), triples.reference_expressions.numpy()
    assert labels.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 0, 1]
    assert found.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
    assert mixing.partners(triples.select(np.array([0, 8, 1]))).tolist() == [2, 2, 0]


class Mean(torch.nn.Module):
    """Stands for an evaluator that sees the mean colour of the upper and of the lower half, or less of it."""

    def __init__(self, wave: bool = False) -> None:
        super().__init__()
        self.wave = wave

    def features(self, image: Tensor, neutral: Tensor) -> Tensor:
        seen = torch.stack([half.mean((1, 2, 3)) for half in image.chunk(2, 2)], 1)
        return (20 * seen).sin() if self.wave else seen


class Brightening:
    """Stands for a model: delta_exp (B, 2) brightens the upper and the lower half of a grey picture."""

    @staticmethod
    def render(code_neutral: Tensor, context: Tensor, delta_exp: Tensor, alpha: Tensor) -> Rendered:
        change = (alpha[:, None] * delta_exp).repeat_interleave(64, 1)[:, None, :, None]
        return Rendered(code_neutral + change, code_neutral)

    @staticmethod
    def check_expression(expression: object) -> None:
        """All are its own."""


def test_growth_has_known_answers() -> None:
    grey = torch.zeros(2, 3, 128, 128)
    first, second = (
        PreparedEdit(Brightening(), grey, grey, Expression(torch.tensor([delta])), unchanged)
        for delta in ([0.4, 0.0], [0.1, 0.4])
    )
    values = mixing.growth(Mean(), first, second, grey)
    for kind in ("features", "pixels"):
        assert values.pop(f"{kind}_opposite").isnan().all()
    assert {name: value.tolist() for name, value in values.items()} == dict.fromkeys(values, [1.0, 1.0])
    assert len(values) == 13
    away = mixing.growth(Mean(), first, first.with_expression(-1 * second.expression), grey)
    assert away["pixels_alike"].isnan().all() and away["pixels_opposite"].tolist() == away[
        "pixels_steps"
    ].tolist() == [1, 1]
    wavy = mixing.growth(Mean(wave=True), first, second, grey)
    assert wavy["features_both"].tolist() == [0.0, 0.0] and wavy["pixels_both"].tolist() == [1.0, 1.0]


def test_an_expression_that_shows_already_does_not_grow() -> None:
    found = {(a, b): torch.tensor([[max(a, b)]]) for a in mixing.WEIGHTS for b in mixing.WEIGHTS}
    courses = [mixing.course(found, fixed) for fixed in (0.0, 0.5, 1.0)]
    assert [monotone(one).item() for one in courses] == [1.0, 1.0, 0.0]
    assert [goes_on(one).item() for one in courses] == [1.0, 1.0, 1.0]  # it does not fall
    assert goes_on(torch.tensor([[0.0, 0.5, 0.3, 0.29, 1.0]])).item() == 0.75


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    torch.manual_seed(1)
    LEED(LARGE).save_pretrained(tmp_path / "leed")
    ExpressionClassifier(LARGE).save_pretrained(tmp_path / "evaluator")
    pairs = write_triples(tmp_path, 5)
    models = ["--model", str(tmp_path / "leed"), "--evaluator", str(tmp_path / "evaluator")]
    mixing.main([*models, "--data_dir", str(pairs), "--pairs", "3", "--output_dir", str(tmp_path), "--device", "cpu"])
    printed = capsys.readouterr().out
    assert "3 pairs of expressions" in printed and "SSIM at the mouth" in printed
    found = json.loads((tmp_path / "mixing.json").read_text())["metrics"]
    assert found.keys() == mixing.LINES.keys()
    assert (
        found["eyes_own"]["value"] == pytest.approx(1) and found["features_both"]["value"] == 0
    )  # it leaves faces as they are
    assert found["mouth_lowest"]["value"] <= found["mouth_own"]["value"]
