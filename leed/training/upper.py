"""The stage of the upper level, which draws the mouth of an edit in a larger picture; all else of LEED is frozen."""

from collections import defaultdict
from dataclasses import replace
from typing import NamedTuple, TypedDict

import torch
from torch import Tensor, nn

from leed.config import PRESETS, ModelConfig
from leed.data.batch import Batch
from leed.data.faces import FaceDataset
from leed.images import normalize, resize, to_pil, to_tensor
from leed.model import LEED, scaled
from leed.networks.critics import MouthCritic
from leed.networks.upper import UPPER_SCALE, Refinement, UpperLevel, mouth_window, seen_of
from leed.photo.geometry import Alignment
from leed.photo.pasting import Motion, paste
from leed.training import losses
from leed.training.augmentation import AUGMENTATIONS, Augmentation
from leed.training.config import LossWeights, Recipe, Settings, TrainConfig
from leed.training.detail import box_of, box_ssim, detail_correlation, gradient_energy
from leed.training.earlier import diff_sizes, load_stage_model
from leed.training.faces import Faces, subset_or_raise
from leed.training.inputs import as_map, batches, channels_last, paired_inputs
from leed.training.stage import Loss, Stage, Validation, frozen
from leed.training.terms import weighted_loss

WIDTH = {"tiny": 16}
"""Channels of the upper level in the presets; 32 in all others."""

CLOSED_SHARE = 1 / 3  # of the faces of a batch: those that become neutral; the others get their expression
CHANGED_SHARE = 0.4  # of the faces, those whose mouth changes most: there the gradient energy is measured
UPPER_SIZES = {"upper_width", "upper_depth"}


class UpperInputs(TypedDict):
    """What the upper level sees of edits, and the true mouths (B, 3, h, w); see `UpperLevel.forward`."""

    moved: Tensor
    edit: Tensor
    features: Tensor
    delta_exp: Tensor
    truth: Tensor


class UpperOutputs(TypedDict):
    """True and drawn mouths (B, 3, h, w) for the critic; detached."""

    truth: Tensor
    drawn: Tensor


class UpperBorrowed(NamedTuple):
    """The critic of mouths, which the upper level's objective uses and does not train."""

    critic: MouthCritic


class UpperObjective(nn.Module):
    """The loss of the upper level: L1, 1 - SSIM and L1 of gradients to the true mouth, and the critic's score."""

    def __init__(self, upper: UpperLevel, critic: MouthCritic, weights: LossWeights) -> None:
        super().__init__()
        self.upper, self.weights = upper, weights
        self.borrowed = UpperBorrowed(critic)

    def forward(self, inputs: UpperInputs) -> Loss:
        """The loss; true and drawn mouths for the critic."""
        moved, truth = inputs["moved"], inputs["truth"]
        replaced, added = self.upper(moved, inputs["edit"], inputs["features"], inputs["delta_exp"])
        drawn = Refinement(moved, replaced, added).drawn.float()
        compared = {
            "upper_image": losses.image_loss,
            "upper_structure": losses.structure_loss,
            "upper_gradient": losses.gradient_loss,
        }
        terms = {name: loss(drawn, truth) for name, loss in compared.items() if getattr(self.weights, name)}
        if self.weights.upper_adversarial:
            with frozen(self.borrowed.critic):
                terms["upper_adversarial"] = losses.adversarial_loss(self.borrowed.critic(drawn).float())
        outputs: UpperOutputs = {"truth": truth, "drawn": drawn.detach()}
        return weighted_loss(self.weights, terms, outputs)


class MouthCriticObjective(nn.Module):
    """The critic of mouths: it learns to tell drawn from true ones."""

    def __init__(self, critic: MouthCritic) -> None:
        super().__init__()
        self.critic = critic

    def forward(self, outputs: UpperOutputs) -> Loss:
        """The loss; nothing for others."""
        loss = losses.hinge_loss(*(self.critic(outputs[name]).float() for name in ("truth", "drawn")))
        return Loss(loss, {"upper_critic": loss.detach()}, {})


class Mouths(NamedTuple):
    """A face with and without the upper level, and the truth: (1, 3, 3S, 3S) each."""

    drawn: Tensor
    pasted: Tensor
    enlarged: Tensor  # the edit without the photo
    truth: Tensor


