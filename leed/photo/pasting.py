"""An edited crop in its photo, at the photo's own resolution.

Maps are float32 (1, channels, height, width), in grey levels of 255 where they are colours.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, reduce
from types import MappingProxyType

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from leed.images import grey_levels, resize, smoothstep
from leed.model import EditTrace
from leed.networks.upper import UPPER_SCALE, Refinement, enlarged, soft_window, window_of
from leed.photo.geometry import Alignment, padded_crop

FEATHER = 0.12  # width of the soft edge of a pasted face, as a fraction of the crop's side
DETAIL_TOLERANCE = 12.0  # painted change [grey levels] at which a pasted face has lost most of the photo's own detail
STILL_PIXELS = 0.15 / 128  # motion, as a fraction of the crop's side, that is none
STILL_LEVELS = 1.0  # change of colour [grey levels] that is none
TINT_LEVELS = (2.0, 4.0)  # colours nearer to one line than this [grey levels] are a tint; farther, a colour photo's
TINT_CONTRAST = 6.0  # spread along the line [grey levels] below which a crop is too flat to show a tint
DRAWN_FROM = 0.3  # replaced share of the photo at which the upper level's picture shows entirely
DRAWN_NEAR = 5  # pixels of the crop: what is so near to replaced parts shows as well
STRIP = 2**16  # pixels of the photo that are computed at a time: what fits a core's cache


@dataclass(frozen=True)
class Motion:
    """The part of an edit that is mere motion, of a crop of side S."""

    moved: Tensor  # (1, 3, S, S): the crop as the model warped it, before anything was painted
    flow: Tensor  # (1, 2, S, S): where each pixel came from, relative to its place, as a fraction of the side, x first

    @classmethod
    def of(cls, trace: EditTrace) -> "Motion":
        """The motion in the trace of a single face. Raises `ValueError` if it is not finite."""
        flow = trace.flow.float().cpu() / 2
        if not bool(flow.isfinite().all()):
            raise ValueError("the edit has NaN or infinite values: give a weaker expression")
        # From beyond a whole side the model sees the crop's edge all the same. The bound keeps a huge expression from
        # asking for terabytes of the photo's surroundings.
        return cls(grey_levels(trace.warped).cpu(), flow.clamp(-1, 1))


def paste(
    photo: Image.Image,
    crop: Image.Image,
    edited: Image.Image,
    alignment: Alignment,
    motion: Motion | None = None,
    refinements: Mapping[str, Refinement] = MappingProxyType({}),
) -> Image.Image:
    """The photo with an edited crop in it.

    The photo's own pixels are moved, which keeps detail finer than the crop, such as hair and pores. Then the edit's
    paint is added, in the tint of a grey or sepia photo. Where there is much paint, or where moving the photo at once
    shows something else than the model's steps did, the photo gives way to the edit. Motion and paint fade out at
    the crop's edge. Where both are next to nothing the photo stays as it is, bit for bit.

    The `refinements` of the same edit by the upper level take the paint's place, each in its window.
    """
    before = maps_of(crop)
    change = change_of(before, maps_of(edited), motion)
    drawn = shrunk(drawn_on(change, before, refinements), alignment.side) if refinements else None
    change = shrunk(change, alignment.side)
    result = photo.copy()
    part = touched(change)
    if part is None:
        return result
    for box in strips(alignment.bounds(photo.size, part)):
        result.paste(changed(photo, box, change, alignment, drawn), box[:2])
    return result


def change_of(before: Tensor, after: Tensor, motion: Motion | None) -> Tensor:
    """The change to the photo at the crop's resolution, (1, 6, S, S), 0 where the photo stays as it is.

    Channels: flow (2) as a fraction of the side; the replaced share of the moved photo (1), in [0, 1]; the added
    colours (3).
    """
    side = before.shape[-1]
    fade = feather(side)
    if motion is None:
        motion = Motion(before, torch.zeros(1, 2, side, side))
    flow = without_small(motion.flow, STILL_PIXELS)
    faded = fade * flow
    after = motion.moved + tinted(after - motion.moved, before)
    carried, moved = moved_by(before.expand(2, -1, -1, -1), torch.cat([flow, faded]) * side).split(1)
    # At this resolution the photo will show `moved`, and would show `carried` if the motion did not fade out. The
    # model's own warp, in two steps, shows less where the flow is steep: closing lips hide the teeth between them.
    painted = after - motion.moved + carried - moved
    astray = (carried - motion.moved).abs()
    size = blurred(torch.maximum(painted.abs(), astray).mean(1, keepdim=True))
    replaced = fade * (1 - torch.exp(-((size / DETAIL_TOLERANCE) ** 2)))
    replaced[size < STILL_LEVELS] = 0
    shown = moved + fade * (after - moved)  # where the photo gives way entirely: the edit, and nothing else
    added = (1 - replaced) * fade * without_small(painted, STILL_LEVELS) + replaced * shown
    return torch.cat([faded, replaced, added], 1)


def drawn_on(change: Tensor, crop: Tensor, refinements: Mapping[str, Refinement]) -> Tensor:
    """What the upper level draws on a crop (1, 3, S, S), as (1, 5, 3S, 3S); `change` is that of `change_of`.

    Channels: how much of it shows (1), in [0, 1], and multiplied by that the replaced share of the moved photo (1) and
    the added colours (3). All are 0 beyond the windows and where there is no change. It shows about what is painted,
    such as teeth and the white of an eye. Elsewhere the photo is merely moved: the upper level would draw its skin too
    smooth.
    """
    painted = smoothstep(blurred(largest(change[:, 2:3], DRAWN_NEAR)) / DRAWN_FROM)
    visible = torch.minimum(inside(change), painted)
    side = UPPER_SCALE * crop.shape[-1]
    whole = crop.new_zeros(1, 5, side, side)
    for name, refinement in refinements.items():
        window = window_of(name, side)
        moved, replaced = grey_levels(refinement.moved).cpu(), refinement.replaced.float().cpu()
        added = tinted(grey_levels(refinement.drawn.clamp(-1, 1)).cpu() - moved, crop) + replaced * moved
        shown = window.of(feather(side)) * soft_window(name, side) * enlarged(visible, window, "bilinear")
        window.of(whole).copy_(shown * torch.cat([torch.ones_like(replaced), replaced, added], 1))
    return whole


def inside(change: Tensor) -> Tensor:
    """Where a change (1, 6, S, S) is not 0, holes filled: (1, 1, S, S), 1 and falling to 0 before its border."""
    anything = (change != 0).any(1, keepdim=True).float()
    filled = largest(anything, 5)
    return blurred(-largest(-filled, 9))


def largest(maps: Tensor, size: int) -> Tensor:
    """The largest value of maps (B, C, H, W) in a square of `size` pixels, an odd number, around each pixel."""
    maps = F.pad(maps, [size // 2] * 4, value=-math.inf)
    for axis in (2, 3):  # `max_pool2d` takes ten times as long
        length = maps.shape[axis] - size + 1
        maps = reduce(torch.maximum, (maps.narrow(axis, start, length) for start in range(size)))
    return maps


def tinted(paint: Tensor, crop: Tensor) -> Tensor:
    """Paint (1, 3, S, S) for a crop: of a grey, sepia or toned one, no colour that is not in its tint.

    The colours of such a crop lie on a line; only the paint's part along it stays. Other crops' paint stays as it is,
    with a soft transition between.
    """
    colours = crop.flatten(2)[0].double()
    spread, axes = torch.linalg.eigh(torch.cov(colours, correction=0))  # ascending
    off, along = spread[:2].sum().clamp(min=0).sqrt().item(), spread[2].clamp(min=0).sqrt().item()
    low, high = TINT_LEVELS
    share = min(max((high - off) / (high - low), 0.0), 1.0) if along > TINT_CONTRAST else 0.0
    line = axes[:, 2].float().mul(2**12).round().div(2**12).view(1, 3, 1, 1)  # exactly equal for a grey crop
    on_line = line * ((paint * line).sum(1, keepdim=True) / line.square().sum())
    return on_line if share == 1 else torch.lerp(paint, on_line, share)


def shrunk(change: Tensor, side: float) -> Tensor:
    """The change, no larger than the `side` [px] that the crop has in the photo: sampling would skip pixels."""
    size = max(1, round(side))
    return change if size >= change.shape[-1] else resize(change, size)


def touched(change: Tensor) -> tuple[float, float, float, float] | None:
    """The part of the crop that changes (left, top, right, bottom), as fractions of its side; None if nothing does."""
    anything = (change != 0).any(1)[0].numpy()
    rows, columns = (np.flatnonzero(np.any(anything, axis=axis)) for axis in (1, 0))
    if not len(rows):
        return None
    reach = 2  # of the bicubic kernel [px]
    edges = np.array([columns[0] - reach, rows[0] - reach, columns[-1] + 1 + reach, rows[-1] + 1 + reach])
    left, top, right, bottom = edges.clip(0, len(anything)) / len(anything)
    return left, top, right, bottom


def changed(
    photo: Image.Image,
    box: tuple[int, int, int, int],
    change: Tensor,
    alignment: Alignment,
    drawn: Tensor | None = None,
) -> Image.Image:
    """A box of the photo after the change of `change_of`, with what `drawn_on` gives."""
    left, top, right, bottom = box
    flow, replaced, added = placed(change, alignment, box, drawn)
    reach = int(flow.abs().max().ceil()) + 2  # the bicubic kernel's
    around = padded_crop(photo, (left - reach, top - reach, right + reach, bottom + reach))
    moved = moved_by(maps_of(around), flow, reach)
    return picture_of(added.add_(moved).addcmul_(replaced, moved, value=-1))


def placed(
    change: Tensor, alignment: Alignment, box: tuple[int, int, int, int], drawn: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """The change at the resolution of a box of the photo, with what is `drawn` over it.

    Returns the flow (1, 2, h, w) [px], the replaced share (1, 1, h, w) and the added colours (1, 3, h, w). The share
    is sampled as the colours are, which are multiplied by it: by different kernels, skin that gives way to skin of the
    same colour would show the crop's pixels as a weave.
    """
    left, top, right, bottom = box
    start, beside, below = alignment.to_crop(np.add([[0, 0], [1, 0], [0, 1]], (left + 0.5, top + 0.5)))
    columns = 2 * (start + np.arange(right - left)[:, None] * (beside - start)) - 1
    rows = 2 * np.arange(bottom - top)[:, None, None] * (below - start)
    grid = torch.from_numpy(columns.astype(np.float32)) + torch.from_numpy(rows.astype(np.float32))
    axes = torch.from_numpy(alignment.axes.astype(np.float32))
    flow = values_at(torch.einsum("nchw,cd->ndhw", change[:, :2], axes), grid[None], "bilinear", "zeros")
    replaced, added = values_at(change[:, 2:], grid[None], "bicubic", "zeros").split([1, 3], 1)
    if drawn is not None and (part := touched(drawn[:, :1])):
        first, upper, last, lower = alignment.bounds((right, bottom), part)  # where anything is drawn
        edges = ((first - left, last - left), (upper - top, lower - top))
        across, down = (slice(max(low, 0), max(high, 0)) for low, high in edges)
        places = grid[None, down, across]
        if places.numel():
            shown, instead, colours = values_at(drawn, places, "bicubic", "zeros").split([1, 1, 3], 1)
            replaced[..., down, across].mul_(1 - shown).add_(instead)
            added[..., down, across].mul_(1 - shown).add_(colours)
    return flow, replaced, added


def strips(box: tuple[int, int, int, int]) -> Iterator[tuple[int, int, int, int]]:
    """The box cut into strips of whole rows of about `STRIP` pixels."""
    left, top, right, bottom = box
    rows = max(1, STRIP // (right - left))
    for start in range(top, bottom, rows):
        yield left, start, right, min(start + rows, bottom)


def maps_of(picture: Image.Image) -> Tensor:
    """An RGB picture as colours (1, 3, H, W) in [0, 255]."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].contiguous().float()


