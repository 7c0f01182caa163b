"""Psi, the classifier of expressions, whose features stand for an expression."""

import torch
from torch import Tensor, nn

from leed.config import EXPRESSIONS, NEUTRAL, ModelConfig
from leed.images import inner_face, resize
from leed.pretrained import HubModel


class ExpressionClassifier(HubModel):
    """Psi, the expression classifier: torchvision's ResNet on the inner face.

    Its penultimate features stand for the expression. With `classifier_sees_neutral` the network sees the face and its
    difference to the neutral face, which reaches 99 % on unseen people of the open set within minutes; without it, the
    face alone.
    """

    def __init__(self, config: ModelConfig = ModelConfig()) -> None:  # noqa: B008 (frozen)
        super().__init__()
        from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet  # slow import; not needed for inference

        self.config = config
        block = {"basic": BasicBlock, "bottleneck": Bottleneck}[config.classifier_block]
        self.resnet = ResNet(block, list(config.classifier_layers), num_classes=len(EXPRESSIONS))
        self.num_features = self.resnet.fc.in_features
        if config.classifier_sees_neutral:
            self.resnet.conv1 = nn.Conv2d(6, 64, 7, stride=2, padding=3, bias=False)
            nn.init.kaiming_normal_(self.resnet.conv1.weight, mode="fan_out", nonlinearity="relu")

    def maps(self, image: Tensor, image_neutral: Tensor | None = None) -> list[Tensor]:
        """Feature maps after the stem and each of the four stages; the last is (B, num_features, h, w)."""
        if self.config.classifier_sees_neutral:
            if image_neutral is None:
                raise ValueError("this classifier compares a face with its neutral face: pass image_neutral")
            image = torch.cat([image, image - image_neutral], dim=1)
        x = resize(inner_face(image), self.config.classifier_size)
        net = self.resnet
        maps = [net.maxpool(net.relu(net.bn1(net.conv1(x))))]
        for stage in (net.layer1, net.layer2, net.layer3, net.layer4):
            maps.append(stage(maps[-1]))
        return maps

    def features(self, image: Tensor, image_neutral: Tensor | None = None) -> Tensor:
        """Penultimate features (B, num_features): F = Psi(image)."""
        return self.maps(image, image_neutral)[-1].mean(dim=(2, 3))

    def forward(self, image: Tensor, image_neutral: Tensor | None = None) -> Tensor:
        """Faces (B, 3, H, W) in [-1, 1] to logits (B, 8) of EXPRESSIONS."""
        return self.resnet.fc(self.features(image, image_neutral))

    @torch.no_grad()
    def neutrality(self, image: Tensor, image_neutral: Tensor | None = None) -> Tensor:
        """Probability (B,) that a face shows no expression."""
        return self(image, image_neutral).softmax(dim=1)[:, NEUTRAL]


def load_evaluator(path: str) -> ExpressionClassifier:
    """A classifier that sees the face alone and so can evaluate edits, from a folder or the Hub.

    Raises `ValueError` for one that compares the face with its neutral face.
    """
    evaluator = ExpressionClassifier.from_pretrained(path).eval()
    if evaluator.config.classifier_sees_neutral:
        raise ValueError(
            f"{path} compares a face with its neutral face and cannot classify one by itself: give a classifier that "
            "sees the face alone (trained by --stage classifier --no-model_classifier_sees_neutral)"
        )
    return evaluator
