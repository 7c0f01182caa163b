"""The stage of the baseline StarGAN."""

from typing import TypedDict

import torch
from torch import Tensor, nn

from leed.config import EXPRESSIONS, ModelConfig
from leed.data.batch import Batch
from leed.data.faces import FaceDataset
from leed.networks.critics import ImageCritic
from leed.networks.neutralizer import Neutralizer
from leed.training.adversary import CriticBorrowed, CriticInputs, ImageCriticObjective, stargan_terms
from leed.training.baseline import BaselineStage, shuffled
from leed.training.config import LossWeights, TrainConfig
from leed.training.faces import FaceSubset, subset_or_raise
from leed.training.inputs import join_views
from leed.training.stage import Loss
from leed.training.terms import weighted_loss


class StarGANInputs(TypedDict):
    """Faces (B, 3, S, S) in [-1, 1] and int64 indices of EXPRESSIONS (B,)."""

    image: Tensor
    expression: Tensor


class StarGANObjective(nn.Module):
    """The loss of StarGAN's generator: every face gets a random expression."""

    def __init__(self, generator: Neutralizer, critic: ImageCritic, weights: LossWeights) -> None:
        super().__init__()
        self.generator, self.weights = generator, weights
        self.borrowed = CriticBorrowed(critic)

    def forward(self, inputs: StarGANInputs) -> Loss:
        """The loss, 0 without gradients; faces, edits and labels for the critic."""
        image, expression = inputs["image"], inputs["expression"]
        target = shuffled(expression)
        if not torch.is_grad_enabled():
            fake = self.generator(image, target).float()
            return Loss(fake.new_zeros(()), {}, {"image": image, "fake": fake, "expression": expression})
        terms, fake = stargan_terms(self.generator, self.borrowed.critic, self.weights, image, expression, target)
        outputs: CriticInputs = {"image": image, "fake": fake.detach(), "expression": expression}
        return weighted_loss(self.weights, terms, outputs)


class StarGANStage(BaselineStage[Neutralizer]):
    """StarGAN on labelled faces: generator and critic, and nothing but its paper's three terms."""

    name = "stargan"
    title = "the baseline StarGAN, which edits by expression labels"
    model_class = Neutralizer  # StarGAN's generator
    weights = ("stargan_", "gradient_penalty")

    def networks(self, config: ModelConfig, weights: LossWeights) -> tuple[Neutralizer, dict[str, nn.Module]]:
        model, critic = Neutralizer(config), ImageCritic(config)
        self.checkpointed = (model.generator,)
        return model, {
            "generator": StarGANObjective(model, critic, weights),
            "critic": ImageCriticObjective(critic, weights),
        }

    def select(self, faces: FaceDataset, config: TrainConfig, held_out: bool = False) -> FaceSubset:
        """Labelled faces."""
        return subset_or_raise(faces, faces.expressions >= 0, "StarGAN needs labelled faces", "", held_out)

    def inputs(self, batch: Batch) -> StarGANInputs:
        """Faces and labels; for half of those that have one, the second camera's picture."""
        batch = join_views(batch)
        return {"image": self.picture(batch), "expression": batch["expression"]}

    def neutral(self, model: Neutralizer, image: Tensor) -> Tensor:
        return model(image)

    def edit(self, model: Neutralizer, image: Tensor, reference: Batch) -> Tensor:
        return model(image, reference["expression"].clamp(min=0))

    def row(self, model: Neutralizer, image: Tensor, reference: Tensor, units: Tensor) -> list[Tensor]:
        """The face with each expression."""
        targets = torch.arange(len(EXPRESSIONS), device=image.device)
        return list(model(image.expand(len(targets), -1, -1, -1), targets).split(1))
