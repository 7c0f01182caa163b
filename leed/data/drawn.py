"""Drawn faces: pictures computed from known identity, pose and expression, for trying and testing without any data.

A head is a stack of horizontal ellipses, seen from the front after a turn by `yaw`; features are painted on its
surface in the coordinates (u, v): v runs from -1 (top of the picture) to 1, u is 0 on the nose. Eyes, mouth and scale
lie where the models' crop has them.
"""

import copy
import math
import random

import numpy as np
import torch
from torch import Tensor

from leed.config import EXPRESSIONS

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
    """Movements (15,) of an expression; with a seed, each differs by about 12 % as people's expressions do."""
    names = dict(enumerate(EXPRESSIONS))
    name = names.get(expression, expression)
    if name not in POSES:
        raise ValueError(f"expression must be one of {list(POSES)} or their index, got {expression!r}")
    actions = torch.tensor([POSES[name].get(action, 0.0) for action in ACTIONS]) * intensity
    if seed is not None:
        actions = actions * torch.exp(0.12 * torch.randn(len(ACTIONS), generator=torch.Generator().manual_seed(seed)))
    return actions


def person(identity: int) -> dict[str, float | tuple[float, float, float]]:
    """Looks of a drawn person: lengths in (u, v), colours in [0, 1]. The same identity always looks the same."""
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
    looks = [person(identity) for identity in identities]
    who = {name: torch.tensor([look[name] for look in looks], dtype=torch.float32) for name in looks[0]}
    who = {name: value[..., None, None] for name, value in who.items()}  # (B, 1, 1) or (B, 3, 1, 1)
    act = dict(zip(ACTIONS, actions.float().T[..., None, None], strict=True))  # (B, 1, 1)
    if yaw.abs().max() > 60:
        raise ValueError(f"yaw must be in -60..60 degrees, got {yaw.tolist()}")
    return _Canvas(who, act, torch.deg2rad(yaw.float())[:, None, None], size).paint()


def _soft(distance: Tensor, width: float) -> Tensor:
    """A soft line or spot: 1 at distance 0, falling off over `width`."""
    return torch.exp(-(distance / width).square())


