"""The stage of Psi, the expression classifier."""

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from leed.config import ModelConfig
from leed.images import normalize
from leed.networks.classifier import ExpressionClassifier
from leed.training.augmentation import Augmentation
from leed.training.inputs import batches, join_views, paired_inputs
from leed.training.stage import Batch, Loss, Stage, device_of


class ClassifierObjective(nn.Module):
    """Cross-entropy of Psi."""

    def __init__(self, classifier: ExpressionClassifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, inputs: Batch) -> Loss:
        logits = self.classifier(inputs["image"], inputs["neutral"]).float()
        loss = nn.functional.cross_entropy(logits, inputs["expression"], label_smoothing=0.05)
        return Loss(loss, {"cross_entropy": loss.detach()}, {})


class ClassifierStage(Stage):
    """Psi, on labelled faces and, where it sees them, their true neutral faces."""

    def __init__(self, config: ModelConfig, augmentation: Augmentation, mirror: bool = True) -> None:
        self.model = ExpressionClassifier(config)
        self.objectives = {"classifier": ClassifierObjective(self.model)}
        self.augmentation, self.mirror = augmentation, mirror

    def inputs(self, batch: Batch) -> Batch:
        batch = join_views(batch)
        image, neutral = paired_inputs(batch, self.augmentation, self.mirror)
        return {"image": image, "neutral": neutral, "expression": batch["expression"]}

    @torch.no_grad()
    def validate(self, model: nn.Module, faces: Dataset) -> tuple[dict[str, float], list[list[Tensor | None]]]:
        """`accuracy` in [0, 1]."""
        correct = 0
        for batch, _ in batches(faces, device_of(model)):
            guess = model(normalize(batch["image"]), normalize(batch["neutral"])).argmax(dim=1)
            correct += int((guess == batch["expression"]).sum())
        return {"accuracy": correct / len(faces)}, []
