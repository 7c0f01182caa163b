"""Turning a head, and where the crop lies around it."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from leed.openfaces import templates as t
from leed.openfaces.arrays import Floats
from leed.openfaces.masks import smoothstep

CROP = 512
"""The side of the crop in the working frame [px]; pictures of 256 px are half of it."""
EYE_ROW = 100 / 256
"""Where the eyelids' mean lies in the crop, as a fraction of its side; the box of the landmarks is centred across."""
DEPTH_KEPT = 0.55
"""Of the depth behind the temples."""
NECK_LENGTH = 330.0
"""Over how much below the chin a turn fades out [px]."""


class Pose(NamedTuple):
    """Angles of a head [degrees]: yaw > 0 turns the face to the image's right."""

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0

    @property
    def radians(self) -> tuple[float, float, float]:
        """The angles in radians."""
        yaw, pitch, roll = np.radians(self)
        return yaw, pitch, roll


@dataclass(frozen=True)
class Pivot:
    """What a head turns about: the top of the neck."""

    centre: Floats  # (3,) between the ears' lobes
    chin: float  # row of the chin


def rotation(pitch: float, roll: float) -> Floats:
    """Rotation (3, 3) about x, then z, by angles in radians; y up."""
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    about_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    return about_z @ about_x


def posed(pivot: Pivot, points: Floats, pose: Pose) -> Floats:
    """Points (N, 3) of the working frame, turned with the head; float32. The turn fades out down the neck."""
    yaw, pitch, roll = pose.radians
    share = 1 - 0.85 * smoothstep((points[:, 1] - (pivot.chin - 10)) / NECK_LENGTH)
    points = points - pivot.centre
    cos, sin = np.cos(yaw * share), np.sin(yaw * share)
    turned = points.copy()
    turned[:, 0] = cos * points[:, 0] + sin * points[:, 2]
    turned[:, 2] = -sin * points[:, 0] + cos * points[:, 2]
    y_down = np.diag([1.0, -1, 1])
    nodded = turned @ (y_down @ rotation(pitch, roll) @ y_down).T
    return (turned + (nodded - turned) * share[:, None] + pivot.centre).astype(np.float32)


def crop_corner(pivot: Pivot, landmarks: Floats, pose: Pose) -> Floats:
    """The crop's top left corner (x, y) in the working frame, by the neutral face's landmarks (68, 3)."""
    turned = posed(pivot, landmarks.astype(np.float64), pose)
    eyes = turned[36:48].mean(0)
    middle = (turned[:, 0].min() + turned[:, 0].max()) / 2
    return np.array([middle - CROP / 2, eyes[1] - CROP * EYE_ROW], np.float32)


def flattened(vertices: Floats, scale: float) -> Floats:
    """Vertices (N, 3) [px] whose depth is reduced behind the temples; `scale` is in px per cm.

    A frontal photo shows the side of a head at a grazing angle; less depth there means less stretched texture.
    """
    start, width = -2.5 * scale, 0.5 * scale
    flat = vertices.copy()
    flat[:, 2] += (1 - DEPTH_KEPT) * width * np.logaddexp(0, (start - flat[:, 2]) / width)
    return flat


def with_neck_of(points: Floats, vertices: Floats, neck: Floats) -> Floats:
    """Vertices (N, 3) whose neck is as wide as a template's (189, 2); `neck` (n,) says how much each belongs to it."""
    count = len(neck)
    fitted = vertices.copy()
    ears = (points[t.LEFT_EAR_LOBE, 1] + points[t.RIGHT_EAR_LOBE, 1]) / 2
    middle = (points[t.LEFT_NECK, 0] + points[t.RIGHT_NECK, 0]) / 2
    for point, side in ((t.LEFT_NECK, -1), (t.RIGHT_NECK, 1)):
        x, row = points[point]
        band = np.where((neck > 0.5) & (abs(fitted[:count, 1] - row) < 8))[0]
        if len(band) < 4:
            continue
        half = ((fitted[band, 0] - middle) * side).max()
        narrowing = np.clip(max((x - middle) * side, 40.0) / half, 0.6, 1.15)
        of_side = (fitted[:count, 0] - middle) * side > 0
        down = (fitted[:count, 1] - ears + 16) / (0.45 * max(row - ears, 30.0))
        share = np.where(of_side, neck * smoothstep(down), 0)
        fitted[:count, 0] = middle + (fitted[:count, 0] - middle) * (1 - share * (1 - narrowing))
    return fitted