class UpperStage(Stage[LEED]):
    """The upper level of a LEED that is trained already. Raises `ValueError` if no term has a weight."""

    name = "upper"
    title = "the expression editor, with its neutraliser and an upper level for mouths in large pictures"
    model_class = LEED
    figures = {
        f"{figure}{suffix}": f"{meaning}, {what}"
        for figure, meaning in {
            "ssim": "SSIM of the mouth",
            "detail": "correlation of the mouth's detail finer than 2 px with the truth's",
            "energy": "gradient energy of the 40 % most changed mouths (truth: 1)",
        }.items()
        for suffix, what in {
            "": "with the upper level",
            "_pasted": "pasted without it",
            "_enlarged": "the edit enlarged",
        }.items()
    }
    weights = ("upper_",)
    recipe = Recipe(learning_rate=1e-3, optimizer="muon", augmentation="none", max_grad_norm=1.0)
    networks_make_inputs = True

    def __init__(self, leed: LEED, weights: LossWeights, augmentation: Augmentation, mirror: bool = True) -> None:
        if leed.upper is None:
            raise ValueError("an upper level without channels learns nothing: give --model_upper_width")
        if not (weights.upper_image or weights.upper_structure or weights.upper_gradient):
            raise ValueError(
                "nothing tells the upper level what a mouth looks like: give upper_image, upper_structure or "
                "upper_gradient a weight"
            )
        self.model = leed.eval()
        leed.requires_grad_(False)
        leed.upper.requires_grad_(True)
        critic = MouthCritic(leed.config)
        self.objectives = {"upper": UpperObjective(leed.upper, critic, weights)}
        if weights.upper_adversarial:
            self.objectives["critic"] = MouthCriticObjective(critic)
        self.augmentation, self.mirror = augmentation, mirror
        self.checkpointed = (leed.upper,)

    @classmethod
    def sizes(cls, preset: str) -> ModelConfig:
        return replace(PRESETS[preset], upper_width=WIDTH.get(preset, 32))

    @classmethod
    def picture_size(cls, sizes: ModelConfig) -> int:
        return UPPER_SCALE * sizes.image_size

    @classmethod
    def check(cls, config: TrainConfig) -> None:
        """Raises `ValueError` for weights to start from: those of `leed` are."""
        if config.init_from:
            raise ValueError("the upper level starts from the model that --leed names, and from its upper level")

    @classmethod
    def earlier(cls, config: TrainConfig) -> tuple[str, ...]:
        return ("leed",)

    @classmethod
    def build(cls, settings: Settings, device: torch.device) -> "UpperStage":
        """The LEED of the earlier stage with an upper level: its own, if it has one.

        Raises `ValueError` for one of other sizes.
        """
        config, weights, sizes = settings
        start = load_stage_model("leed", LEED, config.leed, config.output_dir)
        leed = LEED(sizes)
        compared = set(start.config.__dataclass_fields__) - (set() if start.config.upper_width else UPPER_SIZES)
        if found := diff_sizes(start, leed, compared):
            raise ValueError(f"the model has other sizes than this run: {found}; pass its own as --model_<field>")
        leed.load_state_dict(start.state_dict(), strict=False)  # all but an upper level that it lacks
        leed.share_estimator(start)
        augmentation = AUGMENTATIONS[cls.recipe.given(config).augmentation]
        return cls(leed, weights, augmentation, config.random_flip)

    def select(self, faces: FaceDataset, config: TrainConfig, held_out: bool = False) -> Faces:
        """Faces with true neutral faces."""
        return subset_or_raise(faces, faces.has_neutral, "the upper level needs true neutral faces", "", held_out)

    def inputs(self, batch: Batch) -> UpperInputs:
        """Edits by the frozen model: neutral faces get the expression of the face, the others become neutral."""
        face, neutral = paired_inputs(batch, self.augmentation, self.mirror)
        closed = torch.rand(len(face), device=face.device) < CLOSED_SHARE
        photo, truth = (torch.where(as_map(closed), *pair) for pair in ((face, neutral), (neutral, face)))
        leed, side = self.model, self.model.config.image_size
        prepared = leed.prepare(resize(photo, side), leed.expression(resize(face, side)))
        alpha = (~closed).to(face)
        trace = prepared.trace(alpha)
        moved, edit = seen_of(photo, trace.edited, trace.flow)
        delta_exp = scaled(alpha, prepared.expression.delta_exp)
        return {
            "moved": channels_last(moved),
            "edit": channels_last(edit),
            "features": channels_last(leed.interpolator.features(prepared.context, delta_exp)),
            "delta_exp": delta_exp,
            "truth": channels_last(mouth_window(truth.shape[-1]).of(truth)),
        }

    @torch.no_grad()
    def validate(self, model: LEED, faces: Faces) -> Validation:
        """Figures of whole edits of photos that are the crop, as `python -m leed.evaluation.large` measures them.

        By turns a neutral face gets the expression of the face and the face becomes neutral. Rows, by turns of both
        kinds: photo, pasted, with the upper level, truth.
        """
        sums: defaultdict[str, list[Tensor]] = defaultdict(list)
        rows: list[list[Tensor | None]] = []
        row = waiting = 0
        for batch, shown in batches(faces, model.device):
            pictures = zip(normalize(batch["image"]), normalize(batch["neutral"]), strict=True)
            for number, (face, neutral) in enumerate(pictures):
                photo = face if row % 2 else neutral
                mouths = edited_mouths(model, photo, face, neutral if row % 2 else face, 1.0 - row % 2)
                for name, value in measured(mouths, photo[None].cpu()).items():
                    sums[name].append(value)
                waiting += number in shown
                if waiting and row % 2 == len(rows) % 2:  # rows at even distances would all be of one kind
                    rows.append([photo, mouths.pasted[0], mouths.drawn[0], mouths.truth[0]])
                    waiting -= 1
                row += 1
        return Validation(upper_figures({name: torch.cat(values) for name, values in sums.items()}), rows)


