"""alpha, the strength of an expression: its range, and what it does to delta_exp."""

import torch
from torch import Tensor

MAX_ALPHA = 2.0
"""The largest alpha of an edit."""


MAX_SHOWN_ALPHA = 1.5
"""The largest alpha in the demo and in sequences."""


def check_alpha(alpha: float | Tensor, like: Tensor) -> Tensor:
    """alpha as a tensor (1,) or (B,), B as in `like`. Raises `ValueError` outside [0, 2] and for another number."""
    alpha = torch.as_tensor(alpha, dtype=like.dtype, device=like.device).reshape(-1)
    check_count(len(alpha), len(like), "alphas")
    if not bool(((alpha >= 0) & (alpha <= MAX_ALPHA)).all()):  # also catches NaN
        raise ValueError(f"alpha must be in [0, {MAX_ALPHA:g}], got {alpha.tolist()}")
    return alpha


def check_count(count: int, num_images: int, what: str) -> None:
    """Raises `ValueError` unless there are as many references, or alphas, as images, or one."""
    if count not in (1, num_images):
        raise ValueError(f"got {num_images} images and {count} {what}: expected as many, or one")


def scaled(alpha: float | Tensor, delta_exp: Tensor) -> Tensor:
    """alpha delta_exp; alpha a number or (B,)."""
    if isinstance(alpha, Tensor):
        alpha = alpha.view(-1, *[1] * (delta_exp.ndim - 1))
    return alpha * delta_exp
