"""What the tables and figures of the paper share: models, data, and the edits to make."""

import argparse
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState

from leed.config import OPENFACE_MAX_YAW
from leed.data.action_units import within_openface_range
from leed.evaluation.paper.corpus import Corpus, Faces, load_corpus
from leed.evaluation.paper.methods import Method, load_methods
from leed.evaluation.paper.observed import observe_references
from leed.evaluation.paper.plan import Edits, TrueEdits, plan_edits
from leed.model import LEED


@dataclass(frozen=True)
class Experiment:
    """What all parts share. `edits` are of the test people; `true_edits` have a known truth, or None."""

    options: argparse.Namespace
    methods: list[Method]
    corpus: Corpus
    edits: Edits
    true_edits: TrueEdits | None
    cache: Path
    state: PartialState
    note: str = ""  # on action units
    max_yaw: float | None = None  # of all pictures, in degrees, where a method takes faces from the front alone

    @property
    def fingerprint(self) -> tuple:
        """What stands for the data and how it is read."""
        return self.corpus.fingerprint, self.methods[0].image_size

    def within_yaw(self, yaws: np.ndarray) -> np.ndarray:
        """The rows of pictures with these yaws (N,) that every method is made for."""
        limit = np.inf if self.max_yaw is None else self.max_yaw
        return np.flatnonzero(within_openface_range(torch.from_numpy(yaws), limit).numpy())

    @property
    def shown(self) -> Edits | TrueEdits:
        """The edits that figures show: those with a known truth, if there are such."""
        return self.edits if self.true_edits is None else self.true_edits


def leed_of(experiment: Experiment) -> LEED:
    """LEED, on the device."""
    return LEED.from_pretrained(experiment.options.leed).to(experiment.state.device)


def by_action_units(methods: list[Method]) -> bool:
    """Whether one of the methods edits by action units."""
    return any(method.needs == "action units" for method in methods)


def prepare(options: argparse.Namespace, state: PartialState) -> Experiment:
    """Loads models and data and plans the edits: the same for every method."""
    methods = load_methods(options.leed, options.stargan, options.ganimation, state.device)
    max_yaw = OPENFACE_MAX_YAW if by_action_units(methods) and not options.profile_action_units else None
    corpus = load_corpus(
        options.data_dir,
        methods[0].image_size,
        options.reader,
        options.pairs_dir,
        options.held_out,
        max_yaw,
    )
    edits = plan_edits(corpus.test, options.num_edits, editable(corpus.test, methods))
    cache = Path(options.output_dir) / "cache"
    true_edits, note = None, "" if max_yaw is None else FROM_THE_FRONT
    if corpus.triples is not None:
        units, explained = triple_units(corpus, methods, options, cache, state)
        true_edits, note = TrueEdits(corpus.triples, units), note + explained
    return Experiment(options, methods, corpus, edits, true_edits, cache, state, note, max_yaw)


FROM_THE_FRONT = (
    f" Inputs, references and real pictures are turned by at most {OPENFACE_MAX_YAW:g} degrees, for every method: "
    "beyond, OpenFace's action units, which GANimation learns from and edits by, cannot be trusted "
    "(--profile_action_units lifts this)."
)


def triple_units(
    corpus: Corpus, methods: list[Method], options: argparse.Namespace, cache: Path, state: PartialState
) -> tuple[torch.Tensor | None, str]:
    """Action units of the triples' references, NaN where withheld, or None; and a sentence on where they are from."""
    if not by_action_units(methods):
        return None, ""
    if not options.evaluator or importlib.util.find_spec("sklearn") is None:
        return None, " To read action units off the true edits' references takes --evaluator and scikit-learn."
    observed = observe_references(corpus, options.evaluator, (corpus.fingerprint, methods[0].image_size), cache, state)
    if observed is None:
        return None, ""
    if not options.profile_action_units:
        observed.action_units[~within_openface_range(torch.from_numpy(corpus.triples.reference_yaws))] = torch.nan
    return observed.action_units, (
        f" Action units of the true edits' references are read off the pictures (R^2 {observed.explained:.2f} on test "
        "people)."
    )


def editable(faces: Faces, methods: list[Method]) -> np.ndarray:
    """Which pictures every method is made for, as input and as reference (N,): those with action units, if needed.

    Raises `ValueError` if they are needed and none has them.
    """
    if not by_action_units(methods):
        return np.ones(len(faces), dtype=bool)
    known = faces.action_units.isfinite().all(dim=1).numpy()
    if not known.any():
        raise ValueError(
            "GANimation needs action units, and this face set has none: put OpenFace's files beside it, or leave out "
            "--ganimation"
        )
    return known


def sample(total: int, count: int | None, seed: int = 0) -> np.ndarray:
    """`count` of `total` rows, drawn by `seed`, in order; all of them for None or a larger count."""
    if count is None or count >= total:
        return np.arange(total)
    return np.sort(np.random.default_rng(seed).permutation(total)[:count])


def names(methods: list[Method]) -> list[str]:
    """Their names."""
    return [method.name for method in methods]


def num_people(persons: np.ndarray) -> int:
    """How many people these are."""
    return len(np.unique(persons))
