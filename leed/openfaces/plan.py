"""Which pictures the set has: who shows which performance to which camera, and who is a test person.

The plan of the published set follows from the order of its people and one random stream, to the last weight.
"""

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from leed.config import EXPRESSIONS
from leed.openfaces.arrays import Floats
from leed.openfaces.people import LONDON, Person
from leed.openfaces.performances import CAMERAS, YAWS, Performance, glance, other_yaw, perform, seen_from
from leed.openfaces.posing import Pose

SEED = 20171
SKIPPED_PEOPLE = 40
"""People between the set's own and the triples in the stream, who are in no published set."""
TRIPLES_OF_A_PERSON = 30
"""Triples whose input is a test person."""
TEST_PEOPLE_OF_A_GENDER = 10
PUBLISHED_DIGEST = "70ac198aa75debfa8a0832b781dff8c41603463c2cbca65cbee00ad8d4290a50"
"""Of the published set's plan; its pictures' names, poses and weights are those of the stored set."""


@dataclass(frozen=True)
class Shot:
    """One picture of a person."""

    file: str
    expression: str
    variant: int
    intensity: float
    camera: str
    pose: Pose
    weights: tuple[float, ...]  # (53,), to four decimals

    def weights_array(self) -> Floats:
        """The weights (53,) float32."""
        return np.array(self.weights, np.float32)


@dataclass(frozen=True)
class Triple:
    """An input, a reference and the true edit: the input's person and pose with exactly the reference's weights."""

    number: int
    input_person: str
    reference_person: str
    input: Shot
    reference: Shot
    target: Shot

    def shots(self) -> Iterator[tuple[str, str, Shot]]:
        """Role, person and shot of each picture."""
        yield "input", self.input_person, self.input
        yield "reference", self.reference_person, self.reference
        yield "target", self.input_person, self.target


@dataclass(frozen=True)
class Plan:
    """All that is drawn of a set."""

    shots: dict[str, list[Shot]]  # by person: each expression to each camera
    triples: list[Triple]
    test_people: list[str]

    def split(self, person: str) -> str:
        """Whether a person is for training or for testing."""
        return "test" if person in self.test_people else "train"

    def digest(self) -> str:
        """A digest of people, split, poses and weights; weights and angles count to four decimals."""
        lines = [" ".join(["test", *self.test_people])]
        lines += [_line(person, shot) for person, shots in self.shots.items() for shot in shots]
        lines += [f"{t.number} {role} {_line(person, shot)}" for t in self.triples for role, person, shot in t.shots()]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def make_plan(people: Sequence[Person], triples_of_a_person: int = TRIPLES_OF_A_PERSON) -> Plan:
    """The plan for these people; for those of the published set it is the published one."""
    rng = np.random.default_rng(SEED)
    test_people = choose_test_people(rng, people)
    shots = {person.name: _shots(rng, person) for person in people}
    for _ in range(SKIPPED_PEOPLE):
        for expression, yaw in _cells():
            _performance(rng, expression, yaw)
            seen_from(rng, yaw)
    triples = _triples(rng, test_people, triples_of_a_person * len(test_people)) if len(test_people) > 1 else []
    return Plan(shots, triples, test_people)


def choose_test_people(rng: np.random.Generator, people: Sequence[Person]) -> list[str]:
    """Ten women and ten men of the London set, spread over ethnicities; else a tenth of the people, two or more."""
    candidates = [person for person in people if person.source == LONDON]
    if not candidates:
        if len(people) < 4:
            return []
        chosen = rng.permutation(len(people))[: max(2, round(len(people) / 10))]
        return [people[k].name for k in sorted(chosen)]
    genders = ("female", "male")
    return [name for gender in genders for name in _spread(rng, [p for p in candidates if p.gender == gender])]


def second_view(shot: Shot) -> tuple[str, Pose]:
    """Another camera that sees the same moment, and the head's pose from there."""
    rng = np.random.default_rng(zlib.crc32(shot.file.encode()))
    yaw = other_yaw(rng, next(yaw for yaw, camera in CAMERAS.items() if camera == shot.camera))
    return CAMERAS[yaw], seen_from(rng, yaw)


