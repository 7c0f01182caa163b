"""What the three training stages compute: their networks, losses and validation figures. The loop is elsewhere.

A stage has objectives: modules whose call returns a `Loss`, and which the loop wraps, so that gradients are
synchronised between processes. Each objective owns the networks that it trains and only borrows the others.
"""

import contextlib
import functools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.checkpoint import checkpoint
from torch.utils.data import Dataset, Subset

from leed.config import NEUTRAL, LossWeights, ModelConfig
from leed.data.faces import FaceDataset, fold_of
from leed.images import denormalize, inner_face, normalize
from leed.model import LEED
from leed.networks.classifier import ExpressionClassifier, PerceptualFeatures
from leed.networks.editor import AuxiliaryDistribution, LatentCritic, SiameseNetwork
from leed.networks.neutralizer import ImageCritic, Neutralizer
from leed.similarity import inner_ssim
from leed.training import losses
from leed.training.augmentation import MILD, NONE, STRONG, Augmentation, augment, flip

AUGMENTATIONS = {"none": NONE, "mild": MILD, "strong": STRONG}

LEARNED_SHARE = {"true": (0.0, 0.0), "mixed": (0.0, 0.6), "learned": (1.0, 1.0)}
"""How often, where there is a true neutral face, the editor draws on and how often it subtracts the neutraliser's.

Mixed, it learns to read an expression off a reference whose neutral face keeps a rest of it, as at the user's. It
still draws on true neutral faces: on others, that rest would give the answer away.
"""

ALPHAS = (0.0, 0.5, 1.0, 1.5)
"""Intensities on the editor's contact sheets."""

SHEET_ROWS = 8

IN_MEMORY = "pass --data_in_memory, in Python FaceDataset(..., in_memory=True), with as much memory as they take"
"""The cure for data sets over the size up to which they are decoded once by default."""

Batch = dict[str, Tensor]


class Loss(NamedTuple):
    """The weighed sum; detached, its terms for the log and what later objectives of the same step need."""

    total: Tensor
    terms: dict[str, Tensor]
    outputs: dict[str, Tensor]


class Borrowed:
    """Holds networks that an objective uses but does not train: they stay out of its parameters."""

    def __init__(self, **networks: nn.Module) -> None:
        self.__dict__.update(networks)


