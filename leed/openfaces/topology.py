"""Neighbourhoods on the face's mesh: shortest paths, smoothing, and regions enclosed by contours."""

from collections.abc import Iterable, Sequence

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix, diags
from scipy.sparse.csgraph import dijkstra

from leed.openfaces.arrays import Floats, Integers
from leed.openfaces.face_model import FaceModel

LARGEST_REGION = 3000
"""More vertices than any region between contours of the face has."""

CONTOURS = {
    "upper lip, outer": (48, 49, 50, 51, 52, 53, 54),
    "lower lip, outer": (48, 59, 58, 57, 56, 55, 54),
    "upper lip, inner": (48, 60, 61, 62, 63, 64, 54),
    "lower lip, inner": (48, 60, 67, 66, 65, 64, 54),
    "right upper lid": (36, 37, 38, 39),
    "right lower lid": (36, 41, 40, 39),
    "left upper lid": (42, 43, 44, 45),
    "left lower lid": (42, 47, 46, 45),
}
"""Lines on the face by the landmarks, in Multi-PIE's order, that they pass; "left" is the person's."""


def edges_of(triangles: Integers) -> Integers:
    """The edges (3 T, 2) of triangles (T, 3)."""
    return np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])


def edge_lengths(model: FaceModel) -> csr_matrix:
    """The symmetric matrix of the lengths of the face's edges [cm]."""
    edges = edges_of(model.triangles[model.of_part("face")])
    lengths = np.linalg.norm(model.vertices[edges[:, 0]] - model.vertices[edges[:, 1]], axis=1)
    shape = (model.layout.face_vertices,) * 2
    matrix = coo_matrix((lengths, (edges[:, 0], edges[:, 1])), shape=shape).tocsr()
    return matrix.maximum(matrix.T)


def adjacency(triangles: Integers, count: int) -> csr_matrix:
    """The matrix (count, count) of ones for neighbouring vertices, the first `count` of a mesh."""
    edges = edges_of(triangles)
    edges = np.concatenate([edges, edges[:, ::-1]])
    matrix = coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(count, count)).tocsr()
    matrix.data[:] = 1
    return matrix


def averaging(neighbours: csr_matrix) -> csr_matrix:
    """The matrix that takes values at vertices to the means over their neighbours."""
    counts = np.maximum(np.asarray(neighbours.sum(1)).ravel(), 1)
    return diags(1 / counts) @ neighbours


def contours(model: FaceModel) -> dict[str, Integers]:
    """The vertices of each of the `CONTOURS`, in their order."""
    lengths = edge_lengths(model)
    return {name: path(lengths, model.landmarks[list(points)]) for name, points in CONTOURS.items()}


def path(lengths: csr_matrix, stations: Sequence[int] | Integers) -> Integers:
    """The shortest path over edges that passes some vertices in their order."""
    found = [stations[0]]
    for start, end in zip(stations[:-1], stations[1:], strict=True):
        _, before = dijkstra(lengths, directed=False, indices=start, return_predecessors=True)
        steps = [end]
        while steps[-1] != start:
            steps.append(before[steps[-1]])
        found += steps[::-1][1:]
    return np.array(found)


def enclosed(neighbours: csr_matrix, seeds: Iterable[int], border: set[int]) -> Integers:
    """The vertices that can be reached from `seeds` without crossing `border`, sorted.

    Raises `ValueError` if these are more than any part of the face has: the border is open.
    """
    waiting = [vertex for vertex in seeds if vertex not in border]
    seen = set(waiting)
    while waiting:
        vertex = waiting.pop()
        for other in neighbours.indices[neighbours.indptr[vertex] : neighbours.indptr[vertex + 1]]:
            if other not in seen and other not in border:
                seen.add(int(other))
                waiting.append(int(other))
        if len(seen) > LARGEST_REGION:
            raise ValueError(f"a contour of the face model is open: more than {LARGEST_REGION} vertices within it")
    return np.array(sorted(seen))


def arc_fractions(points: Floats) -> Floats:
    """How far along the line through points (n, 2 or 3) each of them lies, from 0 to 1."""
    distances = np.r_[0, np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))]
    return distances / distances[-1]
