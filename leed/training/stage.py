"""What the three training stages compute: their networks, losses and validation figures. The loop is elsewhere.

A stage has objectives: modules whose call returns a `Loss`, and which the loop wraps, so that gradients are
synchronised between processes. Each objective owns the networks that it trains and only borrows the others.
"""

import contextlib
import functools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from torch.utils.data import Dataset

from leed.training.augmentation import Augmentation

Batch = dict[str, Tensor]


class Loss(NamedTuple):
    """The weighed sum; detached, its terms for the log and what later objectives of the same step need."""

    total: Tensor
    terms: dict[str, Tensor]
    outputs: dict[str, Tensor]


class Borrowed:
    """Holds networks that an objective uses but does not train: they stay out of its parameters."""

    def __init__(self, **networks: nn.Module) -> None:
        self.__dict__.update(networks)


@contextlib.contextmanager
def frozen(*networks: nn.Module) -> Iterator[None]:
    """Gradients pass through these networks, but what is computed here leaves none in their parameters."""
    parameters = [p for network in networks for p in network.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


class Stage(ABC):
    """One training stage: `objectives` in the order of their losses, `model` to publish, inputs and validation.

    The first objective is called with `inputs(batch)`, the others with its outputs. It learns at every
    `critic_steps`-th step only; at the others it is called without gradients, for its outputs alone. `wide` are the
    networks whose activations fill the memory.
    """

    model: nn.Module
    objectives: dict[str, nn.Module]
    augmentation: Augmentation
    mirror: bool
    critic_steps: int = 1
    wide: Sequence[nn.Module] = ()

    def to(self, device: torch.device) -> None:
        """Moves all networks, in the memory format that convolutions are fastest in."""
        for module in (self.model, *self.objectives.values()):
            module.to(device=device, memory_format=torch.channels_last)

    def checkpoint_activations(self) -> None:
        """From here on `wide` networks are computed anew for the gradients, and only their inputs are kept."""
        for network in self.wide:
            network.forward = functools.partial(
                checkpoint, network.forward, use_reentrant=False, preserve_rng_state=False
            )

    @abstractmethod
    def inputs(self, batch: Batch) -> Batch:
        """A stored batch as augmented float tensors."""

    @abstractmethod
    def validate(self, model: nn.Module, faces: Dataset) -> tuple[dict[str, float], list[list[Tensor | None]]]:
        """Figures on held-out people and rows of pictures for a contact sheet."""


def device_of(model: nn.Module) -> torch.device:
    """Where a model lies."""
    return next(model.parameters()).device