def edited_mouths(model: LEED, photo: Tensor, reference: Tensor, truth: Tensor, alpha: float) -> Mouths:
    """An edit of a photo (3, 3S, 3S) that is the whole crop, with and without the upper level."""
    side, small = photo.shape[-1], model.config.image_size
    picture, whole = to_pil(photo), Alignment((0.0, 0.0), (float(photo.shape[-1]), 0.0))
    crop = whole.crop(picture, small)
    prepared = model.prepare(crop, model.expression(resize(reference[None], small)))
    trace = prepared.trace(alpha)
    edited, motion = to_pil(trace.edited), Motion.of(trace)
    refinement = prepared.refine(photo[None], trace, alpha)
    drawn, pasted = (
        to_tensor(paste(picture, crop, edited, whole, motion, given), side) for given in (refinement, None)
    )
    enlarged = nn.functional.interpolate(trace.edited, (side, side), mode="bicubic").clamp(-1, 1).cpu()
    return Mouths(drawn, pasted, enlarged, truth[None].cpu())


def measured(mouths: Mouths, photo: Tensor) -> dict[str, Tensor]:
    """The measurements (1,) of each kind of mouths, and how much the true mouth differs from the photo's."""
    truth = mouths.truth
    values = {
        "energy_truth": gradient_energy(truth, "mouth"),
        "change": box_of(photo - truth, "mouth").abs().mean((1, 2, 3)),
    }
    for suffix, pictures in {"": mouths.drawn, "_pasted": mouths.pasted, "_enlarged": mouths.enlarged}.items():
        values[f"ssim{suffix}"] = box_ssim(pictures, truth, "mouth")
        values[f"detail{suffix}"] = detail_correlation(pictures, truth, "mouth")
        values[f"energy{suffix}"] = gradient_energy(pictures, "mouth")
    return values


def upper_figures(values: dict[str, Tensor]) -> dict[str, float]:
    """The figures of `UpperStage.validate`, of measurements (N,)."""
    change = values["change"]
    most = change.topk(max(round(CHANGED_SHARE * len(change)), 1)).indices
    figures = {}
    for name in UpperStage.figures:
        if name.startswith("energy"):
            figures[name] = float(values[name][most].sum() / values["energy_truth"][most].sum().clamp(min=1e-9))
        else:
            figures[name] = float(values[name].mean())
    return figures
