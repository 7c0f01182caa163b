"""The shade between teeth, by which a row of them is seen to be teeth."""

import numpy as np
from scipy.sparse.csgraph import connected_components

from leed.openfaces.arrays import Floats, Integers
from leed.openfaces.face_model import face_normals
from leed.openfaces.masks import smoothstep
from leed.openfaces.topology import adjacency

DARKEST = 0.6  # of a tooth's light, where it turns away to its neighbour
FLAT = 0.8  # cosine to the way that a tooth faces, above which its light is full


def shade_of_teeth(vertices: Floats, triangles: Integers) -> Floats:
    """The share (n,) of light on each vertex of the teeth (n, 3): less where a tooth turns away to the next one.

    `triangles` (T, 3) are of the teeth alone. Each connected part of them is a tooth.
    """
    tooth = connected_components(adjacency(triangles, len(vertices)), directed=False)[1]
    facing = _facing(np.array([vertices[tooth == k].mean(0) for k in range(tooth.max() + 1)]))[tooth]
    cosine = (face_normals(vertices, triangles) * facing).sum(1)
    return DARKEST + (1 - DARKEST) * smoothstep(cosine / FLAT)


def _facing(teeth: Floats) -> Floats:
    """The level directions (k, 3) that teeth face, by their middles (k, 3): across the line of both neighbours."""
    facing = np.zeros_like(teeth)
    facing[:, 2] = 1
    is_upper = teeth[:, 1] > teeth[:, 1].mean()
    for jaw in (np.flatnonzero(is_upper), np.flatnonzero(~is_upper)):
        if len(jaw) < 2:
            continue
        row = jaw[teeth[jaw, 0].argsort()]
        x, _, z = np.gradient(teeth[row], axis=0).T
        across = np.c_[-z, 0 * x, x] / np.hypot(x, z)[:, None]
        outwards = (across * (teeth[row] - teeth.mean(0))).sum(1)
        facing[row] = np.where(outwards < 0, -1, 1)[:, None] * across
    return facing
