"""Terms that several objectives share."""

import contextlib
from dataclasses import fields

import pytest
import torch

from leed import ExpressionClassifier
from leed.images import EYES, MOUTH, part
from leed.networks.perceptual import PerceptualFeatures
from leed.training.config import LossWeights
from leed.training.editor import PICTURE_TERMS
from leed.training.neutralizer import PAIRED, difference_left
from leed.training.terms import gradient_penalty, picture_losses


def test_penalty_is_in_full_precision_under_autocast() -> None:
    critic = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.LeakyReLU(), torch.nn.Linear(16, 1))
    real, fake = torch.randn(4, 8), torch.randn(4, 8)
    values = []
    for context in (contextlib.nullcontext(), torch.autocast("cpu", torch.bfloat16)):
        torch.manual_seed(0)
        with context:
            values.append(gradient_penalty(critic, real, fake))
    assert torch.equal(values[0], values[1])


@pytest.mark.parametrize("names", [PICTURE_TERMS, PAIRED])
def test_the_eyes_have_a_term_of_their_own(names: dict[str, str], psi: ExpressionClassifier) -> None:
    weights = LossWeights(**{field.name: float(field.name == names["eyes"]) for field in fields(LossWeights)})
    image, target = torch.zeros(2, 1, 3, 32, 32)
    part(target, EYES)[:] = 0.25
    part(target, MOUTH)[:] = 0.75  # counts for nothing
    terms = picture_losses(names, weights, PerceptualFeatures("psi", psi), image, target, before=image)
    # A change of 0.25 weighs 1 + 3 * 2, so L1 is 7 * 0.25. In [0, 1] the pictures are 0.5 and 0.625, without variance:
    # SSIM is (2 * 0.5 * 0.625 + c1) / (0.5^2 + 0.625^2 + c1), with c1 = 0.0001
    assert terms.keys() == {names["eyes"]}
    assert terms[names["eyes"]].item() == pytest.approx(1.75 + 1 - 0.6251 / 0.640725, abs=1e-5)


def test_what_is_left_where_most_changes() -> None:
    # Of 10 faces the 3 with the largest differences before, 7, 8 and 9, of which 0, 4 and 9 are left
    before, after = torch.arange(10.0), torch.tensor([5.0] * 7 + [0.0, 4.0, 9.0])
    assert difference_left(torch.stack([before, after])) == pytest.approx((0 + 0.5 + 1) / 3)
