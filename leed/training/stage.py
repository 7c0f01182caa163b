"""A training stage: its networks, losses, faces, validation and all facts about it. The loop is elsewhere.

A stage has objectives: modules whose call returns a `Loss`, and which the loop wraps, so that gradients are
synchronised between processes. Each objective owns the networks that it trains and only borrows the others, in a
named tuple, which keeps them out of its parameters. To add a stage, write a subclass and name it in `stages.py`.
"""

import contextlib
import functools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from leed.config import PRESETS, ModelConfig
from leed.data.batch import Batch
from leed.data.faces import FaceDataset
from leed.pretrained import HubModel
from leed.training.augmentation import Augmentation
from leed.training.config import PAPER_SETTINGS, PAPER_WEIGHTS, LossWeights, Recipe, Settings, TrainConfig
from leed.training.faces import Faces

Model = TypeVar("Model", bound=HubModel)


class Loss(NamedTuple):
    """The weighted sum; detached, its terms for the log and what later objectives of the same step need."""

    total: Tensor
    terms: dict[str, Tensor]
    outputs: Mapping[str, object]


class Validation(NamedTuple):
    """Figures on held-out people, and rows of face tensors (3, S, S) for a contact sheet; None is a white field."""

    figures: dict[str, float]
    rows: list[list[Tensor | None]]


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


class Stage(ABC, Generic[Model]):
    """One training stage: `objectives` in the order of their losses, `model` to publish, inputs and validation.

    The first objective is called with `inputs(batch)`, the others with its outputs. It learns at every
    `critic_steps`-th step only; at the others it is called without gradients, for its outputs alone. `checkpointed`
    are the networks whose activations fill the memory.
    """

    name: ClassVar[str]
    """Name on the command line, and of the folder in `output_dir`."""

    title: ClassVar[str]
    """A description of the model, for its card."""

    task: ClassVar[str] = "image-to-image"
    """The Hub's name for the model's task."""

    model_class: ClassVar[type[HubModel]]

    figures: ClassVar[dict[str, str]]
    """Each figure of `validate` and its meaning, for the card."""

    weights: ClassVar[tuple[str, ...]]
    """Fields of `LossWeights` that the stage uses, or beginnings of their names."""

    ignores: ClassVar[tuple[str, ...]] = ("critic_steps", "max_action_unit_yaw")
    """Fields of `TrainConfig` that mean nothing to the stage."""

    recipe: ClassVar[Recipe]
    """Optimiser, rates and augmentation, unless the settings say otherwise."""

    networks_make_inputs: ClassVar[bool] = False
    """Whether frozen networks make the inputs, which then run in the precision of the run as well."""

    model: Model
    objectives: dict[str, nn.Module]
    augmentation: Augmentation
    mirror: bool
    critic_steps: int = 1
    checkpointed: Sequence[nn.Module] = ()

    @classmethod
    def sizes(cls, preset: str) -> ModelConfig:
        """Sizes of the networks in a preset."""
        return PRESETS[preset]

    @classmethod
    def picture_size(cls, sizes: ModelConfig) -> int:
        """The side of the pictures that the stage learns from, in pixels."""
        return sizes.image_size

    @classmethod
    def loss_weights(cls, preset: str) -> LossWeights:
        """Weights of the terms in a preset."""
        return PAPER_WEIGHTS if preset == "paper" else LossWeights()

    @classmethod
    def settings(cls, preset: str) -> dict[str, object]:
        """Settings of a run that a preset decides, unless they are given."""
        return PAPER_SETTINGS if preset == "paper" else {}

    @classmethod
    def check(cls, config: TrainConfig) -> None:
        """Raises `ValueError` for settings that this stage cannot be trained with."""

    @classmethod
    def earlier(cls, config: TrainConfig) -> tuple[str, ...]:
        """Names of the earlier stages whose models decide what this one learns."""
        return ()

    @classmethod
    @abstractmethod
    def build(cls, settings: Settings, device: torch.device) -> "Stage":
        """The stage as the settings say, with the models of earlier stages that it needs."""

    @abstractmethod
    def select(self, faces: FaceDataset, config: TrainConfig, held_out: bool = False) -> Faces:
        """The faces to learn from, or with `held_out` to be measured on: those that have what the losses need.

        Raises `ValueError` saying what they lack if none will do.
        """

    @abstractmethod
    def inputs(self, batch: Batch) -> Mapping[str, object]:
        """A stored batch as what the first objective takes: augmented float tensors, and labels."""

    @abstractmethod
    def validate(self, model: Model, faces: Faces) -> Validation:
        """Figures of a model, in evaluation mode, and rows for a contact sheet."""

    def to(self, device: torch.device) -> None:
        """Moves all networks, in the memory format that convolutions are fastest in."""
        networks: list[nn.Module] = [self.model, *self.objectives.values()]
        for module in networks:
            module.to(device).to(memory_format=torch.channels_last)

    def checkpoint_activations(self) -> None:
        """Has `checkpointed` networks computed anew for the gradients, and only their inputs kept."""
        for network in self.checkpointed:
            again = functools.partial(checkpoint, network.forward, use_reentrant=False, preserve_rng_state=False)
            network.forward = again


def check_exchange(config: TrainConfig) -> None:
    """Raises `ValueError` for batches in which no face can take another's expression."""
    if config.train_batch_size < 2:
        raise ValueError("this stage exchanges expressions within a batch: train_batch_size must be at least 2")
