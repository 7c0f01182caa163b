"""Trained variants of LEED side by side: measurements and their table."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState

from leed.evaluation import edits as ruler
from leed.evaluation import metrics
from leed.evaluation.identity import FaceEmbedding
from leed.evaluation.metrics import Estimate
from leed.evaluation.pairs import Triples
from leed.evaluation.paper.cache import key, remembered
from leed.evaluation.paper.methods import Method, leed_method, load_leed
from leed.evaluation.paper.report import Table
from leed.evaluation.tables import as_json, show_estimate
from leed.model import LEED
from leed.networks.classifier import ExpressionClassifier
from leed.pretrained import CONFIG, WEIGHTS, find_folder, read_config, read_digest

COLUMNS = {
    "edit_ssim_face": "SSIM ↑",
    "share_face": "share ↑",
    "accuracy": "accuracy ↑",
    "distance_to_input": "distance ↓",
    "identity_ratio": "identity",
    "alpha_one_way": "strength",
    "alpha_monotone_way": "alpha ↑",
    "autoencoded_ssim_face": "autoencoded ↑",
}

NOTE = (
    "SSIM of edit and true edit, inner face; its share of the way from the input's true neutral face (0) to the "
    "autoencoded truth (1); accuracy of the evaluator on the edits, and its feature distance to the truth "
    "relative to input-to-truth; identity distance of edit and input relative to truth and input (1 is right); "
    "strength, the way towards the truth in the evaluator's features (the truth: 1); alpha, the share of triples in "
    "which that grows with alpha from 0 to 1.5; SSIM of the truth autoencoded. Brackets: 95 % interval over people. A "
    "star: the difference from the first row, in a bootstrap over the same people, is not 0 with 95 % confidence."
)

OF_SIZES = " Between image sizes, differences mean little."
PLAIN = "plain arithmetic"
"""D(C_IN + (C_RB - C_RN))."""


@dataclass(frozen=True)
class Variant:
    """A model by the name of its row; with `plain` its E and D alone, and arithmetic instead of X and I."""

    name: str
    path: str
    plain: bool = False

    @property
    def image_size(self) -> int:
        return read_config(find_folder(self.path) / CONFIG, LEED.__name__).image_size

    @property
    def digest(self) -> str:
        return f"{read_digest(find_folder(self.path) / WEIGHTS)}{' plain' if self.plain else ''}"

    def method(self, device: torch.device) -> Method:
        """The variant as a method."""
        return leed_method(self.path, device, self.name, self.plain)


def measure_variants(
    variants: list[Variant],
    evaluator_path: str,
    load: Callable[[int], Triples],
    identity: str,
    cache_folder: Path,
    state: PartialState,
    embedding: FaceEmbedding | None = None,
    neutrals: str = "learned",
    num_alpha: int = 200,
    batch_size: int = 32,
) -> dict[str, dict[str, np.ndarray]]:
    """What `ruler.measure` finds of each variant, by name; kept in `cache_folder`.

    `load` gives the triples at an image size, which are the same but for it; `identity` says which they are.
    """
    load = cache(load)

    def measure(variant: Variant) -> dict[str, list[float]]:
        evaluator = ExpressionClassifier.from_pretrained(evaluator_path).to(state.device)
        measured = ruler.measure(
            load_leed(variant.path, state.device, variant.plain),
            evaluator,
            load(variant.image_size),
            neutrals,
            num_alpha,
            embedding,
            batch_size,
        )
        return {name: values.tolist() for name, values in measured.values.items()}

    digest = read_digest(find_folder(evaluator_path) / WEIGHTS)
    settings = digest, identity, neutrals, num_alpha, embedding is not None
    names = {variant.name: key("edits", variant.digest) for variant in variants}
    tasks = {names[variant.name]: partial(measure, variant) for variant in variants}
    found = remembered(cache_folder / key("ruler", *settings), tasks, state, "models on the triples")
    return {
        name: {kind: np.array(values, dtype=float) for kind, values in found[file].items()}
        for name, file in names.items()
    }


def ablation_table(
    title: str, variants: list[Variant], found: dict[str, dict[str, np.ndarray]], persons: np.ndarray, note: str
) -> Table:
    """A row for each variant, with its image size if there are several; `persons` (N,) are those of the inputs."""
    weights, everyone = metrics.person_weights(persons), np.ones(len(persons), dtype=bool)
    named = {name: ruler.figures(values) for name, values in found.items()}
    first = named[variants[0].name]

    def estimate(name: str, column: str) -> Estimate:
        return metrics.estimate(named[name][column], weights, everyone)

    def differs(name: str, column: str) -> bool:
        gap = metrics.estimate(lambda w: named[name][column](w) - first[column](w), weights, everyone)
        return gap.low > 0 or gap.high < 0

    several_sizes = len({variant.image_size for variant in variants}) > 1
    header = ["", *(["size"] if several_sizes else []), *COLUMNS.values()]
    rows, values = [], {}
    for variant in variants:
        estimates = {column: estimate(variant.name, column) for column in COLUMNS}
        cells = [
            show_estimate(found).replace(" [", "* [" if differs(variant.name, column) else " [")
            for column, found in estimates.items()
        ]
        rows.append([variant.name, *([f"{variant.image_size} px"] if several_sizes else []), *cells])
        values[variant.name] = {column: as_json(e) for column, e in estimates.items()}
    truth = estimate(variants[0].name, "accuracy_truth")
    note = f"{len(persons)} triples{note}; the evaluator's accuracy on the truth is {truth.value:.3f}. {NOTE}"
    note += OF_SIZES if several_sizes else ""
    return Table(title, header, rows, note, values)
