"""The ruler for edits: what is measured on each triple, and the figures made of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from leed.config import EXPRESSIONS, NEUTRAL
from leed.evaluation import metrics
from leed.evaluation.identity import SAME_PERSON, FaceEmbedding, distance
from leed.evaluation.metrics import Estimate, mean, median, ratio, share
from leed.evaluation.pairs import Triples
from leed.images import denormalize, normalize
from leed.model import LEED, Expression, PreparedEdit, unchanged
from leed.networks.classifier import ExpressionClassifier
from leed.similarity import inner_ssim, ssim

NEUTRALS = {
    "learned": ("learned", "learned"),
    "true": ("true", "true"),
    "input-true": ("true", "learned"),
    "reference-true": ("learned", "true"),
    "none": ("picture", "learned"),
}
"""Where the neutral faces of (input, reference) come from. With "none" the edit is drawn on the input itself; were the
reference its own neutral face too, delta_exp would be zero."""

ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)

COMPARED = ("edit", "input", "neutral", "autoencoded")
"""What is compared with the true edit: the edit, the input copied, its true neutral face, the truth autoencoded."""

SIMILARITIES = {
    "ssim": ssim,
    "ssim_face": inner_ssim,
    "psnr": metrics.psnr,
    "psnr_face": metrics.inner_psnr,
}

Figure = Callable[[np.ndarray], np.ndarray]  # weights (R, N) to values (R,)


@dataclass(frozen=True)
class Measurements:
    """What was measured: `values` maps names to float64 (N,), NaN where not measured; `edits` uint8 (N, 3, S, S)."""

    values: dict[str, np.ndarray]
    edits: Tensor


def prepare(
    leed: LEED,
    image: Tensor,
    reference: Tensor,
    neutrals: dict[str, Tensor],
    source: str,
    spoilt: Mapping[str, float] = MappingProxyType({}),
) -> tuple[PreparedEdit, Tensor]:
    """The edit with neutral faces from `source`, a key of NEUTRALS, and the neutral face on which it is drawn.

    With "learned" the edit is that of `leed.prepare`.

    `neutrals` holds the true ones: "input" and "reference" (B, 3, H, W). `spoilt` says by the same names which share,
    from 0 to 1, of the expressive picture is blended into the neutral face.
    """
    faces = {"input": image, "reference": reference}
    chosen = {}
    for name, kind in zip(faces, NEUTRALS[source], strict=True):
        options = {"learned": leed.neutralizer, "true": lambda _, name=name: neutrals[name], "picture": lambda x: x}
        chosen[name] = torch.lerp(options[kind](faces[name]), faces[name], spoilt.get(name, 0.0))
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
    progress: Callable[[int], None] = lambda done: None,
    spoilt: Mapping[str, float] = MappingProxyType({}),
) -> Measurements:
    """Edit every triple and compare. The evaluator always sees the input's true neutral face.

    Alphas other than 0 and 1 are tried on `num_alpha` triples. Without `embedding` identity stays unmeasured. `spoilt`
    is that of `prepare`.
    """
    device = next(leed.parameters()).device
    with_alphas = np.isin(np.arange(len(triples)), alpha_rows(triples, num_alpha))
    batches, edits, embeddings = [], [], []
    for start in range(0, len(triples), batch_size):
        part = triples.select(np.arange(start, min(start + batch_size, len(triples))))
        image, reference, truth, neutral, reference_neutral = (
            normalize(pictures.to(device))
            for pictures in (
                part.inputs,
                part.references,
                part.targets,
                part.input_neutrals,
                part.reference_neutrals,
            )
        )
        wanted = part.reference_expressions.to(device)
        true = {"input": neutral, "reference": reference_neutral}
        prepared, drawn_on = prepare(leed, image, reference, true, neutrals, spoilt)
        edit = prepared(1.0)
        pictures = {
            "edit": edit,
            "input": image,
            "neutral": neutral,
            "autoencoded": leed.decode(leed.encode(truth)).clamp(-1, 1),
        }
        values = {
            f"{name}_{kind}": metric(picture, truth)
            for kind, metric in SIMILARITIES.items()
            for name, picture in pictures.items()
        }
        values |= _expression(evaluator, pictures | {"truth": truth}, neutral, wanted)
        values |= _unchanged(edit, image, truth)
        values["zero_difference"] = metrics.difference(prepared(0.0), drawn_on.clamp(-1, 1))
        rows = with_alphas[start:][: len(part)]
        values |= _strengths(evaluator, prepared, edit, neutral, truth, wanted, rows)
        batches.append({name: value.double().cpu().numpy() for name, value in values.items()})
        edits.append(denormalize(edit).cpu())
        if embedding is not None:
            embeddings.append([embedding(picture) for picture in (edit, truth, image)])
        progress(len(part))
    values = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    values |= _identity(embeddings, triples)
    return Measurements(values, torch.cat(edits))


def _expression(
    evaluator: ExpressionClassifier, pictures: dict[str, Tensor], neutral: Tensor, wanted: Tensor
) -> dict[str, Tensor]:
    """Whether edit and truth show the wanted expression, and feature distances to the truth."""
    names = ("edit", "input", "neutral", "truth")
    features = evaluator.features(torch.cat([pictures[name] for name in names]), neutral.repeat(len(names), 1, 1, 1))
    found = dict(zip(names, features.chunk(len(names)), strict=True))
    values = {
        f"{name}_correct": metrics.correct(evaluator.resnet.fc(found[name]), wanted) for name in ("edit", "truth")
    }
    for name in ("edit", "input", "neutral"):
        values[f"{name}_distance"] = metrics.feature_distance(found[name], found["truth"])
    return values


def _unchanged(edit: Tensor, image: Tensor, truth: Tensor) -> dict[str, Tensor]:
    """What should not change: outside the inner face, and the mean colour."""
    outside = metrics.outside_face(image.shape[-1]).to(image.device)
    return {
        "edit_outside": metrics.difference(edit, image, outside),
        "truth_outside": metrics.difference(truth, image, outside),
        "colour_shift": metrics.colour_shift(edit, truth),
    }


def _strengths(
    evaluator: ExpressionClassifier,
    prepared: PreparedEdit,
    edit: Tensor,
    neutral: Tensor,
    truth: Tensor,
    wanted: Tensor,
    rows: np.ndarray,
) -> dict[str, Tensor]:
    """How strong edits are, and whether that grows over ALPHAS (B,); NaN for triples not among `rows`.

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
    start = evaluator.features(neutral[kept], neutral[kept])
    direction = evaluator.features(truth[kept], neutral[kept]) - start
    probabilities, ways = [], []
    for alpha in ALPHAS:
        features = evaluator.features(edit[kept] if alpha == 1 else chosen(alpha), neutral[kept])
        chances = evaluator.resnet.fc(features).softmax(dim=1)
        probabilities.append(chances.gather(1, wanted[kept, None])[:, 0])
        ways.append(((features - start) * direction).sum(1) / (direction**2).sum(1).clamp(min=1e-6))
    values["monotone"][rows] = metrics.monotone(torch.stack(probabilities, dim=1)).cpu()
    values["monotone_way"][rows] = metrics.monotone(torch.stack(ways, dim=1)).cpu()
    values["way_at_one"][rows] = ways[ALPHAS.index(1.0)].double().cpu()
    return values


