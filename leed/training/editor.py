"""The stage of LEED itself: E, D, X, I and Q, the critic of codes and S."""

from dataclasses import replace
from typing import NamedTuple, TypedDict

import torch
from torch import Tensor, nn

from leed.data.batch import Batch
from leed.data.faces import FaceDataset
from leed.images import normalize
from leed.model import LEED
from leed.networks.classifier import ExpressionClassifier
from leed.networks.critics import AuxiliaryDistribution, LatentCritic, SiameseNetwork
from leed.networks.neutralizer import Neutralizer
from leed.networks.perceptual import PerceptualFeatures
from leed.training import losses
from leed.training.augmentation import AUGMENTATIONS, Augmentation, augment, flip
from leed.training.config import LossWeights, Recipe, Settings, TrainConfig
from leed.training.earlier import copy_neutralizer, load_fold_neutralizers, load_stage_model
from leed.training.editor_validation import validate_editor
from leed.training.faces import Faces, subset_or_raise
from leed.training.inputs import as_map, channels_last, choose_neutrals, whole_views
from leed.training.neutral_faces import LearnedNeutrals
from leed.training.stage import Loss, Stage, Validation, check_exchange, frozen
from leed.training.terms import gradient_penalty, perceptual_maps, picture_losses, weighted_loss

PICTURE_TERMS = {name: name for name in ("image", "perceptual", "structure", "eyes")}

LEARNED_SHARE = {"true": (0.0, 0.0), "mixed": (0.0, 0.6), "learned": (1.0, 1.0)}
"""Probability of using a learned neutral face, as input and as expression origin, when a true one exists.

Mixed, the editor learns to read an expression off a reference whose neutral face keeps some of it, as at the user's.
Its input stays a true neutral face: in another, what remains of the expression would give the answer away.
"""


class EditorInputs(TypedDict):
    """Faces (B, 3, S, S) in [-1, 1]: one to rebuild from its neutral face, and one whose expression it gets back.

    `source` is the same shot, from the same camera or from the second.
    """

    image: Tensor
    neutral: Tensor
    source: Tensor
    source_neutral: Tensor


class EditorOutputs(TypedDict, total=False):
    """Codes (K, C, c, c) for the critic; references and edits (K, 3, S, S) for S; detached, K of B faces."""

    code: Tensor
    code_interpolated: Tensor
    reference: Tensor
    reference_neutral: Tensor
    edit: Tensor
    edit_neutral: Tensor


