"""Random performances: an expression with an intensity, noise and asymmetry; and free ones that no label fits.

The order in which random numbers are drawn decides the published set: a change here makes another set.
"""

from typing import NamedTuple

import numpy as np

from leed.config import EXPRESSIONS
from leed.openfaces.arrays import Floats
from leed.openfaces.posing import Pose
from leed.openfaces.presets import BLENDSHAPES, BROWS, MOUTHS, PRESETS, indices_of, weights_of

CAMERAS = {-45: "045", -22: "068", 0: "090", 22: "112", 45: "135"}
"""Yaw [degrees] and name of each camera, as in RaFD's naming: 090 is frontal, 045 sees a face turned to the left."""
YAWS = list(CAMERAS)
JITTER = 3.0  # of each angle, up and down [degrees]
NOISY = [
    *("browDown", "browInnerUp", "browOuterUp", "eyeSquint", "eyeWide", "eyeBlink", "cheekSquint", "noseSneer"),
    *("mouthSmile", "mouthFrown", "mouthStretch", "mouthUpperUp", "mouthLowerDown", "mouthDimple", "mouthPress"),
]
"""Blendshapes of which three, taken at random, are slightly added to any performance."""
STRONGEST = 1.6
BLINKING = ("eyeBlink_L", "eyeBlink_R")


class Performance(NamedTuple):
    """An expression as somebody shows it."""

    variant: int  # of the preset
    intensity: float  # factor of the preset's weights; 0 for a neutral face
    weights: Floats  # (53,) float32


def perform(rng: np.random.Generator, expression: str, *, at_rest: bool = False) -> Performance:
    """A performance of an expression, its gaze straight; a neutral one `at_rest` has all weights 0."""
    presets = PRESETS[expression]
    variant = int(rng.integers(len(presets)))
    if expression == "neutral":
        rest = np.zeros(len(BLENDSHAPES), np.float32)
        return Performance(variant, 0.0, rest if at_rest else _with_noise(rng, rest, 0.035))
    intensity = float(rng.uniform(0.8 if expression in ("angry", "contemptuous") else 0.7, 1.1))
    weights: Floats = weights_of(presets[variant]) * intensity
    weights *= np.exp(rng.normal(0, 0.10, len(weights))).astype(np.float32)
    asymmetry = rng.normal(0, 0.06)
    for k, name in enumerate(BLENDSHAPES):
        if name.endswith("_L"):
            weights[k] *= 1 + asymmetry
        elif name.endswith("_R"):
            weights[k] *= 1 - asymmetry
    weights = np.clip(_with_noise(rng, weights, 0.04), 0, STRONGEST).astype(np.float32)
    return Performance(variant, intensity, weights)


def glance(rng: np.random.Generator, weights: Floats) -> Floats:
    """Weights (53,) with a random gaze, changed in place; eyes move down less than up."""
    across, up = rng.normal(0, 0.07, 2)
    return look(weights, across, up, down_share=0.6)


def look(weights: Floats, across: float, up: float, down_share: float = 1.0) -> Floats:
    """Weights (53,) with a gaze added, changed in place: `across` > 0 is to the person's left."""
    for name, amount in (
        *(("eyeLookOut_L", across), ("eyeLookIn_R", across), ("eyeLookIn_L", -across), ("eyeLookOut_R", -across)),
        *(("eyeLookUp_L", up), ("eyeLookUp_R", up)),
        *(("eyeLookDown_L", -up), ("eyeLookDown_R", -up)),
    ):
        share = down_share if "Down" in name else 1.0
        k = BLENDSHAPES.index(name)
        weights[k] = min(weights[k] + max(amount, 0) * share, 1.0)
    return weights


def seen_from(rng: np.random.Generator, yaw: float) -> Pose:
    """A head seen by the camera at a yaw, with jitter."""
    jitter = rng.uniform(-JITTER, JITTER, 3)
    return Pose(float(yaw + jitter[0]), float(jitter[1]), float(jitter[2]))


def other_yaw(rng: np.random.Generator, yaw: int) -> int:
    """The yaw of another camera."""
    return int(rng.choice([other for other in YAWS if other != yaw]))


def perform_freely(rng: np.random.Generator) -> Floats:
    """Weights (53,) float32 of a free expression: a mouth, brows, eyes and gaze, at times a part of an emotion."""
    mouth = weights_of(MOUTHS[int(rng.integers(len(MOUTHS)))]) * rng.uniform(0.6, 1.15)
    weights = mouth + weights_of(BROWS[int(rng.integers(len(BROWS)))]) * rng.uniform(0.4, 1.1)
    if rng.random() < 0.4:
        presets = PRESETS[str(rng.choice(EXPRESSIONS[1:]))]
        weights = weights + weights_of(presets[int(rng.integers(len(presets)))]) * rng.uniform(0.2, 0.7)
    weights *= np.exp(rng.normal(0, 0.12, len(weights))).astype(np.float32)
    weights = np.maximum(weights, weights_of(_eyes(rng)))
    look(weights, *rng.normal(0, 0.3, 2))
    limits = np.ones(len(weights), np.float32)
    limits[list(indices_of("browDown"))] = 1.5
    limits[list(indices_of("jawOpen"))] = 0.75
    return np.clip(weights, 0, limits).astype(np.float32)


def _with_noise(rng: np.random.Generator, weights: Floats, spread: float) -> Floats:
    """Weights with a little of three blendshapes, changed in place."""
    for name in rng.choice(NOISY, 3, replace=False):
        amount = abs(rng.normal(0, spread))
        for k in indices_of(str(name)):
            weights[k] += amount
    return weights


def _eyes(rng: np.random.Generator) -> dict[str, float]:
    """Eyes of a free expression: at rest, half closed, closed, winking, wide or narrow."""
    kind, closed = rng.random(), rng.uniform(0.85, 1.0)
    if kind < 0.42:
        return {}
    if kind < 0.6:
        return {"eyeBlink": rng.uniform(0.2, 0.7)}
    if kind < 0.76:
        return {"eyeBlink": closed}
    if kind < 0.86:
        return {BLINKING[0] if kind < 0.81 else BLINKING[1]: closed}
    return {"eyeWide": rng.uniform(0.5, 1)} if kind < 0.94 else {"eyeSquint": rng.uniform(0.4, 0.9)}
