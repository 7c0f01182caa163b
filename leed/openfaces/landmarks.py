"""The points of a template, found in a portrait, so that portraits of one's own need no templates.

The face detector's five points place the mean template. Then each stage looks at the portrait in the working frame
that the points have given so far, and moves them by a linear map of the gradients and colours around them: supervised
descent (Xiong and De la Torre, CVPR 2013). `benchmarks/landmarks.py fit` learns the maps from webmorph's templates.
"""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import safetensors.numpy

from leed.openfaces import templates as t
from leed.openfaces.arrays import Bytes, Floats, Integers
from leed.openfaces.masks import blurred

FILE = Path(__file__).with_name("landmarks.safetensors")
SPACINGS = (18.0, 10.0, 6.0)
"""Of the places around a point at which each stage looks [px of the working frame]."""
REDUCTION = 0.5  # of the working frame before it is looked at
ORIENTATIONS = 8
GRID = np.array([(x, y) for y in (-1, 0, 1) for x in (-1, 0, 1)])


class Stage(NamedTuple):
    """A linear map from what is seen around points to how they move, as a product of low rank."""

    looked_at: Integers  # (L,) the points around which it looks
    mean: Floats  # (F,) of the features
    basis: Floats  # (F, R)
    moves: Floats  # (R, 378) [px of the working frame]
    bias: Floats  # (378,)

    def move(self, features: Floats) -> Floats:
        """How the points (189, 2) move by features (F,)."""
        return ((features - self.mean) @ self.basis @ self.moves + self.bias).reshape(t.POINTS, 2)


class Finder(NamedTuple):
    """What was learned."""

    template: Floats  # (189, 2) the mean of the templates in the working frame, symmetric
    partners: Integers  # (189,) the point that each becomes in a mirror
    stages: tuple[Stage, ...]


def find_points(portrait: Bytes, face: Floats) -> Floats:
    """The points (189, 2) of a template in a portrait (H, W, 3), in its pixels.

    `face` (5, 2) are the pupils, the nose tip and the corners of the mouth, the image's left first.
    """
    finder = load()
    points = rough_points(finder, face)
    for stage, spacing in zip(finder.stages, SPACINGS, strict=True):
        points = refined(finder, stage, portrait, points, spacing)
    return points


def rough_points(finder: Finder, face: Floats) -> Floats:
    """The mean template (189, 2) on a face of which five points (5, 2) are known."""
    to_frame = t.frame_of(face[0], face[1], (face[3] + face[4]) / 2)
    return t.transformed(cv2.invertAffineTransform(to_frame), finder.template)


def refined(finder: Finder, stage: Stage, portrait: Bytes, points: Floats, spacing: float) -> Floats:
    """The points (189, 2) after a stage: the mean of what it sees in the portrait and in its mirror image."""
    to_frame = t.to_working_frame(points)
    features, framed = look(finder, portrait, to_frame, points, stage.looked_at, spacing)
    straight, in_mirror = (stage.move(each) for each in features)
    moved = framed[0] + (straight + in_mirror[finder.partners] * [-1, 1]) / 2
    return t.transformed(cv2.invertAffineTransform(to_frame), moved)


def look(
    finder: Finder, portrait: Bytes, to_frame: Floats, points: Floats, looked_at: Integers, spacing: float
) -> tuple[Floats, Floats]:
    """Features (2, F) around some of the points (189, 2), in a portrait and in its mirror image, in the working frame.

    Also the points (2, 189, 2) in both.
    """
    framed = t.transformed(to_frame, points)
    both = np.stack([framed, mirrored(finder.partners, framed)])
    size = (int(t.WIDTH * REDUCTION) + 1, int(t.HEIGHT * REDUCTION) + 1)  # an odd width, its middle the frame's
    view = cv2.warpAffine(portrait, to_frame * REDUCTION, size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
    views = view, np.ascontiguousarray(view[:, ::-1])
    seen = [_around(_maps(v, spacing), p[looked_at], spacing) for v, p in zip(views, both, strict=True)]
    return np.stack(seen), both


def mirrored(partners: Integers, framed: Floats) -> Floats:
    """Points (189, 2) of the working frame in the frame's mirror image."""
    return (framed * [-1, 1] + [2 * t.EYES[0], 0])[partners]


@cache
def load() -> Finder:
    """What was learned, from the file beside this one."""
    tensors = safetensors.numpy.load_file(FILE)
    stages = [
        Stage(*(tensors[f"{name}.{k}"].astype(int if name == "looked_at" else np.float32) for name in Stage._fields))
        for k in range(len(SPACINGS))
    ]
    return Finder(tensors["template"].astype(np.float64), tensors["partners"].astype(int), tuple(stages))


def _maps(view: Bytes, spacing: float) -> list[Floats]:
    """What is seen at each pixel of a view, as pictures (H, W, C): gradients by orientation, and colour in Lab.

    Both are relative to what is usual around, so that light counts little.
    """
    lab = cv2.cvtColor(view.astype(np.float32) / 255, cv2.COLOR_BGR2LAB)
    lightness = blurred(lab[..., 0], 0.8)
    right, down = cv2.Sobel(lightness, cv2.CV_32F, 1, 0), cv2.Sobel(lightness, cv2.CV_32F, 0, 1)
    strength = np.hypot(right, down)
    turns = np.arctan2(down, right) * (ORIENTATIONS / (2 * np.pi))
    strength /= blurred(strength, 14) + 2
    half = ORIENTATIONS / 2
    apart = [np.abs((turns - k + half) % ORIENTATIONS - half) for k in range(ORIENTATIONS)]
    gradients = [strength * np.clip(1 - each, 0, 1) for each in apart]
    colours = (lab - blurred(lab, 20)) / 20
    pictures = np.dstack(gradients[:4]), np.dstack(gradients[4:]), colours  # OpenCV takes four channels at most
    return [blurred(picture, spacing * REDUCTION * 0.55) for picture in pictures]


def _around(maps: list[Floats], points: Floats, spacing: float) -> Floats:
    """The features (F,): what maps say at 3 x 3 places around points (L, 2) of the working frame."""
    places = ((points[:, None] + GRID * spacing) * REDUCTION).reshape(-1, 1, 2).astype(np.float32)
    columns, rows = np.ascontiguousarray(places[..., 0]), np.ascontiguousarray(places[..., 1])
    seen = [cv2.remap(m, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for m in maps]
    return np.concatenate([each.reshape(-1) for each in seen])
