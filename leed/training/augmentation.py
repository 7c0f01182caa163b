"""Random changes of training pictures, the same on a face and on its neutral face: as webcams and snapshots do."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Augmentation:
    """Greatest changes. Each picture draws its own strength in [0, 1] which scales its geometry."""

    scale: float = 0.18  # fraction
    turn: float = 9.0  # degrees
    shift: float = 0.06  # fraction of the side
    colour: float = 0.25  # contrast, tint; half of it: brightness
    gamma: float = 0.3  # of the exponent's logarithm
    grey: float = 0.3  # probability
    blur: float = 0.3  # probability
    noise: float = 0.06  # greatest standard deviation, of the range [-1, 1]
    jpeg: float = 0.3  # probability
    background: float = 0.5  # probability that a plain background is replaced
    occlusion: float = 0.2  # probability


STRONG = Augmentation()
MILD = Augmentation(
    scale=0.08,
    turn=4.0,
    shift=0.025,
    colour=0.15,
    gamma=0.2,
    grey=0.1,
    blur=0.1,
    noise=0.02,
    jpeg=0.1,
    background=0.3,
    occlusion=0.0,
)
NONE = Augmentation(*[0.0] * 11)
PLAIN = 0.08  # largest deviation within the upper corners of a plain background, of the range [0, 1]
MAX_JPEG_STEP = 0.05  # coarsest quantisation of the lowest frequency, of [0, 1]: about JPEG's quality 25


def _uniform(count: int, *shape: int, like: Tensor) -> Tensor:
    """(count, *shape) values in [-1, 1]."""
    return torch.rand(count, *shape, device=like.device, dtype=like.dtype) * 2 - 1


def resample(images: Tensor, theta: Tensor, padding: str = "border") -> Tensor:
    """Pictures (B, C, H, W), each pixel taken from where affine maps, (B, 2, 3) or (2, 3), say.

    They map a place to its origin, both in units of half a side, x first. `padding` is `grid_sample`'s.
    """
    grid = F.affine_grid(theta.expand(len(images), 2, 3), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode=padding, align_corners=False)


def move(images: Tensor, augmentation: Augmentation) -> Tensor:
    """Scales, turns and shifts pictures (B, C, H, W) about their centre; the border is repeated."""
    count = len(images)
    strength = torch.rand(count, 1, device=images.device, dtype=images.dtype)
    change = _uniform(count, 4, like=images) * strength
    scale = 1 / (1 + augmentation.scale * change[:, 0])
    turn = torch.deg2rad(augmentation.turn * change[:, 1])
    shift = 2 * augmentation.shift * change[:, 2:]
    cos, sin = scale * turn.cos(), scale * turn.sin()
    theta = torch.stack([torch.stack([cos, -sin, shift[:, 0]], 1), torch.stack([sin, cos, shift[:, 1]], 1)], 1)
    return resample(images, theta)


def chance(images: Tensor, probability: float) -> Tensor:
    """Draws which rows of (B, ...) something happens to: bool (B, 1, ...)."""
    return torch.rand(len(images), *[1] * (images.ndim - 1), device=images.device) < probability


def clouds(images: Tensor) -> Tensor:
    """Smooth random colours (B, 3, H, W) in [0, 1], one picture for each row of (B, V, 3, H, W)."""
    size = images.shape[-2:]
    layers = [torch.rand(len(images), 3, side, side, device=images.device, dtype=images.dtype) for side in (2, 5, 12)]
    smooth = [F.interpolate(layer, size, mode="bilinear", align_corners=False) for layer in layers]
    colours = 0.6 * smooth[0] + 0.5 * smooth[1] + 0.3 * smooth[2] - 0.2
    return (0.5 * (colours + colours.mean(1, keepdim=True))).clamp(0, 1)


def from_centre(images: Tensor, x: Tensor | float = 0.0, y: Tensor | float = 0.0) -> tuple[Tensor, Tensor]:
    """Each pixel's offset from the place x, y (B, 1, 1 or numbers), in units of half a side: two (B or 1, H, W)."""
    height, width = images.shape[-2:]
    rows = torch.linspace(-1, 1, height, device=images.device, dtype=images.dtype)
    columns = torch.linspace(-1, 1, width, device=images.device, dtype=images.dtype)
    return columns.expand(1, height, width) - x, rows[:, None].expand(1, height, width) - y


