"""Blocks that the networks share: residual blocks, resampling, warping, the cosine transform of patches."""

import contextlib
import math
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2  # of every leaky ReLU
FLOW_SCALE = 0.1  # what a network's flow head gives is multiplied by it: one unit moves a pixel by 5 % of the side

Layer = TypeVar("Layer", bound=nn.Module)


def conv3x3(channels_in: int, channels_out: int, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    """A 3x3 convolution that keeps (stride 1) or halves (stride 2) the map, initialised for a leaky ReLU."""
    conv = nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=bias)
    nn.init.kaiming_normal_(conv.weight, SLOPE)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv


def zero_init(layer: Layer) -> Layer:
    """The layer with all parameters zero: at the start it adds nothing."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside the identity. Without biases f(a x) = a f(x) for a >= 0."""

    def __init__(self, channels: int, bias: bool = True, norm: bool = False) -> None:
        super().__init__()
        self.conv1 = conv3x3(channels, channels, bias=bias)
        self.conv2 = conv3x3(channels, channels, bias=bias)
        self.norm1 = nn.InstanceNorm2d(channels, affine=True) if norm else nn.Identity()
        self.norm2 = nn.InstanceNorm2d(channels, affine=True) if norm else nn.Identity()
        if not norm:  # keeps the variance of a deep stack of blocks near its input's
            with torch.no_grad():
                self.conv2.weight.mul_(0.1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C, h, w)."""
        h = F.leaky_relu(self.norm1(self.conv1(x)), SLOPE)
        return x + self.norm2(self.conv2(h))


def residual_blocks(channels: int, depth: int, bias: bool = True, norm: bool = False) -> nn.Sequential:
    """`depth` residual blocks in a row."""
    return nn.Sequential(*(ResidualBlock(channels, bias, norm) for _ in range(depth)))


class Upsample(nn.Module):
    """Doubles a map: a 3x3 convolution at the low resolution, then a pixel shuffle."""

    def __init__(self, channels_in: int, channels_out: int, bias: bool = True) -> None:
        super().__init__()
        self.conv = conv3x3(channels_in, 4 * channels_out, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels_in, h, w) -> (B, channels_out, 2h, 2w)."""
        return F.pixel_shuffle(self.conv(x), 2)


def upsample_to(maps: Tensor, like: Tensor) -> Tensor:
    """Maps (B, C, h, w) enlarged bilinearly to the size (H, W) of `like`; maps of that size as they are."""
    height, width = like.shape[-2:]
    if maps.shape[-2:] == (height, width):
        return maps
    return F.interpolate(maps, (height, width), mode="bilinear", align_corners=False)


def warp(
    images: Tensor, flow: Tensor, mode: str = "bilinear", area: tuple[slice, slice] = (slice(None), slice(None))
) -> Tensor:
    """Samples `images` (B, C, H, W) at each pixel's own place plus `flow`; returns (B, C, H, W).

    `flow` is (B, 2, h, w), in units of half a side, x first; it is enlarged bilinearly to (H, W). A flow of zero
    gives the images back. Outside the picture its border is repeated. Images of half precision are warped in full.
    `mode` is `grid_sample`'s. Of the result only an `area` of rows and columns is computed, (B, C, rows, columns).
    """
    height, width = images.shape[-2:]
    if images.dtype in (torch.float16, torch.bfloat16):  # which cannot tell neighbouring places apart
        return warp(images.float(), flow, mode, area).to(images.dtype)
    flow = flow.to(images.dtype)  # under autocast it is half
    flow = upsample_to(flow, images)[(..., *area)]
    rows = (torch.arange(height, device=flow.device, dtype=flow.dtype) * 2 + 1) / height - 1
    columns = (torch.arange(width, device=flow.device, dtype=flow.dtype) * 2 + 1) / width - 1
    rows, columns, size = rows[area[0]], columns[area[1]], flow.shape[-2:]
    grid = torch.stack([columns.expand(size), rows[:, None].expand(size)])
    return F.grid_sample(
        images, (grid + flow).permute(0, 2, 3, 1), mode=mode, padding_mode="border", align_corners=False
    )


def cosine_patch_basis(patch_size: int, channels: int) -> tuple[Tensor, Tensor]:
    """Analysis and synthesis matrices of a cosine transform of colour patches, as in JPEG.

    Returns `analysis` (channels, 3 * patch_size**2) and `synthesis` (3 * patch_size**2, channels), with
    analysis @ synthesis = identity, for patches in the order of `pixel_unshuffle`. The kept coefficients are those
    that vary most in pictures of faces, by the model sigma = base * frequency ** -1.8 fitted to the open face set
    (base 1.4 for luma, 0.35 and 0.12 for the two chroma axes, mean of a patch 4.3 times that). Each is divided by
    the root of its sigma (half whitening), all by 0.44, which gives codes of unit size.
    """
    k, n = torch.meshgrid(torch.arange(patch_size), torch.arange(patch_size), indexing="ij")
    cosines = torch.cos(math.pi * (2 * n + 1) * k / (2 * patch_size)).double() * math.sqrt(2 / patch_size)
    cosines[0] /= math.sqrt(2)
    colours = torch.tensor([[1.0, 1, 1], [1, 0, -1], [1, -2, 1]], dtype=torch.float64)
    colours = colours / colours.norm(dim=1, keepdim=True)
    basis = torch.einsum("cr,ui,vj->cuvrij", colours, cosines, cosines).reshape(3 * patch_size**2, -1)
    frequency = (k**2 + n**2).double().sqrt()
    frequency[0, 0] = 4.3 ** (-1 / 1.8)
    sigma = (torch.tensor([1.4, 0.35, 0.12]).double()[:, None, None] * frequency**-1.8).flatten()
    kept = sigma.argsort(descending=True, stable=True)[:channels]
    scale = sigma[kept].sqrt() * 0.44
    return (basis[kept] / scale[:, None]).float(), (basis[kept] * scale[:, None]).T.contiguous().float()


def without_autocast(device: torch.device) -> contextlib.AbstractContextManager[object]:
    """A context without autocast, for arithmetic that needs full precision."""
    if torch.is_autocast_enabled(device.type):
        return torch.autocast(device.type, enabled=False)
    return contextlib.nullcontext()


class PatchTransform(nn.Module):
    """The fixed cosine transform between pictures (B, 3, H, W) and codes (B, C, H/p, W/p); exact under autocast."""

    analysis: Tensor
    synthesis: Tensor

    def __init__(self, patch_size: int, channels: int) -> None:
        super().__init__()
        self.patch_size = patch_size
        analysis, synthesis = cosine_patch_basis(patch_size, channels)
        self.register_buffer("analysis", analysis[:, :, None, None], persistent=False)
        self.register_buffer("synthesis", synthesis[:, :, None, None], persistent=False)

    def encode(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, C, H/p, W/p)."""
        with without_autocast(images.device):
            patches = F.pixel_unshuffle(images, self.patch_size)
            return F.conv2d(patches.to(self.analysis.dtype), self.analysis)

    def decode(self, codes: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, 3, h p, w p); the inverse of `encode` on what the code can hold."""
        with without_autocast(codes.device):
            return F.pixel_shuffle(F.conv2d(codes.to(self.synthesis.dtype), self.synthesis), self.patch_size)
