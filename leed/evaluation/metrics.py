"""Metrics: free functions, per picture on tensors, or on the measurements of many pictures; sums in float64.

Letters in shapes: B pictures of a batch, N pictures of the whole evaluation, R resamplings of a bootstrap.
Pictures are face tensors (B, 3, H, W) in [-1, 1]; differences of pictures are given in percent of that range.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from leed.images import inner_face

RANGE = 2.0  # of face tensors, which lie in [-1, 1]
MAX_PSNR = 60.0
FALL = 0.02  # of a strength, up to which it goes on

Metric = Callable[[np.ndarray], np.ndarray]
"""Weights (R, N) of N measured pictures to R values of a metric over all of them."""

# --------------------------------------------------------------------------------------------------------------------
# Per picture


def psnr(image: Tensor, target: Tensor) -> Tensor:
    """PSNR (B,) in dB, at most MAX_PSNR, which equal pictures get."""
    from torchmetrics.functional.image import peak_signal_noise_ratio  # which the user study's table goes without

    values = peak_signal_noise_ratio(image, target, data_range=RANGE, reduction="none", dim=(1, 2, 3))
    return values.reshape(-1).clamp(max=MAX_PSNR)


def inner_psnr(image: Tensor, target: Tensor) -> Tensor:
    """PSNR (B,) of the inner faces, cropped first."""
    return psnr(inner_face(image), inner_face(target))


def difference(image: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean absolute difference (B,), in percent of the range; within `mask` (1 or B, 1, H, W) of weights if given."""
    gap = (image - target).abs().mean(dim=1, keepdim=True).double() * (100 / RANGE)
    if mask is None:
        return gap.mean(dim=(1, 2, 3))
    return (gap * mask).sum(dim=(1, 2, 3)) / mask.double().sum(dim=(1, 2, 3))


def outside_face(size: int) -> Tensor:
    """Mask (1, 1, size, size): 1 outside the inner face, 0 in it."""
    mask = torch.ones(1, 1, size, size)
    inner_face(mask).zero_()
    return mask


def colour_shift(image: Tensor, target: Tensor) -> Tensor:
    """Difference of the mean colours (B,): mean over R, G, B of its absolute value, in percent of the range."""
    means = image.double().mean(dim=(2, 3)) - target.double().mean(dim=(2, 3))
    return means.abs().mean(dim=1) * (100 / RANGE)


def correct(logits: Tensor, expression: Tensor) -> Tensor:
    """1 where the strongest of the logits (B, 8) is that of `expression` (B,), else 0; float64 (B,)."""
    return (logits.argmax(dim=1) == expression).double()


def feature_distance(features: Tensor, target: Tensor) -> Tensor:
    """Euclidean distance (B,) of features (B, F)."""
    return (features.double() - target.double()).norm(dim=1)


def way(change: Tensor, wanted: Tensor) -> Tensor:
    """The way (B,) that changes of features (B, F) go in the direction of the wanted ones: 1 is as far as these."""
    return (change * wanted).sum(1) / (wanted**2).sum(1).clamp(min=1e-6)


def monotone(strengths: Tensor, tolerance: float = FALL) -> Tensor:
    """1 where strengths (B, A), probabilities at A rising alphas, grow, else 0; float64 (B,).

    They grow if no step falls by more than `tolerance` and the greatest exceeds the first by more than it.
    """
    rises = strengths.double().amax(dim=1) - strengths.double()[:, 0]
    return ((goes_on(strengths, tolerance) == 1) & (rises > tolerance)).double()


def goes_on(strengths: Tensor, tolerance: float = FALL) -> Tensor:
    """The share (B,) of the steps of strengths (B, A) that fall by no more than `tolerance`."""
    return (strengths.double().diff(dim=1) >= -tolerance).double().mean(dim=1)


def as_arrays(values: dict[str, Tensor]) -> dict[str, np.ndarray]:
    """Measurements of a batch as float64 arrays."""
    return {name: value.double().cpu().numpy() for name, value in values.items()}


