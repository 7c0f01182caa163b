"""An edited crop in its photo, at the photo's own resolution.

Arrays of pixels are float32 (height, width, channels), in grey levels of 255 where they are colours.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from leed.alignment import Alignment, padded_crop
from leed.images import denormalize_array, resize
from leed.model import Trace

FEATHER = 0.12  # width of the soft edge of a pasted face, as a fraction of the crop's side
DETAIL_TOLERANCE = 12.0  # painted change [grey levels] at which a pasted face has lost most of the photo's own detail
STILL_PIXELS = 0.15 / 128  # motion, as a fraction of the crop's side, that is none
STILL_LEVELS = 1.0  # change of colour [grey levels] that is none
STRIP = 2**20  # pixels of the photo that are computed at a time, which bounds the memory


@dataclass(frozen=True)
class Motion:
    """How a crop of side S changed by motion alone."""

    moved: np.ndarray  # (S, S, 3): the crop as the model carried it, before anything was painted
    flow: np.ndarray  # (S, S, 2): from where each pixel came, as a fraction of the side, x first

    @classmethod
    def of(cls, trace: Trace) -> "Motion":
        """The motion of a single face."""
        flow = trace.flow[0].permute(1, 2, 0).float().cpu().numpy() / 2
        return cls(denormalize_array(trace.moved), flow)


def paste(
    photo: Image.Image, crop: Image.Image, edited: Image.Image, alignment: Alignment, motion: Motion | None = None
) -> Image.Image:
    """The photo with an edited crop in it.

    The motion is done to the photo's own pixels, which keeps what is finer than the crop, such as hair and pores.
    What the edit painted beyond that is added; where it is much, the photo's own detail gives way. Motion and
    paint fade out at the crop's edge. Where both are next to nothing the photo stays as it is, bit for bit.
    """
    change = shrunk(change_of(crop, edited, motion), alignment.side)
    result = photo.copy()
    part = touched(change)
    if part is None:
        return result
    for box in strips(alignment.bounds(photo.size, part)):
        result.paste(changed(photo, box, change, alignment), box[:2])
    return result


def change_of(crop: Image.Image, edited: Image.Image, motion: Motion | None) -> np.ndarray:
    """What is to be done to the photo, at the crop's resolution, (S, S, 6), each channel 0 where nothing is.

    Channels: flow (2) as a fraction of the side; how much of the moved photo is replaced (1), in [0, 1]; what is
    added (3).
    """
    before, after = (np.asarray(picture, np.float32) for picture in (crop, edited))
    fade = np.asarray(feather(crop.width))[..., None]
    if motion is None:
        motion = Motion(before, np.zeros((*before.shape[:2], 2), np.float32))
    flow = without_small(motion.flow, STILL_PIXELS)
    moved = sample(before, fade * flow)  # what the photo will show at this resolution
    painted = after - motion.moved + sample(before, flow) - moved  # the latter where the motion fades out
    size = blurred(np.abs(painted).mean(2, keepdims=True))
    replaced = fade * (1 - np.exp(-((size / DETAIL_TOLERANCE) ** 2)))
    replaced[size < STILL_LEVELS] = 0
    added = fade * without_small(painted, STILL_LEVELS) + replaced * moved
    return np.concatenate([fade * flow, replaced, added], 2)


def shrunk(change: np.ndarray, side: float) -> np.ndarray:
    """The channels of `change_of` for a crop that takes `side` pixels of the photo: sampling would skip some."""
    size = max(1, round(side))
    if size >= len(change):
        return change
    return resize(torch.from_numpy(change).permute(2, 0, 1)[None], size)[0].permute(1, 2, 0).numpy()


def touched(change: np.ndarray) -> tuple[float, float, float, float] | None:
    """The part of the crop in which something is to be done, as fractions of its side; None if nothing is."""
    rows, columns = (change != 0).any(2).nonzero()
    if not len(rows):
        return None
    reach = 2  # of the bicubic kernel [px]
    low, high = np.array([columns.min(), rows.min()]) - reach, np.array([columns.max(), rows.max()]) + 1 + reach
    return tuple(np.concatenate([low, high]).clip(0, len(change)) / len(change))


def changed(
    photo: Image.Image, box: tuple[int, int, int, int], change: np.ndarray, alignment: Alignment
) -> Image.Image:
    """A box of the photo, changed; `change` is that of `change_of`."""
    left, top, right, bottom = box
    flow, replaced, added = placed(change, alignment, box)
    reach = int(flow.abs().max().ceil()) + 2  # the bicubic kernel's
    around = padded_crop(photo, (left - reach, top - reach, right + reach, bottom + reach))
    moved = moved_by(maps_of(np.asarray(around, np.float32)), flow, reach)
    result = torch.addcmul(moved + added, replaced, moved, value=-1)
    return Image.fromarray(result[0].round_().clamp_(0, 255).byte().permute(1, 2, 0).contiguous().numpy())


def placed(change: np.ndarray, alignment: Alignment, box: tuple[int, int, int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """The channels of `change_of` as a box of the photo shows them: flow (1, 2, h, w) [px], replaced (1, 1, h, w) and
    added (1, 3, h, w). Flow and share are smooth, colours are not."""
    corners = alignment.to_crop([[x, y] for x in box[::2] for y in box[1::2]]) * 2 - 1
    theta = np.stack([corners[2] - corners[0], corners[1] - corners[0], corners[1] + corners[2]], 1) / 2
    size = (1, 1, box[3] - box[1], box[2] - box[0])
    grid = F.affine_grid(torch.from_numpy(theta[None].astype(np.float32)), size, align_corners=False)
    maps = maps_of(change)
    smooth, added = values_at(maps[:, :3], grid, "bilinear"), values_at(maps[:, 3:], grid, "bicubic")
    (a, b), (d, e) = alignment.axes.tolist()
    x, y = smooth[:, :1], smooth[:, 1:2]
    return torch.cat([a * x + d * y, b * x + e * y], 1), smooth[:, 2:], added


def strips(box: tuple[int, int, int, int]) -> Iterator[tuple[int, int, int, int]]:
    """The box cut into strips of whole rows of about `STRIP` pixels."""
    left, top, right, bottom = box
    rows = max(1, STRIP // (right - left))
    for start in range(top, bottom, rows):
        yield left, start, right, min(start + rows, bottom)


def sample(pixels: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """The pixels (S, S, 3) at each place plus `flow`, in fractions of the side."""
    return moved_by(maps_of(pixels), maps_of(flow * len(pixels)))[0].permute(1, 2, 0).numpy()


def maps_of(values: np.ndarray) -> Tensor:
    """(H, W, C) as (1, C, H, W)."""
    return torch.from_numpy(values).permute(2, 0, 1)[None].float()


def moved_by(pixels: Tensor, flow: Tensor, margin: int = 0) -> Tensor:
    """The pixels (1, C, H, W), at each place but those of a margin, plus `flow` [px]."""
    height, width = pixels.shape[-2:]
    rows, columns = (torch.arange(margin + 0.5, length - margin) for length in (height, width))
    x, y = (flow[0, 0] + columns) * (2 / width) - 1, (flow[0, 1] + rows[:, None]) * (2 / height) - 1
    return values_at(pixels, torch.stack([x, y], 2)[None], "bicubic")


def values_at(maps: Tensor, grid: Tensor, mode: str) -> Tensor:
    """Maps (1, C, H, W) where a grid (1, h, w, 2) says; beyond the border its values go on."""
    return F.grid_sample(maps, grid, mode=mode, padding_mode="border", align_corners=False)


def without_small(vectors: np.ndarray, threshold: float) -> np.ndarray:
    """Vectors (..., C) up to a length of `threshold` become zero, those from three times that on stay as they are."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    part = ((length / threshold - 1) / 2).clip(0, 1)
    return (vectors * part * part * (3 - 2 * part)).astype(np.float32)


def blurred(values: np.ndarray) -> np.ndarray:
    """Two means over 3x3 neighbours, of (H, W, 1)."""
    maps = torch.from_numpy(values).permute(2, 0, 1)
    for _ in range(2):
        maps = F.avg_pool2d(F.pad(maps[None], (1, 1, 1, 1), mode="replicate"), 3, 1)[0]
    return maps.permute(1, 2, 0).numpy()


def feather(size: int) -> Image.Image:
    """A square mask (mode F), 1 inside and falling smoothly to 0 at its border."""
    position = (np.arange(size) + 0.5) / size
    ramp = np.clip(np.minimum(position, 1 - position) / FEATHER - 0.15, 0, 1)
    ramp = ramp * ramp * (3 - 2 * ramp)
    return Image.fromarray(np.outer(ramp, ramp).astype(np.float32))
