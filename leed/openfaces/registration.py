"""Registering photographs of one person to each other: a real smile to the neutral portrait, and the reverse."""

from typing import NamedTuple

import cv2
import numpy as np

from leed.openfaces import templates as t
from leed.openfaces.arrays import Bytes, Floats
from leed.openfaces.drawing import LARGE_SIZE, SIZE
from leed.openfaces.heads import Head
from leed.openfaces.masks import blurred, smoothstep
from leed.openfaces.posing import CROP, Pose, crop_corner
from leed.openfaces.rig import Rig
from leed.openfaces.templates import scale_of

EYES_BOX = (320, 580, 295, 430)
"""Left, right, top and bottom of the eyes with the nose's bridge in the working frame: what is registered."""
REACH = 150  # how far from there the eyes of another photograph are looked for [px]
CENTRE = np.array([t.EYES[0], t.EYES[1] + 10])
ANGLES, SCALES = (0, -9, 9, -18, 18), (1.0, 0.84, 1.17)
"""Tilts [degrees] and sizes that are tried: another photograph's head may be tilted, nearer or farther."""
INVERSE = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
REGISTERED = 0.93  # the least score with which a neutral portrait counts as registered to a smile


class Registered(NamedTuple):
    """A picture, and how well it is registered: a correlation, at most 1."""

    picture: Bytes
    score: float


class Move(NamedTuple):
    """A transform (2, 3) from a picture's pixels to those of the one that is registered to it, and its score."""

    score: float
    transform: Floats


def crop_photograph(rig: Rig, head: Head, photograph: Bytes, size: int = SIZE) -> Registered:
    """Another photograph of a person, already in the working frame, in the crop of the neutral portrait.

    It has no template: its eyes are found by those of the portrait.
    """
    fixed, moving = _grey(head.portrait), _grey(photograph)
    move = _refined(fixed, moving, _found(fixed, moving))
    corner = crop_corner(head.pivot, head.vertices[rig.landmarks], Pose())
    to_crop = move.transform.copy()
    to_crop[:, 2] += move.transform[:, :2] @ corner
    picture = cv2.warpAffine(photograph, to_crop, (CROP, CROP), flags=INVERSE, borderMode=cv2.BORDER_REPLICATE)
    if size != CROP:
        picture = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
    return Registered(picture, float(move.score))


def neutral_of_smile(smile: Bytes, neutral: Bytes) -> Registered | None:
    """The neutral picture registered to a smile, both of `LARGE_SIZE`; beyond the face the smile's own pixels.

    Registered on forehead, temples and nose bridge, which do not move; None where it cannot be done.
    """
    still, face = _still_parts(), _face_weights()
    first, second = (
        blurred(cv2.cvtColor(p, cv2.COLOR_BGR2GRAY), 2.4).astype(np.float32) / 255 for p in (smile, neutral)
    )
    transform: Floats = np.eye(2, 3, dtype=np.float32)
    try:
        for motion, blur in ((cv2.MOTION_TRANSLATION, 45), (cv2.MOTION_EUCLIDEAN, 25), (cv2.MOTION_AFFINE, 9)):
            stop = (3, 300, 1e-6)
            score, transform = cv2.findTransformECC(first, second, transform, motion, stop, still, blur)
    except cv2.error:  # it did not converge
        return None
    if score < REGISTERED:
        return None
    side = (LARGE_SIZE, LARGE_SIZE)
    moved = cv2.warpAffine(neutral, transform, side, flags=INVERSE, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
    of_smile, of_neutral = (p[still > 0].reshape(-1, 3).mean(0) for p in (smile, moved))
    gain = np.clip(of_smile / of_neutral, 0.85, 1.18)
    return Registered(np.clip(face * moved * gain + (1 - face) * smile, 0, 255).astype(np.uint8), float(score))


def _grey(picture: Bytes) -> Floats:
    return blurred(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), 2.0).astype(np.float32)


def _similarity(angle: float, scale: float) -> Floats:
    """Rotation (2, 2) by an angle [rad], scaled."""
    return scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _found(fixed: Floats, moving: Floats) -> Move:
    """The eyes' rough place: the best correlation over shifts, tilts and sizes."""
    left, right, top, bottom = EYES_BOX
    eyes = fixed[top:bottom, left:right]
    best = Move(-2.0, np.eye(2, 3, dtype=np.float32))
    for degrees in ANGLES:
        for scale in SCALES:
            turn = _similarity(np.radians(degrees), scale)
            transform = np.c_[turn, CENTRE - turn @ CENTRE].astype(np.float32)
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            size = (t.WIDTH, t.HEIGHT)
            turned = cv2.warpAffine(moving, transform, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
            around = turned[top - REACH : bottom + REACH, left - REACH : right + REACH]
            _, score, _, place = cv2.minMaxLoc(cv2.matchTemplate(around, eyes, cv2.TM_CCOEFF_NORMED))
            advantage = 0.02 if degrees or scale != 1.0 else 0  # upright and of the same size is likelier
            if score > best.score + advantage:
                shift = np.array([place[0] - REACH, place[1] - REACH], np.float32)
                moved = transform.copy()
                moved[:, 2] += transform[:, :2] @ shift
                best = Move(score, moved)
        if degrees == 0 and best.score > 0.9:
            break
    return best


def _refined(fixed: Floats, moving: Floats, rough: Move) -> Move:
    """The similarity by which the eyes correlate best, from a rough one."""
    left, right, top, bottom = EYES_BOX
    mask = np.zeros(fixed.shape, np.uint8)
    mask[top - 20 : bottom + 25, left - 10 : right + 10] = 255
    score, transform = rough.score * 0.9, rough.transform
    try:
        if abs(scale_of(transform) - 1) < 0.01:
            stop = (3, 80, 1e-5)
            score, transform = cv2.findTransformECC(fixed, moving, transform, cv2.MOTION_EUCLIDEAN, stop, mask, 5)
        stop = (3, 150, 1e-5)
        fine, affine = cv2.findTransformECC(fixed, moving, transform.copy(), cv2.MOTION_AFFINE, stop, mask, 7)
    except cv2.error:  # it did not converge
        return Move(min(score, rough.score * 0.9), transform)
    scale = scale_of(affine)
    if not 0.75 < scale < 1.3:
        return Move(score, transform)
    angle = np.arctan2(affine[1, 0] - affine[0, 1], affine[0, 0] + affine[1, 1])
    turn = _similarity(angle, scale)
    shift = affine[:, :2] @ CENTRE + affine[:, 2] - turn @ CENTRE
    return Move(fine, np.c_[turn, shift].astype(np.float32))


def _coordinates() -> tuple[Floats, Floats]:
    """Row and column of each pixel of a large picture, in pixels of a picture of 256."""
    rows, columns = np.mgrid[:LARGE_SIZE, :LARGE_SIZE].astype(np.float32) / 2
    return rows, columns


def _still_parts() -> Bytes:
    """Forehead, temples and nose bridge in the crop, without the eyes, which narrow in a smile."""
    rows, columns = _coordinates()
    still = ((rows > 52) & (rows < 138) & (np.abs(columns - 128) < 74)).astype(np.uint8) * 255
    still[176:224, 124:224] = 0
    still[176:224, 288:388] = 0
    return still


def _face_weights() -> Floats:
    """1 on the face in the crop, 0 beyond (S, S, 1), with a soft edge."""
    rows, columns = _coordinates()
    distance = np.hypot((columns - 128) / 84, (rows - 138) / 104)
    return smoothstep((1.12 - distance) / 0.22)[..., None]
