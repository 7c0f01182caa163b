"""The parts of the set: what is drawn of each person, as rows of tables."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from leed.config import EXPRESSIONS
from leed.openfaces.arrays import Bytes, Floats, Integers
from leed.openfaces.drawing import LARGE_SIZE, SIZE, Drawing, draw_head
from leed.openfaces.encoding import Row, inner, inner_by_area, large_inner, webp
from leed.openfaces.free_plan import FreeShot, FreeTriple, free_shots
from leed.openfaces.heads import Head
from leed.openfaces.people import Person
from leed.openfaces.plan import Plan, Shot, large_shots, second_view
from leed.openfaces.posing import Pose
from leed.openfaces.preparation import in_working_frame, moved, prepare_head
from leed.openfaces.presets import BLENDSHAPES
from leed.openfaces.registration import crop_photograph, neutral_of_smile
from leed.openfaces.rig import Rig
from leed.openfaces.templates import read_template, to_working_frame
from leed.photo.opening import PhotoError, open_photo

LARGE_TRIPLES = 200
AT_REST = np.zeros(len(BLENDSHAPES), np.float32)


@dataclass(frozen=True)
class Work:
    """What all people's pictures are drawn with."""

    rig: Rig
    correspondence: Integers
    plan: Plan
    free_triples: list[FreeTriple]


@dataclass(frozen=True)
class Sitter:
    """A person whose head is ready to be drawn."""

    work: Work
    person: Person
    head: Head

    @property
    def name(self) -> str:
        """The person's."""
        return self.person.name

    @property
    def is_tested(self) -> bool:
        """Whether this is a test person."""
        return self.name in self.work.plan.test_people

    def draw(self, weights: Floats, pose: Pose, size: int = SIZE, shaded_teeth: bool = False) -> Drawing:
        """A picture of this person, with landmarks."""
        return draw_head(self.work.rig, self.head, weights, pose, size, shaded_teeth)

    def picture(self, weights: Floats, pose: Pose, size: int = SIZE) -> Bytes:
        """A picture (size, size, 3) of this person."""
        return self.draw(weights, pose, size).picture

    def large_pair(self, weights: Floats, pose: Pose, shaded_teeth: bool = False) -> Row:
        """The columns `image` and `neutral`: an expression at 400 px, and the true neutral face."""
        shown = {"image": (weights, 88), "neutral": (AT_REST, 86)}
        drawn = {name: self.draw(own, pose, LARGE_SIZE, shaded_teeth).picture for name, (own, _) in shown.items()}
        return {name: webp(large_inner(picture), shown[name][1]) for name, picture in drawn.items()}

    def smile(self, size: int) -> tuple[Bytes, float]:
        """The person's real smile in the portrait's crop, and how well it is registered."""
        assert self.person.smile is not None
        photograph = moved(read_picture(self.person.smile), to_working_frame(read_template(self.person.template)))
        return crop_photograph(self.work.rig, self.head, photograph, size)


Rows = Iterator[tuple[str, Row]]
"""The name of a table, and a row of it."""


def read_picture(path: Path) -> Bytes:
    """A photograph (H, W, 3) in BGR. Raises `ValueError` if it cannot be read whole."""
    try:
        open_photo(path)  # OpenCV fills up what a damaged file lacks
    except PhotoError as fault:
        raise ValueError(f"{path}: {fault}") from None
    picture = cv2.imread(str(path))
    if picture is None:
        raise ValueError(f"{path} is no picture that OpenCV reads; JPEG and PNG work")
    return picture


def seat(work: Work, person: Person) -> Sitter:
    """Prepares a person's head. Takes about 2 s."""
    portrait = in_working_frame(read_picture(person.portrait), read_template(person.template))
    head = prepare_head(work.rig, work.correspondence, portrait, person.name, person.wrinkle_age)
    return Sitter(work, person, head)


