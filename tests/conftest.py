"""What several test files share."""

import pytest
import torch

from leed import LEED, PRESETS


@pytest.fixture(scope="session")
def lively_leed() -> LEED:
    """A tiny model with random weights that changes faces visibly; a fresh one starts as the identity."""
    torch.manual_seed(0)
    leed = LEED(PRESETS["tiny"]).eval()
    with torch.no_grad():
        for parameter in leed.parameters():
            parameter.add_(0.03 * torch.randn_like(parameter))
        leed.extractor.features[-1].weight.mul_(5)
    return leed
