"""Edit metrics: what is measured on each triple with a true edit, and the metrics made of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from leed.config import EXPRESSIONS, NEUTRAL
from leed.evaluation import metrics
from leed.evaluation.identity import SAME_PERSON, FaceEmbedding, distance
from leed.evaluation.metrics import Estimate, Metric, mean, mean_of, median_of, quotient_of, share
from leed.evaluation.pairs import Triples
from leed.expression import Expression
from leed.images import denormalize, normalize
from leed.model import LEED, PreparedEdit, unchanged
from leed.networks.classifier import ExpressionClassifier
from leed.similarity import inner_ssim, ssim

NEUTRALS = {
    "learned": ("learned", "learned"),
    "true": ("true", "true"),
    "input-true": ("true", "learned"),
    "reference-true": ("learned", "true"),
    "none": ("picture", "learned"),
}
"""Sources of the neutral faces of (input, reference). With "none" the edit starts from the input itself; if the
reference were its own neutral face as well, delta_exp would be zero."""

ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
"""Strengths at which edits are measured and shown; beyond 1 they are extrapolated."""

COMPARED = ("edit", "input", "neutral", "autoencoded")
"""Pictures compared with the true edit: the edit, the input copied, its true neutral face, the truth autoencoded."""

COMPARED_NAMES = {
    "edit": "edit",
    "input": "input copied",
    "neutral": "input's true neutral face",
    "autoencoded": "truth autoencoded",
}

SIMILARITIES = {
    "ssim": ssim,
    "ssim_face": inner_ssim,
    "psnr": metrics.psnr,
    "psnr_face": metrics.inner_psnr,
}

NOTHING: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True)
class Measurements:
    """Results of `measure`: `values` float64 (N,) by name, NaN where not measured; `edits` uint8 (N, 3, S, S)."""

    values: dict[str, np.ndarray]
    edits: Tensor


@dataclass(frozen=True)
class TripleFaces:
    """Faces of B triples, (B, 3, S, S) in [-1, 1], and the references' expressions, `wanted` (B,)."""

    image: Tensor
    reference: Tensor
    truth: Tensor
    neutral: Tensor
    reference_neutral: Tensor
    wanted: Tensor

    @classmethod
    def of(cls, triples: Triples, device: torch.device) -> "TripleFaces":
        """The faces of some triples on a device."""
        image, reference, truth, neutral, reference_neutral = (
            normalize(pictures.to(device))
            for pictures in (
                triples.inputs,
                triples.references,
                triples.targets,
                triples.input_neutrals,
                triples.reference_neutrals,
            )
        )
        wanted = triples.reference_expressions.to(device)
        return cls(image, reference, truth, neutral, reference_neutral, wanted)

    @property
    def true_neutrals(self) -> dict[str, Tensor]:
        """The true neutral faces, as `prepare` takes them."""
        return {"input": self.neutral, "reference": self.reference_neutral}


def prepare(
    leed: LEED,
    image: Tensor,
    reference: Tensor,
    neutrals: Mapping[str, Tensor],
    source: str,
    imperfect: Mapping[str, float] = NOTHING,
) -> tuple[PreparedEdit, Tensor]:
    """The edit with neutral faces from `source`, a key of NEUTRALS, and the neutral face from which it starts.

    With "learned" the edit is that of `leed.prepare`.

    `neutrals` holds the true ones: "input" and "reference" (B, 3, H, W). `imperfect` says by the same names which
    share, from 0 to 1, of the expressive picture is blended into the neutral face.
    """
    chosen = {}
    for (name, face), kind in zip((("input", image), ("reference", reference)), NEUTRALS[source], strict=True):
        if kind == "learned":
            neutral = leed.neutralizer(face)
        else:
            neutral = neutrals[name] if kind == "true" else face
        chosen[name] = torch.lerp(neutral, face, imperfect.get(name, 0.0))
    delta_exp = leed.extract(leed.encode(reference), leed.encode(chosen["reference"]))
    code_neutral = leed.encode(chosen["input"])
    prepared = PreparedEdit(leed, code_neutral, leed.context(code_neutral), Expression(delta_exp), unchanged)
    return prepared, chosen["input"]


def alpha_rows(triples: Triples, count: int) -> np.ndarray:
    """Up to `count` triples, spread over all, whose reference is not neutral."""
    return metrics.spread(np.flatnonzero(triples.reference_expressions.numpy() != NEUTRAL), count)


