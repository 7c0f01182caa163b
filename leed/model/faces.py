"""Faces as the steps of a model give them, and as its users do."""

from collections.abc import Callable
from typing import NamedTuple, TypeVar, overload

from PIL import Image
from torch import Tensor

from leed.images import to_pil

Face = TypeVar("Face", Image.Image, Tensor)
"""The two kinds of faces that the user's calls take: they return the kind that they were given."""


class Warped(NamedTuple):
    """A face (B, 3, H, W), not clamped, and the flow (B, 2, h, w) by which it was warped from another.

    The flow is in units of half a side, x first, and zero where a network has none; all other changes are painted.
    """

    image: Tensor
    flow: Tensor


class Rendered(NamedTuple):
    """An edit (B, 3, H, W), and the flow (B, 2, h, w) by which it was warped from the neutral face.

    `features` (B, width, c, c) are the interpolator's, which an upper level draws from; None for a model without one.
    """

    image: Tensor
    flow: Tensor
    features: Tensor | None = None


def no_flow(image: Tensor) -> Tensor:
    """The flow (B, 2, 1, 1) that moves nothing."""
    return image.new_zeros(len(image), 2, 1, 1)


def unchanged(face: Tensor) -> Tensor:
    """The face tensor itself."""
    return face


@overload
def shown_like(image: Image.Image) -> Callable[[Tensor], Image.Image]: ...
@overload
def shown_like(image: Tensor) -> Callable[[Tensor], Tensor]: ...
def shown_like(image: Image.Image | Tensor) -> Callable[[Tensor], Image.Image | Tensor]:
    """The function that turns face tensors into the kind of `image`: a picture or a face tensor."""
    return to_pil if isinstance(image, Image.Image) else unchanged
