"""Dynamic wrinkles: a fixed pattern for each person, whose strength follows the expression."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np

from leed.openfaces import templates as t
from leed.openfaces.arrays import Bytes, Floats
from leed.openfaces.masks import blurred

UNKNOWN_AGE = 27.0


@dataclass(frozen=True)
class Wrinkles:
    """One kind of wrinkles: relative change of brightness in a part of the working frame."""

    rows: slice
    columns: slice
    change: Floats  # (h, w) float32


def wrinkle_maps(person: str, age: float | None, points: Floats) -> list[Wrinkles]:
    """Wrinkles of a person with a template (189, 2): forehead, glabella, right and left crow's feet, nose root.

    The order is that of `amounts`.
    """
    rng = np.random.default_rng(_number(person) % (1 << 31))
    age = UNKNOWN_AGE if age is None else age
    depth = np.clip(0.45 + (age - 20) / 45, 0.4, 1.2) * rng.uniform(0.75, 1.15)
    unit = float(np.linalg.norm(points[t.LEFT_PUPIL] - points[t.RIGHT_PUPIL]))
    maps = [_forehead(rng, points, unit, depth), _glabella(rng, points, unit, depth)]
    for corner, side in ((t.LEFT_EYE_OUTER, -1), (t.RIGHT_EYE_OUTER, 1)):
        maps.append(_crows_feet(rng, points[corner], side, unit, depth))
    maps.append(_nose_root(rng, points, unit, depth))
    return [_cropped(change) for change in maps]


def amounts(names: Sequence[str], weights: Floats) -> list[float]:
    """How strong each of the five kinds of wrinkles is at these blendshape weights."""
    of = dict(zip(names, map(float, weights), strict=True))
    inner = (of["browInnerUp_L"] + of["browInnerUp_R"]) / 2
    outer = (of["browOuterUp_L"] + of["browOuterUp_R"]) / 2
    down = (of["browDown_L"] + of["browDown_R"]) / 2
    sneer = (of["noseSneer_L"] + of["noseSneer_R"]) / 2
    return [
        np.clip(0.55 * inner + 0.55 * outer - 0.5 * down, 0, 1.1),
        np.clip(down * 0.9 + 0.25 * inner * (down > 0.1), 0, 1.1),
        np.clip(0.8 * of["cheekSquint_R"] + 0.4 * of["eyeSquint_R"], 0, 1),
        np.clip(0.8 * of["cheekSquint_L"] + 0.4 * of["eyeSquint_L"], 0, 1),
        np.clip(sneer * 1.1, 0, 1),
    ]


@contextmanager
def wrinkled(skin: Bytes, maps: Sequence[Wrinkles], strengths: Sequence[float]) -> Iterator[None]:
    """Draws wrinkles into a texture (H, W, 4), and takes them out at the end."""
    before = []
    for strength, wrinkles in zip(strengths, maps, strict=True):
        if strength > 0.03:
            colours = skin[wrinkles.rows, wrinkles.columns, :3]
            before.append((colours, colours.copy()))
            colours[:] = np.clip(colours * (1 + strength * wrinkles.change[..., None]) + 0.5, 0, 255).astype(np.uint8)
    try:
        yield
    finally:
        for colours, original in reversed(before):
            colours[:] = original


def _number(person: str) -> int:
    """A number for a name, the same in every process."""
    number = 0
    for letter in person:
        number = (number * 131 + ord(letter)) % 1000003
    return number


def _crease(rng: np.random.Generator, line: Floats, width: float, depth: float) -> Floats:
    """A soft dark crease with a lighter lower lip along a line (n, 2), as relative change of brightness."""
    stations, fine = np.linspace(0, 1, len(line)), np.linspace(0, 1, 40)
    smooth = [np.interp(fine, stations, line[:, axis]) for axis in range(2)]
    smooth = [np.convolve(np.pad(values, 3, mode="edge"), np.ones(7) / 7, "valid") for values in smooth]
    points = np.stack(smooth, 1)
    fade = np.sin(np.pi * np.clip(fine * 0.96 + 0.02, 0, 1)) ** 0.7
    fade = fade * (1 + 0.35 * np.interp(fine, np.linspace(0, 1, 6), rng.normal(size=6)))
    drawn = np.zeros((t.HEIGHT, t.WIDTH), np.float32)
    for start, end, strength in zip(points[:-1], points[1:], fade[: len(points) - 1], strict=True):
        (x0, y0), (x1, y1) = ((int(value * 16) for value in point) for point in (start, end))
        cv2.line(drawn, (x0, y0), (x1, y1), float(np.clip(strength, 0, 1.4)), 1, cv2.LINE_AA, 4)
    dark = blurred(drawn, width)
    light = blurred(np.roll(drawn, int(round(width * 2)), 0), width * 1.3)
    dark, light = (part / max(part.max(), 1e-6) for part in (dark, light))
    return -depth * dark + 0.35 * depth * light


def _forehead(rng: np.random.Generator, points: Floats, unit: float, depth: float) -> Floats:
    """Three or four lines across the forehead, along the brows."""
    brows, hair = points[list(t.BROWS_LOWER_EDGE)], points[list(t.MIDDLE_HAIRLINE), 1].mean()
    height = np.clip(brows[:, 1].mean() - hair, 40, 130)
    left, right = brows[0, 0] + rng.uniform(0, 12), brows[-1, 0] - rng.uniform(0, 12)
    xs = np.linspace(left, right, 9)
    change = np.zeros((t.HEIGHT, t.WIDTH), np.float32)
    for level in (0.22, 0.42, 0.62, 0.8)[: 3 + (rng.random() < 0.4)]:
        level = level + rng.uniform(-0.04, 0.04)
        ys = np.interp(xs, brows[:, 0], brows[:, 1])
        ys = 0.45 * ys + 0.55 * ys.mean() - 3 * np.cos((xs - xs.mean()) / unit * 2.2)
        line = np.c_[xs, ys - level * height + rng.normal(size=9) * 1.2]
        change += _crease(rng, line, 2.0, 0.20 * depth * rng.uniform(0.7, 1.1))
    return change


def _glabella(rng: np.random.Generator, points: Floats, unit: float, depth: float) -> Floats:
    """Two upright lines between the brows."""
    inner = points[list(t.INNER_BROWS)]
    row, middle = inner[:, 1].mean(), inner[:, 0].mean()
    half = (inner[1, 0] - inner[0, 0]) / 2
    change = np.zeros((t.HEIGHT, t.WIDTH), np.float32)
    for side in (-1, 1):
        x = middle + side * half * rng.uniform(0.45, 0.6)
        top = [x + side * 3, row - 0.16 * unit * rng.uniform(0.7, 1.2)]
        line = np.array([[x - side * 1, row + 0.13 * unit], [x, row], top])
        change += _crease(rng, line, 2.2, 0.32 * depth * rng.uniform(0.75, 1.1))
    return change


def _crows_feet(rng: np.random.Generator, corner: Floats, side: int, unit: float, depth: float) -> Floats:
    """Three lines that spread from an eye's outer corner."""
    change = np.zeros((t.HEIGHT, t.WIDTH), np.float32)
    for degrees in (-22, 4, 28):
        angle = np.radians(degrees + rng.uniform(-5, 5))
        start, end = unit * 0.09, unit * rng.uniform(0.19, 0.27)
        radii = np.linspace(start, end, 4)
        xs = corner[0] + side * radii * np.cos(angle)
        ys = corner[1] + radii * np.sin(angle) + (radii - start) * 0.15
        change += _crease(rng, np.c_[xs, ys], 1.5, 0.15 * depth)
    return change


