"""What of a portrait is the person, before a plain background."""

from dataclasses import dataclass

import cv2
import numpy as np

from leed.openfaces.arrays import Bytes, Flags, Floats
from leed.openfaces.masks import blurred, disc, square, without_holes
from leed.openfaces.templates import EYES, UNIT

STEP = 6  # the background is fitted to every sixth pixel


@dataclass(frozen=True)
class Matte:
    """A person, and the background behind them."""

    alpha: Floats  # (H, W) in [0, 1]
    background: Floats  # (H, W, 3) in [0, 255]


def find_matte(image: Bytes, valid: Bytes, face: Bytes, top: float) -> Matte:
    """The matte of a portrait in the working frame, by a smooth background and the distance in colour from it.

    `valid` says where the frame lies in the portrait, `face` what is surely the person, `top` the row of the top of
    the hair.
    """
    smooth = blurred(image, 1.2).astype(np.float32)
    lab = cv2.cvtColor(smooth / 255.0, cv2.COLOR_BGR2LAB)
    background, noise = _background(lab, valid, face, top)
    distance = np.linalg.norm(lab - background, axis=-1)
    rows = np.mgrid[0 : image.shape[0], 0 : image.shape[1]][0]
    start = 4 + 2.5 * noise
    alpha = np.clip((distance - start) / 16, 0, 1)
    alpha = alpha * np.where((valid > 0) | (rows > EYES[1] + 1.9 * UNIT), 1, 0)
    body = _body(alpha, face)
    core = cv2.erode(body, square(41))
    inside = blurred((core > 0) * np.clip(distance / 6.0, 0, 1).astype(np.float32), 3)
    alpha = np.maximum(alpha, inside) * cv2.dilate(body, square(15))
    plate = np.clip(cv2.cvtColor(background, cv2.COLOR_LAB2BGR) * 255, 0, 255)
    return Matte(alpha.astype(np.float32), plate)


def _background(lab: Floats, valid: Bytes, face: Bytes, top: float) -> tuple[Floats, float]:
    """A second-order surface through the background's colours, and by how much these deviate; both in Lab."""
    sparse = lab[::STEP, ::STEP]
    height, width = sparse.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width]
    terms = _second_order(columns / width, rows / height)
    candidates = _candidates(valid, face, top)
    if not candidates.any():
        raise ValueError("there is no background beside the head or above it: expected a wider portrait")
    selected = candidates & _light(sparse[..., 0], candidates)
    for _ in range(6):
        coefficients = np.linalg.lstsq(terms[selected], sparse[selected], rcond=None)[0]
        rest = np.linalg.norm(sparse - terms @ coefficients, axis=-1)
        selected = candidates & (rest < max(2.0, 2.5 * np.median(rest[selected])))
    rows, columns = np.mgrid[0 : lab.shape[0], 0 : lab.shape[1]].astype(np.float32)
    surface = _second_order(columns / STEP / width, rows / STEP / height) @ coefficients.astype(np.float32)
    return surface.astype(np.float32), float(np.median(rest[selected]))


def _second_order(x: Floats, y: Floats) -> Floats:
    """The terms of a second-order surface (H, W, 6), for coordinates from 0 to 1."""
    x, y = (x - 0.5) * 2, (y - 0.5) * 2
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], -1)


def _candidates(valid: Bytes, face: Bytes, top: float) -> Flags:
    """Places, at every sixth pixel, that may be background: beside the head and above it."""
    valid, face = valid[::STEP, ::STEP], face[::STEP, ::STEP]
    rows, columns = np.mgrid[0 : valid.shape[0], 0 : valid.shape[1]] * STEP
    beside = (np.abs(columns - EYES[0]) > 1.45 * UNIT) & (rows < EYES[1] + 1.3 * UNIT)
    return (valid > 0) & (face == 0) & (beside | (rows < top - 25))


def _light(lightness: Floats, candidates: Flags) -> Flags:
    """Where it is as light as most candidates are: hair is darker than a plain background."""
    usual = np.median(np.sort(lightness[candidates])[int(candidates.sum() * 0.3) :])
    return lightness > usual - 14


def _body(alpha: Floats, face: Bytes) -> Bytes:
    """The connected region around the face, without holes."""
    hard: Bytes = (alpha > 0.5).astype(np.uint8)
    hard = cv2.morphologyEx(hard, cv2.MORPH_CLOSE, disc(9))
    hard[face > 0] = 1
    _, labels = cv2.connectedComponents(hard)
    main = labels == labels[int(EYES[1]) + 40, int(EYES[0])]
    return without_holes(main.astype(np.uint8))
