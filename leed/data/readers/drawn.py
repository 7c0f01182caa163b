"""The built-in synthetic faces, drawn on the fly."""

import math
from pathlib import Path

import torch
from datasets import Dataset

from leed.data.action_units import from_drawn_actions
from leed.data.drawn import ACTIONS, draw_many, drawn_shots
from leed.data.readers.reader import Contents, Reader
from leed.data.table import standard_table
from leed.images import png


def drawn_faces(num_people: int = 48, per_person: int = 16, size: int = 128, seed: int = 0, first: int = 0) -> Dataset:
    """Synthetic faces of people `first` and up, with true neutral faces and second views, for use without any data.

    See `leed.data.drawn`, whose `drawn_triples` are the matching pairs with true edits.
    """
    shots = drawn_shots(num_people, per_person, seed, first)
    people, actions = shots["identity"], torch.stack(shots["actions"])
    yaw, view_yaw = (torch.tensor(shots[name]) for name in ("yaw", "view_yaw"))
    rest = torch.zeros_like(actions)
    kinds = {
        "image": (actions, yaw),
        "neutral": (rest, yaw),
        "view": (actions, view_yaw),
        "view_neutral": (rest, view_yaw),
    }
    pictures = {name: [png(face) for face in draw_many(people, *kind, size)] for name, kind in kinds.items()}
    return standard_table(
        len(people),
        **pictures,
        expression=shots["expression"],
        person=[f"drawn-{person}" for person in people],
        yaw=shots["yaw"],
        action_units=from_drawn_actions(ACTIONS, actions).tolist(),
    )


def read_drawn(source: Path = Path("drawn"), split: str = "train", max_samples: int | None = None) -> Dataset:  # noqa: B008
    """`drawn_faces`: 16 pictures each of 48 people for "train", of 10 others for any other split.

    `source` is not used. With `max_samples`, no more are drawn (15 ms a picture), of at least two people.
    """
    num_people, first = (48, 0) if split == "train" else (10, 40_000)
    if max_samples is None or max_samples >= 16 * num_people:
        return drawn_faces(num_people, first=first)
    num_people = max(2, math.ceil(max_samples / 16))
    return drawn_faces(num_people, math.ceil(max_samples / num_people), first=first)


def recognizes(contents: Contents) -> bool:
    """False: these faces are in no folder."""
    return False


READER = Reader(read_drawn, recognizes)
