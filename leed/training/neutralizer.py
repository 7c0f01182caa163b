"""The stage of the neutraliser."""

from typing import NamedTuple, TypedDict

import torch
from torch import Tensor, nn

from leed.config import NEUTRAL, ModelConfig
from leed.data.batch import Batch
from leed.data.faces import FaceDataset
from leed.images import EYES, INNER_FACE, MOUTH, normalize, part
from leed.networks.classifier import ExpressionClassifier
from leed.networks.critics import ImageCritic
from leed.networks.neutralizer import Neutralizer
from leed.networks.perceptual import PerceptualFeatures
from leed.similarity import inner_ssim
from leed.training.adversary import CriticInputs, ImageCriticObjective, stargan_terms
from leed.training.augmentation import AUGMENTATIONS, Augmentation
from leed.training.config import LossWeights, Recipe, Settings, TrainConfig
from leed.training.earlier import load_stage_model
from leed.training.faces import Faces, balanced, subset_or_raise
from leed.training.inputs import batches, join_views, paired_inputs, show_neutral
from leed.training.stage import Loss, Stage, Validation
from leed.training.terms import picture_losses, weighted_loss

PAIRED = {
    "image": "paired",
    "perceptual": "paired_perceptual",
    "structure": "paired_structure",
    "eyes": "paired_eyes",
}

PARTS = {"left": INNER_FACE, "left_eyes": EYES, "left_mouth": MOUTH}
"""The part of a face in which each figure measures the difference left."""


class NeutralizerInputs(TypedDict):
    """Faces and neutral faces (B, 3, S, S) in [-1, 1]; which are true, bool (B,); labels (B,), -1 where unknown."""

    image: Tensor
    neutral: Tensor
    has_neutral: Tensor
    expression: Tensor


class NeutralizerBorrowed(NamedTuple):
    """Networks that the neutraliser's objective uses and does not train."""

    critic: ImageCritic
    phi: PerceptualFeatures


class NeutralizerObjective(nn.Module):
    """The generator's loss: true neutral faces where there are any, and StarGAN's own terms if they have a weight."""

    def __init__(
        self, neutralizer: Neutralizer, critic: ImageCritic, phi: PerceptualFeatures, weights: LossWeights
    ) -> None:
        super().__init__()
        self.neutralizer, self.weights = neutralizer, weights
        self.borrowed = NeutralizerBorrowed(critic, phi)

    def forward(self, inputs: NeutralizerInputs) -> Loss:
        """The loss; for the critic, where StarGAN's terms have a weight, faces and edits."""
        terms: dict[str, Tensor] = {}
        image, known = inputs["image"], inputs["has_neutral"]
        if any(getattr(self.weights, name) for name in PAIRED.values()) and bool(known.any()):
            prediction = self.neutralizer(image[known]).float()
            terms |= picture_losses(
                PAIRED, self.weights, self.borrowed.phi, prediction, inputs["neutral"][known], image[known]
            )
        if not self.weights.stargan_adversarial:
            return weighted_loss(self.weights, terms)
        expression = inputs["expression"]
        target = random_targets(expression)
        found, fake = stargan_terms(self.neutralizer, self.borrowed.critic, self.weights, image, expression, target)
        outputs: CriticInputs = {"image": image, "fake": fake.detach(), "expression": expression}
        return weighted_loss(self.weights, terms | found, outputs)


def random_targets(expression: Tensor) -> Tensor:
    """Target expressions: for half of the rows neutral, for the others a random row's."""
    shuffled = expression[torch.randperm(len(expression), device=expression.device)].clamp(min=NEUTRAL)
    return torch.where(torch.rand(len(expression), device=expression.device) < 0.5, NEUTRAL, shuffled)


