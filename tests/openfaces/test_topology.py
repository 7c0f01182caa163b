"""Paths, regions and means on a mesh."""

import numpy as np
import pytest
from scipy.sparse import coo_matrix

from leed.openfaces import topology


def grid(side):
    """The lengths (all 1) between neighbours on a square grid."""
    index = np.arange(side * side).reshape(side, side)
    pairs = np.concatenate(
        [np.stack([a.ravel(), b.ravel()], 1) for a, b in ((index[:, :-1], index[:, 1:]), (index[:-1], index[1:]))]
    )
    pairs = np.concatenate([pairs, pairs[:, ::-1]])
    return coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(side * side,) * 2).tocsr()


def test_a_path_passes_its_stations_by_the_shortest_way():
    path = topology.path(grid(5), [0, 4, 24])
    assert path.tolist() == [0, 1, 2, 3, 4, 9, 14, 19, 24]


def test_a_region_ends_at_its_border():
    border = {7, 11, 12, 13, 17, 6, 8, 16, 18} - {12}
    assert topology.enclosed(grid(5), [12], border).tolist() == [12]
    assert len(topology.enclosed(grid(5), [0], border)) == 25 - 9


def test_an_open_border_is_noticed(monkeypatch):
    monkeypatch.setattr(topology, "LARGEST_REGION", 10)
    with pytest.raises(ValueError, match="contour of the face model is open"):
        topology.enclosed(grid(5), [0], set())


def test_averaging_takes_means_over_neighbours():
    means = topology.averaging(grid(3))
    assert np.allclose(means @ np.arange(9.0), [2, 2, 3, 10 / 3, 4, 14 / 3, 5, 6, 6])


def test_arc_fractions_go_from_0_to_1_by_length():
    assert topology.arc_fractions(np.array([[0.0, 0], [3, 0], [3, 1]])).tolist() == [0, 0.75, 1]
