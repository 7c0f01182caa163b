"""Frechet and kernel distances against values known by arithmetic or by other libraries."""

import numpy as np
import pytest
import torch

from leed.evaluation.paper.distances import frechet_distance, kernel_distance


def of_exactly(mean: np.ndarray, covariance: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Features (count, F) whose mean and covariance (of the sample) are these."""
    noise = np.random.default_rng(seed).normal(size=(count, len(mean)))
    noise -= noise.mean(axis=0)
    white = noise @ np.linalg.inv(np.linalg.cholesky(np.cov(noise.T))).T
    return mean + white @ np.linalg.cholesky(covariance).T


def batches(features: np.ndarray, size: int) -> list[torch.Tensor]:
    return list(torch.from_numpy(features).split(size))


def test_frechet_distance_of_equal_covariances_is_that_of_the_means() -> None:
    covariance = np.array([[2.0, 0.5, 0.0], [0.5, 1.0, 0.3], [0.0, 0.3, 0.7]])
    real = of_exactly(np.zeros(3), covariance, 50, seed=0)
    generated = of_exactly(np.array([3.0, 4.0, 0.0]), covariance, 80, seed=1)
    assert frechet_distance(batches(real, 7), batches(generated, 80), 3) == pytest.approx(25)


def test_frechet_distance_of_known_gaussians() -> None:
    """With covariances that commute, |m|^2 + sum (s_1 - s_2)^2 over the axes' standard deviations."""
    real = of_exactly(np.zeros(3), np.diag([1.0, 4.0, 9.0]), 60, seed=0)
    generated = of_exactly(np.array([1.0, 0.0, 2.0]), np.diag([4.0, 4.0, 1.0]), 90, seed=1)
    expected = 5 + (1 - 2) ** 2 + 0 + (3 - 1) ** 2
    assert frechet_distance(batches(real, 16), batches(generated, 9), 3) == pytest.approx(expected)


def test_frechet_distance_agrees_with_scipy() -> None:
    linalg = pytest.importorskip("scipy.linalg")
    random = np.random.default_rng(0)
    real, generated = random.normal(size=(200, 12)) @ random.normal(size=(12, 12)), random.normal(1, 2, size=(150, 12))
    covariances = np.cov(real.T), np.cov(generated.T)
    root = linalg.sqrtm(covariances[0] @ covariances[1]).real
    expected = ((real.mean(0) - generated.mean(0)) ** 2).sum() + np.trace(covariances[0] + covariances[1] - 2 * root)
    assert frechet_distance(batches(real, 64), batches(generated, 64), 12) == pytest.approx(expected, rel=1e-6)


def test_kernel_distance_agrees_with_a_direct_estimate() -> None:
    """Sets as large as a subset: each subset is the whole set, so there is no deviation."""
    random = np.random.default_rng(0)
    real, generated = random.normal(size=(30, 5)), random.normal(0.5, size=(30, 5))

    def mean_kernel(a: np.ndarray, b: np.ndarray, same: bool) -> float:
        values = [(x @ y / 5 + 1) ** 3 for i, x in enumerate(a) for j, y in enumerate(b) if not (same and i == j)]
        return float(np.mean(values))

    expected = mean_kernel(real, real, True) + mean_kernel(generated, generated, True)
    expected -= 2 * mean_kernel(real, generated, False)
    found = kernel_distance(batches(real, 8), batches(generated, 30))
    assert found.mean == pytest.approx(expected) and found.deviation == pytest.approx(0, abs=1e-12)
    assert found.subset_size == 30
    with pytest.raises(ValueError, match="two pictures of each set, got 30 and 1"):
        kernel_distance(batches(real, 30), batches(generated[:1], 1))


def test_kernel_distance_leaves_random_numbers_alone() -> None:
    features = batches(np.random.default_rng(0).normal(size=(12, 4)), 12)
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    kernel_distance(features, features)
    assert torch.equal(torch.rand(1), expected)
