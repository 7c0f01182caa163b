"""The upper level: mouth and eyes of an edit, drawn at three times the side of the model's faces.

Each lies in a window of its own, which a network of its own draws. Letters in shapes: B batch, S side of a face of
the model, c side of a code map, Z length of delta_exp, h and w the sides of a window in a picture of the face with the
side 3S.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leed.config import ModelConfig
from leed.images import smoothstep
from leed.networks.layers import SLOPE, Upsample, conv3x3, residual_blocks, warp, zero_init

UPPER_SCALE = 3
"""The side of the picture that the upper level draws in, in sides of the model's face."""

CELL = 8  # sides of a window are multiples of this [px]: its network halves it three times
WINDOWS = {"mouth": (8 / 16, 15 / 16, 3 / 16, 13 / 16), "eyes": (8 / 48, 20 / 48, 7 / 48, 41 / 48)}
"""The windows: top, bottom, left and right, as fractions of the crop's sides. Raised brows reach beyond the eyes'."""

SOFT_EDGE = 1 / 32  # width of the passage from a window to what surrounds it, as a fraction of the crop's side
REPLACED_BIAS = 1.5  # untrained, it shows the edit, with a fifth of the moved picture's detail
SCALE_STEP = 0.1  # of what delta_exp multiplies features by


