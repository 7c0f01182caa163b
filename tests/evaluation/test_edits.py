"""Edit metrics, on a few drawn triples."""

from pathlib import Path

import numpy as np
import pytest
import torch
from samples import mean_colour

from leed import LEED, ExpressionClassifier
from leed.evaluation import edits
from leed.evaluation.pairs import Triples
from leed.images import normalize


@torch.no_grad()
def test_learned_neutrals_give_the_users_edit(evaluation_folders: dict[str, Path], triples: Triples) -> None:
    leed = LEED.from_pretrained(evaluation_folders["leed"])
    torch.nn.init.normal_(leed.interpolator.head.weight, std=0.1)
    torch.nn.init.normal_(leed.neutralizer.generator.paint.weight, std=0.1)
    image, reference, input_neutral, reference_neutral = (
        normalize(x) for x in (triples.inputs, triples.references, triples.input_neutrals, triples.reference_neutrals)
    )
    true = {"input": input_neutral, "reference": reference_neutral}
    made = {name: edits.prepare(leed, image, reference, true, name)[0](1.0) for name in edits.NEUTRALS}
    assert torch.equal(made["learned"], leed.edit(image, reference))
    names = list(made)
    for i, name in enumerate(names):
        for other in names[:i]:
            assert not torch.equal(made[name], made[other]), (name, other)


def test_an_untrained_model_edits_nothing(evaluation_folders: dict[str, Path], triples: Triples) -> None:
    """With zero heads the edit is the autoencoded input: as far from the truth as the input is."""
    leed = LEED.from_pretrained(evaluation_folders["leed"])
    evaluator = ExpressionClassifier.from_pretrained(evaluation_folders["evaluator"])
    measured = edits.measure(leed, evaluator, triples, batch_size=3)
    values = measured.values
    assert values["edit_ssim"] == pytest.approx(values["input_ssim"], abs=0.05)
    found = edits.evaluate(measured, triples)["all"]
    scores = [values[f"{name}_ssim"].mean() for name in ("edit", "neutral", "autoencoded")]
    assert found["share"].value == pytest.approx((scores[0] - scores[1]) / (scores[2] - scores[1]))
    assert found["accuracy"].value == values["edit_correct"].mean()
    assert np.isfinite(values["monotone"]).sum() == 8 and found["alpha_monotone"].value == 0
    assert found["alpha_monotone_way"].value == 0


def test_the_result_does_not_depend_on_the_batch(evaluation_folders: dict[str, Path], triples: Triples) -> None:
    leed = LEED.from_pretrained(evaluation_folders["leed"])
    evaluator = ExpressionClassifier.from_pretrained(evaluation_folders["evaluator"])
    one, ten = (edits.measure(leed, evaluator, triples, batch_size=size).values for size in (1, 10))
    for name, values in one.items():
        assert values == pytest.approx(ten[name], rel=1e-3, abs=1e-3, nan_ok=True), name


def test_identity_compares_with_the_input(evaluation_folders: dict[str, Path], triples: Triples) -> None:
    leed = LEED.from_pretrained(evaluation_folders["leed"])
    evaluator = ExpressionClassifier.from_pretrained(evaluation_folders["evaluator"])
    values = edits.measure(leed, evaluator, triples, embedding=mean_colour, batch_size=4).values
    image, truth = (mean_colour(normalize(x)) for x in (triples.inputs, triples.targets))
    assert values["truth_identity"] == pytest.approx(np.linalg.norm(truth - image, axis=1))
    # Of each camera there are two triples, i and i + 5, of different people.
    assert values["other_identity"] == pytest.approx(np.linalg.norm(np.roll(image, 5, axis=0) - image, axis=1))
    found = edits.edit_metrics(values)
    everyone = np.ones((1, 10))
    within = (values["edit_identity"] <= 0.6).mean()
    assert found["identity_within"](everyone)[0] == pytest.approx(within)
    quotient = np.sort(values["edit_identity"])[4] / np.sort(values["truth_identity"])[4]  # lower medians of ten
    assert found["identity_ratio"](everyone)[0] == pytest.approx(quotient)