@contextlib.contextmanager
def frozen(*networks: nn.Module) -> Iterator[None]:
    """Gradients pass through these networks, but what is computed here leaves none in their parameters."""
    parameters = [p for network in networks for p in network.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


def weigh(weights: LossWeights, terms: dict[str, Tensor], outputs: dict[str, Tensor] | None = None) -> Loss:
    """Sums the terms, each times the weight of its name."""
    total = sum(getattr(weights, name) * value for name, value in terms.items())
    return Loss(total, {name: value.detach() for name, value in terms.items()}, outputs or {})


def perceptual_maps(phi: PerceptualFeatures, image: Tensor, neutral: Tensor) -> list[Tensor]:
    """Phi's maps of the inner face, in full precision."""
    return [maps.float() for maps in phi(inner_face(image), inner_face(neutral))]


def picture_losses(
    names: dict[str, str], weights: LossWeights, phi: PerceptualFeatures, image: Tensor, target: Tensor, before: Tensor
) -> dict[str, Tensor]:
    """The terms "image", "perceptual" and "structure" of a picture, named by `names`; without those of weight 0."""
    terms = {}
    if getattr(weights, names["image"]):
        terms[names["image"]] = losses.image_loss(image, target, before)
    if getattr(weights, names["perceptual"]):
        with torch.no_grad():
            wanted = perceptual_maps(phi, target, before)
        terms[names["perceptual"]] = losses.perceptual_loss(perceptual_maps(phi, image, before), wanted)
    if getattr(weights, names["structure"]):
        terms[names["structure"]] = losses.structure_loss(inner_face(image), inner_face(target))
    return terms


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
    """The penalty in full precision: in half of it, gradients of gradients are mostly rounding."""
    with torch.autocast(real.device.type, enabled=False):
        return losses.gradient_penalty(critic, real.float(), fake.float())


# ---------------------------------------------------------------------------------------------------------- classifier


class ClassifierObjective(nn.Module):
    """Cross-entropy of Psi."""

    def __init__(self, classifier: ExpressionClassifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, inputs: Batch) -> Loss:
        logits = self.classifier(inputs["image"], inputs["neutral"]).float()
        loss = nn.functional.cross_entropy(logits, inputs["expression"], label_smoothing=0.05)
        return Loss(loss, {"cross_entropy": loss.detach()}, {})


# --------------------------------------------------------------------------------------------------------- neutraliser


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


def random_targets(expression: Tensor) -> Tensor:
    """Target expressions: for half of the rows neutral, for the others a random row's."""
    shuffled = expression[torch.randperm(len(expression), device=expression.device)].clamp(min=NEUTRAL)
    return torch.where(torch.rand(len(expression), device=expression.device) < 0.5, NEUTRAL, shuffled)


class ImageCriticObjective(nn.Module):
    """StarGAN's critic: WGAN-GP, and the expression of real faces."""

    def __init__(self, critic: ImageCritic, weights: LossWeights) -> None:
        super().__init__()
        self.critic, self.weights = critic, weights

    def forward(self, outputs: Batch) -> Loss:
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


# ---------------------------------------------------------------------------------------------------------------- LEED


class EditorObjective(nn.Module):
    """The loss of E, D, X, I and Q (Eqs. 4, 8, 14, 16, and the picture terms that replace Eq. 7's code alone).

    Each face is rebuilt from its neutral face and an expression, its own or that of the second camera's picture. A
    fifth of the faces also take the next face's expression: what Psi, S and the critic then say needs no truth.
    """

    def __init__(
        self,
        leed: LEED,
        auxiliary: AuxiliaryDistribution,
        critic: LatentCritic,
        siamese: SiameseNetwork,
        psi: ExpressionClassifier,
        phi: PerceptualFeatures,
        weights: LossWeights,
    ) -> None:
        super().__init__()
        self.encoder, self.decoder = leed.encoder, leed.decoder
        self.extractor, self.interpolator = leed.extractor, leed.interpolator
        self.auxiliary = auxiliary if weights.mutual_information else None
        self.weights = weights
        self.borrowed = Borrowed(critic=critic, siamese=siamese, psi=psi, phi=phi)

    def forward(self, inputs: Batch) -> Loss:
        weights, phi, psi = self.weights, self.borrowed.phi, self.borrowed.psi
        image, neutral = inputs["image"], inputs["neutral"]
        source, source_neutral = inputs["source"], inputs["source_neutral"]
        C_I, C_IN, C_S, C_SN = self.encoder(torch.cat([image, neutral, source, source_neutral])).float().chunk(4)
        delta_exp = self.extractor(C_S, C_SN).float()

        num_swapped = max(len(image) // 5, 2)
        swapped, C_IN_swapped = delta_exp.roll(1, 0)[:num_swapped], C_IN[:num_swapped]
        C_hat = self.interpolator(C_IN, delta_exp).code.float()
        C_IB = self.interpolator(C_IN_swapped, swapped).code.float()
        decoded = self.decoder(torch.cat([C_hat, C_IB, C_I[:num_swapped]])).float()
        rebuilt, edit, autoencoded = decoded.split([len(image), num_swapped, num_swapped])

        terms = {}
        if weights.idt:
            terms["idt"] = losses.identity_loss(C_hat, C_I.detach())
        names = {"image": "image", "perceptual": "perceptual", "structure": "structure"}
        terms |= picture_losses(names, weights, phi, rebuilt, image, neutral)
        if weights.psi_maps:
            with torch.no_grad():
                wanted = [maps.float() for maps in psi.maps(image, neutral)[:3]]
            found = [maps.float() for maps in psi.maps(rebuilt, neutral)[:3]]
            terms["psi_maps"] = losses.perceptual_loss(found, wanted)
        if weights.recon:
            with torch.no_grad():
                wanted = perceptual_maps(phi, image[:num_swapped], neutral[:num_swapped])
            found = perceptual_maps(phi, autoencoded, neutral[:num_swapped])
            terms["recon"] = losses.perceptual_loss(found, wanted)
            terms["recon"] = terms["recon"] + losses.image_loss(autoencoded, image[:num_swapped])

        with torch.no_grad():
            features = psi.features(source, source_neutral).float()
        if weights.mutual_information:
            mean, log_variance = self.auxiliary(features)
            terms["mutual_information"] = losses.mutual_information_loss(delta_exp, mean.float(), log_variance.float())
        if weights.similarity:
            features_edit = psi.features(edit, neutral[:num_swapped]).float()
            wanted = features.roll(1, 0)
            terms["similarity"] = losses.expression_similarity_loss(features_edit, wanted[:num_swapped])
        if weights.exp and delta_exp.ndim == 4:
            terms["exp"] = losses.expression_loss(delta_exp, C_S.detach(), C_SN.detach())
        alpha = torch.rand(num_swapped, device=image.device)
        outputs: Batch = {}
        if weights.adversarial or (weights.interp and delta_exp.ndim == 4):
            scaled = alpha.view(-1, *[1] * (delta_exp.ndim - 1)) * swapped
            C_alpha = self.interpolator(C_IN_swapped, scaled).code.float()
            if weights.interp and delta_exp.ndim == 4:
                terms["interp"] = losses.interpolation_loss(C_alpha, C_IN_swapped.detach(), swapped, alpha)
            if weights.adversarial:
                with frozen(self.borrowed.critic):
                    terms["adversarial"] = losses.adversarial_loss(self.borrowed.critic(C_alpha).float())
                outputs |= {"code": C_I[:num_swapped].detach(), "code_interpolated": C_alpha.detach()}
        if weights.siamese:
            reference, reference_neutral = source.roll(1, 0)[:num_swapped], source_neutral.roll(1, 0)[:num_swapped]
            with frozen(self.borrowed.siamese):
                v_R = self.borrowed.siamese.transform_vector(reference, reference_neutral).float()
                v_I = self.borrowed.siamese.transform_vector(edit, neutral[:num_swapped]).float()
            terms["siamese"] = losses.siamese_loss(v_R, v_I)
            outputs |= {"reference": reference, "reference_neutral": reference_neutral}
            outputs |= {"edit": edit.detach(), "edit_neutral": neutral[:num_swapped]}
        return weigh(weights, terms, outputs)


class LatentCriticObjective(nn.Module):
    """The critic of codes (Eq. 12)."""

    def __init__(self, critic: LatentCritic, weights: LossWeights) -> None:
        super().__init__()
        self.critic, self.weights = critic, weights

    def forward(self, outputs: Batch) -> Loss:
        real, fake = outputs["code"], outputs["code_interpolated"]
        wasserstein = losses.critic_loss(self.critic(real).float(), self.critic(fake).float())
        penalty = gradient_penalty(self.critic, real, fake)
        total = wasserstein + self.weights.gradient_penalty * penalty
        return Loss(total, {"critic": wasserstein.detach(), "critic_penalty": penalty.detach()}, {})


class SiameseObjective(nn.Module):
    """S's own step, in turn with E's (section 3.4)."""

    def __init__(self, siamese: SiameseNetwork) -> None:
        super().__init__()
        self.siamese = siamese

    def forward(self, outputs: Batch) -> Loss:
        v_R = self.siamese.transform_vector(outputs["reference"], outputs["reference_neutral"]).float()
        v_I = self.siamese.transform_vector(outputs["edit"], outputs["edit_neutral"]).float()
        loss = losses.siamese_contrast_loss(v_R, v_I)
        return Loss(loss, {"siamese_contrast": loss.detach()}, {})


# -------------------------------------------------------------------------------------------------------------- stages


class Stage(ABC):
    """One training stage: `objectives` in the order of their losses, `model` to publish, inputs and validation.

    The first objective is called with `inputs(batch)`, the others with its outputs. It learns at every
    `critic_steps`-th step only; at the others it is called without gradients, for its outputs alone. `wide` are the
    networks whose activations fill the memory.
    """

    model: nn.Module
    objectives: dict[str, nn.Module]
    augmentation: Augmentation
    mirror: bool
    critic_steps: int = 1
    wide: Sequence[nn.Module] = ()

    def to(self, device: torch.device) -> None:
        """Moves all networks, in the memory format that convolutions are fastest in."""
        for module in (self.model, *self.objectives.values()):
            module.to(device=device, memory_format=torch.channels_last)

    def checkpoint_activations(self) -> None:
        """From here on `wide` networks are computed anew for the gradients, and only their inputs are kept."""
        for network in self.wide:
            network.forward = functools.partial(
                checkpoint, network.forward, use_reentrant=False, preserve_rng_state=False
            )

    @abstractmethod
    def inputs(self, batch: Batch) -> Batch:
        """A stored batch as augmented float tensors."""

    @abstractmethod
    def validate(self, model: nn.Module, faces: Dataset) -> tuple[dict[str, float], list[list[Tensor | None]]]:
        """Figures on held-out people and rows of pictures for a contact sheet."""


def paired_inputs(batch: Batch, augmentation: Augmentation, mirror: bool) -> tuple[Tensor, Tensor]:
    """Augmented face and neutral face, half of them mirrored where `mirror` is set."""
    pictures = augment([normalize(batch["image"]), normalize(batch["neutral"])], augmentation)
    image, neutral = flip(*pictures) if mirror else pictures
    return channels_last(image), channels_last(neutral)


def channels_last(images: Tensor) -> Tensor:
    """The same pictures in the memory format that convolutions are fastest in."""
    return images.contiguous(memory_format=torch.channels_last)


def whole_views(batch: Batch) -> Tensor:
    """Which rows have a second camera's picture and the true neutral face to it: bool (B,)."""
    return batch["has_view"] & batch["has_view_neutral"]


def as_map(rows: Tensor) -> Tensor:
    """(B,) to (B, 1, 1, 1)."""
    return rows[:, None, None, None]


def join_views(batch: Batch) -> Batch:
    """For half of the rows that have one, the second camera's picture and neutral face instead of the first's."""
    take = (torch.rand(len(batch["image"]), device=batch["image"].device) < 0.5) & whole_views(batch)
    return batch | {
        "image": torch.where(as_map(take), batch["view"], batch["image"]),
        "neutral": torch.where(as_map(take), batch["view_neutral"], batch["neutral"]),
        "has_neutral": batch["has_neutral"] | take,
    }


def choose_neutrals(batch: Batch, learned: float) -> Batch:
    """With the learned neutral faces, where the batch has them: always for rows without a true one, else at random."""
    chosen = dict(batch)
    for name in ("neutral", "view_neutral"):
        if f"learned_{name}" in batch:
            has_true = batch[f"has_{name}"]
            take = ~has_true | (torch.rand(len(has_true), device=has_true.device) < learned)
            chosen[name] = torch.where(as_map(take), batch[f"learned_{name}"], batch[name])
            chosen[f"has_{name}"] = torch.ones_like(has_true)
    return chosen


def batches(faces: Dataset, device: torch.device, size: int = 32) -> Iterator[tuple[Batch, list[int]]]:
    """The whole data set in order, and of each batch the rows to show on a sheet, spread over the data set."""
    count = math.ceil(len(faces) / size)
    for start in range(0, len(faces), size):
        batch = faces.__getitems__(list(range(start, min(start + size, len(faces)))))
        shown = math.ceil(SHEET_ROWS / count)
        length = len(batch["image"])
        rows = sorted({i * length // shown for i in range(shown)})
        yield {name: value.to(device) for name, value in batch.items()}, rows


def device_of(model: nn.Module) -> torch.device:
    """Where a model lies."""
    return next(model.parameters()).device


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


class EditorStage(Stage):
    """E, D, X, I and Q, and where they have a weight the latent critic and S; neutraliser and Psi are frozen.

    `neutrals` is a key of LEARNED_SHARE. Raises `ValueError` if no term rebuilds a picture.
    """

    def __init__(
        self,
        leed: LEED,
        psi: ExpressionClassifier,
        phi: PerceptualFeatures,
        weights: LossWeights,
        augmentation: Augmentation,
        view_probability: float = 0.5,
        neutrals: str = "true",
        mirror: bool = True,
    ) -> None:
        if not (weights.image or weights.perceptual or weights.structure or weights.psi_maps or weights.idt):
            raise ValueError(
                "nothing tells the editor what a face looks like: give image, perceptual, structure, psi_maps or idt "
                "a weight"
            )
        self.model = leed
        leed.neutralizer.requires_grad_(False).eval()
        psi.requires_grad_(False).eval()
        critic, siamese = LatentCritic(leed.config), SiameseNetwork(leed.config)
        auxiliary = AuxiliaryDistribution(leed.config, psi.num_features)
        self.psi, self.augmentation, self.mirror = psi, augmentation, mirror
        self.view_probability, self.learned = view_probability, LEARNED_SHARE[neutrals]
        self.objectives = {"editor": EditorObjective(leed, auxiliary, critic, siamese, psi, phi, weights)}
        if weights.adversarial:
            self.objectives["critic"] = LatentCriticObjective(critic, weights)
        if weights.siamese:
            self.objectives["siamese"] = SiameseObjective(siamese)
        self.wide = (leed.encoder, leed.decoder, leed.interpolator, phi)

    def inputs(self, batch: Batch) -> Batch:
        """Face and neutral face to rebuild, and source and neutral face that the expression comes from."""
        drawn_on, subtracted = (choose_neutrals(batch, share) for share in self.learned)
        device, count, has_view = batch["image"].device, len(batch["image"]), whole_views(drawn_on)
        exchange = as_map((torch.rand(count, device=device) < 0.5) & has_view)
        first = (batch["image"], drawn_on["neutral"], subtracted["neutral"])
        second = (batch["view"], drawn_on["view_neutral"], subtracted["view_neutral"])
        pictures = [torch.where(exchange, b, a) for a, b in zip(first, second, strict=True)]
        views = [torch.where(exchange, a, b) for a, b in zip(first, second, strict=True)]
        pictures, views = (augment([normalize(x) for x in group], self.augmentation) for group in (pictures, views))
        if self.mirror:
            mirrored = flip(*pictures, *views)
            pictures, views = mirrored[:3], mirrored[3:]
        image, neutral, _ = pictures
        across = as_map((torch.rand(count, device=device) < self.view_probability) & has_view)
        source, source_neutral = (torch.where(across, views[i], pictures[i]) for i in (0, 2))
        inputs = {"image": image, "neutral": neutral, "source": source, "source_neutral": source_neutral}
        return {name: channels_last(x) for name, x in inputs.items()}

    @torch.no_grad()
    def validate(self, model: nn.Module, faces: Dataset) -> tuple[dict[str, float], list[list[Tensor | None]]]:
        """Figures with the neutral faces of the data set, or with the neutraliser's where the editor trains on them.

        `share_own`, `share_view`: how far the rebuilt face goes from the neutral face (0) to the face (1) in SSIM of
        the inner face, with delta_exp from itself and, where there is one, from the second camera; `autoencoded`: SSIM
        of D(E(face)); `accuracy`, `distance`: Psi on edits with the next face's expression (distance in features, 1 =
        that of the neutral face). Rows: face, its neutral face, rebuilt, rebuilt from the second camera, reference,
        edits with alpha of ALPHAS.
        """
        sums: dict[str, float] = {}
        rows: list[list[Tensor | None]] = []

        def add(name: str, values: Tensor) -> None:
            sums[name] = sums.get(name, 0.0) + float(values.sum())  # no float64: MPS has none

        def drawn(code_neutral: Tensor, delta_exp: Tensor, alpha: float = 1.0) -> Tensor:
            return model.decode(model.interpolate(code_neutral, delta_exp, alpha).code).clamp(-1, 1)

        for batch, shown in batches(faces, device_of(model)):
            batch = choose_neutrals(batch, 1.0)
            image, neutral = normalize(batch["image"]), normalize(batch["neutral"])
            C_I, C_IN = model.encode(image), model.encode(neutral)
            delta_exp = model.extract(C_I, C_IN)
            rebuilt, edit = drawn(C_IN, delta_exp), drawn(C_IN, delta_exp.roll(1, 0))
            start, has_view = inner_ssim(neutral, image), whole_views(batch)
            add("faces", torch.ones(len(image)))
            add("neutral", start)
            add("own", inner_ssim(rebuilt, image))
            add("autoencoded", inner_ssim(model.decode(C_I).clamp(-1, 1), image))
            across = None
            if bool(has_view.any()):
                view, view_neutral = normalize(batch["view"]), normalize(batch["view_neutral"])
                across = drawn(C_IN, model.extract(model.encode(view), model.encode(view_neutral)))
                add("views", has_view)
                add("view_neutral", start[has_view])
                add("view", inner_ssim(across[has_view], image[has_view]))
            wanted = self.psi.features(image, neutral).roll(1, 0)
            found = self.psi.features(edit, neutral)
            label = batch["expression"].roll(1, 0)
            add("labels", label >= 0)
            add("right", self.psi.resnet.fc(found).argmax(1) == label)
            add("distance", (found - wanted).norm(dim=1))
            add("way", (self.psi.features(neutral, neutral) - wanted).norm(dim=1))
            reference = image.roll(1, 0)
            edits = [drawn(C_IN[shown], delta_exp.roll(1, 0)[shown], alpha) for alpha in ALPHAS]
            for number, i in enumerate(shown):
                second = across[i] if across is not None and has_view[i] else None
                row = [image[i], neutral[i], rebuilt[i], second, reference[i]]
                rows.append(row + [pictures[number] for pictures in edits])
        return editor_figures(sums), rows


def editor_figures(sums: dict[str, float]) -> dict[str, float]:
    """The figures of `EditorStage.validate` from its sums over faces; those that the data cannot tell are left out."""
    figures = {"autoencoded": sums["autoencoded"] / sums["faces"]}
    wholes = {
        "share_own": (sums["own"] - sums["neutral"], sums["faces"] - sums["neutral"]),
        "share_view": (
            sums.get("view", 0.0) - sums.get("view_neutral", 0.0),
            sums.get("views", 0.0) - sums.get("view_neutral", 0.0),
        ),
        "accuracy": (sums["right"], sums["labels"]),
        "distance": (sums["distance"], sums["way"]),
    }
    return figures | {name: part / whole for name, (part, whole) in wholes.items() if whole > 0}


# ---------------------------------------------------------------------------------------------------------------- data


def only(faces: FaceDataset, rows: Tensor, lack: str) -> Subset:
    """The faces where `rows` (N,) is true. Raises `ValueError` saying what they lack if there are none."""
    kept = rows.nonzero().flatten().tolist()
    if not kept:
        raise ValueError(lack)
    return Subset(faces, kept)


def balanced(faces: FaceDataset, rows: Tensor) -> Subset:
    """All the faces, those where `rows` (N,) is true or those where it is false repeated until both are as many.

    A set with few true neutral faces would otherwise drown in one without any.
    """
    kinds = [rows.nonzero().flatten().tolist(), (~rows).nonzero().flatten().tolist()]
    length = max(len(kind) for kind in kinds)
    return Subset(faces, [kind[i % len(kind)] for kind in kinds if kind for i in range(length)])


def keep_on_device(faces: FaceDataset, device: torch.device) -> None:
    """Moves the pictures of a data set, so that batches need no copies between host and device."""
    if not faces.in_memory:
        raise ValueError(f"pictures kept on the device are decoded once: {IN_MEMORY}")
    for name in ("images", "neutrals", "views", "view_neutrals"):
        pictures = getattr(faces, name)
        setattr(faces, name, None if pictures is None else pictures.to(device))


class LearnedNeutrals(Dataset):
    """Faces with the neutral faces `learned_neutral`, `learned_view_neutral` that frozen neutralisers give them.

    One neutraliser serves everyone; of several, the i-th those of fold i, the people whom its training left out.
    The neutral faces are computed once, and `choose_neutrals` uses them. Needs the faces in memory.
    """

    def __init__(self, faces: FaceDataset, *neutralizers: Neutralizer) -> None:
        if not faces.in_memory:
            raise ValueError(f"learned neutral faces are computed once, of pictures decoded once: {IN_MEMORY}")
        self.faces = faces
        folds = torch.tensor([fold_of(person, len(neutralizers)) for person in faces.persons])[faces.person_ids]
        self.learned = {"learned_neutral": torch.empty_like(faces.images)}
        if faces.views is not None:
            self.learned["learned_view_neutral"] = torch.empty_like(faces.views)
        for fold, neutralizer in enumerate(neutralizers):
            rows = (folds == fold).nonzero().flatten()
            for learned, pictures in zip(self.learned.values(), (faces.images, faces.views), strict=False):
                learned[rows] = predict_neutrals(neutralizer, pictures[rows])

    def __len__(self) -> int:
        return len(self.faces)

    def __getitems__(self, indices: list[int]) -> Batch:
        """A batch of the faces, with the learned neutral faces."""
        return self.faces.__getitems__(indices) | {name: faces[indices] for name, faces in self.learned.items()}


@torch.no_grad()
def predict_neutrals(neutralizer: Neutralizer, images: Tensor, size: int = 64) -> Tensor:
    """Neutral faces of stored pictures, uint8 (N, 3, S, S) to the same, on the pictures' device."""
    device = device_of(neutralizer)
    parts = [denormalize(neutralizer(normalize(part.to(device)))).to(images.device) for part in images.split(size)]
    return torch.cat(parts) if len(images) else images


def average_of(model: nn.Module, decay: float) -> AveragedModel:
    """Exponential moving average of a model; the decay starts low, so that early weights are soon forgotten."""

    def average(means: list[Tensor], values: list[Tensor], num_averaged: Tensor | int) -> None:
        count = int(num_averaged)
        weight = 1 - min(decay, (1 + count) / (10 + count))
        if means[0].is_floating_point():  # torch gives tensors of one kind at a time
            torch._foreach_lerp_(means, values, weight)
        else:
            torch._foreach_copy_(means, values)

    return AveragedModel(model, multi_avg_fn=average, use_buffers=True)
