"""Free expressions: which performances there are of training people, and which triples of test people."""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from leed.config import EXPRESSIONS
from leed.openfaces.arrays import Floats
from leed.openfaces.performances import CAMERAS, YAWS, other_yaw, perform_freely, seen_from
from leed.openfaces.posing import Pose
from leed.openfaces.presets import BLENDSHAPES, PRESETS, weights_of

PERFORMANCES = 12  # of each training person
TRIPLES = 150


@dataclass(frozen=True)
class FreeShot:
    """A free expression of a training person, and the second camera that sees it."""

    file: str
    weights: Floats  # (53,) float32
    camera: str
    pose: Pose
    view_camera: str
    view_pose: Pose


@dataclass(frozen=True)
class FreeTriple:
    """Input, reference and true edit; the true neutral face is the input's with all weights zero."""

    number: int
    input_person: str
    reference_person: str
    input_weights: Floats  # (53,)
    weights: Floats  # (53,) of reference and true edit
    input_camera: str
    input_pose: Pose
    reference_camera: str
    reference_pose: Pose

    def pictures(self) -> Iterator[tuple[str, str, Floats, Pose]]:
        """Role, person, weights and pose of each picture."""
        yield "input", self.input_person, self.input_weights, self.input_pose
        yield "reference", self.reference_person, self.weights, self.reference_pose
        yield "target", self.input_person, self.weights, self.input_pose
        yield "neutral", self.input_person, np.zeros(len(BLENDSHAPES), np.float32), self.input_pose


def free_shots(person: str) -> list[FreeShot]:
    """The free expressions of a training person."""
    rng = np.random.default_rng(zlib.crc32(f"free{person}".encode()))
    shots = []
    for k in range(PERFORMANCES):
        weights = perform_freely(rng)
        yaw, pose = _camera(rng)
        view_yaw = other_yaw(rng, yaw)
        view_pose = seen_from(rng, view_yaw)
        shots.append(FreeShot(f"{person}_{k:02d}", weights, CAMERAS[yaw], pose, CAMERAS[view_yaw], view_pose))
    return shots


def free_triples(test_people: Sequence[str], count: int = TRIPLES) -> list[FreeTriple]:
    """Triples of test people; every second input shows one of the eight expressions."""
    people = sorted(test_people)
    rng = np.random.default_rng(zlib.crc32(b"test"))
    return [_triple(rng, k, people) for k in range(count)] if len(people) > 1 else []


def _triple(rng: np.random.Generator, number: int, people: Sequence[str]) -> FreeTriple:
    person = people[number % len(people)]
    other = str(rng.choice([name for name in people if name != person]))
    of_input = perform_freely(rng) if number % 2 else weights_of(PRESETS[str(rng.choice(EXPRESSIONS))][0])
    weights = perform_freely(rng)
    yaw, pose = _camera(rng)
    other_camera, other_pose = _camera(rng)
    return FreeTriple(number, person, other, of_input, weights, CAMERAS[yaw], pose, CAMERAS[other_camera], other_pose)


def _camera(rng: np.random.Generator) -> tuple[int, Pose]:
    yaw = int(rng.choice(YAWS))
    return yaw, seen_from(rng, yaw)