def _nose_root(rng: np.random.Generator, points: Floats, unit: float, depth: float) -> Floats:
    """Two lines across the root of the nose, and two on each of its sides."""
    x, y = points[list(t.NOSE_ROOT), 0].mean(), points[list(t.NOSE_ROOT), 1].mean()
    change = np.zeros((t.HEIGHT, t.WIDTH), np.float32)
    for below in (-0.02, 0.07):
        row = y + below * unit
        line = [[x - 0.12 * unit, row - 6], [x, row + rng.uniform(-1, 2)], [x + 0.12 * unit, row - 6]]
        change += _crease(rng, np.array(line), 1.8, 0.15 * depth)
    for side in (-1, 1):
        for below in (0.02, 0.12):
            line = [[x + side * 0.10 * unit, y + below * unit], [x + side * 0.2 * unit, y + (below + 0.10) * unit]]
            change += _crease(rng, np.array(line), 1.7, 0.14 * depth)
    return change


def _cropped(change: Floats) -> Wrinkles:
    """The part of a map that is not nearly 0."""
    rows, columns = np.where(np.abs(change) > 0.004)
    if not len(rows):
        return Wrinkles(slice(0), slice(0), np.zeros((0, 0), np.float32))
    box = slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
    return Wrinkles(*box, change[box].astype(np.float32))
