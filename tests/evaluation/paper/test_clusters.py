"""Figure 4's metrics."""

import numpy as np
import pytest

from leed.evaluation.paper import clusters


def test_silhouette_of_four_points() -> None:
    """(b - a) / max(a, b) with a the distance within and b that to the other pair: 9.5 / 10.5 and 8.5 / 9.5."""
    pytest.importorskip("sklearn")
    found = clusters.silhouette(np.array([[0.0], [1.0], [10.0], [11.0]]), np.array([0, 0, 1, 1]))
    assert found == pytest.approx((9.5 / 10.5 + 8.5 / 9.5) / 2)


def test_neighbours_are_of_other_people() -> None:
    pytest.importorskip("sklearn")
    persons, labels = np.repeat(np.arange(6), 4), np.tile([0, 0, 1, 1], 6)
    jitter = np.random.default_rng(0).normal(0, 0.01, (24, 2))
    by_label = np.stack([labels, labels], axis=1) + jitter
    assert clusters.neighbour_accuracy(by_label, labels, persons) == 1
    # Nearest of all are the same person's pictures; were they allowed, one neighbour would tell the label.
    by_person = np.stack([100.0 * persons, np.where(persons % 2, labels, 1 - labels)], axis=1) + jitter
    assert clusters.neighbour_accuracy(by_person, labels, persons) < 0.6
