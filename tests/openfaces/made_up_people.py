"""People who do not exist, for plans, and rows of the tables."""

import functools
from pathlib import Path

import numpy as np

from leed.openfaces.encoding import Row, webp
from leed.openfaces.people import LONDON, STUDIO, Person
from leed.openfaces.plan import Shot
from leed.openfaces.posing import Pose

ETHNICITIES = ("white", "white", "black", "white", "east_asian", "west_asian", "white")


def made_up_people(london: int = 36, studio: int = 3) -> list[Person]:
    """People in the order and with the columns of the published set."""
    people = []
    for k in range(london + studio):
        source, name = (LONDON, f"lon{k:03d}") if k < london else (STUDIO, f"sk{'abcdefgh'[k - london]}")
        gender = ("female", "male")[k % 2]
        ethnicity = ETHNICITIES[k // 2 % len(ETHNICITIES)] if source == LONDON else "white"
        place = Path(f"{name}.jpg")
        people.append(Person(name, source, gender, 20.0 + k, ethnicity, place, place.with_suffix(".tem")))
    return people


@functools.cache
def picture(side: int = 256) -> Row:
    """A grey picture."""
    return webp(np.full((side, side, 3), 90, np.uint8), 80)


def face(person: Person, shot: Shot) -> Row:
    """A row of the main part."""
    row = {"image": picture(), "file": shot.file, "person": person.name, "source": person.source}
    row |= {"gender": person.gender, "ethnicity": person.ethnicity, "age": float("nan"), "expression": 1}
    row |= {"variant": "v0", "intensity": 0.7, "camera": shot.camera, "real": False, "registration": float("nan")}
    row |= dict(zip(Pose._fields, shot.pose, strict=True)) | {"blendshapes": list(shot.weights)}
    return row | {"landmarks": [0.5] * 136}
