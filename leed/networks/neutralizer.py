"""The neutraliser, which renders the neutral face that LEED edits."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leed.config import EXPRESSIONS, NEUTRAL, ModelConfig
from leed.networks.layers import FLOW_SCALE, SLOPE, Upsample, conv3x3, residual_blocks, upsample_to, warp, zero_init
from leed.networks.stargan import StarGANGenerator
from leed.pretrained import HubModel

MAX_FLOW = 0.4  # in units of half a side: a wide-open jaw closes by about a sixth of the picture
MAX_PAINT = 2.0  # twice the range of a picture's values on either side: enough to turn black into white
COVER_BIAS = 4.0  # the mask starts at 2 %: a network that has learned nothing gives the picture back


class Change(NamedTuple):
    """A change of a picture: (1 - mask) * warped picture + paint. All three are bounded.

    `flow` (B, 2, h, w) is in units of half a side; `mask` (B, 1, H, W) in [0, 1] is where the picture is covered;
    `paint` (B, 3, H, W) is what is added, there or as light and shade.
    """

    flow: Tensor
    mask: Tensor
    paint: Tensor

    def apply(self, image: Tensor) -> Tensor:
        """The changed picture (B, 3, H', W'), which may be larger than the one that the change was computed for.

        Computed in full precision; of the picture's own.
        """
        mask, paint = upsample_to(self.mask, image), upsample_to(self.paint, image)
        return ((1 - mask) * warp(image, self.flow) + paint).to(image.dtype)


class UNetGenerator(nn.Module):
    """Warps the picture by a flow, and covers and paints where something hidden appears, such as lips before teeth."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width, depth = config.neutralizer_width, config.neutralizer_depth
        middle, coarse = width * 3 // 2, width * 3
        self.stem = conv3x3(48, width)
        self.down1 = residual_blocks(width, depth)
        self.to_middle = conv3x3(width, middle, stride=2)
        self.down2 = residual_blocks(middle, depth)
        self.to_coarse = conv3x3(middle, coarse, stride=2)
        self.expression = nn.Embedding(len(EXPRESSIONS), coarse)
        self.bottom = residual_blocks(coarse, depth + 1)
        self.from_coarse = Upsample(coarse, middle)
        self.up2 = residual_blocks(middle, depth)
        self.from_middle = Upsample(middle, width)
        self.up1 = residual_blocks(width, depth)
        self.flow = zero_init(conv3x3(width, 2))
        self.mask = zero_init(conv3x3(width, 16))
        self.paint = zero_init(conv3x3(width, 48))
        nn.init.normal_(self.expression.weight, std=0.1)

    def change(self, image: Tensor, expression: Tensor) -> Change:
        """The change of faces (B, 3, H, W) towards expressions (B,), indices of EXPRESSIONS."""
        fine = self.down1(F.leaky_relu(self.stem(F.pixel_unshuffle(image, 4)), SLOPE))  # (B, width, H/4, W/4)
        middle = self.down2(F.leaky_relu(self.to_middle(fine), SLOPE))  # (B, middle, H/8, W/8)
        h = self.to_coarse(middle) + self.expression(expression)[..., None, None]  # (B, coarse, H/16, W/16)
        h = self.bottom(F.leaky_relu(h, SLOPE))
        h = self.up2(middle + self.from_coarse(F.leaky_relu(h, SLOPE)))
        h = F.leaky_relu(self.up1(fine + self.from_middle(F.leaky_relu(h, SLOPE))), SLOPE)
        mask = torch.sigmoid(F.pixel_shuffle(self.mask(h), 4).float() - COVER_BIAS)
        paint = MAX_PAINT * torch.tanh(F.pixel_shuffle(self.paint(h), 4).float() / MAX_PAINT)
        flow = MAX_FLOW * torch.tanh(self.flow(h).float() * (FLOW_SCALE / MAX_FLOW))
        return Change(flow, mask, paint)

    def forward(self, image: Tensor, expression: Tensor) -> Tensor:
        """Faces (B, 3, H, W) with expressions (B,), indices of EXPRESSIONS: (B, 3, H, W)."""
        return self.change(image, expression).apply(image)


class Neutralizer(HubModel):
    """The neutraliser: renders a face with another expression, by default the neutral face I_N of the paper."""

    generator: UNetGenerator | StarGANGenerator

    def __init__(self, config: ModelConfig = ModelConfig()) -> None:  # noqa: B008 (frozen)
        super().__init__()
        self.config = config
        self.generator = UNetGenerator(config) if config.neutralizer == "unet" else StarGANGenerator(config)

    def forward(self, image: Tensor, expression: Tensor | None = None) -> Tensor:
        """Faces (B, 3, H, W) in [-1, 1] to the same with `expression` (B,), indices of EXPRESSIONS; None: neutral."""
        return self.generator(image, self._target(image, expression))

    def change(self, image: Tensor, expression: Tensor | None = None) -> Change:
        """The change that `forward` makes to faces (B, 3, H, W), which can be applied to larger pictures of them.

        Raises `ValueError` for StarGAN's generator, which paints the whole picture anew.
        """
        if not isinstance(self.generator, UNetGenerator):
            raise ValueError(
                f"a neutraliser of kind {self.config.neutralizer!r} has no flow, mask and paint: it paints the whole "
                "picture anew. Call it as a function, or take one of kind 'unet'"
            )
        return self.generator.change(image, self._target(image, expression))

    def _target(self, image: Tensor, expression: Tensor | None) -> Tensor:
        if expression is not None:
            return expression
        return torch.full((image.shape[0],), NEUTRAL, dtype=torch.long, device=image.device)