def picture_of(maps: Tensor) -> Image.Image:
    """Colours (1, 3, H, W) in [0, 255] as an RGB picture."""
    planes = maps[0].round().clamp_(0, 255).byte().numpy()
    return Image.merge("RGB", [Image.fromarray(plane) for plane in planes])


def moved_by(pixels: Tensor, flow: Tensor, margin: int = 0) -> Tensor:
    """Pixels (B, C, H, W) warped by a backward `flow` (B, 2, h, w) [px], without a margin that only lends pixels."""
    height, width = pixels.shape[-2:]
    rows, columns = (torch.arange(margin + 0.5, length - margin) * (2 / length) - 1 for length in (height, width))
    x, y = torch.add(columns, flow[:, 0], alpha=2 / width), torch.add(rows[:, None], flow[:, 1], alpha=2 / height)
    return values_at(pixels, torch.stack([x, y], 3), "bicubic", "zeros" if margin else "border")


def values_at(maps: Tensor, grid: Tensor, mode: str, beyond: str) -> Tensor:
    """Maps (B, C, H, W) sampled at a grid (B, h, w, 2) in [-1, 1]; `beyond` their edge are "zeros" or the "border"."""
    return F.grid_sample(maps, grid, mode=mode, padding_mode=beyond, align_corners=False)


def without_small(vectors: Tensor, threshold: float) -> Tensor:
    """Vectors (1, C, H, W) without those shorter than `threshold`; those above three times that stay as they are."""
    length = vectors.square().sum(1, keepdim=True).sqrt_()
    return vectors * smoothstep((length / threshold - 1) / 2)


def blurred(maps: Tensor) -> Tensor:
    """Maps (B, C, H, W), each value averaged twice over its 3x3 neighbours."""
    maps = F.pad(maps, (2, 2, 2, 2), mode="replicate")
    for axis in (2, 2, 3, 3):
        length = maps.shape[axis] - 2
        before, here, after = (maps.narrow(axis, start, length) for start in range(3))
        maps = (before + here + after) / 3
    return maps


@cache
def feather(size: int) -> Tensor:
    """A square mask (size, size), 1 inside and falling smoothly to 0 at its border."""
    position = (torch.arange(size) + 0.5) / size
    ramp = smoothstep(torch.minimum(position, 1 - position) / FEATHER - 0.15)
    return torch.outer(ramp, ramp)
