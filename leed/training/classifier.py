"""The stage of Psi, the expression classifier."""

from typing import TypedDict

import torch
from torch import Tensor, nn

from leed.config import ModelConfig
from leed.data.batch import Batch
from leed.data.faces import FaceDataset
from leed.images import normalize
from leed.networks.classifier import ExpressionClassifier
from leed.training.augmentation import AUGMENTATIONS, Augmentation
from leed.training.config import Recipe, Settings, TrainConfig
from leed.training.faces import Faces, FaceSubset, subset_or_raise
from leed.training.inputs import batches, join_views, paired_inputs
from leed.training.losses import label_loss
from leed.training.stage import Loss, Stage, Validation


class ClassifierInputs(TypedDict):
    """Faces and their neutral faces (B, 3, S, S) in [-1, 1], and int64 indices of EXPRESSIONS (B,)."""

    image: Tensor
    neutral: Tensor
    expression: Tensor


class ClassifierObjective(nn.Module):
    """Cross-entropy of Psi."""

    def __init__(self, classifier: ExpressionClassifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, inputs: ClassifierInputs) -> Loss:
        """The loss; nothing for others."""
        logits = self.classifier(inputs["image"], inputs["neutral"]).float()
        loss = label_loss(logits, inputs["expression"])
        return Loss(loss, {"cross_entropy": loss.detach()}, {})


class ClassifierStage(Stage[ExpressionClassifier]):
    """Psi, on labelled faces and, where it sees them, their true neutral faces."""

    name = "classifier"
    title = "the expression classifier (Psi)"
    task = "image-classification"
    model_class = ExpressionClassifier
    figures = {"accuracy": "expressions recognised"}
    weights = ()
    recipe = Recipe(learning_rate=1e-3)

    def __init__(self, config: ModelConfig, augmentation: Augmentation, mirror: bool = True) -> None:
        self.model = ExpressionClassifier(config)
        self.objectives = {"classifier": ClassifierObjective(self.model)}
        self.augmentation, self.mirror = augmentation, mirror

    @classmethod
    def check(cls, config: TrainConfig) -> None:
        """Raises `ValueError` for gradient checkpointing of this stage alone."""
        if config.gradient_checkpointing and config.stage == cls.name:  # with all, it is for the other stages
            raise ValueError(
                "gradient_checkpointing is not for the classifier, whose batch normalisation would count a batch twice"
            )

    @classmethod
    def build(cls, settings: Settings, device: torch.device) -> "ClassifierStage":
        """The classifier, which needs no earlier stage."""
        augmentation = AUGMENTATIONS[cls.recipe.given(settings.train).augmentation]
        return cls(settings.model, augmentation, settings.train.random_flip)

    def select(self, faces: FaceDataset, config: TrainConfig, held_out: bool = False) -> FaceSubset:
        """Labelled faces and, where Psi sees them, with a true neutral face."""
        rows, need, cure = faces.expressions >= 0, "the classifier needs labelled faces", ""
        if self.model.config.classifier_sees_neutral:
            rows = rows & faces.has_neutral
            need = "the classifier needs faces with both a label and a true neutral face"
            cure = "; one that sees no neutral face (--no-model_classifier_sees_neutral) needs labels only"
        return subset_or_raise(faces, rows, need, cure, held_out)

    def inputs(self, batch: Batch) -> ClassifierInputs:
        """Faces, neutral faces and labels; for half of those that have one, of the second camera's picture."""
        batch = join_views(batch)
        image, neutral = paired_inputs(batch, self.augmentation, self.mirror)
        return {"image": image, "neutral": neutral, "expression": batch["expression"]}

    @torch.no_grad()
    def validate(self, model: ExpressionClassifier, faces: Faces) -> Validation:
        """`accuracy` in [0, 1]; no rows."""
        correct = 0
        for batch, _ in batches(faces, model.device):
            guess = model(normalize(batch["image"]), normalize(batch["neutral"])).argmax(dim=1)
            correct += int((guess == batch["expression"]).sum())
        return Validation({"accuracy": correct / len(faces)}, [])
