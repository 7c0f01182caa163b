"""The expressions of a clip's face, frame by frame, against its neutral face, smoothed in time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from leed.expression import Expression
from leed.model import FaceModel
from leed.video.frames import Frame
from leed.video.identity import Person
from leed.video.smoothing import SmootherOfParts, orthonormal, run_around, windows
from leed.video.tracking import Sighting, steadied, track

REACH = 3  # frames before and after that smooth an expression
SPREAD = 0.05  # standard deviation of their weights [s]
FREEDOM = 8  # of the noise in an expression; measured on still pictures of training people
BLINKING = ("blink", "wink_left", "wink_right")  # the gallery's


@dataclass(frozen=True)
class Shown:
    """What a driver's face shows in a frame."""

    pts: int
    expression: Expression  # none where the face is not seen
    weight: float  # in [0, 1]: how surely it is seen; the expression is that much weaker


def driven(leed: FaceModel, frames: Iterable[Frame], face: int = 0, smoothing: bool = True) -> Iterator[Shown]:
    """What one face of a clip shows in each frame. Raises `VideoError` if there is no face `face`.

    Without smoothing, each frame stands for itself, and so does the place of the face in it.
    """
    sightings = track(frames, Person(leed), face)
    if not smoothing:
        yield from (shown(reading) for reading in readings(leed, sightings))
        return
    smoother = SmootherOfParts(blinking(leed), SPREAD, FREEDOM)
    for near, index in windows(readings(leed, steadied(sightings)), REACH):
        here = near[index]
        if here.weight:
            run = run_around(near, index, belong_together)
            values = [near[i].delta_exp.ravel() for i in run]
            value = smoother.smoothed([near[i].time for i in run], values, index - run.start)
            here = replace(here, delta_exp=value.reshape(here.delta_exp.shape))
        yield shown(here)


def blinking(leed: FaceModel) -> np.ndarray:
    """The axes (K, Z) along which expressions change as eyes close: a blink is short and small beside other motion."""
    return orthonormal(
        np.stack([leed.expressions[name].delta_exp.cpu().double().numpy().ravel() for name in BLINKING])
    )


@dataclass(frozen=True)
class Reading:
    """What a face shows in a frame, which is not kept; zero if it is not seen."""

    pts: int
    time: float  # [s]
    scene: int
    weight: float
    delta_exp: np.ndarray  # float64


def readings(leed: FaceModel, sightings: Iterable[Sighting]) -> Iterator[Reading]:
    """The expression in each frame, against the neutral face of the same frame."""
    nothing = leed.no_expression.delta_exp.double().cpu().numpy()
    for sighting in sightings:
        frame, place = sighting.frame, sighting.alignment
        if place is None:
            delta_exp, weight = nothing, 0.0
        else:
            crop = place.crop(frame.picture, leed.config.image_size)
            frame.forget_picture()
            delta_exp, weight = leed.expression(crop).delta_exp.double().cpu().numpy(), sighting.weight
        assert frame.video.pts is not None  # frames of a clip have times
        yield Reading(frame.video.pts, frame.time, sighting.scene, weight, delta_exp)


def belong_together(one: Reading, other: Reading) -> bool:
    """Whether the face is seen in both of two frames, and in one scene."""
    return one.weight > 0 and other.weight > 0 and one.scene == other.scene


def shown(reading: Reading) -> Shown:
    """The expression of a reading, weaker where the face is about to be lost."""
    delta_exp = torch.from_numpy(reading.weight * reading.delta_exp).float()
    return Shown(reading.pts, Expression(delta_exp), reading.weight)
