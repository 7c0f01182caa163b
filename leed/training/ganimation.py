"""The stage of the baseline GANimation."""

from typing import TypedDict

import torch
from torch import Tensor, nn

from leed.config import ACTION_UNITS, ModelConfig
from leed.data.action_units import within_openface_range
from leed.data.batch import Batch
from leed.data.faces import FaceDataset
from leed.networks.critics import ImageCritic
from leed.networks.ganimation import GANimation
from leed.training import losses
from leed.training.adversary import CriticBorrowed, critic_terms
from leed.training.baseline import BaselineStage, shuffled
from leed.training.config import LossWeights, TrainConfig
from leed.training.faces import FaceSubset, subset_or_raise
from leed.training.stage import Loss, frozen
from leed.training.terms import weighted_loss


class GANimationInputs(TypedDict):
    """Faces (B, 3, S, S) in [-1, 1] and their action units (B, 17) in [0, 1]."""

    image: Tensor
    action_units: Tensor


class GANimationCriticInputs(GANimationInputs):
    """Faces, their action units and the edits (B, 3, S, S), detached."""

    fake: Tensor


class GANimationObjective(nn.Module):
    """The loss of GANimation's generator: every face gets another face's action units, and then its own back."""

    def __init__(self, generator: GANimation, critic: ImageCritic, weights: LossWeights) -> None:
        super().__init__()
        self.generator, self.weights = generator, weights
        self.borrowed = CriticBorrowed(critic)

    def forward(self, inputs: GANimationInputs) -> Loss:
        """The loss, 0 without gradients; faces, edits and action units for the critic."""
        image, units = inputs["image"], inputs["action_units"]
        target = shuffled(units)
        painting = self.generator.paint(image, target)
        fake = painting.apply(image)
        outputs: GANimationCriticInputs = {"image": image, "action_units": units, "fake": fake.detach()}
        if not torch.is_grad_enabled():
            return Loss(fake.new_zeros(()), {}, outputs)
        with frozen(self.borrowed.critic):
            score, found = self.borrowed.critic(fake)
        way_back = self.generator.paint(fake, units)
        there, back = painting.attention, way_back.attention
        terms = {
            "ganimation_adversarial": losses.adversarial_loss(score.float()),
            "ganimation_action_units": losses.action_unit_loss(found.float(), target),
            "ganimation_attention": losses.attention_loss(there) + losses.attention_loss(back),
            "ganimation_smoothness": losses.smoothness_loss(there) + losses.smoothness_loss(back),
            "ganimation_cycle": losses.cycle_loss(way_back.apply(fake), image),
        }
        return weighted_loss(self.weights, terms, outputs)


class GANimationCriticObjective(nn.Module):
    """GANimation's critic: WGAN-GP, and the action units of real faces."""

    def __init__(self, critic: ImageCritic, weights: LossWeights) -> None:
        super().__init__()
        self.critic, self.weights = critic, weights

    def forward(self, outputs: GANimationCriticInputs) -> Loss:
        """The loss; nothing for others."""
        terms, found = critic_terms(self.critic, outputs["image"], outputs["fake"])
        terms["critic_action_units"] = losses.action_unit_loss(found.float(), outputs["action_units"])
        total = terms["critic"] + self.weights.gradient_penalty * terms["critic_penalty"]
        total = total + self.weights.ganimation_action_units * terms["critic_action_units"]
        return Loss(total, {name: value.detach() for name, value in terms.items()}, {})


class GANimationStage(BaselineStage[GANimation]):
    """GANimation on faces whose action units are known: generator and critic."""

    name = "ganimation"
    title = "the baseline GANimation, which edits by action units"
    model_class = GANimation
    weights = ("ganimation_", "gradient_penalty")

    def networks(self, config: ModelConfig, weights: LossWeights) -> tuple[GANimation, dict[str, nn.Module]]:
        model, critic = GANimation(config), ImageCritic(config, num_labels=len(ACTION_UNITS))
        self.checkpointed = (model.layers,)
        return model, {
            "generator": GANimationObjective(model, critic, weights),
            "critic": GANimationCriticObjective(critic, weights),
        }

    def select(self, faces: FaceDataset, config: TrainConfig, held_out: bool = False) -> FaceSubset:
        """Faces with action units that are turned little enough for them to be trusted."""
        limit = config.max_action_unit_yaw
        rows = faces.has_action_units & within_openface_range(faces.yaws, limit)
        need = f"GANimation needs faces with action units that are turned by at most {limit:g} degrees"
        cure = ": docs/action-units.md says where they come from, --max_action_unit_yaw sets the limit"
        return subset_or_raise(faces, rows, need, cure, held_out)

    def inputs(self, batch: Batch) -> GANimationInputs:
        """Faces and action units."""
        return {"image": self.picture(batch), "action_units": batch["action_units"]}  # which have no sides to mirror

    def neutral(self, model: GANimation, image: Tensor) -> Tensor:
        return model(image, image.new_zeros(len(image), len(ACTION_UNITS)))

    def edit(self, model: GANimation, image: Tensor, reference: Batch) -> Tensor:
        return model(image, reference["action_units"])

    def row(self, model: GANimation, image: Tensor, reference: Tensor, units: Tensor) -> list[Tensor]:
        """Its neutral face, the reference, the edit, and how much of the face stays (white: all)."""
        painting = model.paint(image, units)
        stays = (2 * painting.attention - 1).expand_as(image)
        return [self.neutral(model, image), reference, painting.apply(image), stays]
