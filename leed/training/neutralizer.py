"""The stage of the neutraliser."""

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from leed.config import NEUTRAL, ModelConfig
from leed.images import inner_face, normalize
from leed.networks.critics import ImageCritic
from leed.networks.neutralizer import Neutralizer
from leed.networks.perceptual import PerceptualFeatures
from leed.similarity import inner_ssim
from leed.training.adversary import ImageCriticObjective, stargan_terms
from leed.training.augmentation import Augmentation
from leed.training.config import LossWeights
from leed.training.inputs import batches, join_views, paired_inputs
from leed.training.stage import Batch, Borrowed, Loss, Stage, device_of
from leed.training.terms import picture_losses, weigh

PAIRED = {"image": "paired", "perceptual": "paired_perceptual", "structure": "paired_structure"}


class NeutralizerObjective(nn.Module):
    """The generator's loss: true neutral faces where there are any, and StarGAN's own terms if they have a weight."""

    def __init__(
        self, neutralizer: Neutralizer, critic: ImageCritic, phi: PerceptualFeatures, weights: LossWeights
    ) -> None:
        super().__init__()
        self.neutralizer, self.weights = neutralizer, weights
        self.borrowed = Borrowed(critic=critic, phi=phi)

    def forward(self, inputs: Batch) -> Loss:
        terms: dict[str, Tensor] = {}
        outputs: Batch = {}
        image, known = inputs["image"], inputs["has_neutral"]
        if any(getattr(self.weights, name) for name in PAIRED.values()) and bool(known.any()):
            prediction = self.neutralizer(image[known]).float()
            terms |= picture_losses(
                PAIRED, self.weights, self.borrowed.phi, prediction, inputs["neutral"][known], image[known]
            )
        if self.weights.stargan_adversarial:
            expression = inputs["expression"]
            target = random_targets(expression)
            found, fake = stargan_terms(
                self.neutralizer, self.borrowed.critic, self.weights, image, expression, target
            )
            terms |= found
            outputs = {"image": image, "fake": fake.detach(), "expression": expression}
        return weigh(self.weights, terms, outputs)


def random_targets(expression: Tensor) -> Tensor:
    """Target expressions: for half of the rows neutral, for the others a random row's."""
    shuffled = expression[torch.randperm(len(expression), device=expression.device)].clamp(min=NEUTRAL)
    return torch.where(torch.rand(len(expression), device=expression.device) < 0.5, NEUTRAL, shuffled)


class NeutralizerStage(Stage):
    """The neutraliser and, where StarGAN's terms have a weight, its critic. Raises `ValueError` if no term has one."""

    def __init__(
        self,
        config: ModelConfig,
        weights: LossWeights,
        phi: PerceptualFeatures,
        augmentation: Augmentation,
        mirror: bool = True,
    ) -> None:
        if not weights.stargan_adversarial and not any(getattr(weights, name) for name in PAIRED.values()):
            raise ValueError(
                f"the neutraliser has no loss: give one of {list(PAIRED.values())} or stargan_adversarial a weight"
            )
        self.model, critic = Neutralizer(config), ImageCritic(config)
        self.objectives = {"neutralizer": NeutralizerObjective(self.model, critic, phi, weights)}
        if weights.stargan_adversarial:
            self.objectives["critic"] = ImageCriticObjective(critic, weights)
        self.augmentation, self.mirror = augmentation, mirror
        self.wide = (self.model.generator, phi)

    def inputs(self, batch: Batch) -> Batch:
        batch = join_views(batch)
        image, neutral = paired_inputs(batch, self.augmentation, self.mirror)
        kept = {name: batch[name] for name in ("expression", "has_neutral")}
        return {"image": image, "neutral": neutral} | kept

    @torch.no_grad()
    def validate(self, model: nn.Module, faces: Dataset) -> tuple[dict[str, float], list[list[Tensor | None]]]:
        """`ssim`: inner face to the true neutral; `left`: difference left in the 30 % most changed faces.

        Both only where true neutral faces are known. Rows: face, neutralised face, true neutral face.
        """
        similarity, before, after, rows = [], [], [], []
        for batch, shown in batches(faces, device_of(model)):
            image, neutral = normalize(batch["image"]), normalize(batch["neutral"])
            guess = model(image).clamp(-1, 1)
            known = batch["has_neutral"]
            if bool(known.any()):
                similarity.append(inner_ssim(guess[known], neutral[known]))
                before.append((inner_face(image - neutral)[known]).abs().mean((1, 2, 3)))
                after.append((inner_face(guess - neutral)[known]).abs().mean((1, 2, 3)))
            rows += [[image[i], guess[i], neutral[i] if known[i] else None] for i in shown]
        if not similarity:
            return {}, rows
        before, after = torch.cat(before), torch.cat(after)
        most = before.topk(max(len(before) * 3 // 10, 1)).indices
        left = (after[most] / before[most].clamp(min=1e-3)).mean()
        return {"ssim": float(torch.cat(similarity).mean()), "left": float(left)}, rows
