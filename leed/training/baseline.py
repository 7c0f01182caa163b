"""Base of the baselines' training stages: StarGAN and GANimation, as their papers train them.

Both have a critic that learns at every step, and a generator that learns at every `critic_steps`-th.
"""

from abc import abstractmethod
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from leed.config import PRESETS, STARGAN_SIZES, ModelConfig, NeutralizerSizes
from leed.data.batch import Batch, map_tensors
from leed.images import normalize
from leed.networks.classifier import ExpressionClassifier
from leed.similarity import inner_ssim
from leed.training.augmentation import AUGMENTATIONS, Augmentation, augment, flip
from leed.training.config import PAPER_WEIGHTS, LossWeights, Recipe, Settings, TrainConfig
from leed.training.earlier import load_stage_model
from leed.training.faces import Faces
from leed.training.inputs import batches, channels_last
from leed.training.stage import Model, Stage, Validation, check_exchange

BASELINE_SIZES: dict[str, NeutralizerSizes] = {
    "tiny": {"neutralizer": "stargan"},
    "small": STARGAN_SIZES | {"neutralizer_width": 32, "neutralizer_critic_width": 32, "neutralizer_critic_depth": 5},
    "base": STARGAN_SIZES,
    "paper": STARGAN_SIZES,
}
"""Sizes of the baselines' networks in each preset; "small" halves the published widths with the picture's side."""


def shuffled(rows: Tensor) -> Tensor:
    """The rows of a batch in random order: targets as frequent as they are in the data, as both papers draw them."""
    return rows[torch.randperm(len(rows), device=rows.device)]


class BaselineStage(Stage[Model]):
    """Flipped faces in; figures and sheets of neutral faces and edits out.

    `psi` measures accuracy in validation, if it is given; no training sees it.
    """

    figures: ClassVar[dict[str, str]] = {
        "ssim": "SSIM of the inner face to the true neutral face, of faces made neutral",
        "ssim_unchanged": "the same of the faces themselves",
        "accuracy": "edits on which the given classifier finds the reference's expression",
    }
    ignores = ()
    recipe = Recipe(  # as published
        learning_rate=1e-4,
        augmentation="none",
        adam_beta1=0.5,
        adam_beta2=0.999,
        max_grad_norm=1e6,  # as good as none
    )

    def __init__(
        self,
        config: ModelConfig,
        weights: LossWeights,
        augmentation: Augmentation,
        mirror: bool = True,
        critic_steps: int = 5,
        psi: ExpressionClassifier | None = None,
    ) -> None:
        self.augmentation, self.mirror, self.critic_steps = augmentation, mirror, critic_steps
        self.psi = None if psi is None else psi.requires_grad_(False).eval()
        self.model, self.objectives = self.networks(config, weights)

    @classmethod
    def sizes(cls, preset: str) -> ModelConfig:
        return replace(PRESETS[preset], **BASELINE_SIZES[preset])

    @classmethod
    def loss_weights(cls, preset: str) -> LossWeights:
        """The papers' weights, in every preset."""
        return PAPER_WEIGHTS

    @classmethod
    def settings(cls, preset: str) -> dict[str, object]:
        """None: the baselines are trained as their papers say in every preset."""
        return {}

    @classmethod
    def check(cls, config: TrainConfig) -> None:
        check_exchange(config)

    @classmethod
    def build(cls, settings: Settings, device: torch.device) -> "BaselineStage":
        """The classifier, if one is given or this output folder has one, measures the edits."""
        config, weights, sizes = settings
        psi = None
        if config.classifier is not None or (Path(config.output_dir) / "classifier").exists():
            psi = load_stage_model("classifier", ExpressionClassifier, config.classifier, config.output_dir).to(device)
        augmentation = AUGMENTATIONS[cls.recipe.given(config).augmentation]
        return cls(sizes, weights, augmentation, config.random_flip, config.critic_steps, psi)

    @abstractmethod
    def networks(self, config: ModelConfig, weights: LossWeights) -> tuple[Model, dict[str, nn.Module]]:
        """The generator to publish; the objectives "generator" and "critic"."""

    @abstractmethod
    def neutral(self, model: Model, image: Tensor) -> Tensor:
        """Faces (B, 3, S, S) without their expression."""

    @abstractmethod
    def edit(self, model: Model, image: Tensor, reference: Batch) -> Tensor:
        """Faces (B, 3, S, S) with the expressions of other faces."""

    @abstractmethod
    def row(self, model: Model, image: Tensor, reference: Tensor, units: Tensor) -> list[Tensor]:
        """Further pictures for a row of the sheet: of one face, a reference and its units, each of batch 1."""

    def picture(self, batch: Batch) -> Tensor:
        """The faces of a stored batch, changed and mirrored as the stage's settings say."""
        (image,) = augment([normalize(batch["image"])], self.augmentation)
        return channels_last(flip(image)[0] if self.mirror else image)

    @torch.no_grad()
    def validate(self, model: Model, faces: Faces) -> Validation:
        """`ssim`: inner face of the neutral face to the true one; `ssim_unchanged`: the same of the face itself.

        `accuracy`: Psi's, if there is one, on edits with the next face's expression. All only where true neutral faces
        are known; a Psi that sees none needs none. Rows: face, true neutral face, and what `row` adds.
        """
        values: defaultdict[str, list[Tensor]] = defaultdict(list)
        rows: list[list[Tensor | None]] = []
        for batch, shown in batches(faces, model.device):
            image, neutral, known = normalize(batch["image"]), normalize(batch["neutral"]), batch["has_neutral"]
            if bool(known.any()):
                guess = self.neutral(model, image[known]).clamp(-1, 1)
                values["ssim"].append(inner_ssim(guess, neutral[known]))
                values["ssim_unchanged"].append(inner_ssim(image[known], neutral[known]))
            if (right := self.recognised(model, batch)) is not None:
                values["accuracy"].append(right)
            for i in shown:
                one, reference = image[i : i + 1], image.roll(1, 0)[i : i + 1]
                added = self.row(model, one, reference, batch["action_units"][i : i + 1])
                rows.append([image[i], neutral[i] if known[i] else None, *(picture[0] for picture in added)])
        return Validation({name: float(torch.cat(parts).mean()) for name, parts in values.items()}, rows)

    def recognised(self, model: Model, batch: Batch) -> Tensor | None:
        """1 where Psi finds the next face's label on an edit, else 0, for the faces where it can be asked; or None."""
        reference = map_tensors(batch, lambda values: values.roll(1, 0))
        asked = reference["expression"] >= 0
        if self.psi is not None and self.psi.config.classifier_sees_neutral:
            asked = asked & batch["has_neutral"]
        if self.psi is None or not bool(asked.any()):
            return None
        edit = self.edit(model, normalize(batch["image"]), reference).clamp(-1, 1)
        found = self.psi(edit[asked], normalize(batch["neutral"])[asked]).argmax(dim=1)
        return (found == reference["expression"][asked]).float()
