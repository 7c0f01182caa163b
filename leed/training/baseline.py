"""What the baselines' training stages compute: StarGAN and GANimation, as their papers train them.

Both have a critic that learns at every step, and a generator that learns at every `critic_steps`-th.
"""

from abc import abstractmethod

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from leed.images import normalize
from leed.networks.classifier import ExpressionClassifier
from leed.networks.critics import ImageCritic
from leed.similarity import inner_ssim
from leed.training.augmentation import Augmentation, augment, flip
from leed.training.config import LossWeights
from leed.training.inputs import batches, channels_last
from leed.training.stage import Batch, Borrowed, Loss, Stage, device_of


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
