"""Distances between two sets of pictures, by their features: torchmetrics on features that are computed elsewhere."""

import warnings
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

SUBSETS = 100
SUBSET_SIZE = 1000
ALONE = {"sync_on_compute": False}  # one process has all features; the others do not wait for it here


class _Given(nn.Identity):
    """Takes the place of a feature extractor where features are given."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features


def frechet_distance(real: Iterable[Tensor], generated: Iterable[Tensor], num_features: int) -> float:
    """Frechet distance of features, given in batches (B, num_features), of which only sums are kept (float64)."""
    metric = FrechetInceptionDistance(_Given(num_features), **ALONE).set_dtype(torch.float64)
    for batches, are_real in ((real, True), (generated, False)):
        for features in batches:
            metric.update(features.double(), real=are_real)
    return float(metric.compute())


class KernelDistance(NamedTuple):
    """Mean and standard deviation over random subsets of `subset_size` pictures of either set."""

    mean: float
    deviation: float
    subset_size: int


def kernel_distance(real: Iterable[Tensor], generated: Iterable[Tensor], seed: int = 0) -> KernelDistance:
    """Kernel distance (cubic kernel) of features, in batches (B, F): unbiased, so small sets are no worse off.

    Subsets hold SUBSET_SIZE pictures, or as many as the smaller set has.
    """
    real, generated = torch.cat(list(real)).double(), torch.cat(list(generated)).double()
    size = min(SUBSET_SIZE, len(real), len(generated))
    if size < 2:
        raise ValueError(f"a kernel distance needs two pictures of each set, got {len(real)} and {len(generated)}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that features are kept, which is known
        metric = KernelInceptionDistance(_Given(real.shape[1]), subsets=SUBSETS, subset_size=size, **ALONE)
    metric.update(real, real=True)
    metric.update(generated, real=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        mean, deviation = metric.compute()
    return KernelDistance(float(mean), float(deviation), size)