@torch.no_grad()
def measure(
    leed: LEED,
    evaluator: ExpressionClassifier,
    triples: Triples,
    neutrals: str = "learned",
    num_alpha: int = 200,
    embedding: FaceEmbedding | None = None,
    batch_size: int = 32,
    progress: Callable[[int], object] = lambda done: None,
    imperfect: Mapping[str, float] = NOTHING,
) -> Measurements:
    """Edits every triple and compares. The evaluator always sees the input's true neutral face.

    Alphas other than 0 and 1 are tried on `num_alpha` triples. Without `embedding` identity stays unmeasured.
    `imperfect` is that of `prepare`. `progress` is called with the number of triples of each batch.
    """
    varied = np.isin(np.arange(len(triples)), alpha_rows(triples, num_alpha))
    batches, edits, embeddings = [], [], []
    for start in range(0, len(triples), batch_size):
        rows = np.arange(start, min(start + batch_size, len(triples)))
        faces = TripleFaces.of(triples.select(rows), leed.device)
        prepared, neutral = prepare(leed, faces.image, faces.reference, faces.true_neutrals, neutrals, imperfect)
        edit = prepared(1.0)
        values = _similarities(leed, faces, edit) | _expression(evaluator, faces, edit) | _unchanged(faces, edit)
        values["zero_difference"] = metrics.difference(prepared(0.0), neutral.clamp(-1, 1))
        values |= _strengths(evaluator, prepared, faces, edit, varied[rows])
        batches.append(metrics.as_arrays(values))
        edits.append(denormalize(edit).cpu())
        if embedding is not None:
            embeddings.append([embedding(picture) for picture in (edit, faces.truth, faces.image)])
        progress(len(rows))
    return Measurements(metrics.joined(batches) | _identity(embeddings, triples), torch.cat(edits))


def _similarities(leed: LEED, faces: TripleFaces, edit: Tensor) -> dict[str, Tensor]:
    """Each of SIMILARITIES between each of COMPARED and the truth (B,)."""
    autoencoded = leed.decode(leed.encode(faces.truth)).clamp(-1, 1)
    pictures = dict(zip(COMPARED, (edit, faces.image, faces.neutral, autoencoded), strict=True))
    return {
        f"{name}_{kind}": metric(picture, faces.truth)
        for kind, metric in SIMILARITIES.items()
        for name, picture in pictures.items()
    }


def _expression(evaluator: ExpressionClassifier, faces: TripleFaces, edit: Tensor) -> dict[str, Tensor]:
    """Correctness of edit and truth as the wanted expression, and feature distances to the truth (B,)."""
    pictures = {"edit": edit, "input": faces.image, "neutral": faces.neutral, "truth": faces.truth}
    neutrals = faces.neutral.repeat(len(pictures), 1, 1, 1)
    features = evaluator.features(torch.cat(list(pictures.values())), neutrals)
    found = dict(zip(pictures, features.chunk(len(pictures)), strict=True))
    values = {
        f"{name}_correct": metrics.correct(evaluator.resnet.fc(found[name]), faces.wanted)
        for name in ("edit", "truth")
    }
    for name in ("edit", "input", "neutral"):
        values[f"{name}_distance"] = metrics.feature_distance(found[name], found["truth"])
    return values


def _unchanged(faces: TripleFaces, edit: Tensor) -> dict[str, Tensor]:
    """Differences where an edit should change nothing: outside the inner face, and in the mean colour (B,)."""
    outside = metrics.outside_face(edit.shape[-1]).to(edit.device)
    return {
        "edit_outside": metrics.difference(edit, faces.image, outside),
        "truth_outside": metrics.difference(faces.truth, faces.image, outside),
        "colour_shift": metrics.colour_shift(edit, faces.truth),
    }


def _strengths(
    evaluator: ExpressionClassifier, prepared: PreparedEdit, faces: TripleFaces, edit: Tensor, rows: np.ndarray
) -> dict[str, Tensor]:
    """Strength of the edits and its growth over ALPHAS (B,); NaN for triples that `rows` (B,) does not mark.

    Strength is measured as the wanted expression's probability, which saturates, and as the way that the evaluator's
    features go from the neutral face (0) in the direction of the truth (1).
    """
    names = ("monotone", "monotone_way", "way_at_one")
    values = {name: torch.full((len(edit),), torch.nan).double() for name in names}
    if not rows.any():
        return values
    kept = torch.from_numpy(rows).to(edit.device)
    expression = Expression(prepared.expression.delta_exp[kept])
    chosen = replace(
        prepared, code_neutral=prepared.code_neutral[kept], context=prepared.context[kept], expression=expression
    )
    neutral = faces.neutral[kept]
    start = evaluator.features(neutral, neutral)
    direction = evaluator.features(faces.truth[kept], neutral) - start
    probabilities, ways = [], []
    for alpha in ALPHAS:
        features = evaluator.features(edit[kept] if alpha == 1 else chosen(alpha), neutral)
        chances = evaluator.resnet.fc(features).softmax(dim=1)
        probabilities.append(chances.gather(1, faces.wanted[kept, None])[:, 0])
        ways.append(metrics.way(features - start, direction))
    values["monotone"][rows] = metrics.monotone(torch.stack(probabilities, dim=1)).cpu()
    values["monotone_way"][rows] = metrics.monotone(torch.stack(ways, dim=1)).cpu()
    values["way_at_one"][rows] = ways[ALPHAS.index(1.0)].double().cpu()
    return values


