"""Where in a portrait face, hair, ears and background lie, and how deep the fitted head is there."""

from dataclasses import dataclass

import cv2
import numpy as np

from leed.openfaces import templates as t
from leed.openfaces.arrays import Bytes, Floats
from leed.openfaces.masks import blurred, fill, polygon, square, without_holes
from leed.openfaces.matting import find_matte
from leed.openfaces.rasteriser import NOWHERE, draw_depth
from leed.openfaces.rig import Rig, opening

SHAPE = (t.HEIGHT, t.WIDTH)
ROWS = np.mgrid[0 : t.HEIGHT, 0 : t.WIDTH][0].astype(np.float32)
"""The row of each pixel of the working frame."""


@dataclass(frozen=True)
class Portrait:
    """A photograph in the working frame."""

    image: Bytes  # (HEIGHT, WIDTH, 3)
    valid: Bytes  # (HEIGHT, WIDTH) above 0 where the photograph reaches
    points: Floats  # (189, 2), its template


@dataclass(frozen=True)
class Regions:
    """Parts of a portrait, arrays of (HEIGHT, WIDTH)."""

    head_depth: Floats  # of face and head; `NOWHERE` beside them
    face_depth: Floats  # of the face with ears and neck
    on_face: Bytes  # where the face with ears and neck lies, of it what is the person, and its inside
    alpha: Floats  # the person, in [0, 1]
    background: Floats  # (HEIGHT, WIDTH, 3)
    colours: Floats  # (HEIGHT, WIDTH, 3) of the person, extended beyond their outline
    chin: float  # row
    ears: float  # row of the lobes

    @property
    def beyond_face(self) -> Floats:
        """1 beyond the face, but for a seam of 6 pixels within it."""
        return (1 - self.inner_face).astype(np.float32)

    @property
    def inner_face(self) -> Bytes:
        """The face, without a seam of 6 pixels."""
        return cv2.erode(self.on_face, square(13))


def find_regions(rig: Rig, portrait: Portrait, vertices: Floats) -> Regions:
    """The regions of a portrait, by the fitted vertices (N, 3)."""
    head, face, narrow = (draw_depth(mesh, vertices, SHAPE) for mesh in (rig.head, rig.face, rig.narrow))
    points, image = portrait.points, portrait.image
    core = _surely_face(rig, points, vertices, narrow)
    matte = find_matte(image, portrait.valid, core, points[t.TOP_OF_HEAD, 1] - 60)
    alpha = np.maximum(matte.alpha, blurred(core.astype(np.float32), 1.5))
    alpha[core > 0] = 1
    chin = points[t.CHIN, 1]
    return Regions(
        head_depth=head,
        face_depth=face,
        on_face=without_holes(((face > NOWHERE) & (alpha > 0.4)).astype(np.uint8)),
        alpha=alpha,
        background=_background(portrait, alpha, matte.background, chin),
        colours=_extended(image, alpha, core, chin),
        chin=chin,
        ears=(points[t.LEFT_EAR_LOBE, 1] + points[t.RIGHT_EAR_LOBE, 1]) / 2,
    )


def ears_of(points: Floats) -> list[Bytes]:
    """The masks of both ears."""
    sides = ((t.LEFT_EAR_OUTER, t.LEFT_EAR_FRONT), (t.RIGHT_EAR_OUTER, t.RIGHT_EAR_FRONT))
    return [polygon(np.r_[points[list(outer)], points[list(front)][::-1]]) for outer, front in sides]


def _surely_face(rig: Rig, points: Floats, vertices: Floats, narrow: Floats) -> Bytes:
    """The face within the jaw, eyes included, without a seam."""
    chin = points[t.CHIN]
    face = (narrow > NOWHERE).astype(np.uint8)
    face[int(chin[1]) + 2 :] = 0
    sides = points[list(t.LEFT_EAR_FRONT)], points[list(t.JAW)], points[list(t.RIGHT_EAR_FRONT)][::-1]
    above = [[t.EYES[0] + 150, t.EYES[1] - 220], [t.EYES[0] - 150, t.EYES[1] - 220]]
    face &= polygon(np.r_[(*sides, above)])
    for lids in rig.eyes:
        face |= polygon(vertices[opening(lids), :2])
    return cv2.erode(face, square(7))


def _extended(image: Bytes, alpha: Floats, core: Bytes, chin: float) -> Floats:
    """The person's colours, where they are not mixed with the background's, extended outwards; the photo's below."""
    picture = image.astype(np.float32)
    solid = cv2.erode((alpha > 0.97).astype(np.uint8), square(5)).astype(np.float32)
    solid = np.maximum(solid, core)
    beyond = fill(image, solid)
    own = blurred(solid, 1.2)[..., None]
    own = np.where(solid[..., None] > 0, own, np.clip(own * 2 - 1, 0, 1))
    colours = picture * own + beyond * (1 - own)
    below = np.clip((ROWS - chin - 10) / 30, 0, 1)[..., None]
    return colours * (1 - below) + picture * below


def _background(portrait: Portrait, alpha: Floats, surface: Floats, chin: float) -> Floats:
    """The fitted background, and below the chin the photo's own, spread behind the person."""
    seen = cv2.erode(((alpha < 0.06) & (portrait.valid > 0)).astype(np.uint8), square(9)).astype(np.float32)
    spread = fill(portrait.image, seen)
    below = np.clip((ROWS - chin - 20) / 40, 0, 1)[..., None]
    return surface * (1 - below) + spread * below
