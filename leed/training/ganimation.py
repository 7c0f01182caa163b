"""The stage of the baseline GANimation."""

import torch
from torch import Tensor, nn

from leed.config import ACTION_UNITS, ModelConfig
from leed.networks.classifier import ExpressionClassifier
from leed.networks.critics import ImageCritic
from leed.networks.ganimation import GANimation
from leed.training import losses
from leed.training.adversary import critic_terms
from leed.training.augmentation import Augmentation
from leed.training.baseline import BaselineStage, GeneratorObjective, edits_alone, shuffled
from leed.training.config import LossWeights
from leed.training.stage import Batch, Loss, frozen
from leed.training.terms import weigh


class GANimationObjective(GeneratorObjective):
    """The loss of GANimation's generator: every face gets another face's action units, and then its own back."""

    def forward(self, inputs: Batch) -> Loss:
        image, units = inputs["image"], inputs["action_units"]
        target = shuffled(units)
        painting = self.generator.paint(image, target)
        fake = painting.apply(image)
        outputs = inputs | {"fake": fake.detach()}
        if not torch.is_grad_enabled():
            return edits_alone(outputs)
        with frozen(self.borrowed.critic):
            score, found = self.borrowed.critic(fake)
        way_back = self.generator.paint(fake, units)
        maps = (painting.attention, way_back.attention)
        terms = {
            "ganimation_adversarial": losses.adversarial_loss(score.float()),
            "ganimation_action_units": losses.action_unit_loss(found.float(), target),
            "ganimation_attention": sum(losses.attention_loss(attention) for attention in maps),
            "ganimation_smoothness": sum(losses.smoothness_loss(attention) for attention in maps),
            "ganimation_cycle": losses.cycle_loss(way_back.apply(fake), image),
        }
        return weigh(self.weights, terms, outputs)


class GANimationCriticObjective(nn.Module):
    """GANimation's critic: WGAN-GP, and the action units of real faces."""

    def __init__(self, critic: ImageCritic, weights: LossWeights) -> None:
        super().__init__()
        self.critic, self.weights = critic, weights

    def forward(self, outputs: Batch) -> Loss:
        terms, found = critic_terms(self.critic, outputs["image"], outputs["fake"])
        terms["critic_action_units"] = losses.action_unit_loss(found.float(), outputs["action_units"])
        total = terms["critic"] + self.weights.gradient_penalty * terms["critic_penalty"]
        total = total + self.weights.ganimation_action_units * terms["critic_action_units"]
        return Loss(total, {name: value.detach() for name, value in terms.items()}, {})


class GANimationStage(BaselineStage):
    """GANimation on faces whose action units are known: generator and critic."""

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
        self.model, critic = GANimation(config), ImageCritic(config, num_labels=len(ACTION_UNITS))
        self.objectives = {
            "generator": GANimationObjective(self.model, critic, weights),
            "critic": GANimationCriticObjective(critic, weights),
        }
        self.wide = (self.model.layers,)

    def inputs(self, batch: Batch) -> Batch:
        return {"image": self.picture(batch), "action_units": batch["action_units"]}  # which have no sides to mirror

    def neutral(self, model: nn.Module, image: Tensor) -> Tensor:
        return model(image, image.new_zeros(len(image), len(ACTION_UNITS)))

    def edit(self, model: nn.Module, image: Tensor, reference: Batch) -> Tensor:
        return model(image, reference["action_units"])

    def row(self, model: nn.Module, image: Tensor, reference: Tensor, units: Tensor) -> list[Tensor]:
        """Its neutral face, the reference, the edit, and how much of the face stays (white: all)."""
        painting = model.paint(image, units)
        stays = (2 * painting.attention - 1).expand_as(image)
        return [self.neutral(model, image), reference, painting.apply(image), stays]
