"""The stage of the baseline StarGAN."""

import torch
from torch import Tensor, nn

from leed.config import EXPRESSIONS, ModelConfig
from leed.networks.classifier import ExpressionClassifier
from leed.networks.critics import ImageCritic
from leed.networks.neutralizer import Neutralizer
from leed.training.adversary import ImageCriticObjective, stargan_terms
from leed.training.augmentation import Augmentation
from leed.training.baseline import BaselineStage, GeneratorObjective, edits_alone, shuffled
from leed.training.config import LossWeights
from leed.training.inputs import join_views
from leed.training.stage import Batch, Loss
from leed.training.terms import weigh


class StarGANObjective(GeneratorObjective):
    """The loss of StarGAN's generator: every face gets a random expression."""

    def forward(self, inputs: Batch) -> Loss:
        image, expression = inputs["image"], inputs["expression"]
        target = shuffled(expression)
        if not torch.is_grad_enabled():
            return edits_alone(inputs | {"fake": self.generator(image, target).float()})
        terms, fake = stargan_terms(self.generator, self.borrowed.critic, self.weights, image, expression, target)
        return weigh(self.weights, terms, inputs | {"fake": fake.detach()})


class StarGANStage(BaselineStage):
    """StarGAN on labelled faces: generator and critic, and nothing but its paper's three terms."""

    def __init__(
        self,
        config: ModelConfig,
        weights: LossWeights,
        augmentation: Augmentation,
        mirror: bool = True,
        critic_steps: int = 5,
        psi: ExpressionClassifier | None = None,
    ) -> None:
        super().__init__(augmentation, mirror, critic_steps, psi)
        self.model, critic = Neutralizer(config), ImageCritic(config)
        self.objectives = {
            "generator": StarGANObjective(self.model, critic, weights),
            "critic": ImageCriticObjective(critic, weights),
        }
        self.wide = (self.model.generator,)

    def inputs(self, batch: Batch) -> Batch:
        batch = join_views(batch)
        return {"image": self.picture(batch), "expression": batch["expression"]}

    def neutral(self, model: nn.Module, image: Tensor) -> Tensor:
        return model(image)

    def edit(self, model: nn.Module, image: Tensor, reference: Batch) -> Tensor:
        return model(image, reference["expression"].clamp(min=0))

    def row(self, model: nn.Module, image: Tensor, reference: Tensor, units: Tensor) -> list[Tensor]:
        """The face with each expression."""
        targets = torch.arange(len(EXPRESSIONS), device=image.device)
        return list(model(image.expand(len(targets), -1, -1, -1), targets).split(1))
