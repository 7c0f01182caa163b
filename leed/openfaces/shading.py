"""How light and colour of a head change with its expression."""

import numpy as np
from scipy.sparse import csr_matrix

from leed.openfaces.arrays import Floats, Integers
from leed.openfaces.face_model import face_normals
from leed.openfaces.heads import Head
from leed.openfaces.rig import Rig

KEY_LIGHT = np.array([0.0, 0.45, 0.89])  # x to the right, y up, z to the viewer
Y_UP = np.array([1, -1, 1])


def normals_and_cavity(vertices: Floats, face: Integers, means: csr_matrix) -> tuple[Floats, Floats]:
    """The face's normals (n, 3), y up, and how far neighbours lie above each vertex (n,) [px]: above 0 in folds."""
    surface = vertices[: means.shape[0]] * Y_UP
    normals = face_normals(surface, face)
    above = ((means @ surface - surface) * normals).sum(1)
    return normals, means @ above


def skin_light(rig: Rig, head: Head, moves: Floats) -> Floats:
    """The factor (N,) float32 of each vertex's brightness: the ratio of the light after and before moves (N, 3) [px].

    Within bounds, and darker in folds around nose and mouth.
    """
    normals, cavity = normals_and_cavity((head.shape + moves).astype(np.float64), rig.face, rig.averaging)
    before, after = (0.5 + 0.5 * np.clip(n @ KEY_LIGHT, 0, 1) for n in (head.normals, normals))
    folds = np.exp(-np.clip(cavity - head.cavity, -1.2, 2.0) * rig.folds)
    ratio = rig.averaging @ ((after / before) ** 1.1 * folds)
    ratio = np.where(ratio > 1, 1 + 0.16 * np.tanh((ratio - 1) / 0.3), ratio)
    ratio = np.where(ratio < 1, 1 - 0.42 * np.tanh((1 - ratio) / 0.42), ratio)
    hidden = rig.hidden_lips
    ratio[hidden] = np.clip(ratio[hidden], 0.5, 1.0)
    light = np.ones(len(moves), np.float32)
    light[: len(ratio)] = ratio
    return light


def mouth_colours(rig: Rig, head: Head, vertices: Floats, gap: Floats, shaded_teeth: bool = False) -> Floats:
    """Colours (N, 3) float32 of the mouth's inside: fixed, scaled by the white of the photo, darker deep inside.

    `gap` is the result of `deformation.parting`. With `shaded_teeth`, teeth are told apart by the shade between them.
    """
    colours = np.zeros((len(vertices), 3), np.float32)
    white = (head.white / 255.0).astype(np.float32)
    upper = vertices[rig.upper_lip.contact]
    order = np.argsort(upper[:, 0])
    row = np.interp(vertices[:, 0], upper[order, 0], upper[order, 1])  # of the upper lip
    exposure = np.clip(0.78 + 0.22 * max(gap.max() / head.scale, 0.02) / 0.5, 0.75, 1.0)
    light = _light_inside(rig, head, vertices, row) * exposure
    socket, gums, teeth = map(rig.model.layout.vertices_of, ("mouth socket", "gums", "teeth"))
    socket = slice(socket.start, gums.start)  # the eye sockets between them have its colour, too
    for part, colour, factor in (
        (socket, (62, 52, 118), 0.9),
        (gums, (150, 145, 210), 1.1),
        (teeth, (214, 232, 243), 1.24),
    ):
        colours[part] = np.array(colour, np.float32) * white * light[part][:, None] * factor
    colours[teeth] = np.minimum(colours[teeth], 246)
    if shaded_teeth:
        colours[teeth] *= rig.teeth[:, None].astype(np.float32)
    soft = slice(socket.start, gums.stop)
    down = np.clip((vertices[soft, 1] - row[soft]) / max(gap.max(), 1.0), 0, 1).astype(np.float32)[:, None]
    floor = np.array([25, 21, 70], np.float32) * white * (0.35 + 0.9 * down)  # palate dark, tongue lit
    colours[soft] = np.maximum(colours[soft], floor)
    return colours


def _light_inside(rig: Rig, head: Head, vertices: Floats, row: Floats) -> Floats:
    """How much light reaches each vertex (N,): less deep inside, to the sides, and right below the upper lip."""
    front = (vertices[rig.upper_lip.contact, 2].max() + vertices[rig.lower_lip.contact, 2].max()) / 2
    depth = np.clip(front - vertices[:, 2], 0, None) / head.scale
    deep = np.exp(-np.clip(depth - 1.1, 0, None) / 2.6).astype(np.float32)
    aside = abs(vertices[:, 0] - vertices[rig.landmarks[62], 0]) / head.scale
    lateral = np.exp(-np.clip(aside - 1.5, 0, None) / 2.2)
    below_lip = np.clip(0.7 + 0.3 * (vertices[:, 1] - row) / head.scale / 0.3, 0.55, 1.0)
    return deep * lateral * below_lip
