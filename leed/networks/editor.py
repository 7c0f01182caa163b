"""The networks that edit a face, in the paper's order: E, D, X, I.

Letters in shapes: B batch, C code channels, c side of a code map (image side / patch size), Z length of delta_exp.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leed.config import ModelConfig
from leed.networks.layers import (
    FLOW_SCALE,
    SLOPE,
    PatchTransform,
    Upsample,
    conv3x3,
    residual_blocks,
    warp,
    zero_init,
)


class Encoder(nn.Module):
    """E, the encoder: maps a face to its code.

    With `patch_skip` the code is a fixed cosine transform of the face's patches plus what the convolutions add, which
    starts at zero: the autoencoder is all but lossless before any training. Without it, convolutions alone.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width, halvings = config.encoder_width, int(math.log2(config.patch_size)) - 2
        self.transform = PatchTransform(config.patch_size, config.code_channels) if config.patch_skip else None
        self.stem = conv3x3(48, width)
        self.blocks = residual_blocks(width, config.encoder_depth)
        self.down = nn.Sequential(*(conv3x3(width, width, stride=2) for _ in range(max(halvings - 1, 0))))
        self.head = conv3x3(width, config.code_channels, stride=2 if halvings else 1)
        if config.patch_skip:
            zero_init(self.head)

    def forward(self, image: Tensor) -> Tensor:
        """C = E(image): (B, 3, H, W) in [-1, 1] -> (B, C, c, c)."""
        h = F.leaky_relu(self.stem(F.pixel_unshuffle(image, 4)), SLOPE)  # (B, width, H/4, W/4)
        h = self.down(self.blocks(h))
        code = self.head(F.leaky_relu(h, SLOPE))  # (B, C, c, c)
        return code if self.transform is None else code + self.transform.encode(image)


class Decoder(nn.Module):
    """D, the decoder: maps a code back to a face."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width, doublings = config.decoder_width, int(math.log2(config.patch_size)) - 2
        self.transform = PatchTransform(config.patch_size, config.code_channels) if config.patch_skip else None
        self.stem = conv3x3(config.code_channels, width)
        self.blocks = residual_blocks(width, config.decoder_depth)
        self.up = nn.Sequential(*(Upsample(width if i == 0 else 64, 64) for i in range(doublings)))
        fine = 64 if doublings else width
        self.fine = residual_blocks(fine, 1)
        self.head = conv3x3(fine, 48)
        if config.patch_skip:
            zero_init(self.head)

    def forward(self, code: Tensor) -> Tensor:
        """image = D(C): (B, C, c, c) -> (B, 3, H, W), in about [-1, 1]."""
        h = self.blocks(F.leaky_relu(self.stem(code), SLOPE))  # (B, width, c, c)
        h = self.fine(F.leaky_relu(self.up(h), SLOPE))  # (B, 64, H/4, W/4)
        image = F.pixel_shuffle(self.head(F.leaky_relu(h, SLOPE)), 4)  # (B, 3, H, W)
        return image.tanh() if self.transform is None else image + self.transform.decode(code)


class Extractor(nn.Module):
    """X, the extractor: the expression delta_exp of a face, from its code and its neutral face's.

    With a vector delta_exp, X(C, C_N) = e(C) - e(C_N): it is zero for a neutral face by construction, and has no
    place in the picture that a pose could shift. With a map (`delta_size` 0), the paper's: convolutions on both codes.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        channels, width = config.code_channels, config.extractor_width
        self.vector = config.delta_size > 0
        if self.vector:
            side = config.code_size // 4
            self.features = nn.Sequential(
                conv3x3(channels, width, stride=2),
                nn.LeakyReLU(SLOPE),
                residual_blocks(width, 1),
                conv3x3(width, width, stride=2),
                nn.LeakyReLU(SLOPE),
                nn.Flatten(),
                nn.Linear(width * side**2, config.delta_size, bias=False),
            )
        else:
            self.features = nn.Sequential(
                conv3x3(2 * channels, width), residual_blocks(width, 2), nn.LeakyReLU(SLOPE), conv3x3(width, channels)
            )

    def forward(self, code: Tensor, code_neutral: Tensor) -> Tensor:
        """delta_exp = X(C, C_N): two codes (B, C, c, c) -> (B, Z), or (B, C, c, c) for a map."""
        if self.vector:
            features = self.features(torch.cat([code, code_neutral]))
            return features[: len(code)] - features[len(code) :]  # `chunk` cannot be exported for any batch size
        return self.features(torch.cat([code, code_neutral], dim=1))


class Interpolation(NamedTuple):
    """A code (B, C, c, c) with an expression, the flow in it or None, and the features that both are made of.

    The flow is (B, 2, f c, f c), f being `flow_cells`, in units of half a side; the features are (B, width, c, c).
    """

    code: Tensor
    flow: Tensor | None
    features: Tensor