def large_shots(person: str, shots: Sequence[Shot]) -> list[Shot]:
    """The six shots of a training person that are also drawn large: one an expression, by any camera."""
    rng = np.random.default_rng(zlib.crc32(person.encode()))
    chosen = []
    for expression in sorted(set(EXPRESSIONS) - {"neutral", "contemptuous"}):  # contempt hardly changes a picture
        candidates = [shot for shot in shots if shot.expression == expression]
        chosen.append(candidates[int(rng.integers(len(candidates)))])
    return chosen


def make_shot(file: str, expression: str, performance: Performance, yaw: int, pose: Pose) -> Shot:
    """A shot of a performance."""
    weights = tuple(round(float(weight), 4) for weight in performance.weights)
    return Shot(file, expression, performance.variant, performance.intensity, CAMERAS[yaw], pose, weights)


def _cells() -> list[tuple[str, int]]:
    """Each expression to each camera."""
    return [(expression, yaw) for expression in EXPRESSIONS for yaw in YAWS]


def _performance(rng: np.random.Generator, expression: str, yaw: int) -> Performance:
    """A performance with a gaze; a frontal neutral face is at rest."""
    performance = perform(rng, expression, at_rest=yaw == 0)
    if expression != "neutral" or yaw != 0:
        glance(rng, performance.weights)
    return performance


def _shots(rng: np.random.Generator, person: Person) -> list[Shot]:
    """A person's 40 shots."""
    shots = []
    for expression, yaw in _cells():
        done = _performance(rng, expression, yaw)
        file = f"{CAMERAS[yaw]}_{person.name}_{person.gender}_{expression}_v{done.variant}.webp"
        shots.append(make_shot(file, expression, done, yaw, seen_from(rng, yaw)))
    return shots


def _spread(rng: np.random.Generator, people: Sequence[Person]) -> list[str]:
    """Ten names, ethnicities in proportion; groups of three or more are there."""
    groups: dict[str, list[str]] = {}
    for person in people:
        groups.setdefault(person.ethnicity, []).append(person.name)
    for names in groups.values():
        rng.shuffle(names)
    ordered = sorted(groups.values(), key=len, reverse=True)
    counts = [
        max(int(len(names) >= 3), round(TEST_PEOPLE_OF_A_GENDER * len(names) / len(people))) for names in ordered
    ]
    chosen = [name for names, count in zip(ordered, counts, strict=True) for name in names[:count]]
    others = [name for names, count in zip(ordered, counts, strict=True) for name in names[count:]]
    return [*chosen, *others][:TEST_PEOPLE_OF_A_GENDER]


def _triples(rng: np.random.Generator, people: Sequence[str], count: int) -> list[Triple]:
    """Triples of test people, each as often the input."""
    inputs = [people[k % len(people)] for k in range(count)]
    references = [str(rng.choice([other for other in people if other != person])) for person in inputs]
    return [_triple(rng, k, *pair) for k, pair in enumerate(zip(inputs, references, strict=True))]


def _triple(rng: np.random.Generator, number: int, person: str, other: str) -> Triple:
    first, second = map(str, rng.choice(EXPRESSIONS, 2, replace=False))
    yaw = int(rng.choice(YAWS))
    reference_yaw = yaw if rng.random() < 0.5 else int(rng.choice(YAWS))
    of_input, of_reference = perform(rng, first), perform(rng, second)
    glance(rng, of_input.weights)
    glance(rng, of_reference.weights)
    pose, other_pose = seen_from(rng, yaw), seen_from(rng, reference_yaw)
    file = f"{number:04d}"
    return Triple(
        number,
        person,
        other,
        input=make_shot(f"{file}_input.webp", first, of_input, yaw, pose),
        reference=make_shot(f"{file}_ref.webp", second, of_reference, reference_yaw, other_pose),
        target=make_shot(f"{file}_target.webp", second, of_reference, yaw, pose),
    )


def _line(person: str, shot: Shot) -> str:
    """A shot in the digest's text."""
    values = [f"{value:.4f}" for value in (*shot.pose, *shot.weights)]
    return " ".join([person, shot.file, shot.camera, *values])
