"""Models, data and planned edits, which all tables and figures of the paper share."""

import argparse
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState

from leed.config import OPENFACE_MAX_YAW
from leed.data.action_units import within_openface_range
from leed.evaluation.pairs import Triples
from leed.evaluation.paper.corpus import Corpus, Faces, load_corpus
from leed.evaluation.paper.methods import Method, load_methods
from leed.evaluation.paper.observed import observe_references
from leed.evaluation.paper.plan import Edits, TrueEdits, plan_edits
from leed.model import LEED


@dataclass(frozen=True)
class References:
    """Action units (N, 17) of the true edits' references, NaN where withheld; None where they are not known.

    `explained` is R^2 on test people where they are read off the pictures; `unread` says that they could be read, but
    --evaluator or scikit-learn is missing.
    """

    action_units: torch.Tensor | None = None
    explained: float | None = None
    unread: bool = False


@dataclass(frozen=True)
class Experiment:
    """Models, data and planned edits. `edits` are of the test people; `true_edits` have a known truth, or None."""

    options: argparse.Namespace
    methods: list[Method]
    corpus: Corpus
    edits: Edits
    true_edits: TrueEdits | None
    cache: Path
    state: PartialState
    max_yaw: float | None = None  # of all pictures, in degrees, where a method takes faces from the front alone
    references: References = References()  # action units of the true edits' references

    @property
    def fingerprint(self) -> tuple:
        """Values that stand for the data and how it is read."""
        return self.corpus.fingerprint, self.methods[0].image_size

    @property
    def triples(self) -> Triples:
        """The triples with true edits; only for parts that are left out without them."""
        assert self.corpus.triples is not None
        return self.corpus.triples

    def within_yaw(self, yaws: np.ndarray) -> np.ndarray:
        """The rows of pictures with these yaws (N,) [degrees] that every method is made for."""
        limit = np.inf if self.max_yaw is None else self.max_yaw
        return np.flatnonzero(within_openface_range(torch.from_numpy(yaws), limit).numpy())

    @property
    def shown(self) -> Edits | TrueEdits:
        """The edits that figures show: those with a known truth, if there are any."""
        return self.edits if self.true_edits is None else self.true_edits


def leed_of(experiment: Experiment) -> LEED:
    """LEED, on the device."""
    return LEED.from_pretrained(experiment.options.leed).to(experiment.state.device)


def by_action_units(methods: list[Method]) -> bool:
    """True if one of the methods edits by action units."""
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
    true_edits, references = None, References()
    if corpus.triples is not None:
        references = read_references(corpus, corpus.triples, methods, options, cache, state)
        true_edits = TrueEdits(corpus.triples, references.action_units)
    return Experiment(options, methods, corpus, edits, true_edits, cache, state, max_yaw, references)


def read_references(
    corpus: Corpus,
    triples: Triples,
    methods: list[Method],
    options: argparse.Namespace,
    cache: Path,
    state: PartialState,
) -> References:
    """The action units of the triples' references, read off the pictures, if a method needs them."""
    if not by_action_units(methods):
        return References()
    if not options.evaluator or importlib.util.find_spec("sklearn") is None:
        return References(unread=True)
    fingerprint = corpus.fingerprint, methods[0].image_size
    observed = observe_references(corpus, triples, options.evaluator, fingerprint, cache, state)
    if observed is None:
        return References()
    if not options.profile_action_units:
        observed.action_units[~within_openface_range(torch.from_numpy(triples.reference_yaws))] = torch.nan
    return References(observed.action_units, observed.explained)


def editable(faces: Faces, methods: list[Method]) -> np.ndarray:
    """The mask (N,) of pictures that every method can take as input and as reference: with action units, if needed.

    Raises `ValueError` if they are needed and none has them.
    """
    if not by_action_units(methods):
        return np.ones(len(faces), dtype=bool)
    known = faces.action_units.isfinite().all(dim=1).numpy()
    if not known.any():
        raise ValueError(
            "GANimation needs action units, and this face set has none: put OpenFace's files next to it, or leave out "
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
    """The number of different people."""
    return len(np.unique(persons))
