"""Action units of pictures that lack them, read off the pictures by a linear map from an evaluator's features.

This replaces the OpenFace toolkit where a face set has action units for its training pictures but not for its triples.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState
from torch import Tensor

from leed.evaluation.metrics import spread
from leed.evaluation.pairs import Triples
from leed.evaluation.paper.cache import Shards, key
from leed.evaluation.paper.corpus import Corpus, Faces
from leed.images import normalize
from leed.networks.classifier import ExpressionClassifier
from leed.pretrained import WEIGHTS, find_folder, read_digest

NUM_TRAIN, NUM_TEST = 2000, 400
PENALTIES = np.logspace(-1, 4, 11)


@dataclass(frozen=True)
class Observed:
    """Action units (N, 17) in [0, 1], and the share of their variance that is explained on the test people (R^2)."""

    action_units: Tensor
    explained: float


def known_rows(faces: Faces, count: int) -> np.ndarray:
    """Up to `count` rows with action units and a true neutral face, spread over all."""
    rows = np.flatnonzero(faces.action_units.isfinite().all(dim=1).numpy() & faces.has_neutral)
    return spread(rows, count)


@dataclass(frozen=True)
class Reader:
    """The evaluator's features of pictures, kept in a cache; `identity` stands for the evaluator and the data."""

    evaluator: ExpressionClassifier
    identity: tuple
    cache: Path
    state: PartialState

    def features(
        self, title: str, content: np.ndarray, take: Callable[[np.ndarray], tuple[Tensor, Tensor]]
    ) -> np.ndarray:
        """Features (N, F) of the pictures and true neutral faces that `take` gives for rows `content` (N,)."""

        @torch.no_grad()
        def work(part: np.ndarray) -> dict[str, Tensor]:
            image, neutral = (normalize(pictures.to(self.state.device)) for pictures in take(content[part]))
            return {"features": self.evaluator.features(image, neutral)}

        shards = Shards(self.cache / key(f"observed-{title}", *self.identity), content)
        shards.fill(work, self.state, f"action units, {title}")
        return torch.cat(list(shards.read("features"))).numpy()

    def of_faces(self, title: str, faces: Faces, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features (N, F) and known action units (N, 17) of these rows."""
        found = self.features(title, rows, lambda part: (faces.take(part), faces.take(part, "neutral")))
        return found, faces.action_units[rows].numpy()

    def of_references(self, triples: Triples) -> np.ndarray:
        """Features (N, F) of the references."""
        return self.features(
            "references",
            np.arange(len(triples)),
            lambda part: (triples.references[part], triples.reference_neutrals[part]),
        )


def observe_references(
    corpus: Corpus, triples: Triples, evaluator_path: str, identity: tuple, cache: Path, state: PartialState
) -> Observed | None:
    """The references' action units, by a ridge regression on training people, tested on test people's pictures.

    The evaluator sees true neutral faces. None where training pictures have no action units or no neutral faces.
    """
    from sklearn.linear_model import RidgeCV
    from sklearn.metrics import r2_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    train_rows, test_rows = known_rows(corpus.train, NUM_TRAIN), known_rows(corpus.test, NUM_TEST)
    if min(len(train_rows), len(test_rows)) < 2:
        return None
    evaluator = ExpressionClassifier.from_pretrained(evaluator_path).to(state.device).eval()
    digest = read_digest(find_folder(evaluator_path) / WEIGHTS)
    reader = Reader(evaluator, (digest, *identity), cache, state)
    model = make_pipeline(StandardScaler(), RidgeCV(PENALTIES))
    model.fit(*reader.of_faces("train", corpus.train, train_rows))
    test, truth = reader.of_faces("test", corpus.test, test_rows)
    units = torch.from_numpy(model.predict(reader.of_references(triples))).float().clamp(0, 1)
    return Observed(units, float(r2_score(truth, model.predict(test), multioutput="variance_weighted")))
