"""What remains of an expression in a neutral face, estimated from that face alone."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leed.config import ModelConfig
from leed.images import EYES, MOUTH, part, resize
from leed.networks.layers import SLOPE, conv3x3
from leed.pretrained import HubModel

REMAINS = "remains"
"""The folder of the estimator beside a LEED's weights."""

VISIBLE = 1.0
"""From this estimate on, what remains of an expression can be seen."""

SIDE = 64  # of the picture that the network sees [px]
WIDTH = 24  # channels at half of that side
LEAST_DEVIATION = 0.05  # of a face without contrast, in the range [-1, 1]
FACE = (EYES[0], MOUTH[1], EYES[2], EYES[3])  # from the brows to the chin: its light and contrast are evened
AROUND_EYES = (3 / 16, 7 / 16, 2 / 16, 14 / 16)  # EYES and MOUTH in whole places of the last maps
AROUND_MOUTH = (8 / 16, 15 / 16, 3 / 16, 13 / 16)


class Remains(NamedTuple):
    """What remains of an expression at the mouth and at the eyes, brows included: (B,) each.

    0 is nothing, VISIBLE and more can be seen; a mouth that stays wide open or closed eyes have 1 to 3.
    """

    mouth: Tensor
    eyes: Tensor

    @property
    def most(self) -> Tensor:
        """The larger of the two (B,)."""
        return torch.maximum(self.mouth, self.eyes)

    def visible_in(self) -> tuple[str, ...]:
        """The parts of a single face in which it can be seen, of "mouth" and "eyes"."""
        return tuple(name for name, values in self._asdict().items() if float(values) >= VISIBLE)


class RemainsEstimator(HubModel, pipeline_tag="image-classification"):
    """Estimates what remains of an expression in a neutral face, without seeing the face that it was made of.

    A neutraliser cannot be asked: it is blind to what it leaves. This small network (35,000 weights) has learned from
    pictures whose true neutral face is known, so it also knows what another neutraliser leaves. It sees grey levels
    with the face's light and contrast evened.
    """

    def __init__(self, config: ModelConfig = ModelConfig()) -> None:  # noqa: B008 (frozen)
        super().__init__()
        self.config = config
        self.stem = conv3x3(4, WIDTH)
        self.down = conv3x3(WIDTH, 2 * WIDTH, stride=2)
        self.deep = conv3x3(2 * WIDTH, 2 * WIDTH)
        self.mouth, self.eyes = (
            nn.Sequential(nn.Linear(4 * WIDTH, 16), nn.LeakyReLU(SLOPE), nn.Linear(16, 1)) for _ in range(2)
        )

    def forward(self, image_neutral: Tensor) -> Tensor:
        """Neutral faces (B, 3, H, W) in [-1, 1] to estimates (B, 2): at the mouth, at the eyes."""
        grey = resize(image_neutral.mean(dim=1, keepdim=True), SIDE)
        face = part(grey, FACE)
        deviation = face.std(dim=(2, 3), keepdim=True).clamp(min=LEAST_DEVIATION)
        grey = (grey - face.mean(dim=(2, 3), keepdim=True)) / deviation
        h = F.leaky_relu(self.stem(F.pixel_unshuffle(grey, 2)), SLOPE)  # (B, WIDTH, SIDE/2, SIDE/2)
        h = F.leaky_relu(self.down(h), SLOPE)
        h = F.leaky_relu(self.deep(h), SLOPE)  # (B, 2 WIDTH, SIDE/4, SIDE/4)
        return torch.cat([self.mouth(_pooled(h, AROUND_MOUTH)), self.eyes(_pooled(h, AROUND_EYES))], dim=1)

    @torch.no_grad()
    def remains(self, image_neutral: Tensor) -> Remains:
        """What remains in neutral faces (B, 3, H, W) in [-1, 1]; estimates below 0 are 0."""
        return Remains(*self(image_neutral).clamp(min=0).unbind(1))


def _pooled(maps: Tensor, box: tuple[float, float, float, float]) -> Tensor:
    """The mean and the maximum of each map within a box: (B, C, h, w) -> (B, 2 C)."""
    maps = part(maps, box)
    return torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1)