class Interpolator(nn.Module):
    """I, the interpolator: moves the code of a neutral face along an expression.

    With a vector delta_exp: features of the neutral code, the context, gate an otherwise bias-free network, so that
    residual and flow are zero at alpha = 0 and grow linearly with alpha. The flow warps the neutral face that the code
    stands for; the residual is added to the warped face's code.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        channels, width, side = config.code_channels, config.interpolator_width, config.code_size
        wide = width * 5 // 3
        self.vector = config.delta_size > 0
        self.transform = PatchTransform(config.patch_size, channels) if config.flow else None
        self.flow_cells = config.flow_cells
        self.flow = conv3x3(width, 2 * self.flow_cells**2, bias=False) if config.flow else None
        if self.vector:
            self.place = nn.Parameter(torch.zeros(1, width, side, side))  # where on the crop
            self.content = conv3x3(channels, width)
            self.content_blocks = residual_blocks(width, 1)
            self.gates = nn.Conv2d(width, width + wide, 1)
            self.scale = nn.Linear(config.delta_size, width, bias=False)
            self.shift = nn.Linear(config.delta_size, width, bias=False)
            self.down = conv3x3(width, wide, stride=2, bias=False)
            self.blocks = residual_blocks(wide, config.interpolator_depth, bias=False)
            self.up = Upsample(wide, width, bias=False)
        else:
            self.content = conv3x3(channels, width)
            self.blocks = residual_blocks(width, config.interpolator_depth)
        self.fine = residual_blocks(width, 1, bias=not self.vector)
        self.head = zero_init(conv3x3(width, channels, bias=not self.vector))
        if self.flow is not None:
            zero_init(self.flow)

    def forward(self, code_neutral: Tensor, delta_exp: Tensor) -> Interpolation:
        """I(C_IN, alpha delta_exp): code (B, C, c, c) and expression, already times alpha, (B, Z) or (B, C, c, c)."""
        return self.interpolate(code_neutral, self.context(code_neutral), delta_exp)

    def context(self, code_neutral: Tensor) -> Tensor:
        """The part of I that depends only on the neutral face, computed once per face: (B, C, c, c) -> (B, K, c, c).

        Content and gates; where delta_exp is a map, the code itself.
        """
        if not self.vector:
            return code_neutral
        content = F.leaky_relu(self.content(code_neutral) + self.place, SLOPE)
        content = F.leaky_relu(self.content_blocks(content), SLOPE)  # (B, width, c, c)
        return torch.cat([content, self.gates(content)], 1)

    def interpolate(
        self, code_neutral: Tensor, context: Tensor, delta_exp: Tensor, masks: Tensor | None = None
    ) -> Interpolation:
        """The same as `forward`, with the `context` of `code_neutral`.

        With `masks` (R, c, c), delta_exp has R expressions, (B, R, Z) or (B, R, C, c, c), each for a place of its own.
        """
        if not self.vector:
            if masks is not None:
                delta_exp = (masks[:, None] * delta_exp).sum(1)
            linear = code_neutral + delta_exp  # Eq. 5
            h = self.fine(self.blocks(F.leaky_relu(self.content(linear), SLOPE)))
            return Interpolation(linear + self.head(F.leaky_relu(h, SLOPE)), None, h)
        h = self.features(context, delta_exp, masks)
        residual = self.head(h)
        if self.flow is None or self.transform is None:
            return Interpolation(code_neutral + residual, None, h)
        flow = FLOW_SCALE * F.pixel_shuffle(self.flow(h), self.flow_cells)  # (B, 2, f c, f c)
        moved = warp(self.transform.decode(code_neutral), flow)
        return Interpolation(self.transform.encode(moved) + residual, flow, h)

    def features(self, context: Tensor, delta_exp: Tensor, masks: Tensor | None = None) -> Tensor:
        """Features (B, width, c, c) of the change, of which code and flow are made; arguments as of `interpolate`."""
        return self.motion(context, delta_exp) if masks is None else self.motions(context, delta_exp, masks)

    def motions(self, context: Tensor, delta_exp: Tensor, masks: Tensor) -> Tensor:
        """Features (B, width, c, c) of R changes, (B, R, Z), each where its mask (R, c, c) has it.

        Features are mixed, not delta_exp or pictures: coarse blocks would carry one region's expression into the next,
        and two differently moved pictures show ghosts where they meet.
        """
        count = delta_exp.shape[1]
        context = context[:, None].expand(-1, count, -1, -1, -1).flatten(0, 1)
        h = self.motion(context, delta_exp.flatten(0, 1)).unflatten(0, (-1, count))
        return (h * masks[:, None]).sum(1)

    def motion(self, context: Tensor, delta_exp: Tensor) -> Tensor:
        """Features (B, width, c, c) of the change that the expression makes to this face; linear along delta_exp."""
        width = self.content.out_channels
        content, gate, gate_coarse = context.split([width, width, self.gates.out_channels - width], 1)
        gate_coarse = F.avg_pool2d(gate_coarse, 2).sigmoid()
        scale, shift = self.scale(delta_exp)[..., None, None], self.shift(delta_exp)[..., None, None]
        h = content * scale + shift
        coarse = F.leaky_relu(self.down(F.leaky_relu(h, SLOPE)), SLOPE) * gate_coarse  # (B, wide, c/2, c/2)
        h = h + self.up(F.leaky_relu(self.blocks(coarse), SLOPE))
        return F.leaky_relu(self.fine(h * gate.sigmoid()), SLOPE)
