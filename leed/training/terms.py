"""Loss terms that several objectives share."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from leed.images import EYES, inner_face, part
from leed.networks.perceptual import PerceptualFeatures
from leed.training import losses
from leed.training.config import LossWeights
from leed.training.stage import Loss


def weighted_loss(weights: LossWeights, terms: dict[str, Tensor], outputs: Mapping[str, object] | None = None) -> Loss:
    """The sum of the terms, of which there must be one, each times the weight of its name."""
    first, *others = [getattr(weights, name) * value for name, value in terms.items()]
    return Loss(sum(others, first), {name: value.detach() for name, value in terms.items()}, outputs or {})


def perceptual_maps(phi: PerceptualFeatures, image: Tensor, neutral: Tensor) -> list[Tensor]:
    """Phi's maps of the inner face, in full precision."""
    return [maps.float() for maps in phi(inner_face(image), inner_face(neutral))]


def picture_losses(
    names: dict[str, str], weights: LossWeights, phi: PerceptualFeatures, image: Tensor, target: Tensor, before: Tensor
) -> dict[str, Tensor]:
    """The terms "image", "perceptual", "structure" and "eyes" of a picture, without those of weight 0.

    `names` gives each its name among the weights and the terms.
    """
    terms = {}
    if getattr(weights, names["image"]):
        terms[names["image"]] = losses.image_loss(image, target, before)
    if getattr(weights, names["perceptual"]):
        with torch.no_grad():
            wanted = perceptual_maps(phi, target, before)
        terms[names["perceptual"]] = losses.perceptual_loss(perceptual_maps(phi, image, before), wanted)
    if getattr(weights, names["structure"]):
        terms[names["structure"]] = losses.structure_loss(inner_face(image), inner_face(target))
    if getattr(weights, names["eyes"]):
        eyes, target_eyes, eyes_before = (part(picture, EYES) for picture in (image, target, before))
        difference = losses.image_loss(eyes, target_eyes, eyes_before)
        terms[names["eyes"]] = difference + losses.structure_loss(eyes, target_eyes)
    return terms


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
    """The penalty in full precision: in half of it, gradients of gradients are mostly rounding."""
    with torch.autocast(real.device.type, enabled=False):
        return losses.gradient_penalty(critic, real.float(), fake.float())
