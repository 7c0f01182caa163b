"""Moving a head's vertices to an expression, and what lips show as they part."""

from typing import NamedTuple

import numpy as np

from leed.openfaces.arrays import Floats
from leed.openfaces.heads import Head
from leed.openfaces.rig import Lip, Rig
from leed.openfaces.topology import arc_fractions

STATIONS = np.linspace(0, 1, 41)
"""Fractions of the way along the mouth, from corner to corner, at which gaps are measured."""
SEALED = 0.13  # gaps below this are closed, in cm: closed mouths stay closed, and corners zip up


class ContactLine(NamedTuple):
    """The line on which a neutral face's lip meets the other one."""

    x: Floats  # (n,) increasing [px]
    y: Floats
    z: Floats
    fraction: Floats  # of the way along the mouth


def deformed(rig: Rig, head: Head, weights: Floats) -> Floats:
    """A head's vertices (N, 3) float32 [px] at blendshape weights (53,)."""
    vertices = head.vertices.copy()
    for k in np.where(np.abs(weights) > 1e-4)[0]:
        name = rig.names[k]
        if name.startswith("eyeBlink"):  # lids that are far apart have further to go
            vertices += head.expressions[k] * (weights[k] * head.lid_travel[name])
        else:
            vertices += head.expressions[k] * weights[k]
    return _sealed(rig, head, vertices)


def contact_line(head: Head, lip: Lip) -> ContactLine:
    """A lip's contact line on the neutral face."""
    points = head.vertices[lip.contact]
    order = np.argsort(points[:, 0])
    x, y, z = points[order].T
    return ContactLine(x, y, z, arc_fractions(points[:, :2])[order])


def lip_rows(rig: Rig, head: Head, vertices: Floats) -> tuple[Floats, Floats]:
    """The rows of the upper and the lower lip's contact line at the `STATIONS`."""
    rows = []
    for lip in (rig.upper_lip, rig.lower_lip):
        fractions = arc_fractions(head.vertices[lip.contact, :2])
        rows.append(np.interp(STATIONS, fractions, vertices[lip.contact, 1]))
    return rows[0], rows[1]


def parting(rig: Rig, head: Head, vertices: Floats) -> Floats:
    """By how much more than on the neutral face the lips are apart, at the `STATIONS` [px]."""
    upper, lower = lip_rows(rig, head, vertices)
    neutral_upper, neutral_lower = lip_rows(rig, head, head.vertices)
    return np.maximum((lower - upper) - (neutral_lower - neutral_upper), 0)


def lip_places(rig: Rig, head: Head, gap: Floats) -> Floats:
    """Places of the vertices in the textures (N, 2) float32 [px]: parted lips show what is away from the dark contact.

    `gap` is the result of `parting`.
    """
    places = head.places.copy()
    for lip, side in ((rig.upper_lip, -1), (rig.lower_lip, 1)):
        line, vertices = contact_line(head, lip), head.vertices[lip.vertices]
        x, y, z = vertices.T
        row = np.interp(x, line.x, line.y)
        outer = head.vertices[lip.outer]
        order = np.argsort(outer[:, 0])
        thickness = np.maximum(np.abs(np.interp(x, outer[order, 0], outer[order, 1]) - row), 1.0)
        seen = np.abs(y - row)
        behind = (z - np.interp(x, line.x, line.z)) * 0.6
        hidden = np.linalg.norm(np.c_[np.zeros(len(y)), y - row, behind], axis=1)
        station = np.clip((np.interp(x, line.x, line.fraction) * 40).round().astype(int), 0, 40)
        away = np.minimum(gap[station] * 0.8, 5.0)
        distance = np.sqrt(np.where(lip.inside, hidden, seen) ** 2 + away**2)
        distance = np.minimum(distance, np.maximum(thickness * 0.7, seen))
        places[lip.vertices, 1] = row + side * np.where(lip.inside, np.maximum(distance, 1.0), distance)
    return places


def _sealed(rig: Rig, head: Head, vertices: Floats) -> Floats:
    """Vertices whose small gaps between the lips are closed, and whose lips do not pass through each other."""
    upper, lower = lip_rows(rig, head, vertices)
    gap = (lower - upper) / head.scale
    closing = 3 * SEALED * np.clip((gap - SEALED) / (2 * SEALED), 0, 1) ** 1.5
    wanted = np.where(gap < 3 * SEALED, closing, gap)
    move = (gap - np.minimum(wanted, gap)) * head.scale / 2
    move = np.where(gap < 0, gap * head.scale / 2, move)
    move = np.convolve(np.pad(move, 1, mode="edge"), [0.25, 0.5, 0.25], "valid")
    for lip, side in ((rig.upper_lip, 1.0), (rig.lower_lip, -1.0)):
        line, neutral = contact_line(head, lip), head.vertices[lip.vertices]
        fraction = np.interp(neutral[:, 0], line.x, line.fraction)
        distance = np.abs(neutral[:, 1] - np.interp(neutral[:, 0], line.x, line.y)) / head.scale
        share = np.where(lip.inside, 1.0, np.exp(-((distance / 0.45) ** 2)))
        vertices[lip.vertices, 1] += (side * share * np.interp(fraction, STATIONS, move)).astype(np.float32)
    return vertices