def faces(sitter: Sitter) -> Rows:
    """`main`: each expression to each camera, and the real smile."""
    for shot in sitter.work.plan.shots[sitter.name]:
        drawing = sitter.draw(shot.weights_array(), shot.pose)
        row = _about(sitter.person, shot.file, shot.expression, f"v{shot.variant}", shot.camera)
        yield (
            "faces",
            row
            | {
                "image": webp(drawing.picture, 88),
                "intensity": shot.intensity,
                **_angles(shot.pose),
                "landmarks": _landmarks(drawing.landmarks),
                "blendshapes": list(shot.weights),
            },
        )
    if sitter.person.smile is not None:
        yield "faces", _real_smile(sitter)


def triples(sitter: Sitter) -> Rows:
    """`pairs`: this person's pictures of the triples."""
    for triple in sitter.work.plan.triples:
        for role, person, shot in triple.shots():
            if person == sitter.name:
                drawing = sitter.draw(shot.weights_array(), shot.pose)
                row = {"triple": triple.number, "role": role, "landmarks": _landmarks(drawing.landmarks)}
                yield "triple pictures", row | {"image": webp(drawing.picture, 88)}


def twins(sitter: Sitter) -> Rows:
    """`twins`: the true neutral face of every rendered picture but the true edits, whose inputs have it."""

    def neutral(shot: Shot) -> Row:
        return {"file": shot.file, "neutral": webp(inner(sitter.picture(AT_REST, shot.pose)), 92)}

    for shot in sitter.work.plan.shots[sitter.name]:
        yield "twins", neutral(shot) | {"split": sitter.work.plan.split(sitter.name)}
    for triple in sitter.work.plan.triples:
        for role, person, shot in triple.shots():
            if person == sitter.name and role != "target":
                yield "twins", neutral(shot) | {"split": "pairs"}


def views(sitter: Sitter) -> Rows:
    """`views`: a second camera's picture of every training picture, and its true neutral face."""
    if sitter.is_tested:
        return
    for shot in sitter.work.plan.shots[sitter.name]:
        camera, pose = second_view(shot)
        pictures = {"view": shot.weights_array(), "neutral": AT_REST}
        files = {name: webp(inner(sitter.picture(weights, pose)), 90) for name, weights in pictures.items()}
        yield "views", {"file": shot.file, "camera": camera, **_angles(pose), **files}


def free(sitter: Sitter) -> Rows:
    """`free`: free expressions of a training person, or a test person's pictures of the free triples."""
    if not sitter.is_tested:
        for shot in free_shots(sitter.name):
            pictures = {"image": (shot.weights, shot.pose, 88), "neutral": (AT_REST, shot.pose, 86)}
            pictures |= {"view": (shot.weights, shot.view_pose, 88), "view_neutral": (AT_REST, shot.view_pose, 86)}
            row: Row = {"file": shot.file, "person": sitter.name, "camera": shot.camera}
            row |= {"view_camera": shot.view_camera} | _angles(shot.pose) | {"blendshapes": _rounded(shot.weights)}
            for name, (weights, pose, quality) in pictures.items():
                row[name] = webp(inner_by_area(sitter.picture(weights, pose)), quality)
            yield "free", row
    for triple in sitter.work.free_triples:
        for role, person, weights, pose in triple.pictures():
            if person == sitter.name:
                picture = webp(inner_by_area(sitter.picture(weights, pose)), 92)
                yield "free triple pictures", {"triple": triple.number, "role": role, "image": picture}


def large(sitter: Sitter) -> Rows:
    """`large`: six of a training person's pictures with their true neutral faces, or a test person's triples."""
    if not sitter.is_tested:
        for shot in large_shots(sitter.name, sitter.work.plan.shots[sitter.name]):
            row: Row = {"file": shot.file, "person": sitter.name, "camera": shot.camera}
            row["expression"] = EXPRESSIONS.index(shot.expression)
            yield "large", row | sitter.large_pair(shot.weights_array(), shot.pose)
    for triple in sitter.work.plan.triples[:LARGE_TRIPLES]:
        if triple.input_person == sitter.name:
            pair: Row = {"triple": triple.number}
            for name, shot in (("input", triple.input), ("target", triple.target)):
                picture = sitter.picture(shot.weights_array(), shot.pose, LARGE_SIZE)
                pair[name] = webp(large_inner(picture), 90)
            yield "large pairs", pair


