"""StarGAN's terms and the step of its critic, for the neutraliser and the baselines."""

from typing import NamedTuple, TypedDict

from torch import Tensor, nn

from leed.networks.critics import ImageCritic
from leed.networks.neutralizer import Neutralizer
from leed.training import losses
from leed.training.config import LossWeights
from leed.training.stage import Loss, frozen
from leed.training.terms import gradient_penalty


def stargan_terms(
    generator: Neutralizer,
    critic: ImageCritic,
    weights: LossWeights,
    image: Tensor,
    expression: Tensor,
    target: Tensor,
) -> tuple[dict[str, Tensor], Tensor]:
    """StarGAN's terms for faces (B, 3, H, W) that get the expressions `target` (B,), and these edits.

    `expression` (B,) is the faces' own, -1 where unknown: such a face is not changed back.
    """
    terms: dict[str, Tensor] = {}
    fake = generator(image, target).float()
    with frozen(critic):
        score, logits = critic(fake)
    terms["stargan_adversarial"] = losses.adversarial_loss(score.float())
    if weights.stargan_classification:
        terms["stargan_classification"] = losses.domain_classification_loss(logits.float(), target)
    labelled = expression >= 0
    if weights.stargan_cycle and bool(labelled.any()):
        back = generator(fake[labelled], expression[labelled]).float()
        terms["stargan_cycle"] = losses.cycle_loss(back, image[labelled])
    return terms, fake


class CriticBorrowed(NamedTuple):
    """The critic that a baseline's generator is scored by and does not train."""

    critic: ImageCritic


class CriticInputs(TypedDict):
    """Faces and edits (B, 3, S, S), detached, and the labels of the faces (B,), -1 where unknown."""

    image: Tensor
    fake: Tensor
    expression: Tensor


class ImageCriticObjective(nn.Module):
    """StarGAN's critic: WGAN-GP, and the expression of real faces."""

    def __init__(self, critic: ImageCritic, weights: LossWeights) -> None:
        super().__init__()
        self.critic, self.weights = critic, weights

    def forward(self, outputs: CriticInputs) -> Loss:
        """The loss; nothing for others."""
        real, fake, expression = outputs["image"], outputs["fake"], outputs["expression"]
        terms, logits = critic_terms(self.critic, real, fake)
        labelled = expression >= 0
        classification = logits.sum() * 0  # keeps the second head in the graph: every process must have its gradient
        if bool(labelled.any()):
            classification = losses.domain_classification_loss(logits[labelled].float(), expression[labelled])
        total = terms["critic"] + self.weights.gradient_penalty * terms["critic_penalty"]
        total = total + self.weights.stargan_classification * classification
        terms["critic_classification"] = classification
        return Loss(total, {name: value.detach() for name, value in terms.items()}, {})


def critic_terms(critic: ImageCritic, real: Tensor, fake: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    """The two terms of WGAN-GP, "critic" and "critic_penalty", and the labels that the critic reads off real faces."""
    score_real, labels = critic(real)
    score_fake, _ = critic(fake)
    wasserstein = losses.critic_loss(score_real.float(), score_fake.float())
    penalty = gradient_penalty(lambda image: critic(image)[0], real, fake)
    return {"critic": wasserstein, "critic_penalty": penalty}, labels
