"""Completing an eye: white and iris beyond what the lids leave visible in the photo."""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from leed.openfaces import templates as t
from leed.openfaces.arrays import Flags, Floats, Integers
from leed.openfaces.masks import blurred, fill, polygon

MARGIN = 40  # around an eye's opening [px]
RINGS = 40  # of the iris's radial profile; the iris's edge is ring 30
USUAL_WHITE = np.array([170.0, 175, 185])


class Circle(NamedTuple):
    """A circle in the working frame [px]."""

    centre: Floats
    radius: float


@dataclass(frozen=True)
class CompletedEyes:
    """The portrait with both eyes completed."""

    picture: Floats  # (H, W, 3) float32
    whites: list[Floats]  # the white's colour in each eye


def complete_eyes(portrait: Floats, points: Floats, openings: tuple[Floats, Floats]) -> CompletedEyes:
    """Completes both eyes of a portrait (H, W, 3) float32 with a template (189, 2).

    `openings` are the contours (n, 2) of the image's left and right eye.
    """
    picture, whites = portrait.copy(), []
    sides = ((t.LEFT_PUPIL, t.LEFT_IRIS), (t.RIGHT_PUPIL, t.RIGHT_IRIS))
    for contour, (pupil, rim) in zip(openings, sides, strict=True):
        iris = _iris(points, pupil, rim)
        x0, y0 = (contour.min(0) - MARGIN).astype(int)
        x1, y1 = (contour.max(0) + MARGIN).astype(int)
        rows, columns = np.mgrid[y0:y1, x0:x1]
        radius = np.hypot(columns - iris.centre[0], rows - iris.centre[1])
        seen = _inside_lids(contour)[y0:y1, x0:x1]
        eye = portrait[y0:y1, x0:x1]
        filling, white = _white(eye, seen & (radius > iris.radius * 1.12))
        within = np.clip((1.04 * iris.radius - radius) / 2.5 + 0.5, 0, 1)[..., None]
        whole = filling * (1 - within) + _iris_colours(eye, seen, radius / iris.radius) * within
        kept = np.clip(blurred(seen.astype(np.float32), 1.3)[..., None] * 2 - 0.6, 0, 1)
        picture[y0:y1, x0:x1] = eye * kept + whole * (1 - kept)
        whites.append(white)
    return CompletedEyes(picture, whites)


def fit_circle(points: Floats) -> Circle:
    """The circle through points (n, 2), by least squares."""
    design = np.c_[2 * points, np.ones(len(points))]
    solution = np.linalg.lstsq(design, (points**2).sum(1), rcond=None)[0]
    centre = solution[:2]
    return Circle(centre, np.sqrt(max(solution[2] + centre[0] ** 2 + centre[1] ** 2, 1e-3)))


def _iris(points: Floats, pupil: int, rim: range) -> Circle:
    """The iris: of a plausible size, and where rim and pupil agree, if they do."""
    between_pupils = np.linalg.norm(points[t.LEFT_PUPIL] - points[t.RIGHT_PUPIL])
    centre, radius = fit_circle(points[list(rim)])
    radius = np.clip(radius, 0.080 * between_pupils, 0.105 * between_pupils)
    if abs(centre - points[pupil]).max() >= 6:
        return Circle(points[pupil], radius)
    return Circle(
        np.array([points[pupil][0] * 0.5 + centre[0] * 0.5, points[pupil][1] * 0.5 + centre[1] * 0.5]), radius
    )


def _inside_lids(contour: Floats) -> Flags:
    """The opening (H, W) without what the lids shade, most at the top."""
    kernel = np.zeros((7, 5), np.uint8)
    kernel[0:7, 1:4] = 1
    return cv2.erode(polygon(contour), kernel) > 0


def _white(eye: Floats, seen: Flags) -> tuple[Floats, Floats]:
    """The white of an eye, filled beyond where it is seen, and its colour."""
    colour, source = USUAL_WHITE, seen
    if seen.sum() > 20:
        brightness = eye.mean(-1)
        source = seen & (brightness >= np.percentile(brightness[seen], 25))
        colour = np.percentile(eye[source], 60, axis=0)
    usual = np.broadcast_to(colour, eye.shape)[:1]  # a row below, for eyes of which no white is seen
    faint = np.full((1, eye.shape[1]), 0.02, np.float32)
    filled = fill(np.concatenate([eye, usual], 0), np.concatenate([source.astype(np.float32), faint], 0))[:-1]
    return filled * 0.6 + colour * 0.4, colour


def _iris_colours(eye: Floats, seen: Flags, radius: Floats) -> Floats:
    """Colours (H, W, 3) by the distance from the pupil, in radii of the iris: medians over rings that are seen."""
    ring: Integers = np.clip((radius * 30).astype(int), 0, RINGS - 1)
    profile: Floats = np.zeros((RINGS, 3))
    known = np.zeros(RINGS, bool)
    for k in range(36):
        pixels = seen & (ring == k)
        if pixels.sum() >= 3:
            profile[k], known[k] = np.median(eye[pixels], axis=0), True
    rings = np.where(known)[0]
    if len(rings) <= 5:
        return np.broadcast_to(np.array([40.0, 40, 40]), eye.shape)
    for channel in range(3):
        profile[:, channel] = np.interp(np.arange(RINGS), rings, profile[rings, channel])
    profile = cv2.GaussianBlur(profile.astype(np.float32)[:, None], (1, 5), 1.2)[:, 0]
    return profile[ring]
