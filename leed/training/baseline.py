"""What the baselines' training stages compute: StarGAN and GANimation, as their papers train them.

Both have a critic that learns at every step, and a generator that learns at every `critic_steps`-th.
"""

from abc import abstractmethod

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from leed.config import EXPRESSIONS, LossWeights, ModelConfig
from leed.data.action_units import ACTION_UNITS
from leed.images import normalize
from leed.networks.classifier import ExpressionClassifier
from leed.networks.ganimation import GANimation
from leed.networks.neutralizer import ImageCritic, Neutralizer
from leed.similarity import inner_ssim
from leed.training import losses
from leed.training.augmentation import Augmentation, augment, flip
from leed.training.stage import (
    Batch,
    Borrowed,
    ImageCriticObjective,
    Loss,
    Stage,
    batches,
    channels_last,
    critic_terms,
    device_of,
    frozen,
    join_views,
    stargan_terms,
    weigh,
)


def shuffled(rows: Tensor) -> Tensor:
    """The rows of a batch in random order: targets as frequent as they are in the data, as both papers draw them."""
    return rows[torch.randperm(len(rows), device=rows.device)]


class GeneratorObjective(nn.Module):
    """A generator, which it trains, and the critic that it borrows."""

    def __init__(self, generator: nn.Module, critic: ImageCritic, weights: LossWeights) -> None:
        super().__init__()
        self.generator, self.weights = generator, weights
        self.borrowed = Borrowed(critic=critic)


def edits_alone(outputs: Batch) -> Loss:
    """What a generator returns at steps at which it does not learn."""
    return Loss(outputs["fake"].new_zeros(()), {}, outputs)


# ------------------------------------------------------------------------------------------------------------- StarGAN


class StarGANObjective(GeneratorObjective):
    """The loss of StarGAN's generator: every face gets a random expression."""

    def forward(self, inputs: Batch) -> Loss:
        image, expression = inputs["image"], inputs["expression"]
        target = shuffled(expression)
        if not torch.is_grad_enabled():
            return edits_alone(inputs | {"fake": self.generator(image, target).float()})
        terms, fake = stargan_terms(self.generator, self.borrowed.critic, self.weights, image, expression, target)
        return weigh(self.weights, terms, inputs | {"fake": fake.detach()})


# ---------------------------------------------------------------------------------------------------------- GANimation


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


# -------------------------------------------------------------------------------------------------------------- stages


class BaselineStage(Stage):
    """What both baselines share: flipped faces in; figures and sheets of neutral faces and edits out.

    `psi` measures accuracy in validation, if it is given; no training sees it.
    """

    def __init__(
        self,
        augmentation: Augmentation,
        mirror: bool = True,
        critic_steps: int = 5,
        psi: ExpressionClassifier | None = None,
    ) -> None:
        self.augmentation, self.mirror, self.critic_steps = augmentation, mirror, critic_steps
        self.psi = None if psi is None else psi.requires_grad_(False).eval()

    def picture(self, batch: Batch) -> Tensor:
        """The faces of a stored batch, changed and mirrored as the stage's settings say."""
        (image,) = augment([normalize(batch["image"])], self.augmentation)
        return channels_last(flip(image)[0] if self.mirror else image)

    @abstractmethod
    def neutral(self, model: nn.Module, image: Tensor) -> Tensor:
        """Faces without their expression."""

    @abstractmethod
    def edit(self, model: nn.Module, image: Tensor, reference: Batch) -> Tensor:
        """Faces with the expressions of other faces."""

    @abstractmethod
    def row(self, model: nn.Module, image: Tensor, reference: Tensor, units: Tensor) -> list[Tensor]:
        """Further pictures for a row of the sheet: of one face, a reference and its units, each of batch 1."""

    @torch.no_grad()
    def validate(self, model: nn.Module, faces: Dataset) -> tuple[dict[str, float], list[list[Tensor | None]]]:
        """`ssim`: inner face of the neutral face to the true one; `ssim_unchanged`: the same of the face itself.

        `accuracy`: Psi's, if there is one, on edits with the next face's expression. All only where true neutral faces
        are known; a Psi that sees none needs none. Rows: face, true neutral face, and what `row` adds.
        """
        sums: dict[str, list[Tensor]] = {}
        rows: list[list[Tensor | None]] = []
        for batch, shown in batches(faces, device_of(model)):
            image, neutral, known = normalize(batch["image"]), normalize(batch["neutral"]), batch["has_neutral"]
            reference = {name: value.roll(1, 0) for name, value in batch.items()}
            if bool(known.any()):
                guess = self.neutral(model, image[known]).clamp(-1, 1)
                sums.setdefault("ssim", []).append(inner_ssim(guess, neutral[known]))
                sums.setdefault("ssim_unchanged", []).append(inner_ssim(image[known], neutral[known]))
            asked = reference["expression"] >= 0
            if self.psi is not None and self.psi.config.classifier_sees_neutral:
                asked &= known
            if self.psi is not None and bool(asked.any()):
                edit = self.edit(model, image, reference).clamp(-1, 1)
                found = self.psi(edit[asked], neutral[asked]).argmax(dim=1)
                sums.setdefault("accuracy", []).append((found == reference["expression"][asked]).float())
            for i in shown:
                added = self.row(
                    model, image[i : i + 1], image.roll(1, 0)[i : i + 1], reference["action_units"][i : i + 1]
                )
                rows.append([image[i], neutral[i] if known[i] else None, *(picture[0] for picture in added)])
        return {name: float(torch.cat(values).mean()) for name, values in sums.items()}, rows


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