class Window(NamedTuple):
    """A part of a square picture of the face: its edges [px]."""

    top: int
    bottom: int
    left: int
    right: int

    def of(self, maps: Tensor) -> Tensor:
        """That part of maps (B, C, H, W), which may be smaller than the picture by a whole factor."""
        return maps[(..., *self.area)]

    @property
    def area(self) -> tuple[slice, slice]:
        """Its rows and columns."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


class Refinement(NamedTuple):
    """A window of an edit as the upper level draws it: (1 - replaced) * moved + added.

    `moved` (B, 3, h, w) is the picture that was given, moved by the edit's flow; `replaced` (B, 1, h, w) in [0, 1] is
    the share of it that gives way; `added` (B, 3, h, w) are the colours that are added. Colours lie in about [-1, 1].
    """

    moved: Tensor
    replaced: Tensor
    added: Tensor

    @property
    def drawn(self) -> Tensor:
        """What the window shows (B, 3, h, w), not clamped."""
        return (1 - self.replaced) * self.moved + self.added


def window_of(name: str, side: int) -> Window:
    """A window of WINDOWS in a picture of the face of `side` pixels: its edges are multiples of CELL."""
    top, bottom, left, right = (CELL * round(edge * side / CELL) for edge in WINDOWS[name])
    return Window(top, bottom, left, right)


def soft_window(name: str, side: int) -> Tensor:
    """The share (h, w) of what is drawn in each place of a window: 1 inside, falling smoothly to 0 at its edges."""
    window, width = window_of(name, side), SOFT_EDGE * side
    ramps = []
    for length in (window.bottom - window.top, window.right - window.left):
        place = torch.arange(length) + 0.5
        ramps.append(smoothstep(torch.minimum(place, length - place) / width))
    return torch.outer(*ramps)


def seen_of(name: str, picture: Tensor, edited: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
    """What the upper level sees in a window: the picture moved as the edit was, and the edit, (B, 3, h, w) each.

    `picture` (B, 3, 3S, 3S) is the face before the edit, `edited` (B, 3, S, S) the edit, `flow` (B, 2, S, S) its whole
    motion in units of half a side.
    """
    window = window_of(name, picture.shape[-1])
    return warp(picture, flow, "bicubic", window.area), enlarged(edited, window)


def enlarged(maps: Tensor, window: Window, mode: str = "bicubic") -> Tensor:
    """A window (B, C, h, w) of maps (B, C, S, S) that are enlarged to the side 3S; only what it shows is computed."""
    reach = 3  # of the bicubic kernel [px], and one
    low = [max(edge // UPPER_SCALE - reach, 0) for edge in (window.top, window.left)]
    high = [edge // UPPER_SCALE + 1 + reach for edge in (window.bottom, window.right)]
    piece = maps[..., low[0] : high[0], low[1] : high[1]]
    large = F.interpolate(piece, [UPPER_SCALE * length for length in piece.shape[-2:]], mode=mode)
    top, left = (UPPER_SCALE * edge for edge in low)
    return Window(window.top - top, window.bottom - top, window.left - left, window.right - left).of(large)


class UpperLevel(nn.Module):
    """Draws a window from the moved picture, the enlarged edit, the interpolator's features and delta_exp.

    It works on patches of 4 pixels and, where features and delta_exp come in, of 8.
    """

    def __init__(self, config: ModelConfig, name: str) -> None:
        super().__init__()
        width = config.upper_widths[name]
        wide = 2 * width
        self.cells = UPPER_SCALE * config.image_size // CELL  # along the whole picture's side
        window = window_of(name, UPPER_SCALE * config.image_size)
        rows, columns = (window.bottom - window.top) // CELL, (window.right - window.left) // CELL
        self.window = Window(*(edge // CELL for edge in window))
        self.stem = conv3x3(2 * 3 * 16, width)
        self.fine_before = residual_blocks(width, 1)
        self.down = conv3x3(width, wide, stride=2)
        self.place = nn.Parameter(torch.zeros(1, wide, rows, columns))  # where in the window
        self.features = conv3x3(config.interpolator_width, wide)
        self.blocks_before = residual_blocks(wide, config.upper_depth)
        self.scale = nn.Linear(config.delta_size, wide, bias=False)
        self.shift = nn.Linear(config.delta_size, wide, bias=False)
        self.blocks = residual_blocks(wide, config.upper_depth)
        self.up = Upsample(wide, width)
        self.fine = residual_blocks(width, 1)
        self.head = zero_init(conv3x3(width, 4 * 16))

    def forward(
        self, moved: Tensor, edit: Tensor, features: Tensor, delta_exp: Tensor, masks: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """`replaced` (B, 1, h, w) and `added` (B, 3, h, w) of a `Refinement`.

        `moved` and `edit` (B, 3, h, w) are those of `seen_of`; `features` (B, width, c, c) the interpolator's, of the
        whole face; `delta_exp` (B, Z) or (1, Z), already times alpha. With `masks` (R, c, c), delta_exp has R
        expressions, (B, R, Z), each for a place of its own.
        """
        seen = F.pixel_unshuffle(torch.cat([moved, edit], 1), 4)
        fine = self.fine_before(F.leaky_relu(self.stem(seen), SLOPE))  # (B, width, h/4, w/4)
        change = self.in_window(self.features(features))  # (B, wide, h/8, w/8)
        h = self.down(F.leaky_relu(fine, SLOPE)) + self.place + change
        h = self.blocks_before(F.leaky_relu(h, SLOPE))
        places = None if masks is None else self.in_window(masks[None])[0]
        scale, shift = (spread(layer(delta_exp), places) for layer in (self.scale, self.shift))
        h = self.blocks(h * (1 + SCALE_STEP * scale) + shift)
        fine = self.fine(fine + self.up(F.leaky_relu(h, SLOPE)))
        paint, share = F.pixel_shuffle(self.head(F.leaky_relu(fine, SLOPE)), 4).split([3, 1], 1)
        replaced = torch.sigmoid(share + REPLACED_BIAS)
        return replaced, replaced * edit + paint

    def in_window(self, maps: Tensor) -> Tensor:
        """The window (B, C, h/8, w/8) of maps (B, C, c, c) of the whole face."""
        return self.window.of(F.interpolate(maps, (self.cells, self.cells), mode="bilinear"))


def spread(values: Tensor, places: Tensor | None) -> Tensor:
    """Values of an expression, (B, C), as maps (B, C, 1, 1); of R expressions, (B, R, C), as maps (B, C, h, w).

    `places` (R, h, w) are then the shares of each expression in each place.
    """
    return values[..., None, None] if places is None else torch.einsum("brc,rhw->bchw", values, places)
