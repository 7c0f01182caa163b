"""GANimation (Pumarola et al., ECCV 2018), a baseline: edits a face by its action units, without a reference face."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from leed.config import ACTION_UNITS, ModelConfig
from leed.networks.stargan import stargan_layers, with_labels
from leed.pretrained import HubModel


class Painting(NamedTuple):
    """The output of GANimation's generator, in its paper's letters.

    `colour` C (B, 3, H, W) in [-1, 1] is what is painted; `attention` A (B, 1, H, W) in [0, 1] how much of the
    picture stays: 1 keeps a pixel, 0 replaces it.
    """

    colour: Tensor
    attention: Tensor

    def apply(self, image: Tensor) -> Tensor:
        """The edited picture (1 - A) * C + A * image, (B, 3, H, W)."""
        return ((1 - self.attention) * self.colour + self.attention * image).to(image.dtype)


class GANimation(HubModel):
    """GANimation: renders a face with other action units.

    The generator is StarGAN's with two heads; its sizes are `neutralizer_width` and `neutralizer_depth`.
    """

    def __init__(self, config: ModelConfig = ModelConfig()) -> None:  # noqa: B008 (frozen)
        super().__init__()
        self.config = config
        width = config.neutralizer_width
        self.layers = nn.Sequential(*stargan_layers(config, len(ACTION_UNITS)))
        self.colour = nn.Conv2d(width, 3, 7, padding=3, bias=False)
        self.attention = nn.Conv2d(width, 1, 7, padding=3, bias=False)

    def paint(self, image: Tensor, action_units: Tensor) -> Painting:
        """The paint on faces (B, 3, H, W) in [-1, 1] to give them action units (B, 17) in [0, 1].

        Raises `ValueError` for another number of action units.
        """
        if action_units.shape != (len(image), len(ACTION_UNITS)):
            raise ValueError(
                f"action_units must be ({len(image)}, {len(ACTION_UNITS)}), a row of {', '.join(ACTION_UNITS)} for "
                f"each face, got {tuple(action_units.shape)}"
            )
        h = self.layers(with_labels(image, action_units))
        # In full precision: most of A lies near 1, where half precision cannot tell a kept pixel from a painted one.
        return Painting(torch.tanh(self.colour(h).float()), torch.sigmoid(self.attention(h).float()))

    def forward(self, image: Tensor, action_units: Tensor) -> Tensor:
        """Faces (B, 3, H, W) in [-1, 1] with the action units (B, 17) in [0, 1] of `ACTION_UNITS`."""
        return self.paint(image, action_units).apply(image)
