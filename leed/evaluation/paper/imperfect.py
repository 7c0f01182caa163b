"""Figure 6 in numbers: edits with neutral faces that keep a share of the expression, by the ruler for edits."""

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from accelerate import PartialState

from leed.evaluation import edits as ruler
from leed.evaluation import metrics
from leed.evaluation.pairs import Triples
from leed.evaluation.paper.cache import key, remembered
from leed.model import LEED
from leed.networks.classifier import ExpressionClassifier
from leed.pretrained import WEIGHTS, find_folder, read_digest

SHARES = (0.25, 0.5, 0.75)
NUM_ALPHA = 100  # triples whose strength is measured
SPOILT = {"none": (), "input": ("input",), "reference": ("reference",), "both": ("input", "reference")}
FIGURES = {
    "edit_ssim": "SSIM ↑",
    "edit_ssim_face": "SSIM, inner face ↑",
    "accuracy": "accuracy ↑",
    "distance_to_input": "distance ↓",
    "alpha_one_way": "strength",
}


def variants(shares: Sequence[float] = SHARES) -> list[tuple[str, float]]:
    """What is spoilt (a key of SPOILT) and by how much, from nothing up."""
    return [("none", 0.0)] + [(name, share) for name in list(SPOILT)[1:] for share in shares]


def spoilt(name: str, share: float) -> dict[str, float]:
    """The argument of `ruler.prepare` for a variant."""
    return dict.fromkeys(SPOILT[name], share)


def measure_spoilt(
    leed_path: str,
    evaluator_path: str,
    triples: Triples,
    identity: str,
    cache: Path,
    state: PartialState,
    batch_size: int = 32,
    shares: Sequence[float] = SHARES,
) -> dict[tuple[str, float], dict[str, metrics.Estimate]]:
    """FIGURES with 95 % intervals for each of `variants` of these shares; neutral faces are learned, then spoilt."""
    leed = LEED.from_pretrained(leed_path).to(state.device)
    evaluator = ExpressionClassifier.from_pretrained(evaluator_path).to(state.device)
    digests = [read_digest(find_folder(path) / WEIGHTS) for path in (leed_path, evaluator_path)]

    def figures(name: str, share: float) -> dict[str, list[float | None]]:
        measured = ruler.measure(
            leed, evaluator, triples, num_alpha=NUM_ALPHA, batch_size=batch_size, spoilt=spoilt(name, share)
        )
        named = ruler.figures(measured.values)
        weights = metrics.person_weights(triples.input_persons)
        everyone = np.ones(len(triples), dtype=bool)
        return {
            name: [
                value if math.isfinite(value) else None for value in metrics.estimate(named[name], weights, everyone)
            ]
            for name in FIGURES
        }

    tasks = {f"{name}-{share:g}": partial(figures, name, share) for name, share in variants(shares)}
    folder = cache / key("imperfect", digests, identity, len(triples))
    found = remembered(folder, tasks, state, "imperfect neutral faces")
    return {
        (name, share): {
            figure: metrics.Estimate(*(math.nan if value is None else value for value in values))
            for figure, values in found[f"{name}-{share:g}"].items()
        }
        for name, share in variants(shares)
    }
