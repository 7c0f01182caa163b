"""What the three training stages compute: their networks, losses and validation figures. The loop is elsewhere.

A stage has objectives: modules whose call returns a `Loss`, and which the loop wraps, so that gradients are
synchronised between processes. Each objective owns the networks that it trains and only borrows the others.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import Subset
from torchmetrics.functional.image import structural_similarity_index_measure

from leed import losses
from leed.augmentation import MILD, NONE, STRONG, Augmentation, augment, flip
from leed.config import NEUTRAL, LossWeights, ModelConfig
from leed.data import FaceDataset
from leed.features import ExpressionClassifier, PerceptualFeatures
from leed.images import denormalize, inner_face, normalize
from leed.model import LEED
from leed.networks import AuxiliaryDistribution, LatentCritic, SiameseNetwork
from leed.neutralizer import ImageCritic, Neutralizer

AUGMENTATIONS = {"none": NONE, "mild": MILD, "strong": STRONG}

Batch = dict[str, Tensor]


class Loss(NamedTuple):
    """The weighed sum, its terms for the log (detached), and what later objectives of the same step need (detached)."""

    total: Tensor
    terms: dict[str, Tensor]
    outputs: dict[str, Tensor]


class Borrowed:
    """Holds networks that an objective uses but does not train: they stay out of its parameters."""

    def __init__(self, **networks: nn.Module) -> None:
        self.__dict__.update(networks)


def weigh(weights: LossWeights, terms: dict[str, Tensor], outputs: dict[str, Tensor] | None = None) -> Loss:
    """Sums the terms, each times the weight of its name."""
    total = sum(getattr(weights, name) * value for name, value in terms.items())
    return Loss(total, {name: value.detach() for name, value in terms.items()}, outputs or {})


def picture_losses(
    prefix: dict[str, str], weights: LossWeights, phi: PerceptualFeatures, image: Tensor, target: Tensor, before: Tensor
) -> dict[str, Tensor]:
    """The L1, perceptual and structural terms of a picture, named by `prefix`; those of weight 0 are left out."""
    terms = {}
    if getattr(weights, prefix["image"]):
        terms[prefix["image"]] = losses.image_loss(image, target, before)
    if getattr(weights, prefix["perceptual"]):
        with torch.no_grad():
            wanted = phi(inner_face(target), inner_face(before))
        terms[prefix["perceptual"]] = losses.perceptual_loss(phi(inner_face(image), inner_face(before)), wanted)
    if getattr(weights, prefix["structure"]):
        terms[prefix["structure"]] = losses.structure_loss(inner_face(image), inner_face(target))
    return terms


# ---------------------------------------------------------------------------------------------------------- classifier


class ClassifierObjective(nn.Module):
    """Cross-entropy of Psi."""

    def __init__(self, classifier: ExpressionClassifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, inputs: Batch) -> Loss:
        logits = self.classifier(inputs["image"], inputs["neutral"])
        loss = nn.functional.cross_entropy(logits, inputs["expression"], label_smoothing=0.05)
        return Loss(loss, {"cross_entropy": loss.detach()}, {})


# --------------------------------------------------------------------------------------------------------- neutraliser


class NeutralizerObjective(nn.Module):
    """The generator's loss: true neutral faces where there are any, and StarGAN's own terms where they have a weight."""

    def __init__(self, neutralizer: Neutralizer, critic: ImageCritic, phi: Any, weights: LossWeights) -> None:
        super().__init__()
        self.neutralizer, self.weights = neutralizer, weights
        self.borrowed = Borrowed(critic=critic, phi=phi)

    def forward(self, inputs: Batch) -> Loss:
        terms, outputs = {}, {}
        image = inputs["image"]
        if self.weights.paired and bool(inputs["has_neutral"].any()):
            known = inputs["has_neutral"]
            names = {"image": "paired", "perceptual": "paired_perceptual", "structure": "paired_structure"}
            prediction = self.neutralizer(image[known])
            terms |= picture_losses(
                names, self.weights, self.borrowed.phi, prediction, inputs["neutral"][known], image[known]
            )
        if self.weights.stargan_adversarial:
            target = random_targets(inputs["expression"])
            fake = self.neutralizer(image, target)
            score, logits = self.borrowed.critic(fake)
            terms["stargan_adversarial"] = losses.adversarial_loss(score)
            terms["stargan_classification"] = losses.domain_classification_loss(logits, target)
            labelled = inputs["expression"] >= 0
            back = self.neutralizer(fake[labelled], inputs["expression"][labelled])
            terms["stargan_cycle"] = losses.cycle_loss(back, image[labelled])
            outputs = {"image": image, "fake": fake.detach(), "expression": inputs["expression"]}
        return weigh(self.weights, terms, outputs)


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
        score_real, logits = self.critic(real)
        score_fake, _ = self.critic(fake)
        wasserstein = losses.critic_loss(score_real, score_fake)
        penalty = losses.gradient_penalty(lambda image: self.critic(image)[0], real, fake)
        labelled = expression >= 0
        classification = losses.domain_classification_loss(logits[labelled], expression[labelled])
        total = wasserstein + self.weights.gradient_penalty * penalty
        total = total + self.weights.stargan_classification * classification
        terms = {"critic": wasserstein, "critic_penalty": penalty, "critic_classification": classification}
        return Loss(total, {name: value.detach() for name, value in terms.items()}, {})


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
        self.auxiliary, self.weights = auxiliary, weights
        self.borrowed = Borrowed(critic=critic, siamese=siamese, psi=psi, phi=phi)

    def forward(self, inputs: Batch) -> Loss:
        weights, phi, psi = self.weights, self.borrowed.phi, self.borrowed.psi
        image, neutral = inputs["image"], inputs["neutral"]
        source, source_neutral = inputs["source"], inputs["source_neutral"]
        C_I, C_IN, C_S, C_SN = self.encoder(torch.cat([image, neutral, source, source_neutral])).chunk(4)
        delta_exp = self.extractor(C_S, C_SN)

        num_swapped = max(len(image) // 5, 1)
        swapped, C_IN_swapped = delta_exp.roll(1, 0)[:num_swapped], C_IN[:num_swapped]
        C_hat = self.interpolator(C_IN, delta_exp).code
        C_IB = self.interpolator(C_IN_swapped, swapped).code
        rebuilt, edit, autoencoded = self.decoder(torch.cat([C_hat, C_IB, C_I[:num_swapped]])).split(
            [len(image), num_swapped, num_swapped]
        )

        terms = {"idt": losses.identity_loss(C_hat, C_I.detach())}
        names = {"image": "image", "perceptual": "perceptual", "structure": "structure"}
        terms |= picture_losses(names, weights, phi, rebuilt, image, neutral)
        if weights.psi_maps:
            with torch.no_grad():
                wanted = psi.maps(image, neutral)[:3]
            terms["psi_maps"] = losses.perceptual_loss(psi.maps(rebuilt, neutral)[:3], wanted)
        with torch.no_grad():
            wanted = phi(inner_face(image[:num_swapped]), inner_face(neutral[:num_swapped]))
        terms["recon"] = losses.perceptual_loss(
            phi(inner_face(autoencoded), inner_face(neutral[:num_swapped])), wanted
        )
        terms["recon"] = terms["recon"] + losses.image_loss(autoencoded, image[:num_swapped])

        with torch.no_grad():
            features = psi.features(source, source_neutral)
        if weights.mutual_information:
            mean, log_variance = self.auxiliary(features)
            terms["mutual_information"] = losses.mutual_information_loss(delta_exp, mean, log_variance)
        if weights.similarity:
            features_edit = psi.features(edit, neutral[:num_swapped])
            wanted = features.roll(1, 0)
            terms["similarity"] = losses.expression_similarity_loss(features_edit, wanted[:num_swapped])
        if delta_exp.ndim == 4:
            terms["exp"] = losses.expression_loss(delta_exp, C_S.detach(), C_SN.detach())
        alpha = torch.rand(num_swapped, device=image.device)
        outputs = {}
        if weights.adversarial or (weights.interp and delta_exp.ndim == 4):
            scaled = alpha.view(-1, *[1] * (delta_exp.ndim - 1)) * swapped
            C_alpha = self.interpolator(C_IN_swapped, scaled).code
            if delta_exp.ndim == 4:
                terms["interp"] = losses.interpolation_loss(C_alpha, C_IN_swapped.detach(), swapped, alpha)
            if weights.adversarial:
                terms["adversarial"] = losses.adversarial_loss(self.borrowed.critic(C_alpha))
                outputs |= {"code": C_I[:num_swapped].detach(), "code_interpolated": C_alpha.detach()}
        if weights.siamese:
            reference, reference_neutral = source.roll(1, 0)[:num_swapped], source_neutral.roll(1, 0)[:num_swapped]
            v_R = self.borrowed.siamese.transform_vector(reference, reference_neutral)
            v_I = self.borrowed.siamese.transform_vector(edit, neutral[:num_swapped])
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
        wasserstein = losses.critic_loss(self.critic(real), self.critic(fake))
        penalty = losses.gradient_penalty(self.critic, real, fake)
        total = wasserstein + self.weights.gradient_penalty * penalty
        return Loss(total, {"critic": wasserstein.detach(), "critic_penalty": penalty.detach()}, {})


class SiameseObjective(nn.Module):
    """S's own step, in turn with E's (section 3.4)."""

    def __init__(self, siamese: SiameseNetwork) -> None:
        super().__init__()
        self.siamese = siamese

    def forward(self, outputs: Batch) -> Loss:
        v_R = self.siamese.transform_vector(outputs["reference"], outputs["reference_neutral"])
        v_I = self.siamese.transform_vector(outputs["edit"], outputs["edit_neutral"])
        loss = losses.siamese_contrast_loss(v_R, v_I)
        return Loss(loss, {"siamese_contrast": loss.detach()}, {})


# -------------------------------------------------------------------------------------------------------------- stages


class Stage:
    """One training stage: `objectives` in the order of their updates, `model` to publish, inputs and validation.

    The first objective is called with `inputs(batch)`, the others with its outputs.
    """

    model: nn.Module
    objectives: dict[str, nn.Module]
    augmentation: Augmentation

    def to(self, device: torch.device) -> None:
        """Moves all networks, in the memory format that convolutions are fastest in."""
        for module in (self.model, *self.objectives.values()):
            module.to(device=device, memory_format=torch.channels_last)

    def inputs(self, batch: Batch) -> Batch:
        """A stored batch as augmented float tensors."""
        raise NotImplementedError("a stage defines its inputs")

    def validate(self, model: nn.Module, faces: FaceDataset) -> tuple[dict[str, float], list[list[Tensor]]]:
        """Figures on held-out people and rows of pictures for a contact sheet."""
        raise NotImplementedError("a stage defines its figures")


def paired_inputs(batch: Batch, augmentation: Augmentation) -> tuple[Tensor, Tensor]:
    """Augmented face and neutral face, half of them mirrored."""
    image, neutral = augment(normalize(batch["image"]), normalize(batch["neutral"]), augmentation)
    return tuple(channels_last(x) for x in flip(image, neutral))


def channels_last(images: Tensor) -> Tensor:
    """The same pictures in the memory format that convolutions are fastest in."""
    return images.contiguous(memory_format=torch.channels_last)


def join_views(batch: Batch) -> Batch:
    """For half of the rows that have one, the second camera's picture and neutral face instead of the first's."""
    take = (torch.rand(len(batch["image"]), device=batch["image"].device) < 0.5) & batch["has_view"]
    take_map = take[:, None, None, None]
    return batch | {
        "image": torch.where(take_map, batch["view"], batch["image"]),
        "neutral": torch.where(take_map, batch["view_neutral"], batch["neutral"]),
    }


class ClassifierStage(Stage):
    """Psi, on labelled faces and, where it sees them, their true neutral faces."""

    def __init__(self, config: ModelConfig, augmentation: Augmentation) -> None:
        self.model = ExpressionClassifier(config)
        self.objectives = {"classifier": ClassifierObjective(self.model)}
        self.augmentation = augmentation

    def inputs(self, batch: Batch) -> Batch:
        batch = join_views(batch)
        image, neutral = paired_inputs(batch, self.augmentation)
        return {"image": image, "neutral": neutral, "expression": batch["expression"]}

    @torch.no_grad()
    def validate(self, model: nn.Module, faces: FaceDataset) -> tuple[dict[str, float], list[list[Tensor]]]:
        correct = count = 0
        for batch in batches(faces, model):
            guess = model(normalize(batch["image"]), normalize(batch["neutral"])).argmax(dim=1)
            correct += int((guess == batch["expression"]).sum())
            count += len(guess)
        return {"accuracy": correct / count}, []


class NeutralizerStage(Stage):
    """The neutraliser and, where StarGAN's terms have a weight, its critic."""

    def __init__(self, config: ModelConfig, weights: LossWeights, phi: Any, augmentation: Augmentation) -> None:
        self.model, critic = Neutralizer(config), ImageCritic(config)
        self.objectives = {"neutralizer": NeutralizerObjective(self.model, critic, phi, weights)}
        if weights.stargan_adversarial:
            self.objectives["critic"] = ImageCriticObjective(critic, weights)
        self.augmentation = augmentation

    def inputs(self, batch: Batch) -> Batch:
        batch = join_views(batch)
        image, neutral = paired_inputs(batch, self.augmentation)
        kept = {name: batch[name] for name in ("expression", "has_neutral")}
        return {"image": image, "neutral": neutral} | kept

    @torch.no_grad()
    def validate(self, model: nn.Module, faces: FaceDataset) -> tuple[dict[str, float], list[list[Tensor]]]:
        """`ssim`: inner face to the true neutral; `left`: difference left in the 30 % most changed faces."""
        similarity, before, after, rows = [], [], [], []
        for batch in batches(faces, model):
            image, neutral = normalize(batch["image"]), normalize(batch["neutral"])
            guess = model(image).clamp(-1, 1)
            known = batch["has_neutral"]
            if bool(known.any()):
                similarity.append(ssim(guess[known], neutral[known]))
                before.append((inner_face(image - neutral)[known]).abs().mean((1, 2, 3)))
                after.append((inner_face(guess - neutral)[known]).abs().mean((1, 2, 3)))
            if len(rows) < 8:
                rows.append([image[0], guess[0], neutral[0]])
        if not similarity:
            return {}, rows
        before, after = torch.cat(before), torch.cat(after)
        most = before.topk(max(len(before) * 3 // 10, 1)).indices
        figures = {"ssim": float(torch.cat(similarity).mean()), "left": float((after[most] / before[most]).mean())}
        return figures, rows


class EditorStage(Stage):
    """E, D, X, I and Q, and where they have a weight the latent critic and S; neutraliser and Psi are frozen."""

    def __init__(
        self,
        leed: LEED,
        psi: ExpressionClassifier,
        phi: PerceptualFeatures,
        weights: LossWeights,
        augmentation: Augmentation,
        view_probability: float = 0.5,
    ) -> None:
        self.model = leed
        leed.neutralizer.requires_grad_(False).eval()
        psi.requires_grad_(False).eval()
        critic, siamese = LatentCritic(leed.config), SiameseNetwork(leed.config)
        auxiliary = AuxiliaryDistribution(leed.config, psi.num_features)
        self.psi, self.augmentation, self.view_probability = psi, augmentation, view_probability
        self.objectives = {"editor": EditorObjective(leed, auxiliary, critic, siamese, psi, phi, weights)}
        if weights.adversarial:
            self.objectives["critic"] = LatentCriticObjective(critic, weights)
        if weights.siamese:
            self.objectives["siamese"] = SiameseObjective(siamese)

    def inputs(self, batch: Batch) -> Batch:
        """Face and neutral face to rebuild, and source and neutral face that the expression comes from."""
        device, count = batch["image"].device, len(batch["image"])
        exchange = ((torch.rand(count, device=device) < 0.5) & batch["has_view"])[:, None, None, None]
        first = [torch.where(exchange, batch[b], batch[a]) for a, b in (("image", "view"), ("neutral", "view_neutral"))]
        other = [torch.where(exchange, batch[a], batch[b]) for a, b in (("image", "view"), ("neutral", "view_neutral"))]
        image, neutral = augment(*map(normalize, first), self.augmentation)
        view, view_neutral = augment(*map(normalize, other), self.augmentation)
        image, neutral, view, view_neutral = flip(image, neutral, view, view_neutral)
        across = (torch.rand(count, device=device) < self.view_probability) & batch["has_view"]
        across = across[:, None, None, None]
        source, source_neutral = torch.where(across, view, image), torch.where(across, view_neutral, neutral)
        inputs = {"image": image, "neutral": neutral, "source": source, "source_neutral": source_neutral}
        return {name: channels_last(x) for name, x in inputs.items()}

    @torch.no_grad()
    def validate(self, model: nn.Module, faces: FaceDataset) -> tuple[dict[str, float], list[list[Tensor]]]:
        """Figures with the neutral faces of the data set.

        `share_own`, `share_view`: how far the rebuilt face goes from the neutral face (0) to the face (1) in SSIM of
        the inner face, with delta_exp from itself and from the second camera; `accuracy`, `distance`: Psi on edits with
        the next person's expression (distance in features, 1 = that of the neutral face).
        """
        sums: dict[str, float] = {}
        rows, count = [], 0

        def add(name: str, values: Tensor) -> None:
            sums[name] = sums.get(name, 0.0) + float(values.double().sum())

        for batch in batches(faces, model):
            image, neutral = normalize(batch["image"]), normalize(batch["neutral"])
            view, view_neutral = normalize(batch["view"]), normalize(batch["view_neutral"])
            C_I, C_IN = model.encode(image), model.encode(neutral)
            delta_exp = model.extract(C_I, C_IN)
            rebuilt = model.decode(model.interpolate(C_IN, delta_exp).code).clamp(-1, 1)
            edit = model.decode(model.interpolate(C_IN, delta_exp.roll(1, 0)).code).clamp(-1, 1)
            across = model.extract(model.encode(view), model.encode(view_neutral))
            across = model.decode(model.interpolate(C_IN, across).code).clamp(-1, 1)
            wanted = self.psi.features(image, neutral).roll(1, 0)
            start = self.psi.features(neutral, neutral)
            found = self.psi.features(edit, neutral)
            add("neutral", ssim(neutral, image))
            add("own", ssim(rebuilt, image))
            add("view", ssim(across, image))
            add("autoencoded", ssim(model.decode(C_I).clamp(-1, 1), image))
            add("right", self.psi.resnet.fc(found).argmax(1) == batch["expression"].roll(1, 0))
            add("distance", (found - wanted).norm(dim=1))
            add("way", (start - wanted).norm(dim=1))
            count += len(image)
            if len(rows) < 10:
                half = model.decode(model.interpolate(C_IN, delta_exp.roll(1, 0), 0.5).code)
                reference = image.roll(1, 0)
                rows.append([image[0], neutral[0], rebuilt[0], across[0], reference[0], half[0], edit[0]])
        room = count - sums["neutral"]
        figures = {
            "share_own": (sums["own"] - sums["neutral"]) / room,
            "share_view": (sums["view"] - sums["neutral"]) / room,
            "autoencoded": sums["autoencoded"] / count,
            "accuracy": sums["right"] / count,
            "distance": sums["distance"] / sums["way"],
        }
        return figures, rows


def ssim(image: Tensor, target: Tensor) -> Tensor:
    """SSIM (B,) of the inner faces of pictures in [-1, 1]: RGB, Gaussian window 11 / 1.5."""
    return structural_similarity_index_measure(
        inner_face(image), inner_face(target), data_range=2.0, reduction="none"
    )


def batches(faces: FaceDataset, model: nn.Module, size: int = 32):  # noqa: ANN201 (generator of Batch)
    """The whole data set in order, on the model's device."""
    device = next(model.parameters()).device
    for start in range(0, len(faces), size):
        batch = faces.__getitems__(list(range(start, min(start + size, len(faces)))))
        yield {name: value.to(device) for name, value in batch.items()}


def with_true_neutrals(faces: FaceDataset) -> Subset:
    """The faces whose true neutral face is known. Raises `ValueError` if there are none."""
    rows = faces.has_neutral.nonzero().flatten().tolist()
    if not rows:
        raise ValueError("this data set has no true neutral faces: train the editor with --neutrals learned")
    return Subset(faces, rows)


class LearnedNeutrals(torch.utils.data.Dataset):
    """Faces with the neutral faces that a frozen neutraliser gives them, computed once.

    With `mixed`, rows that have a true neutral face keep it for half of the draws. Needs the faces in memory.
    """

    def __init__(self, faces: FaceDataset, neutralizer: Neutralizer, mixed: bool) -> None:
        if not faces.in_memory:
            raise ValueError("learned neutral faces are kept in memory: pass FaceDataset(..., in_memory=True)")
        self.faces, self.mixed = faces, mixed
        self.neutrals = predict_neutrals(neutralizer, faces.images)
        self.view_neutrals = None if faces.views is None else predict_neutrals(neutralizer, faces.views)

    def __len__(self) -> int:
        return len(self.faces)

    def __getitems__(self, indices: list[int]) -> Batch:
        batch = self.faces.__getitems__(indices)
        learned = {"neutral": self.neutrals[indices]}
        if self.view_neutrals is not None:
            learned["view_neutral"] = self.view_neutrals[indices]
        for name, pictures in learned.items():
            keep = batch[f"has_{name}"] & (torch.rand(len(indices)) < 0.5) & self.mixed
            learned[name] = torch.where(keep[:, None, None, None], batch[name], pictures)
        return batch | learned


@torch.no_grad()
def predict_neutrals(neutralizer: Neutralizer, images: Tensor, size: int = 64) -> Tensor:
    """Neutral faces of stored pictures, uint8 (N, 3, S, S) to the same; computed once, before training."""
    device = next(neutralizer.parameters()).device
    parts = [denormalize(neutralizer(normalize(part.to(device)))).cpu() for part in images.split(size)]
    return torch.cat(parts)


def average_of(model: nn.Module, decay: float) -> AveragedModel:
    """Exponential moving average of a model; the decay starts low, so that early weights are soon forgotten."""

    def average(mean: Tensor, value: Tensor, num_averaged: Tensor | int) -> Tensor:
        weight = 1 - min(decay, (1 + int(num_averaged)) / (10 + int(num_averaged)))
        return torch.lerp(mean, value, weight) if mean.is_floating_point() else value

    return AveragedModel(model, avg_fn=average, use_buffers=True)