def _identity(embeddings: list[list[np.ndarray]], triples: Triples) -> dict[str, np.ndarray]:
    """Embedding distances of edit, truth and another person (same camera) to the input; NaN without embeddings."""
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


def figures(values: dict[str, np.ndarray]) -> dict[str, Figure]:
    """Every figure by name, as a function of weights (R, N)."""

    def mean_of(name: str) -> Figure:
        return lambda w: mean(values[name], w)

    def median_of(name: str) -> Figure:
        return lambda w: median(values[name], w)

    def share_of(kind: str) -> Figure:
        return lambda w: share(*(mean(values[f"{name}_{kind}"], w) for name in ("edit", "neutral", "autoencoded")))

    def quotient(numerator: Figure, denominator: Figure) -> Figure:
        return lambda w: ratio(numerator(w), denominator(w))

    identity = values["edit_identity"]
    within = np.where(np.isnan(identity), np.nan, identity <= SAME_PERSON)
    named = {f"{name}_{kind}": mean_of(f"{name}_{kind}") for kind in SIMILARITIES for name in COMPARED}
    return named | {
        "share": share_of("ssim"),
        "share_face": share_of("ssim_face"),
        "accuracy": mean_of("edit_correct"),
        "accuracy_truth": mean_of("truth_correct"),
        "accuracy_ratio": quotient(mean_of("edit_correct"), mean_of("truth_correct")),
        "distance_to_neutral": quotient(mean_of("edit_distance"), mean_of("neutral_distance")),
        "distance_to_input": quotient(mean_of("edit_distance"), mean_of("input_distance")),
        "identity": median_of("edit_identity"),
        "identity_truth": median_of("truth_identity"),
        "identity_other": median_of("other_identity"),
        "identity_ratio": quotient(median_of("edit_identity"), median_of("truth_identity")),
        "identity_within": lambda w: mean(within, w),
        "alpha_monotone": mean_of("monotone"),
        "alpha_monotone_way": mean_of("monotone_way"),
        "alpha_one_way": mean_of("way_at_one"),
        "alpha_zero": mean_of("zero_difference"),
        "outside": mean_of("edit_outside"),
        "outside_truth": mean_of("truth_outside"),
        "colour_shift": mean_of("colour_shift"),
    }


def groups(triples: Triples) -> dict[str, np.ndarray]:
    """The groups of triples that have figures of their own: masks (N,) by name; those without triples are left out."""
    yaws, same = np.abs(triples.input_yaws), triples.input_yaws == triples.reference_yaws
    named = {"all": np.ones(len(triples), dtype=bool)}
    named |= {f"yaw {'+-' if yaw else ''}{yaw}": yaws == yaw for yaw in sorted(set(yaws.tolist()))}
    named |= {"same camera": same, "other camera": ~same}
    expressions = triples.reference_expressions.numpy()
    named |= {name: expressions == i for i, name in enumerate(EXPRESSIONS)}
    return {name: members for name, members in named.items() if members.any()}


def evaluate(measurements: Measurements, triples: Triples) -> dict[str, dict[str, Estimate]]:
    """Every figure with its 95 % interval, over the people of the inputs, for every group."""
    weights = metrics.person_weights(triples.input_persons)
    return {
        group: {
            name: metrics.estimate(figure, weights, members) for name, figure in figures(measurements.values).items()
        }
        for group, members in groups(triples).items()
    }
