"""Light on surfaces, sheets around the head, and what follows the face."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="sheets are meshes of the rasteriser")

from leed.openfaces import templates as t
from leed.openfaces.regions import SHAPE
from leed.openfaces.shading import normals_and_cavity
from leed.openfaces.sheets import GRID, followers_of, grid_points, sheet_of
from leed.openfaces.topology import adjacency, averaging

SIDE = 9


@pytest.fixture(scope="module")
def surface():
    """A flat square that faces the viewer, y down: vertices, triangles, and the matrix of means over neighbours."""
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(float)
    vertices = np.stack([columns.ravel(), rows.ravel(), np.zeros(SIDE * SIDE)], 1)
    index = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
    upper = np.stack([index[:-1, :-1], index[1:, :-1], index[:-1, 1:]], -1).reshape(-1, 3)
    lower = np.stack([index[1:, :-1], index[1:, 1:], index[:-1, 1:]], -1).reshape(-1, 3)
    triangles = np.concatenate([upper, lower])
    return vertices, triangles, averaging(adjacency(triangles, SIDE * SIDE))


def test_a_flat_surface_faces_the_viewer_and_has_no_folds(surface):
    vertices, triangles, means = surface
    normals, cavity = normals_and_cavity(vertices, triangles, means)
    assert np.allclose(normals, [0, 0, 1])
    inner = cavity.reshape(SIDE, SIDE)[2:-2, 2:-2]
    assert np.allclose(inner, 0)


def test_a_dent_is_a_fold_and_a_bump_is_not(surface):
    (vertices, triangles, means), middle = surface, SIDE // 2
    for height, sign in ((-1, 1), (1, -1)):
        shaped = vertices.copy()
        shaped[middle * SIDE + middle, 2] = height
        _, cavity = normals_and_cavity(shaped, triangles, means)
        beside = cavity.reshape(SIDE, SIDE)[
            SIDE // 2, SIDE // 2 - 1
        ]  # means over neighbours: the edge of a dent counts as its fold
        assert beside * sign > 0.05


def test_a_sheet_is_where_its_texture_is(surface):
    points, triangles = grid_points()
    assert points.max(0).tolist() == [t.WIDTH - 1, t.HEIGHT - 1] and len(triangles) == 2 * 113 * 120
    alpha = np.zeros(SHAPE, np.uint8)
    alpha[400:440, 300:340] = 255
    depth = np.arange(t.HEIGHT, dtype=np.float32)[:, None] * np.ones((1, t.WIDTH), np.float32)
    sheet = sheet_of(depth, alpha)
    corners = sheet.points[sheet.triangles.ravel()]
    assert corners[:, 0].min() >= 300 - 2 * GRID and corners[:, 0].max() <= 340 + 2 * GRID
    assert np.array_equal(corners[:, 2], corners[:, 1])  # the depth at each point
    assert len(sheet_of(depth, alpha * 0).triangles) == 0


def test_what_is_near_the_face_follows_it_and_what_is_far_stays():
    vertices = np.array([[100.0, 100, 0], [110, 100, 0], [100, 110, 0], [110, 110, 0], [500, 500, 0]])
    followers = followers_of(np.array([[105, 105], [105, 155], [105, 400]]), vertices, np.arange(4))
    moves = np.full((5, 3), 2.0)
    followed = np.einsum("nk,nkc->nc", followers.weights, moves[followers.vertices])[:, 0]
    assert followed[0] > 1.8 and 0.3 < followed[1] < 1 and followed[2] < 0.01
