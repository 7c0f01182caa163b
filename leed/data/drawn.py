"""Synthetic faces: pictures drawn from known identity, pose and expression, for trials and tests without any data.

A head is a stack of horizontal ellipses, seen from the front after a turn by `yaw`; features are painted on its
surface in the coordinates (u, v): v runs from -1 (top of the picture) to 1, u is 0 on the nose. Eyes, mouth and scale
lie where the models' crop has them.
"""

import random

import numpy as np
import torch
from torch import Tensor

from leed.config import EXPRESSIONS
from leed.data.canvas import Canvas

ACTIONS = (
    "brow_inner",  # inner ends up
    "brow_outer",  # outer ends up
    "brow_lower",
    "brow_squeeze",  # together
    "eye_wide",
    "eye_squint",
    "nose_wrinkle",
    "cheek",
    "smile_left",  # corners up, left and right in the picture
    "smile_right",
    "frown",  # corners down
    "stretch",  # corners apart; negative: rounded
    "lip_raise",  # upper lip up
    "press",  # thin lips
    "jaw",  # mouth open
)
"""Movements of a face, like FACS action units, each from 0 to about 1."""

POSES = {
    "neutral": {},
    "happy": dict(smile_left=1, smile_right=1, cheek=1, eye_squint=0.45, lip_raise=0.45, jaw=0.25),
    "sad": dict(brow_inner=1, brow_squeeze=0.5, frown=1, eye_squint=0.35, stretch=-0.15, press=0.15),
    "angry": dict(brow_lower=1, brow_squeeze=1, eye_wide=0.25, press=0.9, frown=0.35, nose_wrinkle=0.25),
    "fearful": dict(brow_inner=1, brow_outer=0.5, brow_squeeze=0.7, eye_wide=1, stretch=0.8, jaw=0.4, frown=0.3),
    "disgusted": dict(nose_wrinkle=1, lip_raise=0.9, brow_lower=0.6, eye_squint=0.7, cheek=0.5, frown=0.5, jaw=0.12),
    "surprised": dict(brow_inner=1, brow_outer=1, eye_wide=0.9, jaw=1, stretch=-0.45),
    "contemptuous": dict(smile_right=0.9, cheek=0.2, eye_squint=0.3, press=0.5, brow_outer=0.15),
}

SKINS = ((246, 214, 190), (234, 192, 160), (214, 164, 126), (178, 126, 90), (132, 88, 62), (92, 60, 44))
HAIRS = ((28, 22, 20), (58, 38, 26), (96, 62, 36), (150, 104, 54), (206, 168, 104), (130, 52, 26), (150, 148, 146))
EYES = ((62, 38, 22), (96, 64, 34), (74, 104, 134), (92, 128, 108), (104, 112, 122))


def expression_actions(expression: int | str, intensity: float = 1.0, seed: int | None = None) -> Tensor:
    """Movements (15,) of an expression; with a seed, each varies by about 12 %, as people's expressions do."""
    by_index = dict(enumerate(EXPRESSIONS))
    name = by_index.get(expression) if isinstance(expression, int) else expression
    if name not in POSES:
        raise ValueError(f"expression must be one of {list(POSES)} or their index, got {expression!r}")
    actions = torch.tensor([POSES[name].get(action, 0.0) for action in ACTIONS]) * intensity
    if seed is not None:
        actions = actions * torch.exp(0.12 * torch.randn(len(ACTIONS), generator=torch.Generator().manual_seed(seed)))
    return actions


def person(identity: int) -> dict[str, float | tuple[float, float, float]]:
    """The looks of a person to draw: lengths in (u, v), colours in [0, 1]. The same identity always looks the same."""
    rng = random.Random(identity * 7919 + 17)

    def between(low: float, high: float) -> float:
        return low + (high - low) * rng.random()

    def colour(choices: tuple, spread: int) -> tuple[float, float, float]:
        shift = rng.randint(-spread, spread)
        return tuple(min(max(c + shift + rng.randint(-4, 4), 0), 255) / 255 for c in rng.choice(choices))

    grey = between(0.45, 0.85)
    return {
        "skin": colour(SKINS, 8),
        "hair": colour(HAIRS, 10),
        "iris": colour(EYES, 14),
        "lips": (between(0.62, 0.78), between(0.32, 0.44), between(0.32, 0.42)),
        "wall": (grey + between(-0.08, 0.08), grey + between(-0.06, 0.06), grey + between(-0.08, 0.08)),
        "shirt": (between(0.1, 0.8), between(0.1, 0.8), between(0.1, 0.8)),
        "width": between(0.64, 0.74),
        "jaw_power": between(2.1, 3.4),
        "chin": between(0.80, 0.92),
        "eye_x": between(0.29, 0.34),
        "eye_width": between(0.125, 0.15),
        "eye_height": between(0.058, 0.078),
        "eye_tilt": between(-0.12, 0.06),
        "brow_height": between(0.17, 0.22),
        "brow_thick": between(0.018, 0.036),
        "brow_arch": between(0.01, 0.05),
        "nose_width": between(0.085, 0.13),
        "nose_tip": between(0.02, 0.08),
        "mouth_width": between(0.25, 0.31),
        "lip_upper": between(0.035, 0.065),
        "lip_lower": between(0.05, 0.085),
        "hairline": between(-0.98, -0.78),
        "hair_side": between(0.25, 0.75),
        "hair_long": float(rng.random() < 0.45),
        "hair_part": between(-0.3, 0.3),
        "beard": between(0.25, 0.6) * (rng.random() < 0.3),
        "blush": between(0.0, 0.16),
        "light": between(-0.5, 0.5),
    }


