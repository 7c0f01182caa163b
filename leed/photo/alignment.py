"""Aligning faces: the crop of a face that the models know.

The crop: eyes level on row 0.30 of its side, their midpoint 0.3575 of the side above the mouth's, the middle of the
whole face, jaw included, on column 0.5; position and size do not follow the expression.

Photos are upright RGB pictures; positions are (x, y) in pixels, (0, 0) being the outer corner of the first pixel.
"""

from functools import cache
from pathlib import Path

import numpy as np
import safetensors.numpy
from PIL import Image

from leed.photo.detection import MIN_SCORE, Face, detector
from leed.photo.geometry import Alignment

# From the detector's five points to a rough crop, in units of the distance from the eyes to the mouth; fitted to the
# training people of the open face set. Its error deviates by 4 % in scale and 3.5 degrees in roll.
CENTRE_PER_NOSE = -1.7  # the head's middle lies on the other side of the eyes' midpoint than the nose tip
SIDE = 1.55
SIDE_PER_NOSE_SQUARED = 6.4
SIDE_PER_EYE_DISTANCE = 1.4

# From a window around a rough crop to the crop: `benchmarks/alignment.py fit` makes the file.
REFINEMENT = Path(__file__).with_name("alignment.safetensors")
SEARCH_REFINEMENTS = 5  # at most, for a face that a search found
STILL = 0.02  # a crop whose corners a refinement moved by less, in sides, has come to rest
FOLLOW_REFINEMENTS = 2  # at most, from the face's place in the frame before
SETTLED = 0.06  # a followed crop whose corners a refinement moved by less, in sides, comes to rest in the next frames
NEAR = 0.3  # two crops nearer than this, in sides, are of one face
WINDOW = 128  # side of the window [px]
WINDOW_MARGIN = 0.06  # by which the window is wider than the rough crop, on each side
WINDOW_CENTRE = 0.48  # row of the rough crop in the window's middle


def align(photo: Image.Image, face: Face, size: int = 128) -> tuple[Image.Image, Alignment]:
    """The aligned crop (size, size) of a face of the photo, and where it lies in the photo."""
    alignment = search(photo, face)
    return alignment.crop(photo, size), alignment


def search(photo: Image.Image, face: Face) -> Alignment:
    """The place of a face's crop in the photo."""
    rough = rough_alignment(face.points)
    window = window_around(rough)
    features, _ = detector().look(window.view(photo, WINDOW), mirror=False)  # a first step need not be exact
    alignment, _ = refined(photo, refined_alignment(window, features), SEARCH_REFINEMENTS, STILL)
    return alignment


def follow(photo: Image.Image, last: Alignment) -> Alignment | None:
    """As `search`, for a face whose crop lay at `last` in the frame before; None if no face is surely there.

    Both come to rest at the same place, but for a hundredth of the side.
    """
    alignment, sure = refined(photo, last, FOLLOW_REFINEMENTS, SETTLED)
    return alignment if sure else None


def lies_at(face: Face, last: Alignment) -> bool:
    """Whether a face that a search found is the one that lay at `last` in the frame before."""
    return rough_alignment(face.points).distance(last) < NEAR


def refined(photo: Image.Image, alignment: Alignment, refinements: int, settled: float) -> tuple[Alignment, bool]:
    """The exact crop of a face from a rough one, and whether it is sure: the score is high and the place settled.

    The crop is refined at most `refinements` times, until its corners move by less than `settled` sides.
    """
    for _ in range(refinements):
        rough, window = alignment, window_around(alignment)
        features, score = detector().look(window.view(photo, WINDOW))
        alignment = refined_alignment(window, features)
        at_rest = alignment.distance(rough) < settled
        if at_rest:
            break
    return alignment, at_rest and score > MIN_SCORE


def rough_alignment(points: np.ndarray) -> Alignment:
    """The crop that five points (5, 2) suggest: eyes, nose tip, mouth corners."""
    eyes, mouth = points[:2].mean(0), points[3:].mean(0)
    right = points[1] - points[0]
    eye_distance = float(np.hypot(*right)) or 1.0
    right = right / eye_distance
    down = np.array([-right[1], right[0]])
    height = max(float((mouth - eyes) @ down), 0.3 * eye_distance)  # no face has less
    nose = float((points[2] - eyes) @ right) / height
    side = height * (SIDE + SIDE_PER_NOSE_SQUARED * min(nose**2, 0.25) + SIDE_PER_EYE_DISTANCE * eye_distance / height)
    anchor = eyes + CENTRE_PER_NOSE * np.clip(nose, -0.5, 0.5) * height * right
    return Alignment.at_eyes(anchor, np.arctan2(right[1], right[0]), side)


def window_around(rough: Alignment) -> Alignment:
    """The square a little wider than a rough crop in which `refined_alignment` looks."""
    scale = 1 + 2 * WINDOW_MARGIN
    x, y = rough.to_photo([0.5 - scale / 2, WINDOW_CENTRE - scale / 2])
    right, down = rough.across
    return Alignment((x, y), (scale * right, scale * down))


def refined_alignment(window: Alignment, features: np.ndarray) -> Alignment:
    """The crop that a linear map reads from features of a window: (1, F), or (2, F) with its mirror image."""
    weight, bias = refinement()
    estimates = features @ weight + bias
    estimates[1:] *= (-1, 1, 1, -1)
    x, y, log_side, roll = estimates.mean(0)
    anchor = window.to_photo([0.5 + x, 0.5 + y])
    return Alignment.at_eyes(anchor, window.angle + roll, window.side * np.exp(log_side))


@cache
def refinement() -> tuple[np.ndarray, np.ndarray]:
    """Weight (F, 4) and bias (4,) of the map from features of a window to the crop in it.

    Its results, in units of the window's side: x and y of the eye row's middle, from the window's centre, and the
    logarithm of the crop's side; and the roll in radians.
    """
    tensors = safetensors.numpy.load_file(REFINEMENT)
    return tensors["weight"].astype(np.float64), tensors["bias"].astype(np.float64)