def joined(batches: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Measurements (N,) by name of all batches, which have the same names."""
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


# --------------------------------------------------------------------------------------------------------------------
# Over pictures. Weights (R, N) say how often each picture counts, so that an estimate, its subgroups and its bootstrap
# are one computation.


def mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted mean (R,) of values (N,), of which NaN are left out; NaN where nothing is left."""
    known = np.isfinite(values)
    total = weights[:, known].sum(axis=1, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return weights[:, known] @ values[known].astype(np.float64) / total


def median(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted lower median (R,) of values (N,), of which NaN are left out; NaN where nothing is left."""
    known = np.isfinite(values)
    if not known.any():
        return np.full(len(weights), np.nan)
    order = np.flatnonzero(known)[np.argsort(values[known], kind="stable")]
    below = weights[:, order].cumsum(axis=1, dtype=np.float64)
    found = values[order[(below >= below[:, -1:] / 2).argmax(axis=1)]].astype(np.float64)
    return np.where(below[:, -1] > 0, found, np.nan)


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """numerator / denominator (R,); NaN where the denominator is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(denominator != 0, numerator / denominator, np.nan)


def mean_of(values: np.ndarray) -> Metric:
    """The mean of values (N,) as a metric."""
    return partial(mean, values)


def median_of(values: np.ndarray) -> Metric:
    """The median of values (N,) as a metric."""
    return partial(median, values)


def quotient_of(numerator: Metric, denominator: Metric) -> Metric:
    """The quotient of two metrics as a metric."""
    return lambda weights: ratio(numerator(weights), denominator(weights))


def auc(scores: np.ndarray, marks: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Area under the ROC curve (R,): how often a marked picture's score (N,) is above an unmarked one's, ties half.

    NaN scores are left out; NaN where no marked or no unmarked picture is left.
    """
    known = np.isfinite(scores)
    values, place = np.unique(scores[known], return_inverse=True)
    marked = np.zeros((len(weights), len(values)))
    unmarked = np.zeros_like(marked)
    for counts, members in ((marked, marks[known]), (unmarked, ~marks[known])):
        np.add.at(counts.T, place[members], weights[:, known][:, members].T)
    below = unmarked.cumsum(axis=1) - unmarked / 2
    return ratio((marked * below).sum(axis=1), marked.sum(axis=1) * unmarked.sum(axis=1))


def auc_of(scores: np.ndarray, marks: np.ndarray) -> Metric:
    """The AUC of scores (N,) for marked pictures, bool (N,), as a metric."""
    return partial(auc, scores, marks)


def share(edit: np.ndarray, neutral: np.ndarray, autoencoded: np.ndarray) -> np.ndarray:
    """The share of the way from the neutral face's score to the autoencoded truth's that the edit went.

    (s - s_neutral) / (s_autoencoded - s_neutral), of mean scores (R,): 1 as good as the codes allow, 0 no better than
    the neutral face.
    """
    return ratio(edit - neutral, autoencoded - neutral)


def spread(rows: np.ndarray, count: int) -> np.ndarray:
    """Up to `count` of some rows, spread evenly over all of them."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int))]


def largest(values: np.ndarray, share: float) -> np.ndarray:
    """Marks the share of values (N,), at least one, that are largest: bool (N,)."""
    marks = np.zeros(len(values), dtype=bool)
    marks[np.argsort(-values, kind="stable")[: max(round(share * len(values)), 1)]] = True
    return marks


class Estimate(NamedTuple):
    """A metric's value and its 95 % interval; NaN where it cannot be computed."""

    value: float
    low: float
    high: float


UNKNOWN = Estimate(np.nan, np.nan, np.nan)


def person_weights(persons: Sequence[str] | np.ndarray, resamplings: int = 1000, seed: int = 0) -> np.ndarray:
    """Bootstrap weights (R, N): people are drawn with replacement, each with all of their pictures.

    Pictures of one person resemble each other, so this interval is wider, and more honest, than one over pictures.
    A single person gives no interval, so R is 0.
    """
    names, person = np.unique(np.asarray(persons), return_inverse=True)
    if len(names) < 2:
        return np.zeros((0, len(person)))
    draws = np.random.default_rng(seed).integers(len(names), size=(resamplings, len(names)))
    counts = np.stack([np.bincount(draw, minlength=len(names)) for draw in draws])
    return counts[:, person].astype(np.float64)


def estimate(metric: Metric, weights: np.ndarray, members: np.ndarray) -> Estimate:
    """A metric on the pictures that `members` (N,) marks.

    Its interval is the middle 95 % of its values under the bootstrap `weights` (R, N).
    """
    value = float(metric(members[None].astype(np.float64))[0])
    resampled = metric(weights * members)
    resampled = resampled[np.isfinite(resampled)]
    if not len(resampled):
        return Estimate(value, np.nan, np.nan)
    low, high = np.percentile(resampled, (2.5, 97.5))
    return Estimate(value, float(low), float(high))


def estimates(
    named: dict[str, Metric], persons: np.ndarray, groups: dict[str, np.ndarray]
) -> dict[str, dict[str, Estimate]]:
    """Every metric with its 95 % interval over people, for every group: a mask (N,) of pictures by name.

    The interval is NaN in a group of a single person.
    """
    weights = person_weights(persons)
    found = {}
    for group, members in groups.items():
        resamplings = weights if len(np.unique(np.asarray(persons)[members])) > 1 else weights[:0]
        found[group] = {name: estimate(metric, resamplings, members) for name, metric in named.items()}
    return found


def everyone(count: int) -> np.ndarray:
    """The mask (count,) of all pictures."""
    return np.ones(count, dtype=bool)


def yaw_groups(yaws: np.ndarray) -> dict[str, np.ndarray]:
    """Masks (N,) by name of the pictures of each absolute yaw (N,) [degrees]."""
    return {f"yaw {'+-' if yaw else ''}{yaw}": yaws == yaw for yaw in sorted(set(yaws.tolist()))}