def draw_face(
    identity: int, expression: int | str = 0, intensity: float = 1.0, yaw: float = 0.0, size: int = 128
) -> Tensor:
    """One face: uint8 (3, size, size). `yaw` in degrees, negative towards the picture's left, within -60..60."""
    return draw_faces([identity], expression_actions(expression, intensity)[None], torch.tensor([float(yaw)]), size)[0]


def draw_faces(identities: list[int], actions: Tensor, yaw: Tensor, size: int = 128) -> Tensor:
    """Faces of these people: actions (B, 15), yaw (B,) in degrees -> uint8 (B, 3, size, size)."""
    people = [person(identity) for identity in identities]
    looks = {name: torch.tensor([looks[name] for looks in people], dtype=torch.float32) for name in people[0]}
    looks = {name: value[..., None, None] for name, value in looks.items()}  # (B, 1, 1) or (B, 3, 1, 1)
    act = dict(zip(ACTIONS, actions.float().T[..., None, None], strict=True))  # (B, 1, 1)
    if yaw.abs().max() > 60:
        raise ValueError(f"yaw must be in -60..60 degrees, got {yaw.tolist()}")
    return Canvas(looks, act, torch.deg2rad(yaw.float())[:, None, None], size).paint()


def drawn_shots(num_people: int, per_person: int, seed: int = 0, first: int = 0) -> dict[str, list]:
    """Descriptions of pictures to draw: `identity`, `expression`, `actions` (15,), `yaw` and `view_yaw` in degrees.

    Expressions come in turn, so every person shows each of them if `per_person` is at least 8. People `first` and up
    of a seed are drawn: another range of numbers gives other people.
    """
    shots: dict[str, list] = {name: [] for name in ("identity", "expression", "actions", "yaw", "view_yaw")}
    for number in range(first, first + num_people):
        rng = random.Random(f"{seed}-{number}")
        for turn in range(per_person):
            expression = (number * per_person + turn) % len(EXPRESSIONS)
            actions = expression_actions(expression, rng.uniform(0.6, 1.1), seed=rng.getrandbits(31))
            yaw = rng.choice((-45, -22, 0, 22, 45))
            view = rng.choice([other for other in (-45, -22, 0, 22, 45) if other != yaw])
            values = (seed * 100_000 + number, expression, actions, yaw + rng.gauss(0, 3), view + rng.gauss(0, 3))
            for name, value in zip(shots, values, strict=True):
                shots[name].append(value)
    return shots


def drawn_triples(
    num_triples: int, size: int = 128, seed: int = 0, num_people: int = 10, first: int = 50_000
) -> dict[str, Tensor]:
    """Inputs, references and true edits of people whom `drawn_faces` never draws.

    A true edit shows the input's person in the input's pose with the reference's expression.

    Returns `image`, `reference`, `target` and their neutral faces `image_neutral`, `reference_neutral`, uint8
    (N, 3, size, size); `expression`, `reference_expression` int64 (N,); `yaw`, `reference_yaw` float32 (N,).
    """
    rng = random.Random(f"triples-{seed}")
    shots = drawn_shots(num_people, 4 * len(EXPRESSIONS), seed, first)
    rows = range(len(shots["identity"]))
    inputs: list[int] = []
    references: list[int] = []
    while len(inputs) < num_triples:
        i, j = rng.choice(rows), rng.choice(rows)
        if shots["identity"][i] != shots["identity"][j] and shots["expression"][i] != shots["expression"][j]:
            inputs.append(i)
            references.append(j)

    def take(name: str, chosen: list[int]) -> Tensor:
        return torch.stack([torch.as_tensor(shots[name][i]) for i in chosen])

    actions, yaw, yaw_ref = take("actions", references), take("yaw", inputs).float(), take("yaw", references).float()
    people, people_ref = take("identity", inputs).tolist(), take("identity", references).tolist()
    rest = torch.zeros_like(actions)
    return {
        "image": draw_many(people, take("actions", inputs), yaw, size),
        "reference": draw_many(people_ref, actions, yaw_ref, size),
        "target": draw_many(people, actions, yaw, size),
        "image_neutral": draw_many(people, rest, yaw, size),
        "reference_neutral": draw_many(people_ref, rest, yaw_ref, size),
        "expression": take("expression", inputs),
        "reference_expression": take("expression", references),
        "yaw": yaw,
        "reference_yaw": yaw_ref,
    }


def draw_many(identities: list[int], actions: Tensor, yaw: Tensor, size: int = 128, batch_size: int = 16) -> Tensor:
    """`draw_faces` in batches that fit the processor's cache: uint8 (N, 3, size, size)."""
    pictures = [
        draw_faces(identities[i : i + batch_size], actions[i : i + batch_size], yaw[i : i + batch_size], size)
        for i in range(0, len(identities), batch_size)
    ]
    return torch.cat(pictures) if pictures else torch.from_numpy(np.zeros((0, 3, size, size), np.uint8))
