"""Webmorph templates: 189 points on a frontal face; and the working frame to which they bring a portrait."""

import math
from pathlib import Path

import numpy as np

from leed.openfaces.arrays import Floats

POINTS = 189
"""Points of a template. "Left" and "right" below are the image's."""

LEFT_PUPIL, RIGHT_PUPIL = 0, 1
LEFT_IRIS, RIGHT_IRIS = range(2, 10), range(10, 18)
LEFT_EYE_OUTER, RIGHT_EYE_OUTER = 18, 27
LEFT_UPPER_LID, LEFT_LOWER_LID = (18, 19, 20, 21, 22), (18, 28, 29, 30, 22)
RIGHT_UPPER_LID, RIGHT_LOWER_LID = (23, 24, 25, 26, 27), (23, 31, 32, 33, 27)
EYE_CREASES = range(44, 50)
NOSE_ROOT = (51, 57)
BROWS = range(71, 87)
BROWS_LOWER_EDGE = (72, 73, 74, 75, 78, 79, 80, 81)
INNER_BROWS = (76, 77)
MOUTH_LEFT, MOUTH_RIGHT = 87, 93
UPPER_LIP_OUTER = (87, 88, 89, 90, 91, 92, 93)
UPPER_LIP_INNER = (87, 94, 95, 96, 97, 98, 93)
LOWER_LIP_INNER = (87, 99, 100, 101, 102, 103, 93)
LOWER_LIP_OUTER = (87, 104, 105, 106, 107, 108, 93)
LEFT_EAR_FRONT, LEFT_EAR_OUTER = range(109, 112), range(115, 120)
RIGHT_EAR_FRONT, RIGHT_EAR_OUTER = range(112, 115), range(120, 125)
LEFT_EAR_LOBE, RIGHT_EAR_LOBE = 119, 124
JAW = range(125, 134)
CHIN = 129
HAIRLINE, MIDDLE_HAIRLINE = range(134, 145), range(137, 142)
LEFT_NECK, RIGHT_NECK = 145, 157
TOP_OF_HEAD = 151
CHEEKS = (165, 168)

WIDTH, HEIGHT = 900, 960
"""The working frame [px]: the portrait with its eyes level, at `EYES`, and `UNIT` px large."""

EYES = (450.0, 370.0)
"""Where the middle between the pupils lies in the working frame (x, y) [px]."""

UNIT = 140.0
"""The mean of two distances in the working frame [px]: pupil to pupil, and the pupils' middle to the mouth's."""


def read_template(path: Path) -> Floats:
    """The points of a webmorph template (189, 2) in pixels of its portrait, y down.

    The file's first line is the number of points; the next lines are `x y`. Lines that follow describe curves and are
    not read. Raises `ValueError` for a file of another form.
    """
    lines = path.read_text().splitlines()
    if not lines or lines[0].strip() != str(POINTS):
        raise ValueError(f"{path}: expected {POINTS} in the first line, a webmorph template of so many points")
    try:
        points = np.array([[float(word) for word in line.split()[:2]] for line in lines[1 : POINTS + 1]])
    except ValueError:
        raise ValueError(f"{path}: expected two numbers a line, x and y, after the first") from None
    if points.shape != (POINTS, 2) or not np.isfinite(points).all():
        raise ValueError(f"{path}: expected {POINTS} lines with x and y, found an array of shape {points.shape}")
    return points


def template_text(points: Floats) -> str:
    """The file of a template (189, 2), without its curves."""
    return "\n".join([str(POINTS), *(f"{x:.2f}\t{y:.2f}" for x, y in points)]) + "\n"


def to_working_frame(points: Floats) -> Floats:
    """The similarity transform (2, 3) from a portrait to the working frame, by its template (189, 2)."""
    return frame_of(points[LEFT_PUPIL], points[RIGHT_PUPIL], (points[MOUTH_LEFT] + points[MOUTH_RIGHT]) / 2)


def frame_of(left: Floats, right: Floats, mouth: Floats) -> Floats:
    """The same by both pupils and the mouth's middle (2,)."""
    across = right - left
    between_pupils = np.linalg.norm(across)
    angle = np.arctan2(across[1], across[0])
    middle = (left + right) / 2
    to_mouth = np.linalg.norm(mouth - middle)
    scale = UNIT / (0.5 * (between_pupils + to_mouth))
    cos, sin = np.cos(-angle) * scale, np.sin(-angle) * scale
    transform = np.array([[cos, -sin, 0], [sin, cos, 0]])
    transform[:, 2] = np.array(EYES) - transform[:, :2] @ middle
    return transform


def scale_of(transform: Floats) -> float:
    """By how much a similarity transform (2, 3) enlarges."""
    return math.sqrt(abs(np.linalg.det(transform[:, :2])))


def transformed(transform: Floats, points: Floats) -> Floats:
    """Points (N, 2) moved by an affine transform (2, 3)."""
    return points @ transform[:, :2].T + transform[:, 2]