class _Canvas:
    """One batch of drawings. Fields are (B, S, S); a shape is a field that is positive inside."""

    def __init__(self, who: dict[str, Tensor], act: dict[str, Tensor], yaw: Tensor, size: int) -> None:
        self.who, self.act, self.size = who, act, size
        self.pixel = 2 / size
        axis = (torch.arange(size) + 0.5) * self.pixel - 1
        self.y, self.x = axis[None, :, None], axis[None, None, :]
        self.sin, self.cos = yaw.sin(), yaw.cos()
        self.head_x = self.x + 0.55 * self.sin  # the face stays in the middle while the head turns

    def slopes(self, field: Tensor) -> tuple[Tensor, Tensor]:
        """Derivatives of a field in x and y."""
        down, right = torch.gradient(field, spacing=self.pixel, dim=(1, 2))
        return right, down

    def cover(self, shape: Tensor) -> Tensor:
        """Antialiased mask of a shape."""
        right, down = self.slopes(shape)
        return (shape / torch.hypot(right, down).clamp(min=1e-4) / self.pixel + 0.5).clamp(0, 1)

    def over(self, mask: Tensor, colour: Tensor) -> None:
        """Paint a colour (B, 3, 1, 1) or (B, 3, S, S) where the mask (B, S, S) is 1."""
        self.image += mask[:, None] * (colour - self.image)

    def darken(self, shade: Tensor) -> None:
        """Take the fraction `shade` (B, S, S) of the light away."""
        self.image *= 1 - shade[:, None]

    def rows(self, top: float, bottom: float) -> "_Canvas":
        """The part between these heights, painting into the same picture; saves work on small features."""
        part = copy.copy(self)
        band = slice(int((top + 1) / self.pixel), int((bottom + 1) / self.pixel) + 1)
        for name in ("u", "v", "front", "mask", "lit", "nose_u"):
            setattr(part, name, getattr(self, name)[:, band])
        part.image = self.image[:, :, band]
        return part

    def paint(self) -> Tensor:
        self.background()
        self.head()
        self.rows(-0.62, -0.15).eyes()
        self.rows(-0.95, -0.30).brows()
        self.rows(-0.15, 0.25).nostrils()
        self.rows(0.10, 0.92).mouth()
        self.hair()
        return (self.image.clamp(0, 1) * 255).round().to(torch.uint8)

    # ---- Head

    def half_width(self, scale: float | Tensor = 1.0, extra: float = 0.0) -> Tensor:
        """Half the head's width at each height (B, S, 1)."""
        who, middle = self.who, -0.3
        chin = who["chin"] + 0.13 * self.act["jaw"].clamp(min=0) + extra
        above = ((self.y - middle) / -1.05).clamp(0, 1)
        below = ((self.y - middle) / (chin - middle)).clamp(0, 1)
        width = (1 - above**2.4).clamp(min=0).sqrt() * (1 - below ** who["jaw_power"]).clamp(min=0).pow(0.62)
        return scale * who["width"] * width.clamp(min=1e-3)

    def silhouette(self, width: Tensor, depth: float) -> Tensor:
        """Shape of a turned stack of ellipses."""
        half = width * torch.sqrt(self.cos**2 + (depth * self.sin) ** 2)
        return half**2 - self.head_x**2

    def background(self) -> None:
        who, y = self.who, self.y
        light = 1.06 - 0.16 * ((self.x - who["light"]) ** 2 + 0.5 * y**2)
        self.image = (who["wall"] * light[:, None]).contiguous()
        locks = 0.86 + 0.08 * torch.sin(self.head_x * 42 + 5 * y) * torch.sin(self.head_x * 23 + 2)
        self.locks = who["hair"] * locks[:, None]
        behind = 1.16 * who["width"] * (1 - ((y + 0.3) / 1.5).abs().clamp(max=1) ** 3).clamp(min=1e-3).sqrt()
        long_hair = self.cover(self.silhouette(behind, 1.1)) * who["hair_long"]
        self.over(long_hair, 0.62 * self.locks)
        neck = who["width"] * (0.62 + 0.35 * ((y - 0.72) / 0.3).clamp(min=0) ** 2)
        shade = 0.52 + 0.2 * (1 - (self.head_x / neck).clamp(-1, 1) ** 2)
        self.over(self.cover(neck**2 - (self.head_x - 0.1 * self.sin) ** 2) * (y > 0.2), who["skin"] * shade[:, None])
        collar = y - 0.9 - 0.06 * torch.cos(3 * self.head_x)
        self.over(self.cover(collar), who["shirt"] * (0.9 - 0.25 * self.x**2)[:, None])
        cap = self.half_width(1.09) + 0.02
        self.over(self.cover(self.silhouette(cap, 1.12)) * (y < who["hair_side"] - 0.55), 0.75 * self.locks)
        for side in (-1, 1):  # ears
            ear_x = self.head_x - side * 1.0 * who["width"] * self.cos + 0.06 * self.sin
            ear = 1 - (ear_x / 0.085) ** 2 - ((y + 0.13) / 0.2) ** 2
            shade = 0.62 + 0.25 * (1 - _soft(ear_x + side * 0.03, 0.05) * _soft(y + 0.12, 0.12))
            self.over(self.cover(ear), who["skin"] * shade[:, None])

    def head(self) -> None:
        """Skin with its relief and light; leaves the surface coordinates `u`, `v` and the head's mask."""
        who, act, x = self.who, self.act, self.head_x
        width = self.half_width()
        depth = 1.08 * width
        # Where the line of sight meets the ellipse of its row: a quadratic equation in the depth z.
        a = (self.sin / width) ** 2 + (self.cos / depth) ** 2
        b = 2 * x * self.sin * self.cos * (1 / depth**2 - 1 / width**2)
        c = x**2 * ((self.cos / width) ** 2 + (self.sin / depth) ** 2) - 1
        z = (-b + (b**2 - 4 * a * c).clamp(min=0).sqrt()) / (2 * a)
        self.u, self.v = x * self.cos - z * self.sin, self.y.expand_as(x * z)
        self.front = x * self.sin + z * self.cos
        self.mask = self.cover(self.silhouette(width, 1.08))
        normal_x, normal_z = self.u / width**2, self.front / depth**2
        _, narrowing = self.slopes(width.log().expand_as(self.u))
        normal = torch.stack(
            [
                normal_x * self.cos + normal_z * self.sin,
                -narrowing.clamp(-6, 6),
                -normal_x * self.sin + normal_z * self.cos,
            ]
        )
        normal = normal * normal.square().sum(0).clamp(min=1e-12).rsqrt()
        right, down = self.slopes(self.relief())
        normal = normal - torch.stack([right, down, torch.zeros_like(right)])
        normal = normal * normal.square().sum(0).clamp(min=1e-12).rsqrt()
        light = torch.stack(
            [who["light"], -0.55 * torch.ones_like(who["light"]), 0.85 * torch.ones_like(who["light"])]
        )
        light = light / light.norm(dim=0)
        self.lit = ((normal * light).sum(0) * 0.5 + 0.5).clamp(0, 1)
        shine = 0.16 * ((normal * light).sum(0).clamp(0, 1)) ** 18
        shade = 0.30 + 0.86 * self.lit**1.6
        red = torch.tensor([1.0, 0.93, 0.9])[None, :, None, None] ** (2.2 * (1 - self.lit))[:, None]
        skin = who["skin"] * shade[:, None] * red
        cheeks = sum(_soft(self.u - s * 0.36, 0.2) * _soft(self.v - 0.08, 0.18) for s in (-1, 1))
        rosy = (who["blush"] * (1 + 0.6 * act["cheek"])) * cheeks
        skin = skin * torch.stack([1 + 0 * rosy, 1 - 0.55 * rosy, 1 - 0.5 * rosy], dim=1)
        around = _soft(self.u, 0.44) * torch.sigmoid((self.v - 0.22) / 0.04)
        beard = who["beard"] * torch.maximum(
            around, torch.sigmoid((self.v - 0.1 - 0.6 * (0.62 - self.u.abs())) / 0.05)
        )
        skin = skin + beard[:, None] * 0.8 * (who["hair"] * shade[:, None] - skin)
        self.over(self.mask, skin + shine[:, None])

    def relief(self) -> Tensor:
        """Height of the skin above the head's smooth surface."""
        who, act, u, v = self.who, self.act, self.u, self.v
        lift = 0.05 * act["nose_wrinkle"]
        tip = who["nose_tip"] - lift
        along = ((v + 0.42) / (tip + 0.42)).clamp(0, 1)
        out = u - 0.14 * along * self.sin / self.cos.clamp(min=0.5)  # the nose stands out and shifts with the turn
        self.nose_u, self.nose_v = out, tip
        ridge = 0.10 * along**1.3 * _soft(out, 0.05) * torch.sigmoid((tip + 0.05 - v) / 0.02)
        ball = 0.075 * _soft(out, 0.075) * _soft(v - tip, 0.075)
        wings = sum(0.05 * _soft(out - s * who["nose_width"], 0.045) * _soft(v - tip - 0.02, 0.05) for s in (-1, 1))
        sockets = sum(_soft(u - s * who["eye_x"], 0.16) * _soft(v + 0.42, 0.10) for s in (-1, 1))
        brows = sum(_soft(u - s * 0.3, 0.22) * _soft(v + 0.58, 0.07) for s in (-1, 1))
        rise = 0.05 * act["cheek"]
        cheeks = sum(_soft(u - s * 0.38, 0.17) * _soft(v - 0.06 + rise, 0.13) for s in (-1, 1))
        chin = 0.05 * _soft(u, 0.16) * _soft(v - who["chin"] + 0.18 - 0.1 * act["jaw"], 0.1)
        height = ridge + ball + wings - 0.05 * sockets + 0.03 * brows + (0.03 + 0.05 * act["cheek"]) * cheeks + chin
        return height - self.folds()

    def folds(self) -> Tensor:
        """Depth of the folds that expressions make."""
        act, u, v = self.act, self.u, self.v
        depth = torch.zeros_like(u)
        for side, smile in ((-1, act["smile_left"]), (1, act["smile_right"])):
            deep = 0.35 + smile + 0.7 * act["lip_raise"] + 0.4 * act["nose_wrinkle"]
            path = side * u - 0.17 - 0.42 * (v - 0.08) - 0.06 * smile * torch.sin((v - 0.05).clamp(0, 0.4) * 7)
            depth = depth + 0.012 * deep * _soft(path, 0.028) * _soft(v - 0.2, 0.14)
            corner = (side * u - 0.47) + 0.3 * (v + 0.38).abs()
            feet = torch.sin((v + 0.4) * 75) * _soft(corner - 0.05, 0.06) * _soft(v + 0.38, 0.07)
            depth = depth + 0.004 * (act["cheek"] * act["eye_squint"]) * feet
            frown = _soft(side * u - 0.055 - 0.02 * (v + 0.62), 0.02) * _soft(v + 0.60, 0.09)
            depth = depth + 0.014 * (act["brow_squeeze"] + 0.4 * act["brow_lower"]) * frown
            wrinkle = torch.sin((v + 0.3) * 60 + 9 * side * u) * _soft(side * u - 0.07, 0.06) * _soft(v + 0.28, 0.09)
            depth = depth + 0.006 * act["nose_wrinkle"] * wrinkle
        raised = 0.7 * act["brow_inner"] * _soft(u, 0.3) + 0.5 * act["brow_outer"] * _soft(u.abs() - 0.35, 0.3)
        lines = torch.sin(v * 48 + 2.5 * (u * 2.2) ** 2) * _soft(v + 0.80, 0.10)
        return depth + 0.006 * raised * lines

    # ---- Features

    def eyes(self) -> None:
        who, act = self.who, self.act
        visible = self.mask * torch.sigmoid((self.front - 0.05) / 0.02)
        lid = 1 + 0.55 * act["eye_wide"] - 0.42 * act["eye_squint"]
        below = 1 + 0.25 * act["eye_wide"] - 0.75 * act["eye_squint"] * (0.6 + 0.4 * act["cheek"])
        for side in (-1, 1):
            du = self.u - side * who["eye_x"]
            dv = self.v + 0.40 - who["eye_tilt"] * side * du
            t = (du / who["eye_width"]).clamp(-1, 1)
            arch = (1 - t**2).clamp(min=0)
            top = -who["eye_height"] * lid * arch.pow(0.8)
            bottom = 0.62 * who["eye_height"] * below * arch.pow(0.9)
            inside = self.cover(torch.minimum(dv - top, bottom - dv)) * (du.abs() < who["eye_width"]) * visible
            socket = 0.22 * _soft(dv - top + 0.035, 0.03) * _soft(du, 0.15) * visible
            self.darken(socket)
            white = torch.tensor([0.93, 0.91, 0.89])[None, :, None, None] * (0.72 + 0.3 * self.lit)[:, None]
            shadow = 1 - 0.35 * _soft(dv - top, 0.03)
            self.over(inside, white * shadow[:, None])
            radius = torch.hypot(du, dv + 0.008)
            streaks = 0.85 + 0.3 * radius / 0.07 + 0.06 * torch.sin(17 * torch.atan2(dv + 0.008, du))
            self.over(inside * self.cover(0.071 - radius), who["iris"] * (streaks * shadow)[:, None])
            self.over(inside * 0.6 * _soft(radius - 0.068, 0.010), 0.4 * who["iris"])
            self.over(inside * self.cover(0.030 - radius), torch.full((1, 3, 1, 1), 0.04))
            glint = torch.hypot(du - 0.03 * torch.sign(who["light"]), dv + 0.035)
            self.over(inside * 0.9 * self.cover(0.016 - glint), torch.ones(1, 3, 1, 1))
            edge = (du.abs() < 1.03 * who["eye_width"]) * visible
            self.over(0.85 * _soft(dv - top, 0.013) * edge, 0.25 * who["skin"])
            self.over(0.35 * _soft(dv - bottom, 0.010) * edge, 0.45 * who["skin"])
            crease = _soft(dv - 1.25 * top + 0.035, 0.010) * (du.abs() < who["eye_width"]) * visible
            self.over(0.35 * crease, 0.5 * who["skin"])

    def brows(self) -> None:
        who, act = self.who, self.act
        visible = self.mask * torch.sigmoid((self.front - 0.02) / 0.02)
        for side in (-1, 1):
            start = 0.115 - 0.045 * act["brow_squeeze"]
            q = (side * self.u - start) / 0.36  # 0 at the inner end, 1 at the outer end
            inner = (1 - q).clamp(0, 1)
            rise = 0.11 * act["brow_inner"] * inner**1.5 + 0.11 * act["brow_outer"] * (1 - inner**2)
            fall = act["brow_lower"] * (0.035 + 0.085 * inner)
            arch = who["brow_arch"] * torch.sin(math.pi * q.clamp(0, 1)) - 0.05 * (q - 0.75).clamp(min=0)
            line = -0.40 - who["brow_height"] - arch - rise + fall
            thick = who["brow_thick"] * (1.15 - 0.75 * q.clamp(0, 1) ** 2)
            shape = torch.minimum(thick - (self.v - line).abs(), 0.36 * torch.minimum(q, 1 - q))
            hairs = 0.80 + 0.2 * torch.sin(110 * self.u * side + 60 * self.v)
            shade = (0.55 + 0.35 * self.lit)[:, None]
            self.over(self.cover(shape) * hairs * visible * 0.9, 0.75 * who["hair"] * shade)

    def nostrils(self) -> None:
        who = self.who
        visible = self.mask * torch.sigmoid((self.front - 0.02) / 0.02)
        for side in (-1, 1):
            du, dv = self.nose_u - side * 0.6 * who["nose_width"], self.v - self.nose_v - 0.055
            dark = torch.exp(-((du / 0.032) ** 2) - (dv / 0.016) ** 2)
            self.over(0.75 * dark * visible, 0.25 * who["skin"])

    def mouth(self) -> None:
        who, act, v = self.who, self.act, self.v
        visible = self.mask * torch.sigmoid((self.front - 0.02) / 0.02)
        smile = 0.5 * (act["smile_left"] + act["smile_right"])
        half = who["mouth_width"] * (1 + 0.24 * smile + 0.18 * act["stretch"] - 0.05 * act["press"])
        t = (self.u / half).clamp(-1, 1)
        arch = (1 - t**2).clamp(min=0)
        side = torch.sigmoid(t * 6)
        corner = 0.13 * (act["smile_left"] * (1 - side) + act["smile_right"] * side) - 0.10 * act["frown"]
        middle = 0.315 - corner * t**2 + 0.02 * smile + 0.035 * act["jaw"] - 0.03 * act["lip_raise"]
        seam = middle + 0.008 * torch.cos(2 * math.pi * t) * (1 - t**2)
        top = seam - 0.075 * act["lip_raise"].clamp(min=0) * arch.pow(0.7) - 0.02 * act["jaw"] * arch
        bottom = seam + (0.30 * act["jaw"] + 0.05 * act["lip_raise"] * (act["jaw"] > 0.05)) * arch.pow(0.62)
        thin = 1 - 0.62 * act["press"].clamp(0, 1) - 0.18 * smile
        bow = 1 - 0.22 * _soft(t, 0.16) + 0.12 * _soft(t.abs() - 0.25, 0.2)
        upper = top - who["lip_upper"] * thin * arch.pow(0.75) * bow
        lower = bottom + who["lip_lower"] * thin * arch.pow(0.6)
        lips = self.cover(torch.minimum(v - upper, lower - v)) * (self.u.abs() < half) * visible
        across = ((v - upper) / (lower - upper).clamp(min=1e-3)).clamp(0, 1)
        gloss = 0.62 + 0.42 * self.lit + 0.12 * _soft(across - 0.78, 0.12) - 0.12 * (across < 0.5)
        self.over(0.88 * lips, (0.5 * who["lips"] + 0.5 * who["skin"] * who["lips"] * 1.35) * gloss[:, None])
        under = _soft(v - lower - 0.035, 0.03) * arch * visible
        self.darken(0.16 * under)
        open_ = self.cover(torch.minimum(v - top, bottom - v)) * (self.u.abs() < half) * visible
        depth = torch.tensor([0.26, 0.07, 0.07])[None, :, None, None] * (0.6 + 1.4 * (v - top).clamp(0, 0.3))[:, None]
        self.over(open_, depth)
        tongue = (
            1 - (self.u / (0.62 * half)) ** 2 - ((v - bottom - 0.02) / (0.02 + 0.13 * act["jaw"].clamp(min=0))) ** 2
        )
        self.over(
            open_ * self.cover(tongue) * (act["jaw"] > 0.3), torch.tensor([0.66, 0.30, 0.30])[None, :, None, None]
        )
        ivory = torch.tensor([0.94, 0.91, 0.86])[None, :, None, None] * (0.95 - 0.35 * t**2)[:, None]
        gaps = 1 - 0.10 * _soft(torch.sin(self.u * 42), 0.25)
        teeth = self.cover(0.062 + 0.012 * arch - (v - top)) * (t.abs() < 0.93)
        self.over(open_ * teeth, ivory * gaps[:, None])
        low = self.cover(v - bottom + 0.035) * (t.abs() < 0.75) * (act["jaw"] > 0.15) * act["stretch"].clamp(min=0)
        self.over(open_ * 0.9 * low, 0.88 * ivory * gaps[:, None])
        dark = 0.35 * who["lips"]
        self.over(0.75 * _soft(v - seam, 0.011) * (1 - open_) * (self.u.abs() < half) * visible, dark)
        for s in (-1, 1):
            spot = _soft(self.u - s * half, 0.025) * _soft(v - middle, 0.022)
            self.darken(0.3 * spot * visible)

    def hair(self) -> None:
        who = self.who
        angle = torch.atan2(self.u, self.front.clamp(min=-1)).abs()
        wave = 0.03 * torch.sin(9 * self.u + 3) + 0.05 * _soft(self.u - who["hair_part"], 0.12)
        line = who["hairline"] - wave + who["hair_side"] * 1.5 * (angle / 1.35).clamp(max=1.3) ** 3.5
        back = torch.sigmoid((angle - 1.25) / 0.05) * (0.4 + 0.6 * who["hair_long"])
        shape = line - self.v + back * 0.35
        turn = torch.sign(self.u) * angle
        strands = 0.80 + 0.10 * torch.sin(38 * turn + 5 * self.v) * torch.sin(23 * turn - 2 * self.v + 1)
        shade = (strands * (0.5 + 0.75 * self.lit))[:, None]
        self.over(torch.sigmoid(shape / 0.02) * self.mask, who["hair"] * shade)


