"""Metrics against values worked out by hand."""

import numpy as np
import pytest
import torch

from leed.evaluation import metrics


def constant(value: float, size: int = 32) -> torch.Tensor:
    return torch.full((2, 3, size, size), value)


def test_psnr_of_a_known_offset() -> None:
    """An offset of 0.2 in a range of 2: 20 log10(2 / 0.2) = 20 dB; equal pictures get the cap."""
    for function in (metrics.psnr, metrics.inner_psnr):
        assert function(constant(0.1), constant(0.3)).tolist() == pytest.approx([20, 20], abs=1e-4)
        assert function(constant(0.1), constant(0.1)).tolist() == [metrics.MAX_PSNR] * 2


def test_each_picture_is_measured_alone() -> None:
    pictures = torch.stack([constant(0.0)[0], constant(0.2)[0]])  # 0.5 and 0.6 in [0, 1]
    assert metrics.psnr(pictures, constant(0.0)).tolist() == pytest.approx([metrics.MAX_PSNR, 20], abs=1e-4)


def test_differences_are_percent_of_the_range() -> None:
    image, target = constant(0.0, 128), constant(0.0, 128)
    target[:, :, 32:116, 24:104] = 1.0  # the inner face: half of the range, 50 %
    outside = metrics.outside_face(128)
    assert outside.sum() == 128 * 128 - 84 * 80
    assert metrics.difference(image, target, outside).tolist() == [0, 0]
    assert metrics.difference(image, target, 1 - outside).tolist() == [50, 50]
    assert metrics.difference(image, target).tolist() == pytest.approx([50 * 84 * 80 / 128**2] * 2)


def test_colour_shift() -> None:
    target = constant(0.0)
    target[:, 0] = 0.3  # red alone is off by 0.3 of 2: a third of 15 %
    assert metrics.colour_shift(constant(0.0), target).tolist() == pytest.approx([5, 5])


def test_accuracy_and_feature_distance() -> None:
    logits = torch.eye(8)[[3, 4]]
    assert metrics.correct(logits, torch.tensor([3, 3])).tolist() == [1, 0]
    assert metrics.feature_distance(torch.tensor([[3.0, 4.0]]), torch.zeros(1, 2)).tolist() == [5]


def test_monotone() -> None:
    strengths = torch.tensor(
        [
            [0.0, 0.1, 0.5, 0.9],  # grows
            [0.0, 0.5, 0.49, 0.9],  # falls within the tolerance
            [0.0, 0.5, 0.4, 0.9],  # falls
            [0.3, 0.3, 0.3, 0.3],  # never falls, but does not grow either
            [0.9, 0.6, 0.3, 0.1],
        ]
    )
    assert metrics.monotone(strengths).tolist() == [1, 1, 0, 0, 0]
    assert metrics.monotone(strengths, tolerance=0.0).tolist() == [1, 0, 0, 0, 0]


def test_share() -> None:
    found = metrics.share(*(np.array([value]) for value in (0.9, 0.8, 1.0)))
    assert found.tolist() == pytest.approx([0.5])
    assert np.isnan(metrics.share(*(np.array([0.8]) for _ in range(3))))


def test_weighted_mean_and_median() -> None:
    values = np.array([1.0, 2.0, 10.0, np.nan])
    weights = np.array([[1, 1, 1, 1], [0, 0, 2, 5], [3, 1, 1, 0], [0, 0, 0, 1]], dtype=float)
    assert metrics.mean(values, weights)[:3].tolist() == pytest.approx([13 / 3, 10, 3])
    assert metrics.median(values, weights)[:3].tolist() == [2, 10, 1]
    assert np.isnan(metrics.mean(values, weights)[3]) and np.isnan(metrics.median(values, weights)[3])


def test_bootstrap_draws_people_with_all_their_pictures() -> None:
    weights = metrics.person_weights(["b", "a", "b", "c"], resamplings=50, seed=1)
    assert weights.shape == (50, 4)
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()
    assert (weights == metrics.person_weights(["b", "a", "b", "c"], resamplings=50, seed=1)).all()


def test_estimate() -> None:
    persons = [str(i // 2) for i in range(40)]
    values = np.repeat(np.arange(20.0), 2)
    weights = metrics.person_weights(persons)
    everyone = metrics.estimate(lambda w: metrics.mean(values, w), weights, np.ones(40, dtype=bool))
    assert everyone.value == pytest.approx(9.5)
    # Standard error of a mean of 20 draws from 0..19: sqrt(399 / 12 / 20) = 1.29; 1.96 times it is 2.53.
    assert everyone.low == pytest.approx(9.5 - 2.53, abs=0.4)
    assert everyone.high == pytest.approx(9.5 + 2.53, abs=0.4)
    one_person = metrics.estimate(lambda w: metrics.mean(values, w), weights, np.arange(40) < 2)
    assert one_person == (0, 0, 0)


def test_way_of_a_change() -> None:
    """Half of the wanted change, and nothing of it at a right angle; none is wanted of the last."""
    change, wanted = torch.tensor([[1.0, 0.0], [0.0, 3.0], [1.0, 1.0]]), torch.tensor([[2.0, 0.0], [2.0, 0.0], [0, 0]])
    assert metrics.way(change, wanted).tolist() == [0.5, 0, 0]


def test_auc_of_four_pictures() -> None:
    """Of the pairs (marked, unmarked) three of four are in order; a tie counts half; weights repeat pictures."""
    scores, marks = np.array([0.9, 0.3, 0.5, 0.1, np.nan]), np.array([True, True, False, False, True])
    metric = metrics.auc_of(scores, marks)
    assert metric(np.ones((1, 5))).tolist() == [0.75]
    assert metric(np.array([[2.0, 1, 1, 1, 9]])).tolist() == [pytest.approx(5 / 6)]
    assert metrics.auc_of(np.array([0.5, 0.5]), np.array([True, False]))(np.ones((1, 2))).tolist() == [0.5]
    assert np.isnan(metrics.auc_of(scores, np.ones(5, bool))(np.ones((1, 5)))).all()
