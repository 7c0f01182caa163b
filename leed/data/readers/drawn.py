"""The built-in drawn faces."""

import math
from pathlib import Path

import torch
from datasets import Dataset

from leed.data.action_units import from_drawn_actions
from leed.data.drawn import ACTIONS, draw_many, drawn_moments
from leed.data.table import standard_table
from leed.images import png


def drawn_faces(num_people: int = 48, per_person: int = 16, size: int = 128, seed: int = 0, first: int = 0) -> Dataset:
    """Drawn faces of people `first` and up, with neutral twins and second views, for trying things without any data.

    See `leed.data.drawn`, whose `drawn_triples` are the matching pairs with true edits.
    """
    moments = drawn_moments(num_people, per_person, seed, first)
    people, actions = moments["identity"], torch.stack(moments["actions"])
    yaw, view_yaw = (torch.tensor(moments[name]) for name in ("yaw", "view_yaw"))
    rest = torch.zeros_like(actions)
    shots = {
        "image": (actions, yaw),
        "neutral": (rest, yaw),
        "view": (actions, view_yaw),
        "view_neutral": (rest, view_yaw),
    }
    pictures = {name: [png(face) for face in draw_many(people, *shot, size)] for name, shot in shots.items()}
    return standard_table(
        len(people),
        **pictures,
        expression=moments["expression"],
        person=[f"drawn-{person}" for person in people],
        yaw=moments["yaw"],
        action_units=from_drawn_actions(ACTIONS, actions).tolist(),
    )


def read_drawn(source: str | Path = "drawn", split: str = "train", max_samples: int | None = None) -> Dataset:
    """`drawn_faces`: 16 pictures each of 48 people for "train", of 10 others for any other split.

    With `max_samples`, no more are drawn (it takes 15 ms a picture), of two people at least.
    """
    num_people, first = (48, 0) if split == "train" else (10, 40_000)
    if max_samples is None or max_samples >= 16 * num_people:
        return drawn_faces(num_people, first=first)
    num_people = max(2, math.ceil(max_samples / 16))
    return drawn_faces(num_people, math.ceil(max_samples / num_people), first=first)
