"""Trained variants of LEED side by side: measurements and their table."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState

from leed.evaluation import edits, metrics
from leed.evaluation.identity import FaceEmbedding
from leed.evaluation.pairs import Triples
from leed.evaluation.paper.cache import key, remembered
from leed.evaluation.paper.methods import Method, leed_method, load_leed
from leed.evaluation.paper.notes import note
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
    """The values of `edits.measure` for each variant, by name; kept in `cache_folder`.

    `load` gives the same triples at any image size; `identity` stands for them.
    """
    load_once = cache(load)

    def measure(variant: Variant) -> dict[str, list[float]]:
        evaluator = ExpressionClassifier.from_pretrained(evaluator_path).to(state.device)
        measured = edits.measure(
            load_leed(variant.path, state.device, variant.plain),
            evaluator,
            load_once(variant.image_size),
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
    found = remembered(cache_folder / key("edit-metrics", *settings), tasks, state, "models on the triples")
    return {
        name: {kind: np.array(values, dtype=float) for kind, values in found[file].items()}
        for name, file in names.items()
    }


def ablation_table(
    title: str, variants: list[Variant], found: dict[str, dict[str, np.ndarray]], persons: np.ndarray, neutrals: str
) -> Table:
    """A row for each variant, with its image size if there are several; `persons` (N,) are those of the inputs.

    `neutrals` is the source of the neutral faces, a key of `edits.NEUTRALS`.
    """
    weights, everyone = metrics.person_weights(persons), metrics.everyone(len(persons))
    named = {name: edits.edit_metrics(values) for name, values in found.items()}
    first = named[variants[0].name]

    def differs(name: str, column: str) -> bool:
        gap = metrics.estimate(lambda w: named[name][column](w) - first[column](w), weights, everyone)
        return gap.low > 0 or gap.high < 0

    several_sizes = len({variant.image_size for variant in variants}) > 1
    header = ["", *(["size"] if several_sizes else []), *COLUMNS.values()]
    rows, values = [], {}
    for variant in variants:
        name = variant.name
        estimates = {column: metrics.estimate(named[name][column], weights, everyone) for column in COLUMNS}
        cells = [
            show_estimate(estimate).replace(" [", "* [" if differs(name, column) else " [")
            for column, estimate in estimates.items()
        ]
        rows.append([name, *([f"{variant.image_size} px"] if several_sizes else []), *cells])
        values[name] = as_json(estimates)
    text = note(
        "ablation",
        num_triples=len(persons),
        neutrals=neutrals,
        truth=metrics.estimate(first["accuracy_truth"], weights, everyone).value,
        several_sizes=several_sizes,
    )
    return Table(title, header, rows, text, values)
