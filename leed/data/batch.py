"""Batches of faces: which tensors they hold."""

from collections.abc import Callable
from typing import TypedDict, cast

from torch import Tensor


class FaceRows(TypedDict):
    """Rows of a `FaceDataset`: pictures uint8 (B, 3, S, S), zeros where there is none, and labels (B,)."""

    image: Tensor
    neutral: Tensor  # the true neutral face
    view: Tensor  # the same shot from another camera
    view_neutral: Tensor
    has_neutral: Tensor  # bool
    has_view: Tensor
    has_view_neutral: Tensor
    expression: Tensor  # int64, index into EXPRESSIONS; -1 if unknown
    person: Tensor  # int64, index into the data set's `persons`
    yaw: Tensor  # float32, degrees; NaN if unknown
    action_units: Tensor  # float32 (B, 17) in [0, 1]; NaN if unknown
    has_action_units: Tensor  # bool
    index: Tensor  # int64, row of the data set


class Batch(FaceRows, total=False):
    """The same, with a neutraliser's neutral faces where a data set adds them."""

    learned_neutral: Tensor
    learned_view_neutral: Tensor


def map_tensors(batch: Batch, change: Callable[[Tensor], Tensor]) -> Batch:
    """The batch with each of its tensors changed, for example moved to a device."""
    return cast(Batch, {name: change(cast(Tensor, value)) for name, value in batch.items()})