def _identity(embeddings: list[list[np.ndarray]], triples: Triples) -> dict[str, np.ndarray]:
    """Embedding distances (N,) of edit, truth and another person (same camera) to the input; NaN if not embedded."""
    names = ("edit_identity", "truth_identity", "other_identity")
    if not embeddings:
        return {name: np.full(len(triples), np.nan) for name in names}
    edit, truth, image = (np.concatenate(parts) for parts in zip(*embeddings, strict=True))
    other = np.full(len(triples), np.nan)
    for row in range(len(triples)):
        strangers = np.flatnonzero(
            (triples.input_persons != triples.input_persons[row]) & (triples.input_yaws == triples.input_yaws[row])
        )
        if len(strangers):
            other[row] = distance(image[strangers[row % len(strangers)]], image[row])
    return dict(zip(names, (distance(edit, image), distance(truth, image), other), strict=True))


def edit_metrics(values: dict[str, np.ndarray]) -> dict[str, Metric]:
    """Every metric by name, of the `values` of `measure`."""

    def of(name: str) -> Metric:
        return mean_of(values[name])

    def median(name: str) -> Metric:
        return median_of(values[name])

    identity = values["edit_identity"]
    within = np.where(np.isnan(identity), np.nan, identity <= SAME_PERSON)
    named = {f"{name}_{kind}": of(f"{name}_{kind}") for kind in SIMILARITIES for name in COMPARED}
    return named | {
        "share": share_of(values, "ssim"),
        "share_face": share_of(values, "ssim_face"),
        "accuracy": of("edit_correct"),
        "accuracy_truth": of("truth_correct"),
        "accuracy_ratio": quotient_of(of("edit_correct"), of("truth_correct")),
        "distance_to_neutral": quotient_of(of("edit_distance"), of("neutral_distance")),
        "distance_to_input": quotient_of(of("edit_distance"), of("input_distance")),
        "identity": median("edit_identity"),
        "identity_truth": median("truth_identity"),
        "identity_other": median("other_identity"),
        "identity_ratio": quotient_of(median("edit_identity"), median("truth_identity")),
        "identity_within": mean_of(within),
        "alpha_monotone": of("monotone"),
        "alpha_monotone_way": of("monotone_way"),
        "alpha_one_way": of("way_at_one"),
        "alpha_zero": of("zero_difference"),
        "outside": of("edit_outside"),
        "outside_truth": of("truth_outside"),
        "colour_shift": of("colour_shift"),
    }


def share_of(values: dict[str, np.ndarray], kind: str) -> Metric:
    """The metric `share` of mean similarities of a kind: edit, neutral face and autoencoded truth, to the truth."""
    scores = [values[f"{name}_{kind}"] for name in ("edit", "neutral", "autoencoded")]
    return lambda weights: share(*(mean(score, weights) for score in scores))


def groups(triples: Triples) -> dict[str, np.ndarray]:
    """Masks (N,) by name of the groups of triples that have metrics of their own; empty groups are left out."""
    yaws, same = np.abs(triples.input_yaws), triples.input_yaws == triples.reference_yaws
    named = {"all": np.ones(len(triples), dtype=bool)} | metrics.yaw_groups(yaws)
    named |= {"same camera": same, "other camera": ~same}
    expressions = triples.reference_expressions.numpy()
    named |= {name: expressions == i for i, name in enumerate(EXPRESSIONS)}
    return {name: members for name, members in named.items() if members.any()}


def evaluate(measurements: Measurements, triples: Triples) -> dict[str, dict[str, Estimate]]:
    """Every metric with its 95 % interval, over the people of the inputs, for every group."""
    return metrics.estimates(edit_metrics(measurements.values), triples.input_persons, groups(triples))
