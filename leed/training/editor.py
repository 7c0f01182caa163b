"""The stage of LEED itself: E, D, X, I and Q, the critic of codes and S."""

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from leed.images import normalize
from leed.model import LEED
from leed.networks.classifier import ExpressionClassifier
from leed.networks.critics import AuxiliaryDistribution, LatentCritic, SiameseNetwork
from leed.networks.perceptual import PerceptualFeatures
from leed.similarity import inner_ssim
from leed.training import losses
from leed.training.augmentation import Augmentation, augment, flip
from leed.training.config import LossWeights
from leed.training.inputs import as_map, batches, channels_last, whole_views
from leed.training.stage import Batch, Borrowed, Loss, Stage, device_of, frozen
from leed.training.terms import gradient_penalty, perceptual_maps, picture_losses, weigh

LEARNED_SHARE = {"true": (0.0, 0.0), "mixed": (0.0, 0.6), "learned": (1.0, 1.0)}
"""How often, where there is a true neutral face, the editor draws on and how often it subtracts the neutraliser's.

Mixed, it learns to read an expression off a reference whose neutral face keeps a rest of it, as at the user's. It
still draws on true neutral faces: on others, that rest would give the answer away.
"""


ALPHAS = (0.0, 0.5, 1.0, 1.5)
"""Intensities on the editor's contact sheets."""


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