def replace_background(values: Tensor, probability: float) -> Tensor:
    """Studio pictures (B, V, 3, H, W) in [0, 1] before smooth random colours; other backgrounds stay.

    Plain is what has one colour in both upper corners. Pixels of that colour are replaced outside the face's ellipse.
    """
    side = max(values.shape[-1] // 16, 1)
    corners = torch.cat([values[..., :side, :side], values[..., :side, -side:]], dim=-1)
    colour = corners.mean((-2, -1), keepdim=True)
    plain = (corners - colour).abs().amax((1, 2, 3, 4), keepdim=True) < PLAIN
    dx, dy = from_centre(values)
    outside = (((dx / 0.5) ** 2 + (dy / 0.95) ** 2) > 1)[:, None, None]
    near = ((0.14 - (values - colour).abs().amax(2, keepdim=True)) / 0.06).clamp(0, 1)
    mask = near * outside * (plain & chance(values, probability))
    return values + mask * (clouds(values)[:, None] - values)


def occlude(values: Tensor, probability: float) -> Tensor:
    """Covers an ellipse near the edge of pictures (B, V, 3, H, W) with a part of another row's or with smooth colours.

    What covers a face covers its neutral face too: nothing is to be changed or invented there.
    """
    count = len(values)
    angle, far = torch.rand(2, count, 1, 1, device=values.device, dtype=values.dtype)
    x, y = (0.55 + 0.4 * far) * (2 * math.pi * angle).cos(), (0.55 + 0.4 * far) * (2 * math.pi * angle).sin()
    radii = 0.12 + 0.3 * torch.rand(2, count, 1, 1, device=values.device, dtype=values.dtype)
    dx, dy = from_centre(values, x, y)
    mask = ((1 - (dx / radii[0]) ** 2 - (dy / radii[1]) ** 2) * 4).clamp(0, 1)[:, None, None]
    other = torch.where(chance(values[:, 0], 0.5), values.roll(1, 0)[:, 0].flip(-1), clouds(values))
    return values + mask * chance(values, probability) * (other[:, None] - values)


def jpeg_artifacts(values: Tensor, probability: float) -> Tensor:
    """Pictures (B, V, 3, H, W) in [0, 1] as JPEG of random quality leaves them; sides must be multiples of 8.

    The cosine coefficients of blocks of 8 x 8 pixels are rounded, high frequencies and colour more coarsely.
    """
    count, views, _, height, width = values.shape
    k = torch.arange(8, device=values.device, dtype=values.dtype)
    cosines = torch.cos(math.pi * (2 * k + 1) * k[:, None] / 16) / 2
    cosines[0] /= math.sqrt(2)
    to_luma = values.new_tensor([[0.299, 0.587, 0.114], [-0.169, -0.331, 0.5], [0.5, -0.419, -0.081]])
    quality = torch.rand(count, 1, 1, 1, 1, 1, 1, device=values.device, dtype=values.dtype)
    colour = values.new_tensor([1, 2, 2]).view(3, 1, 1, 1, 1)
    step = MAX_JPEG_STEP * quality * colour * (1 + k + k[:, None])[:, None, :] + 1e-4
    blocks = torch.einsum("dc,bvchw->bvdhw", to_luma, values).unflatten(4, (-1, 8)).unflatten(3, (-1, 8))
    coefficients = torch.einsum("ki,bvdyixj,lj->bvdykxl", cosines, blocks, cosines)
    coefficients = (coefficients / step).round() * step
    blocks = torch.einsum("ki,bvdykxl,lj->bvdyixj", cosines, coefficients, cosines)
    rounded = torch.einsum("cd,bvdhw->bvchw", to_luma.inverse(), blocks.flatten(5, 6).flatten(3, 4))
    return torch.where(chance(values, probability), rounded, values)


def recolour(images: Tensor, augmentation: Augmentation) -> Tensor:
    """Light, contrast, tint, gamma, grey, blur, noise and JPEG's traces of pictures (B, V, 3, H, W) in [0, 1].

    The same on all V, with values beyond [0, 1] where light is strong.
    """
    count = len(images)

    def draw(channels: int = 1) -> Tensor:
        return _uniform(count, 1, channels, 1, 1, like=images)

    values = images.clamp(1e-3, 1) ** torch.exp(augmentation.gamma * draw())
    values = (values - 0.5) * (1 + augmentation.colour * draw()) + 0.5 + 0.5 * augmentation.colour * draw()
    values = values * (1 + 0.5 * augmentation.colour * draw(3))
    luma = (values * values.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(2, keepdim=True)
    values = torch.where(chance(values, augmentation.grey), luma.expand_as(values), values)
    soft = values.flatten(0, 1)
    for _ in range(2):
        soft = F.avg_pool2d(soft, 3, 1, 1, count_include_pad=False)
    soft = soft.view_as(values)
    softness = torch.rand(count, 1, 1, 1, 1, device=images.device) * chance(values, augmentation.blur)
    values = values + softness * (soft - values)
    noise = torch.randn_like(values[:, :1]) * draw().abs() ** 2
    return jpeg_artifacts(values + 0.5 * augmentation.noise * noise, augmentation.jpeg)


def augment(pictures: Sequence[Tensor], augmentation: Augmentation) -> list[Tensor]:
    """The same random change of all pictures of a shot: faces and neutral faces, each (B, 3, H, W) in [-1, 1]."""
    if augmentation == NONE:
        return list(pictures)
    values = torch.stack(list(pictures), dim=1) * 0.5 + 0.5
    values = replace_background(values, augmentation.background)
    values = move(values.flatten(1, 2), augmentation).unflatten(1, (len(pictures), 3))
    values = recolour(occlude(values, augmentation.occlusion), augmentation)
    return list((2 * values - 1).clamp(-1, 1).unbind(1))


def flip(*images: Tensor) -> list[Tensor]:
    """Mirrors the same random half of the rows in all given (B, C, H, W)."""
    mirrored = torch.rand(len(images[0]), 1, 1, 1, device=images[0].device) < 0.5
    return [torch.where(mirrored, x.flip(-1), x) for x in images]


AUGMENTATIONS = {"none": NONE, "mild": MILD, "strong": STRONG}
