"""Terms that several objectives share."""

import contextlib

import torch

from leed.training.terms import gradient_penalty


def test_penalty_is_in_full_precision_under_autocast() -> None:
    critic = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.LeakyReLU(), torch.nn.Linear(16, 1))
    real, fake = torch.randn(4, 8), torch.randn(4, 8)
    values = []
    for context in (contextlib.nullcontext(), torch.autocast("cpu", torch.bfloat16)):
        torch.manual_seed(0)
        with context:
            values.append(gradient_penalty(critic, real, fake))
    assert torch.equal(values[0], values[1])
