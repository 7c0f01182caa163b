"""The drawing of synthetic faces: shapes and shades of a head, its eyes, brows, nose, mouth and hair."""

import copy
import math

import torch
from torch import Tensor


def soft(distance: Tensor, width: float) -> Tensor:
    """A soft line or spot: 1 at distance 0, falling off over `width`."""
    return torch.exp(-(distance / width).square())


class Canvas:
    """One batch of drawings. Fields are (B, S, S); a shape is a field that is positive inside."""

    def __init__(self, looks: dict[str, Tensor], act: dict[str, Tensor], yaw: Tensor, size: int) -> None:
        self.looks, self.act, self.size = looks, act, size
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

    def rows(self, top: float, bottom: float) -> "Canvas":
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
        looks, middle = self.looks, -0.3
        chin = looks["chin"] + 0.13 * self.act["jaw"].clamp(min=0) + extra
        above = ((self.y - middle) / -1.05).clamp(0, 1)
        below = ((self.y - middle) / (chin - middle)).clamp(0, 1)
        width = (1 - above**2.4).clamp(min=0).sqrt() * (1 - below ** looks["jaw_power"]).clamp(min=0).pow(0.62)
        return scale * looks["width"] * width.clamp(min=1e-3)

    def silhouette(self, width: Tensor, depth: float) -> Tensor:
        """Shape of a turned stack of ellipses."""
        half = width * torch.sqrt(self.cos**2 + (depth * self.sin) ** 2)
        return half**2 - self.head_x**2

    def background(self) -> None:
        looks, y = self.looks, self.y
        light = 1.06 - 0.16 * ((self.x - looks["light"]) ** 2 + 0.5 * y**2)
        self.image = (looks["wall"] * light[:, None]).contiguous()
        locks = 0.86 + 0.08 * torch.sin(self.head_x * 42 + 5 * y) * torch.sin(self.head_x * 23 + 2)
        self.locks = looks["hair"] * locks[:, None]
        behind = 1.16 * looks["width"] * (1 - ((y + 0.3) / 1.5).abs().clamp(max=1) ** 3).clamp(min=1e-3).sqrt()
        long_hair = self.cover(self.silhouette(behind, 1.1)) * looks["hair_long"]
        self.over(long_hair, 0.62 * self.locks)
        neck = looks["width"] * (0.62 + 0.35 * ((y - 0.72) / 0.3).clamp(min=0) ** 2)
        shade = 0.52 + 0.2 * (1 - (self.head_x / neck).clamp(-1, 1) ** 2)
        self.over(
            self.cover(neck**2 - (self.head_x - 0.1 * self.sin) ** 2) * (y > 0.2), looks["skin"] * shade[:, None]
        )
        collar = y - 0.9 - 0.06 * torch.cos(3 * self.head_x)
        self.over(self.cover(collar), looks["shirt"] * (0.9 - 0.25 * self.x**2)[:, None])
        cap = self.half_width(1.09) + 0.02
        self.over(self.cover(self.silhouette(cap, 1.12)) * (y < looks["hair_side"] - 0.55), 0.75 * self.locks)
        for side in (-1, 1):  # ears
            ear_x = self.head_x - side * 1.0 * looks["width"] * self.cos + 0.06 * self.sin
            ear = 1 - (ear_x / 0.085) ** 2 - ((y + 0.13) / 0.2) ** 2
            shade = 0.62 + 0.25 * (1 - soft(ear_x + side * 0.03, 0.05) * soft(y + 0.12, 0.12))
            self.over(self.cover(ear), looks["skin"] * shade[:, None])

    def head(self) -> None:
        """Skin with its relief and light; leaves the surface coordinates `u`, `v` and the head's mask."""
        looks, act, x = self.looks, self.act, self.head_x
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
            [looks["light"], -0.55 * torch.ones_like(looks["light"]), 0.85 * torch.ones_like(looks["light"])]
        )
        light = light / light.norm(dim=0)
        self.lit = ((normal * light).sum(0) * 0.5 + 0.5).clamp(0, 1)
        shine = 0.16 * ((normal * light).sum(0).clamp(0, 1)) ** 18
        shade = 0.30 + 0.86 * self.lit**1.6
        red = torch.tensor([1.0, 0.93, 0.9])[None, :, None, None] ** (2.2 * (1 - self.lit))[:, None]
        skin = looks["skin"] * shade[:, None] * red
        cheeks = sum(soft(self.u - s * 0.36, 0.2) * soft(self.v - 0.08, 0.18) for s in (-1, 1))
        rosy = (looks["blush"] * (1 + 0.6 * act["cheek"])) * cheeks
        skin = skin * torch.stack([1 + 0 * rosy, 1 - 0.55 * rosy, 1 - 0.5 * rosy], dim=1)
        around = soft(self.u, 0.44) * torch.sigmoid((self.v - 0.22) / 0.04)
        beard = looks["beard"] * torch.maximum(
            around, torch.sigmoid((self.v - 0.1 - 0.6 * (0.62 - self.u.abs())) / 0.05)
        )
        skin = skin + beard[:, None] * 0.8 * (looks["hair"] * shade[:, None] - skin)
        self.over(self.mask, skin + shine[:, None])

    def relief(self) -> Tensor:
        """Height of the skin above the head's smooth surface."""
        looks, act, u, v = self.looks, self.act, self.u, self.v
        lift = 0.05 * act["nose_wrinkle"]
        tip = looks["nose_tip"] - lift
        along = ((v + 0.42) / (tip + 0.42)).clamp(0, 1)
        out = u - 0.14 * along * self.sin / self.cos.clamp(min=0.5)  # the nose stands out and shifts with the turn
        self.nose_u, self.nose_v = out, tip
        ridge = 0.10 * along**1.3 * soft(out, 0.05) * torch.sigmoid((tip + 0.05 - v) / 0.02)
        ball = 0.075 * soft(out, 0.075) * soft(v - tip, 0.075)
        wings = sum(0.05 * soft(out - s * looks["nose_width"], 0.045) * soft(v - tip - 0.02, 0.05) for s in (-1, 1))
        sockets = sum(soft(u - s * looks["eye_x"], 0.16) * soft(v + 0.42, 0.10) for s in (-1, 1))
        brows = sum(soft(u - s * 0.3, 0.22) * soft(v + 0.58, 0.07) for s in (-1, 1))
        rise = 0.05 * act["cheek"]
        cheeks = sum(soft(u - s * 0.38, 0.17) * soft(v - 0.06 + rise, 0.13) for s in (-1, 1))
        chin = 0.05 * soft(u, 0.16) * soft(v - looks["chin"] + 0.18 - 0.1 * act["jaw"], 0.1)
        height = ridge + ball + wings - 0.05 * sockets + 0.03 * brows + (0.03 + 0.05 * act["cheek"]) * cheeks + chin
        return height - self.folds()

    def folds(self) -> Tensor:
        """Depth of the folds that expressions make."""
        act, u, v = self.act, self.u, self.v
        depth = torch.zeros_like(u)
        for side, smile in ((-1, act["smile_left"]), (1, act["smile_right"])):
            deep = 0.35 + smile + 0.7 * act["lip_raise"] + 0.4 * act["nose_wrinkle"]
            path = side * u - 0.17 - 0.42 * (v - 0.08) - 0.06 * smile * torch.sin((v - 0.05).clamp(0, 0.4) * 7)
            depth = depth + 0.012 * deep * soft(path, 0.028) * soft(v - 0.2, 0.14)
            corner = (side * u - 0.47) + 0.3 * (v + 0.38).abs()
            feet = torch.sin((v + 0.4) * 75) * soft(corner - 0.05, 0.06) * soft(v + 0.38, 0.07)
            depth = depth + 0.004 * (act["cheek"] * act["eye_squint"]) * feet
            frown = soft(side * u - 0.055 - 0.02 * (v + 0.62), 0.02) * soft(v + 0.60, 0.09)
            depth = depth + 0.014 * (act["brow_squeeze"] + 0.4 * act["brow_lower"]) * frown
            wrinkle = torch.sin((v + 0.3) * 60 + 9 * side * u) * soft(side * u - 0.07, 0.06) * soft(v + 0.28, 0.09)
            depth = depth + 0.006 * act["nose_wrinkle"] * wrinkle
        raised = 0.7 * act["brow_inner"] * soft(u, 0.3) + 0.5 * act["brow_outer"] * soft(u.abs() - 0.35, 0.3)
        lines = torch.sin(v * 48 + 2.5 * (u * 2.2) ** 2) * soft(v + 0.80, 0.10)
        return depth + 0.006 * raised * lines

    # ---- Features

    def eyes(self) -> None:
        looks, act = self.looks, self.act
        visible = self.mask * torch.sigmoid((self.front - 0.05) / 0.02)
        lid = 1 + 0.55 * act["eye_wide"] - 0.42 * act["eye_squint"]
        below = 1 + 0.25 * act["eye_wide"] - 0.75 * act["eye_squint"] * (0.6 + 0.4 * act["cheek"])
        for side in (-1, 1):
            du = self.u - side * looks["eye_x"]
            dv = self.v + 0.40 - looks["eye_tilt"] * side * du
            t = (du / looks["eye_width"]).clamp(-1, 1)
            arch = (1 - t**2).clamp(min=0)
            top = -looks["eye_height"] * lid * arch.pow(0.8)
            bottom = 0.62 * looks["eye_height"] * below * arch.pow(0.9)
            inside = self.cover(torch.minimum(dv - top, bottom - dv)) * (du.abs() < looks["eye_width"]) * visible
            socket = 0.22 * soft(dv - top + 0.035, 0.03) * soft(du, 0.15) * visible
            self.darken(socket)
            white = torch.tensor([0.93, 0.91, 0.89])[None, :, None, None] * (0.72 + 0.3 * self.lit)[:, None]
            shadow = 1 - 0.35 * soft(dv - top, 0.03)
            self.over(inside, white * shadow[:, None])
            radius = torch.hypot(du, dv + 0.008)
            streaks = 0.85 + 0.3 * radius / 0.07 + 0.06 * torch.sin(17 * torch.atan2(dv + 0.008, du))
            self.over(inside * self.cover(0.071 - radius), looks["iris"] * (streaks * shadow)[:, None])
            self.over(inside * 0.6 * soft(radius - 0.068, 0.010), 0.4 * looks["iris"])
            self.over(inside * self.cover(0.030 - radius), torch.full((1, 3, 1, 1), 0.04))
            glint = torch.hypot(du - 0.03 * torch.sign(looks["light"]), dv + 0.035)
            self.over(inside * 0.9 * self.cover(0.016 - glint), torch.ones(1, 3, 1, 1))
            edge = (du.abs() < 1.03 * looks["eye_width"]) * visible
            self.over(0.85 * soft(dv - top, 0.013) * edge, 0.25 * looks["skin"])
            self.over(0.35 * soft(dv - bottom, 0.010) * edge, 0.45 * looks["skin"])
            crease = soft(dv - 1.25 * top + 0.035, 0.010) * (du.abs() < looks["eye_width"]) * visible
            self.over(0.35 * crease, 0.5 * looks["skin"])

    def brows(self) -> None:
        looks, act = self.looks, self.act
        visible = self.mask * torch.sigmoid((self.front - 0.02) / 0.02)
        for side in (-1, 1):
            start = 0.115 - 0.045 * act["brow_squeeze"]
            q = (side * self.u - start) / 0.36  # 0 at the inner end, 1 at the outer end
            inner = (1 - q).clamp(0, 1)
            rise = 0.11 * act["brow_inner"] * inner**1.5 + 0.11 * act["brow_outer"] * (1 - inner**2)
            fall = act["brow_lower"] * (0.035 + 0.085 * inner)
            arch = looks["brow_arch"] * torch.sin(math.pi * q.clamp(0, 1)) - 0.05 * (q - 0.75).clamp(min=0)
            line = -0.40 - looks["brow_height"] - arch - rise + fall
            thick = looks["brow_thick"] * (1.15 - 0.75 * q.clamp(0, 1) ** 2)
            shape = torch.minimum(thick - (self.v - line).abs(), 0.36 * torch.minimum(q, 1 - q))
            hairs = 0.80 + 0.2 * torch.sin(110 * self.u * side + 60 * self.v)
            shade = (0.55 + 0.35 * self.lit)[:, None]
            self.over(self.cover(shape) * hairs * visible * 0.9, 0.75 * looks["hair"] * shade)

    def nostrils(self) -> None:
        looks = self.looks
        visible = self.mask * torch.sigmoid((self.front - 0.02) / 0.02)
        for side in (-1, 1):
            du, dv = self.nose_u - side * 0.6 * looks["nose_width"], self.v - self.nose_v - 0.055
            dark = torch.exp(-((du / 0.032) ** 2) - (dv / 0.016) ** 2)
            self.over(0.75 * dark * visible, 0.25 * looks["skin"])

    def mouth(self) -> None:
        looks, act, v = self.looks, self.act, self.v
        visible = self.mask * torch.sigmoid((self.front - 0.02) / 0.02)
        smile = 0.5 * (act["smile_left"] + act["smile_right"])
        half = looks["mouth_width"] * (1 + 0.24 * smile + 0.18 * act["stretch"] - 0.05 * act["press"])
        t = (self.u / half).clamp(-1, 1)
        arch = (1 - t**2).clamp(min=0)
        side = torch.sigmoid(t * 6)
        corner = 0.13 * (act["smile_left"] * (1 - side) + act["smile_right"] * side) - 0.10 * act["frown"]
        middle = 0.315 - corner * t**2 + 0.02 * smile + 0.035 * act["jaw"] - 0.03 * act["lip_raise"]
        seam = middle + 0.008 * torch.cos(2 * math.pi * t) * (1 - t**2)
        top = seam - 0.075 * act["lip_raise"].clamp(min=0) * arch.pow(0.7) - 0.02 * act["jaw"] * arch
        bottom = seam + (0.30 * act["jaw"] + 0.05 * act["lip_raise"] * (act["jaw"] > 0.05)) * arch.pow(0.62)
        thin = 1 - 0.62 * act["press"].clamp(0, 1) - 0.18 * smile
        bow = 1 - 0.22 * soft(t, 0.16) + 0.12 * soft(t.abs() - 0.25, 0.2)
        upper = top - looks["lip_upper"] * thin * arch.pow(0.75) * bow
        lower = bottom + looks["lip_lower"] * thin * arch.pow(0.6)
        lips = self.cover(torch.minimum(v - upper, lower - v)) * (self.u.abs() < half) * visible
        across = ((v - upper) / (lower - upper).clamp(min=1e-3)).clamp(0, 1)
        gloss = 0.62 + 0.42 * self.lit + 0.12 * soft(across - 0.78, 0.12) - 0.12 * (across < 0.5)
        self.over(0.88 * lips, (0.5 * looks["lips"] + 0.5 * looks["skin"] * looks["lips"] * 1.35) * gloss[:, None])
        under = soft(v - lower - 0.035, 0.03) * arch * visible
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
        gaps = 1 - 0.10 * soft(torch.sin(self.u * 42), 0.25)
        teeth = self.cover(0.062 + 0.012 * arch - (v - top)) * (t.abs() < 0.93)
        self.over(open_ * teeth, ivory * gaps[:, None])
        low = self.cover(v - bottom + 0.035) * (t.abs() < 0.75) * (act["jaw"] > 0.15) * act["stretch"].clamp(min=0)
        self.over(open_ * 0.9 * low, 0.88 * ivory * gaps[:, None])
        dark = 0.35 * looks["lips"]
        self.over(0.75 * soft(v - seam, 0.011) * (1 - open_) * (self.u.abs() < half) * visible, dark)
        for s in (-1, 1):
            spot = soft(self.u - s * half, 0.025) * soft(v - middle, 0.022)
            self.darken(0.3 * spot * visible)

    def hair(self) -> None:
        looks = self.looks
        angle = torch.atan2(self.u, self.front.clamp(min=-1)).abs()
        wave = 0.03 * torch.sin(9 * self.u + 3) + 0.05 * soft(self.u - looks["hair_part"], 0.12)
        line = looks["hairline"] - wave + looks["hair_side"] * 1.5 * (angle / 1.35).clamp(max=1.3) ** 3.5
        back = torch.sigmoid((angle - 1.25) / 0.05) * (0.4 + 0.6 * looks["hair_long"])
        shape = line - self.v + back * 0.35
        turn = torch.sign(self.u) * angle
        strands = 0.80 + 0.10 * torch.sin(38 * turn + 5 * self.v) * torch.sin(23 * turn - 2 * self.v + 1)
        shade = (strands * (0.5 + 0.75 * self.lit))[:, None]
        self.over(torch.sigmoid(shape / 0.02) * self.mask, looks["hair"] * shade)