class EditorBorrowed(NamedTuple):
    """Networks that the editor's objective uses and does not train."""

    critic: LatentCritic
    siamese: SiameseNetwork
    psi: ExpressionClassifier
    phi: PerceptualFeatures


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
        # Eqs. 2 and 6 compare delta_exp with codes, which a vector cannot be.
        self.weights = weights if leed.config.delta_size == 0 else replace(weights, exp=0.0, interp=0.0)
        self.borrowed = EditorBorrowed(critic, siamese, psi, phi)

    def forward(self, inputs: EditorInputs) -> Loss:
        """The loss; for the critic and S, what `EditorOutputs` says. Letters as in the paper, K edits of B faces."""
        image, neutral = inputs["image"], inputs["neutral"]
        source, source_neutral = inputs["source"], inputs["source_neutral"]
        C_I, C_IN, C_S, C_SN = self.encoder(torch.cat([image, neutral, source, source_neutral])).float().chunk(4)
        delta_exp = self.extractor(C_S, C_SN).float()

        num_edits = max(len(image) // 5, 2)  # K
        swapped, C_IN_edit = delta_exp.roll(1, 0)[:num_edits], C_IN[:num_edits]
        C_hat = self.interpolator(C_IN, delta_exp).code.float()
        C_IB = self.interpolator(C_IN_edit, swapped).code.float()
        decoded = self.decoder(torch.cat([C_hat, C_IB, C_I[:num_edits]])).float()
        rebuilt, edit, autoencoded = decoded.split([len(image), num_edits, num_edits])

        terms = self.reconstruction_terms(image, neutral, C_I, C_hat, rebuilt, autoencoded)
        terms |= self.expression_terms(inputs, C_S, C_SN, delta_exp, edit)
        interpolation, codes = self.interpolation_terms(C_I[:num_edits], C_IN_edit, swapped)
        siamese, pictures = self.siamese_terms(inputs, edit)
        return weighted_loss(self.weights, terms | interpolation | siamese, codes | pictures)

    def reconstruction_terms(
        self, image: Tensor, neutral: Tensor, C_I: Tensor, C_hat: Tensor, rebuilt: Tensor, autoencoded: Tensor
    ) -> dict[str, Tensor]:
        """Faces rebuilt from their neutral faces (Eq. 7, on codes and on pictures) and from their codes (14, 15)."""
        weights, psi, phi = self.weights, self.borrowed.psi, self.borrowed.phi
        terms = {}
        if weights.idt:
            terms["idt"] = losses.identity_loss(C_hat, C_I.detach())
        terms |= picture_losses(PICTURE_TERMS, weights, phi, rebuilt, image, neutral)
        if weights.psi_maps:
            with torch.no_grad():
                wanted = [maps.float() for maps in psi.maps(image, neutral)[:3]]
            found = [maps.float() for maps in psi.maps(rebuilt, neutral)[:3]]
            terms["psi_maps"] = losses.perceptual_loss(found, wanted)
        if weights.recon:
            target, target_neutral = image[: len(autoencoded)], neutral[: len(autoencoded)]
            with torch.no_grad():
                wanted = perceptual_maps(phi, target, target_neutral)
            found = perceptual_maps(phi, autoencoded, target_neutral)
            terms["recon"] = losses.perceptual_loss(found, wanted)
            if weights.recon_image:
                terms["recon"] = terms["recon"] + weights.recon_image * losses.image_loss(autoencoded, target)
        return terms

    def expression_terms(
        self, inputs: EditorInputs, C_S: Tensor, C_SN: Tensor, delta_exp: Tensor, edit: Tensor
    ) -> dict[str, Tensor]:
        """delta_exp tells what Psi sees (Eq. 3), an edit shows it to Psi, and it is a difference of codes (Eq. 2)."""
        weights, psi = self.weights, self.borrowed.psi
        terms = {}
        with torch.no_grad():
            features = psi.features(inputs["source"], inputs["source_neutral"]).float()
        if self.auxiliary is not None:
            mean, log_variance = self.auxiliary(features)
            terms["mutual_information"] = losses.mutual_information_loss(delta_exp, mean.float(), log_variance.float())
        if weights.similarity:
            features_edit = psi.features(edit, inputs["neutral"][: len(edit)]).float()
            wanted = features.roll(1, 0)[: len(edit)]
            terms["similarity"] = losses.expression_similarity_loss(features_edit, wanted)
        if weights.exp:
            terms["exp"] = losses.expression_loss(delta_exp, C_S.detach(), C_SN.detach())
        return terms

    def interpolation_terms(
        self, C_I: Tensor, C_IN: Tensor, delta_exp: Tensor
    ) -> tuple[dict[str, Tensor], EditorOutputs]:
        """Expressions at random intensities alpha: linear (Eqs. 5, 6), and codes as the critic knows them (Eq. 13)."""
        weights, critic = self.weights, self.borrowed.critic
        terms: dict[str, Tensor] = {}
        outputs: EditorOutputs = {}
        alpha = torch.rand(len(C_I), device=C_I.device)
        if weights.adversarial or weights.interp:
            scaled = alpha.view(-1, *[1] * (delta_exp.ndim - 1)) * delta_exp
            C_alpha = self.interpolator(C_IN, scaled).code.float()
            if weights.interp:
                terms["interp"] = losses.interpolation_loss(C_alpha, C_IN.detach(), delta_exp, alpha)
            if weights.adversarial:
                with frozen(critic):
                    terms["adversarial"] = losses.adversarial_loss(critic(C_alpha).float())
                outputs = {"code": C_I.detach(), "code_interpolated": C_alpha.detach()}
        return terms, outputs

    def siamese_terms(self, inputs: EditorInputs, edit: Tensor) -> tuple[dict[str, Tensor], EditorOutputs]:
        """An edit differs from its neutral face as S sees the reference differ from its own (Eqs. 9 to 11)."""
        if not self.weights.siamese:
            return {}, {}
        siamese, count = self.borrowed.siamese, len(edit)
        reference = inputs["source"].roll(1, 0)[:count]
        reference_neutral = inputs["source_neutral"].roll(1, 0)[:count]
        edit_neutral = inputs["neutral"][:count]
        with frozen(siamese):
            v_R = siamese.transform_vector(reference, reference_neutral).float()
            v_I = siamese.transform_vector(edit, edit_neutral).float()
        outputs: EditorOutputs = {
            "reference": reference,
            "reference_neutral": reference_neutral,
            "edit": edit.detach(),
            "edit_neutral": edit_neutral,
        }
        return {"siamese": losses.siamese_loss(v_R, v_I)}, outputs


class LatentCriticObjective(nn.Module):
    """The critic of codes (Eq. 12)."""

    def __init__(self, critic: LatentCritic, weights: LossWeights) -> None:
        super().__init__()
        self.critic, self.weights = critic, weights

    def forward(self, outputs: EditorOutputs) -> Loss:
        """The loss, of `code` and `code_interpolated`; nothing for others."""
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

    def forward(self, outputs: EditorOutputs) -> Loss:
        """The loss, of `reference`, `edit` and their neutral faces; nothing for others."""
        v_R = self.siamese.transform_vector(outputs["reference"], outputs["reference_neutral"]).float()
        v_I = self.siamese.transform_vector(outputs["edit"], outputs["edit_neutral"]).float()
        loss = losses.siamese_contrast_loss(v_R, v_I)
        return Loss(loss, {"siamese_contrast": loss.detach()}, {})


class EditorStage(Stage[LEED]):
    """E, D, X, I and Q, and where they have a weight the latent critic and S; neutraliser and Psi are frozen.

    `neutrals` is a key of LEARNED_SHARE. Raises `ValueError` if no term rebuilds a picture.
    """

    name = "leed"
    title = "the expression editor, with its neutraliser"
    model_class = LEED
    figures = {
        "share_own": "way from the neutral face (0) to the face (1), in SSIM of the inner face, of a rebuilt face",
        "share_view": "the same with the expression taken from a second camera's picture of the shot",
        "autoencoded": "SSIM of the inner face of D(E(face)) to the face",
        "accuracy": "edits on which the run's own classifier finds the reference's expression",
        "distance": "distance of an edit's classifier features to the reference's; 1: the neutral face's own",
    }
    weights = (
        *("exp", "mutual_information", "interp", "idt", "image", "perceptual", "structure", "eyes", "psi_maps"),
        *("recon", "similarity", "siamese", "adversarial", "gradient_penalty"),
    )
    recipe = Recipe(learning_rate=1e-3, optimizer="muon", adam_rate=6e-4)

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
        self.checkpointed = (leed.encoder, leed.decoder, leed.interpolator, phi)

    @classmethod
    def check(cls, config: TrainConfig) -> None:
        """Raises `ValueError` for a batch of one."""
        check_exchange(config)

    @classmethod
    def earlier(cls, config: TrainConfig) -> tuple[str, ...]:
        return "classifier", "neutralizer"

    @classmethod
    def build(cls, settings: Settings, device: torch.device) -> "EditorStage":
        """The editor with the classifier and the neutraliser of the earlier stages.

        Raises `ValueError` for an encoder that would neither learn nor start from anything.
        """
        config, weights, sizes = settings
        if config.freeze_encoder and not (sizes.patch_skip or config.init_from):
            raise ValueError("freeze_encoder needs --init_from, or an encoder with patch_skip: this one knows nothing")
        psi = load_stage_model("classifier", ExpressionClassifier, config.classifier, config.output_dir).to(device)
        leed = LEED(sizes)
        leed.encoder.requires_grad_(not config.freeze_encoder)
        copy_neutralizer(leed, load_stage_model("neutralizer", Neutralizer, config.neutralizer, config.output_dir))
        phi = PerceptualFeatures(config.phi, psi).to(device)
        augmentation = AUGMENTATIONS[cls.recipe.given(config).augmentation]
        return cls(leed, psi, phi, weights, augmentation, config.view_probability, config.neutrals, config.random_flip)

    def select(self, faces: FaceDataset, config: TrainConfig, held_out: bool = False) -> Faces:
        """Faces with true neutral faces, or all faces with learned ones as well."""
        if config.neutrals == "true":
            need, cure = "the editor needs true neutral faces", ": train it with --neutrals learned"
            return subset_or_raise(faces, faces.has_neutral, need, cure, held_out)
        by_fold = [] if held_out else load_fold_neutralizers(config, self.model.device)
        neutralizers = by_fold or [self.model.neutralizer]
        return LearnedNeutrals(faces, *neutralizers, cache=config.cache, num_workers=config.dataloader_num_workers)

    def inputs(self, batch: Batch) -> EditorInputs:
        """A face and its neutral face from either camera, and where its expression comes from: that or the other."""
        target, origin = (choose_neutrals(batch, share) for share in self.learned)
        device, count, has_view = batch["image"].device, len(batch["image"]), whole_views(target)
        exchange = as_map((torch.rand(count, device=device) < 0.5) & has_view)
        first = (batch["image"], target["neutral"], origin["neutral"])
        second = (batch["view"], target["view_neutral"], origin["view_neutral"])
        pictures = [torch.where(exchange, b, a) for a, b in zip(first, second, strict=True)]
        views = [torch.where(exchange, a, b) for a, b in zip(first, second, strict=True)]
        pictures, views = (augment([normalize(x) for x in group], self.augmentation) for group in (pictures, views))
        if self.mirror:
            mirrored = flip(*pictures, *views)
            pictures, views = mirrored[:3], mirrored[3:]
        across = as_map((torch.rand(count, device=device) < self.view_probability) & has_view)
        source, source_neutral = (torch.where(across, views[i], pictures[i]) for i in (0, 2))
        return {
            "image": channels_last(pictures[0]),
            "neutral": channels_last(pictures[1]),
            "source": channels_last(source),
            "source_neutral": channels_last(source_neutral),
        }

    @torch.no_grad()
    def validate(self, model: LEED, faces: Faces) -> Validation:
        """Runs `validate_editor` with this run's Psi."""
        return validate_editor(model, self.psi, faces)
