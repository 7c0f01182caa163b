"""Batches made ready for a stage: normalised, augmented, mirrored, with the second camera's pictures."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from leed.config import NEUTRAL
from leed.data.batch import Batch, map_tensors
from leed.images import normalize
from leed.training.augmentation import Augmentation, augment, flip
from leed.training.faces import Faces

SHEET_ROWS = 8


def paired_inputs(batch: Batch, augmentation: Augmentation, mirror: bool) -> tuple[Tensor, Tensor]:
    """Augmented face and neutral face, each (B, 3, S, S) in [-1, 1], half of them mirrored where `mirror` is set."""
    pictures = augment([normalize(batch["image"]), normalize(batch["neutral"])], augmentation)
    image, neutral = flip(*pictures) if mirror else pictures
    return channels_last(image), channels_last(neutral)


def channels_last(images: Tensor) -> Tensor:
    """The same pictures in the memory format that convolutions are fastest in."""
    return images.contiguous(memory_format=torch.channels_last)


def whole_views(batch: Batch) -> Tensor:
    """Rows with a second camera's picture and the true neutral face to it: bool (B,)."""
    return batch["has_view"] & batch["has_view_neutral"]


def as_map(rows: Tensor) -> Tensor:
    """(B,) to (B, 1, 1, 1)."""
    return rows[:, None, None, None]


def join_views(batch: Batch) -> Batch:
    """The batch with the second camera's picture and neutral face in half of the rows that have them."""
    take = (torch.rand(len(batch["image"]), device=batch["image"].device) < 0.5) & whole_views(batch)
    return batch | {
        "image": torch.where(as_map(take), batch["view"], batch["image"]),
        "neutral": torch.where(as_map(take), batch["view_neutral"], batch["neutral"]),
        "has_neutral": batch["has_neutral"] | take,
    }


def show_neutral(batch: Batch, share: float) -> Batch:
    """The batch with the true neutral face, and its label, in place of the picture in a `share` of rows with one."""
    if not share:
        return batch  # without a draw: runs of before stay as they were, bit for bit
    take = (torch.rand(len(batch["image"]), device=batch["image"].device) < share) & batch["has_neutral"]
    return batch | {
        "image": torch.where(as_map(take), batch["neutral"], batch["image"]),
        "expression": torch.where(take, NEUTRAL, batch["expression"]),
    }


def choose_neutrals(batch: Batch, learned: float) -> Batch:
    """The batch with its learned neutral faces: in all rows without a true one, and in others at random.

    `learned` is the probability for a row that has a true one.
    """
    chosen = batch
    if "learned_neutral" in batch:
        neutral, known = mixed_neutrals(batch["neutral"], batch["learned_neutral"], batch["has_neutral"], learned)
        chosen = chosen | {"neutral": neutral, "has_neutral": known}
    if "learned_view_neutral" in batch:
        neutral, known = mixed_neutrals(
            batch["view_neutral"], batch["learned_view_neutral"], batch["has_view_neutral"], learned
        )
        chosen = chosen | {"view_neutral": neutral, "has_view_neutral": known}
    return chosen


def mixed_neutrals(true: Tensor, other: Tensor, has_true: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Neutral faces (B, 3, S, S), of rows with a true one a `share` of the others; and which are known now: all."""
    take = ~has_true | (torch.rand(len(has_true), device=has_true.device) < share)
    return torch.where(as_map(take), other, true), torch.ones_like(has_true)


def batches(faces: Faces, device: torch.device, size: int = 32) -> Iterator[tuple[Batch, list[int]]]:
    """The whole data set in order, and of each batch the rows to show on a sheet, spread over the data set."""
    count = math.ceil(len(faces) / size)
    for start in range(0, len(faces), size):
        batch = faces.__getitems__(list(range(start, min(start + size, len(faces)))))
        shown = math.ceil(SHEET_ROWS / count)
        length = len(batch["image"])
        rows = sorted({i * length // shown for i in range(shown)})
        yield map_tensors(batch, lambda values: values.to(device)), rows