def drawn_moments(num_people: int, per_person: int, seed: int = 0, first: int = 0) -> dict[str, list]:
    """What to draw: for each picture `identity`, `expression`, `actions` (15,), `yaw` and `view_yaw` in degrees.

    Expressions come in turn, so every person shows each of them if `per_person` is at least 8. People `first` and up
    of a seed are drawn: another range of numbers gives other people.
    """
    moments: dict[str, list] = {name: [] for name in ("identity", "expression", "actions", "yaw", "view_yaw")}
    for number in range(first, first + num_people):
        rng = random.Random(f"{seed}-{number}")
        for turn in range(per_person):
            expression = (number * per_person + turn) % len(EXPRESSIONS)
            actions = expression_actions(expression, rng.uniform(0.6, 1.1), seed=rng.getrandbits(31))
            yaw = rng.choice((-45, -22, 0, 22, 45))
            view = rng.choice([other for other in (-45, -22, 0, 22, 45) if other != yaw])
            values = (seed * 100_000 + number, expression, actions, yaw + rng.gauss(0, 3), view + rng.gauss(0, 3))
            for name, value in zip(moments, values, strict=True):
                moments[name].append(value)
    return moments


def drawn_triples(
    num_triples: int, size: int = 128, seed: int = 0, num_people: int = 10, first: int = 50_000
) -> dict[str, Tensor]:
    """Inputs, references and true edits of people whom `drawn_faces` never draws: the input with the reference's
    expression, in the input's pose.

    Returns `image`, `reference`, `target` and their neutral faces `image_neutral`, `reference_neutral`, uint8
    (N, 3, size, size); `expression`, `reference_expression` int64 (N,); `yaw`, `reference_yaw` float32 (N,).
    """
    rng = random.Random(f"triples-{seed}")
    moments = drawn_moments(num_people, 4 * len(EXPRESSIONS), seed, first)
    rows = range(len(moments["identity"]))
    inputs, references = [], []
    while len(inputs) < num_triples:
        i, j = rng.choice(rows), rng.choice(rows)
        if moments["identity"][i] != moments["identity"][j] and moments["expression"][i] != moments["expression"][j]:
            inputs.append(i)
            references.append(j)

    def take(name: str, chosen: list[int]) -> Tensor:
        return torch.stack([torch.as_tensor(moments[name][i]) for i in chosen])

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
