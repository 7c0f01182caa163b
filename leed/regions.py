"""Regions of a face in the models' crop, to give each an expression of its own.

There are four quarters, in this order: eyes left, eyes right, mouth left, mouth right. Left and right are the
person's: the left half of a face is on the right of its picture. Eyes come with brows and forehead, the mouth with
cheeks and chin. The quarters' masks add up to one and pass into each other softly, halfway between eyes and mouth and
at the middle column of the crop, so that halves are those of faces that look at the camera.
"""

from functools import cache

import torch
from torch import Tensor

from leed.images import smoothstep

REGIONS = {"eyes": (True, True, False, False), "mouth": (False, False, True, True)}
REGIONS |= {"left": (True, False, True, False), "right": (False, True, False, True)}
"""Which of the quarters belong to each region."""

NUM_QUARTERS = 4
BORDER_ROW = 0.48  # halfway between the eyes' row, 0.30, and the mouth's, 0.66, as fractions of the crop's side
BORDER_COLUMN = 0.5
BORDER_WIDTH = 0.2  # of the passage from one quarter to the next, as a fraction of the crop's side


def quarters_of(*names: str) -> tuple[bool, ...]:
    """The quarters that belong to all of these regions. Raises `ValueError` for an unknown region and for none left.

    >>> quarters_of("eyes", "left")
    (True, False, False, False)
    """
    unknown = [name for name in names if name not in REGIONS]
    if unknown or not names:
        raise ValueError(f"a region is one of {', '.join(REGIONS)}, got {', '.join(map(repr, unknown)) or 'none'}")
    kept = tuple(all(REGIONS[name][quarter] for name in names) for quarter in range(NUM_QUARTERS))
    if not any(kept):
        raise ValueError(f"no part of a face is both {' and '.join(names)}")
    return kept


@cache
def quarter_masks(side: int) -> Tensor:
    """The shares (4, side, side) of the quarters in each place of a map of the crop; they add up to 1."""
    places = (torch.arange(side) + 0.5) / side
    lower, right = (smoothstep((places - border) / BORDER_WIDTH + 0.5) for border in (BORDER_ROW, BORDER_COLUMN))
    rows = torch.stack([1 - lower, lower])
    columns = torch.stack([right, 1 - right])  # the person's left first, which is on the right
    return (rows[:, None, :, None] * columns[None, :, None, :]).flatten(0, 1)


def is_regional(delta_exp: Tensor) -> bool:
    """Whether delta_exp has one expression for each quarter, (B, 4, Z) or (B, 4, C, c, c), not one for all."""
    return delta_exp.ndim in (3, 5)


def in_quarters(delta_exp: Tensor) -> Tensor:
    """delta_exp with one expression for each quarter."""
    if is_regional(delta_exp):
        return delta_exp
    return delta_exp[:, None].expand(-1, NUM_QUARTERS, *delta_exp.shape[1:])


def joined(delta_exp: Tensor) -> Tensor:
    """One expression for all, where those of the four quarters are the same."""
    same = is_regional(delta_exp) and bool((delta_exp == delta_exp[:, :1]).all())
    return delta_exp[:, 0] if same else delta_exp


def parts(delta_exp: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """The different expressions of delta_exp, (B, R, Z) or (B, R, C, c, c), and where each goes, (R, side, side).

    Quarters without expression are no part; one part is left where all are without.
    """
    if not is_regional(delta_exp):
        return delta_exp[:, None], torch.ones(1, side, side, device=delta_exp.device)
    masks = quarter_masks(side).to(delta_exp.device)
    found: list[Tensor] = []
    places: list[Tensor] = []
    for quarter, mask in zip(delta_exp.unbind(1), masks, strict=True):
        same = next((i for i, other in enumerate(found) if torch.equal(quarter, other)), None)
        if same is not None:
            places[same] = places[same] + mask
        elif quarter.any() or not found:
            found.append(quarter)
            places.append(mask)
    if len(found) > 1 and not found[0].any():
        found, places = found[1:], places[1:]
    return torch.stack(found, 1), torch.stack(places)