def large_more(sitter: Sitter) -> Rows:
    """`large_more`: a training person's free expressions, and the six of `large`, at 400 px, with shaded teeth.

    Each comes with the true neutral face. Free expressions have no label: -1.
    """
    if sitter.is_tested:
        return
    moments: list[tuple[Shot | FreeShot, int, Floats]] = [(s, -1, s.weights) for s in free_shots(sitter.name)]
    for shot in large_shots(sitter.name, sitter.work.plan.shots[sitter.name]):
        moments.append((shot, EXPRESSIONS.index(shot.expression), shot.weights_array()))
    for moment, expression, weights in moments:
        row: Row = {"file": moment.file, "split": "train", "person": sitter.name, "expression": expression}
        row |= {"camera": moment.camera} | _angles(moment.pose) | {"blendshapes": _rounded(weights)}
        yield "large more", row | sitter.large_pair(weights, moment.pose, shaded_teeth=True)


def smiles(sitter: Sitter) -> Rows:
    """`smiles`: the real smile at 400 px with the real neutral portrait registered to it, where that can be done."""
    if sitter.person.smile is None:
        return
    smile, _ = sitter.smile(LARGE_SIZE)
    neutral = neutral_of_smile(smile, sitter.picture(AT_REST, Pose(), LARGE_SIZE))
    if neutral is None:
        return
    row = {"file": _smile_file(sitter.person), "split": sitter.work.plan.split(sitter.name), "score": neutral.score}
    for name, picture in (("image", smile), ("neutral", neutral.picture)):
        row[name] = webp(large_inner(picture), 90)
    yield "smiles", row


DRAWN_BY_PERSON: dict[str, Callable[[Sitter], Rows]] = {
    "main": faces,
    "pairs": triples,
    "twins": twins,
    "views": views,
    "free": free,
    "large": large,
    "large_more": large_more,
    "smiles": smiles,
}
"""The parts that are drawn person by person; clips show two people each."""


def _about(person: Person, file: str, expression: str, variant: str, camera: str) -> Row:
    """The columns of a face that tell whom it shows, and with what expression."""
    return {
        "file": file,
        "person": person.name,
        "source": person.source,
        "gender": person.gender,
        "ethnicity": person.ethnicity,
        "age": float("nan") if person.age is None else person.age,
        "expression": EXPRESSIONS.index(expression),
        "variant": variant,
        "camera": camera,
        "real": False,
        "registration": float("nan"),
    }


def _real_smile(sitter: Sitter) -> Row:
    """The row of a real smile: no weights, and of the landmarks only the eyes', which it is registered by."""
    picture, score = sitter.smile(SIZE)
    landmarks = sitter.draw(AT_REST, Pose()).landmarks.copy()
    landmarks[[*range(36), *range(48, 68)]] = np.nan
    row = _about(sitter.person, _smile_file(sitter.person), "happy", "real", "090") | _angles(Pose())
    row |= {"real": True, "registration": round(score, 4), "intensity": float("nan")}
    row |= {"image": webp(picture, 88), "landmarks": _landmarks(landmarks)}
    return row | {"blendshapes": [float("nan")] * len(BLENDSHAPES)}


def _smile_file(person: Person) -> str:
    return f"090_{person.name}_{person.gender}_happy_real.webp"


def _angles(pose: Pose) -> Row:
    return {"yaw": pose.yaw, "pitch": pose.pitch, "roll": pose.roll}


def _landmarks(landmarks: Floats) -> list[float]:
    """68 landmarks as x, y, x, y, ..., to a hundredth of a pixel."""
    return landmarks.astype(np.float32).ravel().round(2).tolist()


def _rounded(weights: Floats) -> list[float]:
    return [round(float(weight), 4) for weight in weights]
