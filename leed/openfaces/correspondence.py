"""Which vertex of the face model each point of a template is.

The answer for webmorph's 189 points and the ICT model lies beside this file, so that any portraits are fitted in the
same way. It was found on the mean of the 202 templates of the open face set; `find` finds it again.
"""

from collections.abc import Iterable
from importlib import resources

import numpy as np
from scipy.interpolate import RBFInterpolator
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

from leed.openfaces import templates as t
from leed.openfaces.arrays import Floats, Integers
from leed.openfaces.face_model import FaceModel, face_normals
from leed.openfaces.fitting import fit_camera_and_identity
from leed.openfaces.topology import arc_fractions, contours

FILE = "correspondence.txt"

# A first, sparse correspondence: a landmark in Multi-PIE's order, and the template's points whose mean it is.
LANDMARKS = {
    **{36: (18,), 39: (22,), 42: (23,), 45: (27,), 37: (19,), 38: (21,), 41: (28,), 40: (30,)},
    **{43: (24,), 44: (26,), 47: (31,), 46: (33,), 33: (55,), 31: (64,), 35: (69,), 48: (87,), 54: (93,)},
    **{49: (88,), 50: (89,), 51: (90,), 52: (91,), 53: (92,), 55: (108,), 56: (107,), 57: (106,), 58: (105,)},
    **{59: (104,), 61: (95,), 62: (96,), 63: (97,), 65: (102,), 66: (101,), 67: (100,), 8: (129,), 27: (51, 57)},
}
LANDMARK_WEIGHTS = {8: 0.7, 27: 0.3}  # the others' are 1
CURVES = {
    "upper lip, outer": t.UPPER_LIP_OUTER,
    "lower lip, outer": t.LOWER_LIP_OUTER,
    "upper lip, inner": t.UPPER_LIP_INNER,
    "lower lip, inner": t.LOWER_LIP_INNER,
    "right upper lid": t.LEFT_UPPER_LID,  # the person's right is the image's left
    "right lower lid": t.LEFT_LOWER_LID,
    "left upper lid": t.RIGHT_UPPER_LID,
    "left lower lid": t.RIGHT_LOWER_LID,
}
SURFACE_POINTS = (
    *range(44, 71),
    *range(71, 87),
    *range(109, 134),
    *range(158, 183),
    *(183, 184, 145, 157, 185, 186, 187, 188),
)
EAR_FRACTIONS = (0.06, 0.28, 0.55, 0.8, 0.99)  # along the ear's outer edge, from its upper attachment


def load() -> Integers:
    """The vertex of each point (189,); -1 where the model has none."""
    text = resources.files("leed.openfaces").joinpath(FILE).read_text()
    return np.array([int(line) for line in text.splitlines() if not line.startswith("#")])


def find(model: FaceModel, templates: Iterable[Floats]) -> Integers:
    """The vertex of each point (189,), by the mean of templates (189, 2) in the working frame."""
    mean = np.mean(list(templates), 0)
    mean = (mean + mirrored(mean)) / 2
    vertices = _roughly_fitted(model, mean)
    found, vertices = _along_curves(model, mean, vertices)
    _on_the_surface(found, model, mean, vertices)
    _at_the_ears(found, model)
    return found


def mirrored(points: Floats) -> Floats:
    """A nearly symmetric template (189, 2), mirrored: each point becomes the nearest one's mirror image."""
    flipped = points.copy()
    flipped[:, 0] = 2 * t.EYES[0] - flipped[:, 0]
    rows, columns = linear_sum_assignment(np.linalg.norm(flipped[:, None] - points[None], axis=2))
    partners = np.empty_like(points)
    partners[columns] = flipped[rows]
    return partners


def _roughly_fitted(model: FaceModel, mean: Floats) -> Floats:
    """The model in the working frame (N, 3), by the sparse correspondence."""
    indices = np.array([model.landmarks[landmark] for landmark in LANDMARKS])
    targets = np.array([mean[list(points)].mean(0) for points in LANDMARKS.values()])
    weights = np.array([LANDMARK_WEIGHTS.get(landmark, 1.0) for landmark in LANDMARKS])
    camera, identity = fit_camera_and_identity(model, indices, targets, weights, ridge=100.0)
    return camera.project(model.vertices + np.tensordot(identity, model.identities, 1))


def _along_curves(model: FaceModel, mean: Floats, vertices: Floats) -> tuple[Integers, Floats]:
    """The points on lips and lids, by the fraction of the way along each; the model follows them, and again."""
    found, lines = -np.ones(t.POINTS, int), contours(model)
    for final in (False, False, True):
        for name, points in CURVES.items():
            fractions = arc_fractions(vertices[lines[name], :2])
            for point, fraction in zip(points, arc_fractions(mean[list(points)]), strict=True):
                found[point] = lines[name][np.argmin(abs(fractions - fraction))]
        if not final:
            used = np.where(found >= 0)[0]
            source = vertices[found[used], :2]
            spline = RBFInterpolator(source, mean[used] - source, kernel="thin_plate_spline", smoothing=1.0)
            vertices[:, :2] += spline(vertices[:, :2])
    return found, vertices


def _on_the_surface(found: Integers, model: FaceModel, mean: Floats, vertices: Floats) -> None:
    """The other points: the vertices nearest in the picture, those in front preferred."""
    face = model.triangles[model.of_part("face")]
    facing = face_normals(vertices[: model.layout.face_vertices] * [1, -1, 1], face)[:, 2]
    depth = vertices[:, 2]
    visible = np.where(facing > 0.12)[0]
    visible = visible[depth[visible] > depth[model.landmarks[8]] - 200]
    jaw = visible[depth[visible] > depth[model.landmarks[2]] - 40]  # without the neck
    nearest, nearest_of_jaw = cKDTree(vertices[visible, :2]), cKDTree(vertices[jaw, :2])
    for point in SURFACE_POINTS:
        if found[point] >= 0:
            continue
        if point in t.JAW:
            distances, near = nearest_of_jaw.query(mean[point], 12)
            candidates = jaw[near]
        else:
            distances, near = nearest.query(mean[point], 6)
            candidates = visible[near]
        found[point] = min(zip(distances - 0.02 * depth[candidates], candidates, strict=True))[1]


def _at_the_ears(found: Integers, model: FaceModel) -> None:
    """The points on the ears' outer edges, by the fraction of the way from upper to lower attachment."""
    x, y = model.vertices[: model.layout.face_vertices, :2].T
    for side, points in ((-1, t.LEFT_EAR_OUTER), (1, t.RIGHT_EAR_OUTER)):
        ear = np.where((x * side > 7.9) & (y > -3.2) & (y < 5.2))[0]
        edge = []
        for height in np.linspace(y[ear].max(), y[ear].min(), 40):
            level = ear[abs(y[ear] - height) < 0.15]
            if len(level):
                edge.append(level[np.argmax(x[level] * side)])
        fractions = arc_fractions(model.vertices[edge, :2])
        for point, fraction in zip(points, EAR_FRACTIONS, strict=True):
            found[point] = edge[np.argmin(abs(fractions - fraction))]
