"""Random changes of training pictures, the same on a face and on its neutral twin: what webcams and snapshots do."""

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


STRONG = Augmentation()
MILD = Augmentation(scale=0.08, turn=4.0, shift=0.025, colour=0.15, gamma=0.2, grey=0.1, blur=0.1, noise=0.02)
NONE = Augmentation(*[0.0] * 8)


def _uniform(count: int, *shape: int, like: Tensor) -> Tensor:
    """(count, *shape) values in [-1, 1]."""
    return torch.rand(count, *shape, device=like.device, dtype=like.dtype) * 2 - 1


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
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def recolour(images: Tensor, augmentation: Augmentation) -> Tensor:
    """Light, contrast, tint, gamma, grey, blur and noise of pictures (B, V, 3, H, W) in [-1, 1]; the same on all V."""
    count = len(images)

    def draw(channels: int = 1) -> Tensor:
        return _uniform(count, 1, channels, 1, 1, like=images)

    def chance(probability: float) -> Tensor:
        return torch.rand(count, 1, 1, 1, 1, device=images.device) < probability

    values = (images + 1) / 2
    values = values.clamp(1e-3, 1) ** torch.exp(augmentation.gamma * draw())
    values = (values - 0.5) * (1 + augmentation.colour * draw()) + 0.5 + 0.5 * augmentation.colour * draw()
    values = values * (1 + 0.5 * augmentation.colour * draw(3))
    luma = (values * values.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(2, keepdim=True)
    values = torch.where(chance(augmentation.grey), luma.expand_as(values), values)
    soft = F.avg_pool2d(F.avg_pool2d(values.flatten(0, 1), 3, 1, 1), 3, 1, 1).view_as(values)
    softness = torch.rand(count, 1, 1, 1, 1, device=images.device) * chance(augmentation.blur)
    values = values + softness * (soft - values)
    noise = torch.randn_like(values[:, :1]) * draw().abs() ** 2
    return (2 * values - 1 + augmentation.noise * noise).clamp(-1, 1)


def augment(pictures: Sequence[Tensor], augmentation: Augmentation) -> list[Tensor]:
    """The same random change of all pictures of a moment: faces and neutral faces, each (B, 3, H, W) in [-1, 1]."""
    if augmentation == NONE:
        return list(pictures)
    moved = move(torch.cat(list(pictures), dim=1), augmentation)
    moved = recolour(moved.unflatten(1, (len(pictures), 3)), augmentation)
    return list(moved.unbind(1))


def flip(*images: Tensor) -> list[Tensor]:
    """Mirrors the same random half of the rows in all given (B, C, H, W)."""
    mirrored = torch.rand(len(images[0]), 1, 1, 1, device=images[0].device) < 0.5
    return [torch.where(mirrored, x.flip(-1), x) for x in images]
