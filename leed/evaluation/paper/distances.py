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


class _Given(nn.Identity):
    """Takes the place of a feature extractor where features are given."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features


def frechet_distance(real: Iterable[Tensor], generated: Iterable[Tensor], num_features: int) -> float:
    """Frechet distance of features, given in batches (B, num_features), of which only sums are kept (float64)."""
    # One process has all features; the others do not wait for it here.
    metric = FrechetInceptionDistance(_Given(num_features), sync_on_compute=False).set_dtype(torch.float64)
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
    """Kernel distance (cubic kernel) of features, in batches (B, F): unbiased, so it suits small sets as well.

    Subsets hold SUBSET_SIZE pictures, or as many as the smaller set has. Raises `ValueError` for fewer than two.
    """
    all_real, all_generated = torch.cat(list(real)).double(), torch.cat(list(generated)).double()
    size = min(SUBSET_SIZE, len(all_real), len(all_generated))
    if size < 2:
        counts = f"{len(all_real)} and {len(all_generated)}"
        raise ValueError(f"a kernel distance needs two pictures of each set, got {counts}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torchmetrics warns that it keeps all features
        metric = KernelInceptionDistance(
            _Given(all_real.shape[1]), subsets=SUBSETS, subset_size=size, sync_on_compute=False
        )
    metric.update(all_real, real=True)
    metric.update(all_generated, real=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        mean, deviation = metric.compute()
    return KernelDistance(float(mean), float(deviation), size)
