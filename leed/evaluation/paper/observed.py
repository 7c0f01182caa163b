"""Action units of pictures that come without: read off the pictures by a linear map from an evaluator's features.

Stands for the OpenFace toolkit where a face set has action units for its training pictures, but not for its triples.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState
from torch import Tensor

from leed.evaluation.metrics import spread
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


def observe_references(
    corpus: Corpus, evaluator_path: str, identity: tuple, cache: Path, state: PartialState
) -> Observed | None:
    """The references' action units, by a ridge regression on training people, tested on test people's pictures.

    The evaluator sees true neutral faces. None where training pictures have no action units or no neutral faces.
    """
    from sklearn.linear_model import RidgeCV
    from sklearn.metrics import r2_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    chosen = {"train": known_rows(corpus.train, NUM_TRAIN), "test": known_rows(corpus.test, NUM_TEST)}
    if not all(len(rows) > 1 for rows in chosen.values()):
        return None
    evaluator = ExpressionClassifier.from_pretrained(evaluator_path).to(state.device).eval()
    digest = read_digest(find_folder(evaluator_path) / WEIGHTS)

    def features(title: str, content: np.ndarray, take: Callable[[np.ndarray], tuple[Tensor, Tensor]]) -> np.ndarray:
        @torch.no_grad()
        def work(part: np.ndarray) -> dict[str, Tensor]:
            image, neutral = (normalize(pictures.to(state.device)) for pictures in take(content[part]))
            return {"features": evaluator.features(image, neutral)}

        shards = Shards(cache / key(f"observed-{title}", digest, *identity), content)
        shards.fill(work, state, f"action units, {title}")
        return torch.cat(list(shards.read("features"))).numpy()

    def of_faces(title: str, faces: Faces) -> tuple[np.ndarray, np.ndarray]:
        rows = chosen[title]
        found = features(title, rows, lambda part: (faces.take(part), faces.take(part, "neutral")))
        return found, faces.action_units[rows].numpy()

    triples = corpus.triples
    model = make_pipeline(StandardScaler(), RidgeCV(PENALTIES)).fit(*of_faces("train", corpus.train))
    test, truth = of_faces("test", corpus.test)
    references = features(
        "references",
        np.arange(len(triples)),
        lambda part: (triples.references[part], triples.reference_neutrals[part]),
    )
    units = torch.from_numpy(model.predict(references)).float().clamp(0, 1)
    return Observed(units, float(r2_score(truth, model.predict(test), multioutput="variance_weighted")))