class NeutralizerStage(Stage[Neutralizer]):
    """The neutraliser and, where StarGAN's terms have a weight, its critic. Raises `ValueError` if no term has one."""

    name = "neutralizer"
    title = "the neutraliser, which renders a face without its expression"
    model_class = Neutralizer
    figures = {
        "ssim": "SSIM of the inner face to the true neutral face",
        "left": "difference to the true neutral face that is left, in the 30 % most changed faces; 1: the input's own",
        "left_eyes": "the same of the eyes alone, in the faces whose eyes change most",
        "left_mouth": "the same of the mouth alone, in the faces whose mouths change most",
    }
    weights = ("paired", "stargan_", "gradient_penalty")
    recipe = Recipe(learning_rate=1e-3, optimizer="muon", adam_rate=5e-4, augmentation="strong")

    def __init__(
        self,
        config: ModelConfig,
        weights: LossWeights,
        phi: PerceptualFeatures,
        augmentation: Augmentation,
        mirror: bool = True,
        neutral_share: float = 0.0,
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
        self.neutral_share = neutral_share
        self.learns_unpaired = bool(weights.stargan_adversarial)
        self.checkpointed = (self.model.generator, phi)

    @classmethod
    def earlier(cls, config: TrainConfig) -> tuple[str, ...]:
        return ("classifier",) if config.phi == "psi" else ()

    @classmethod
    def build(cls, settings: Settings, device: torch.device) -> "NeutralizerStage":
        """The neutraliser; with `phi` psi, the classifier of the earlier stage compares its pictures."""
        config, weights, sizes = settings
        psi = None
        if config.phi == "psi":
            psi = load_stage_model("classifier", ExpressionClassifier, config.classifier, config.output_dir)
        phi = PerceptualFeatures(config.phi, psi).to(device)
        augmentation = AUGMENTATIONS[cls.recipe.given(config).augmentation]
        return cls(sizes, weights, phi, augmentation, config.random_flip, config.neutral_share)

    def select(self, faces: FaceDataset, config: TrainConfig, held_out: bool = False) -> Faces:
        """Faces with true neutral faces; with StarGAN's terms all, those with and those without equally often.

        Where the sets have shares, these decide, and all faces come once.
        """
        if self.learns_unpaired:
            return faces if config.dataset_shares else balanced(faces, faces.has_neutral)
        cure = ": train it with StarGAN's terms (--weight_stargan_adversarial 1 --weight_stargan_classification 1 "
        cure += "--weight_stargan_cycle 10)"
        return subset_or_raise(faces, faces.has_neutral, "the neutraliser needs true neutral faces", cure, held_out)

    def inputs(self, batch: Batch) -> NeutralizerInputs:
        """Faces, neutral faces and labels; for half of those that have one, of the second camera's picture.

        `neutral_share` of the faces that have a true neutral face are shown as that face.
        """
        batch = show_neutral(join_views(batch), self.neutral_share)
        image, neutral = paired_inputs(batch, self.augmentation, self.mirror)
        known, expression = batch["has_neutral"], batch["expression"]
        return {"image": image, "neutral": neutral, "has_neutral": known, "expression": expression}

    @torch.no_grad()
    def validate(self, model: Neutralizer, faces: Faces) -> Validation:
        """`ssim`: inner face to the true neutral; `left`: difference left in the 30 % most changed faces.

        `left_eyes`, `left_mouth`: the same of these parts alone, in the faces in which they change most. All only
        where true neutral faces are known. Rows: face, neutralised face, true neutral face.
        """
        similarity: list[Tensor] = []
        gaps: dict[str, list[Tensor]] = {name: [] for name in PARTS}
        rows: list[list[Tensor | None]] = []
        for batch, shown in batches(faces, model.device):
            image, neutral = normalize(batch["image"]), normalize(batch["neutral"])
            guess = model(image).clamp(-1, 1)
            known = batch["has_neutral"]
            if bool(known.any()):
                similarity.append(inner_ssim(guess[known], neutral[known]))
                for name, box in PARTS.items():
                    gap = [part(face - neutral, box)[known].abs().mean((1, 2, 3)) for face in (image, guess)]
                    gaps[name].append(torch.stack(gap))
            rows += [[image[i], guess[i], neutral[i] if known[i] else None] for i in shown]
        if not similarity:
            return Validation({}, rows)
        left = {name: difference_left(torch.cat(gap, dim=1)) for name, gap in gaps.items()}
        return Validation({"ssim": float(torch.cat(similarity).mean())} | left, rows)


def difference_left(gaps: Tensor) -> float:
    """The quotient of the differences (2, N) after and before: mean over the 30 % of faces with the largest before."""
    before, after = gaps
    most = before.topk(max(len(before) * 3 // 10, 1)).indices
    return float((after[most] / before[most].clamp(min=1e-3)).mean())
