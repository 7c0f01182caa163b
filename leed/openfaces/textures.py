"""The layers of a head's textures, made of its portrait."""

from dataclasses import dataclass

import cv2
import numpy as np

from leed.openfaces import templates as t
from leed.openfaces.arrays import Bytes, Flags, Floats
from leed.openfaces.masks import blurred, disc, fill, polygon, square
from leed.openfaces.rasteriser import NOWHERE
from leed.openfaces.regions import ROWS, Portrait, Regions, ears_of


@dataclass(frozen=True)
class Hair:
    """What of a portrait is hair, as far as can be told."""

    mask: Flags
    colours: Floats  # (H, W, 3) spread over the whole frame


def textures(portrait: Portrait, regions: Regions, eyes: Floats) -> Bytes:
    """All layers (8, H, W, 4), in the order that `heads` names; `eyes` is the portrait with completed eyes."""
    alpha, colours = regions.alpha, regions.colours
    sheet, sheet_alpha = _sheet(regions)
    hull = _hull(portrait, regions)
    neck = _neck(portrait, regions)
    jaw = polygon(portrait.points[list(t.JAW)])
    under_chin = np.clip((regions.chin + 50 - ROWS) / 70, 0, 1)
    opaque = np.full(alpha.shape, 255, np.float32)
    layers = [
        np.dstack([colours, alpha * 255]),
        np.dstack([sheet, sheet_alpha * 255]),
        hull,
        np.dstack([eyes, opaque]),
        np.dstack([neck, np.maximum(alpha, under_chin) * 255]),
        np.dstack([sheet, sheet_alpha * 255 * _thick(regions)]),
        np.dstack([neck, np.maximum(alpha, jaw) * 255]),
        np.dstack([colours, np.maximum(alpha, under_chin) * 255]),
    ]
    return np.stack([np.clip(layer + 0.5, 0, 255).astype(np.uint8) for layer in layers])


def median_colour(portrait: Portrait, point: int, radius: int) -> Floats:
    """The median colour (3,) around a point of the template."""
    x, y = portrait.points[point].astype(int)
    patch = portrait.image[y - radius : y + radius, x - radius : x + radius]
    return np.median(patch.astype(np.float32).reshape(-1, 3), axis=0)


def _sheet(regions: Regions) -> tuple[Floats, Floats]:
    """Colours (H, W, 3) and alpha (H, W) of hair and shoulders, which also fill where the face is."""
    alpha, beyond = regions.alpha, regions.beyond_face
    filled_alpha = np.clip((fill(alpha, beyond) - 0.35) / 0.3, 0, 1)
    sheet_alpha = np.where(beyond > 0, alpha, filled_alpha)
    filled = fill(regions.colours, beyond * (alpha > 0.6))
    own = (beyond * (alpha > 0.02))[..., None] > 0
    return np.where(own, regions.colours, filled), sheet_alpha


def _thick(regions: Regions) -> Floats:
    """Where the sheet is not a thin strand below the eyes, which would float beside a turned head."""
    solid = ((regions.beyond_face > 0) & (regions.alpha > 0.5)).astype(np.uint8)
    thick = cv2.dilate(cv2.morphologyEx(solid, cv2.MORPH_OPEN, disc(25)), square(9))
    thick[: int(t.EYES[1])] = 1
    thick[regions.inner_face > 0] = 1
    return blurred(thick.astype(np.float32), 2)


def _find_hair(portrait: Portrait, regions: Regions) -> Hair:
    """Hair: the person beyond face and ears, above the chin."""
    first, second = ears_of(portrait.points)
    ears = cv2.dilate(np.maximum(first, second), square(13))
    hair = regions.beyond_face * (regions.alpha > 0.95) * (1 - ears) * (ROWS < regions.chin - 40)
    if hair.sum() < 400:
        hair = (regions.alpha > 0.95) * (ROWS < portrait.points[list(t.HAIRLINE), 1].mean())
    return Hair(hair > 0, fill(regions.colours, hair.astype(np.float32)))


def _hull(portrait: Portrait, regions: Regions) -> Floats:
    """The back of the hair (H, W, 4): hair above, neck below the ears, nothing behind bare ears."""
    alpha, chin = regions.alpha, regions.chin
    hair = _find_hair(portrait, regions)
    colours = hair.colours
    neck = ((regions.face_depth > NOWHERE) & (ROWS > chin + 30) & (alpha > 0.95)).astype(np.float32)
    if neck.sum() > 100:
        low = np.clip((ROWS - regions.ears) / 40, 0, 1)[..., None]
        own = (regions.beyond_face * (alpha > 0.95))[..., None] > 0
        spread = np.where(own, regions.colours, fill(portrait.image, neck)) * 0.8
        colours = np.where(hair.mask[..., None], regions.colours, colours * (1 - low) + spread * low)
    hull_alpha = (cv2.dilate(alpha, square(7)) * (ROWS < chin + 20)).astype(np.float32)
    hull_alpha = _without_bare_ears(hull_alpha, portrait, regions, hair)
    return np.dstack([colours, hull_alpha * 255 * np.clip((chin + 10 - ROWS) / 60, 0, 1)])


def _without_bare_ears(alpha: Floats, portrait: Portrait, regions: Regions, hair: Hair) -> Floats:
    """The hull's alpha, less at ears whose colour is nearer the cheeks' than the hair's."""
    cheek = _lab(np.mean([median_colour(portrait, point, 8) for point in t.CHEEKS], 0))
    known = hair.mask.sum() > 100
    of_hair = _lab(np.median(regions.colours[hair.mask], axis=0)) if known else cheek * 0
    for ear in ears_of(portrait.points):
        if ear.sum() <= 20:
            continue
        colour = _lab(np.median(regions.colours[ear > 0], axis=0))
        if np.linalg.norm(colour - cheek) < np.linalg.norm(colour - of_hair):
            alpha = alpha * (1 - blurred(cv2.dilate(ear, square(19)).astype(np.float32), 1.5))
    return alpha


def _neck(portrait: Portrait, regions: Regions) -> Floats:
    """The neck's colours (H, W, 3), spread over all that the jaw hides; darker there."""
    picture = portrait.image.astype(np.float32)
    points, chin = portrait.points, regions.chin
    neck: Bytes = ((regions.face_depth > NOWHERE) & (regions.alpha > 0.9)).astype(np.uint8)
    ends = points[t.JAW[0]], points[t.JAW[-1]]
    left, right = [[ends[0][0] - 60, ends[0][1]]], [[ends[1][0] + 60, ends[1][1]]]
    above = [[t.EYES[0] + 300, 0], [t.EYES[0] - 300, 0]]
    jaw = polygon(np.r_[(left, points[list(t.JAW)], right, above)])
    neck &= 1 - cv2.dilate(jaw, square(9))
    neck[int(chin) + 130 :] = 0
    if neck.sum() <= 200:
        return picture * 0.75
    usual = np.median(picture[neck > 0], axis=0) * 0.8
    lit = np.clip(picture.mean(-1) / (usual.mean() * 1.1), 0.05, 1) ** 2
    weights = np.maximum(neck.astype(np.float32) * lit, 0.02)
    spread = fill(np.where(neck[..., None] > 0, picture, usual), weights)
    return np.where(neck[..., None] > 0, picture, spread * 0.9)


def _lab(colour: Floats) -> Floats:
    """A colour (3,) in BGR from 0 to 255, in Lab."""
    return cv2.cvtColor(np.asarray(colour, np.float32).reshape(1, 1, 3) / 255, cv2.COLOR_BGR2LAB)[0, 0]
