"""Random inputs of the networks."""

import torch
from torch import Tensor

from leed.config import ACTION_UNITS, ModelConfig

BATCH = 4


def inputs(config: ModelConfig) -> dict[str, Tensor]:
    """Random faces, codes and an expression."""
    side, code = config.image_size, (BATCH, config.code_channels, config.code_size, config.code_size)
    delta = (BATCH, config.delta_size) if config.delta_size else code
    return {
        "image": torch.rand(BATCH, 3, side, side) * 2 - 1,
        "neutral": torch.rand(BATCH, 3, side, side) * 2 - 1,
        "code": torch.randn(code),
        "code_neutral": torch.randn(code),
        "delta": torch.randn(delta),
        "features": torch.randn(BATCH, 24),
        "expression": torch.arange(BATCH),
        "action_units": torch.rand(BATCH, len(ACTION_UNITS)),
    }
