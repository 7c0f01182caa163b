"""Figure 6 in numbers: the edit metrics of edits with neutral faces that keep a share of the expression."""

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from accelerate import PartialState

from leed.evaluation import edits, metrics
from leed.evaluation.metrics import Estimate
from leed.evaluation.pairs import Triples
from leed.evaluation.paper.cache import key, remembered
from leed.model import LEED
from leed.networks.classifier import ExpressionClassifier
from leed.pretrained import WEIGHTS, find_folder, read_digest

SHARES = (0.25, 0.5, 0.75)
NUM_ALPHA = 100  # triples whose strength is measured
IMPERFECT = {"none": (), "input": ("input",), "reference": ("reference",), "both": ("input", "reference")}
"""The neutral faces that keep a share of the expression, by the case's name."""

METRICS = {
    "edit_ssim": "SSIM ↑",
    "edit_ssim_face": "SSIM, inner face ↑",
    "accuracy": "accuracy ↑",
    "distance_to_input": "distance ↓",
    "alpha_one_way": "strength",
}


def cases(shares: Sequence[float] = SHARES) -> list[tuple[str, float]]:
    """A key of IMPERFECT and a share for each case, perfect neutral faces first."""
    return [("none", 0.0)] + [(name, share) for name, faces in IMPERFECT.items() if faces for share in shares]


def measure_imperfect(
    leed_path: str,
    evaluator_path: str,
    triples: Triples,
    identity: str,
    cache: Path,
    state: PartialState,
    batch_size: int = 32,
    shares: Sequence[float] = SHARES,
) -> dict[tuple[str, float], dict[str, Estimate]]:
    """METRICS with 95 % intervals for each of the `cases` of these shares, blended into learned neutral faces."""
    leed = LEED.from_pretrained(leed_path).to(state.device)
    evaluator = ExpressionClassifier.from_pretrained(evaluator_path).to(state.device)
    digests = [read_digest(find_folder(path) / WEIGHTS) for path in (leed_path, evaluator_path)]

    def measure(name: str, share: float) -> dict[str, list[float | None]]:
        blended = dict.fromkeys(IMPERFECT[name], share)
        measured = edits.measure(
            leed, evaluator, triples, num_alpha=NUM_ALPHA, batch_size=batch_size, imperfect=blended
        )
        named = edits.edit_metrics(measured.values)
        weights, everyone = metrics.person_weights(triples.input_persons), metrics.everyone(len(triples))
        found = {metric: metrics.estimate(named[metric], weights, everyone) for metric in METRICS}
        return {
            metric: [value if math.isfinite(value) else None for value in estimate]
            for metric, estimate in found.items()
        }

    files = {(name, share): f"{name}-{share:g}" for name, share in cases(shares)}
    tasks = {file: partial(measure, name, share) for (name, share), file in files.items()}
    folder = cache / key("imperfect", digests, identity, len(triples))
    found = remembered(folder, tasks, state, "imperfect neutral faces")
    return {
        case: {
            metric: Estimate(*(math.nan if value is None else value for value in values))
            for metric, values in found[file].items()
        }
        for case, file in files.items()
    }
