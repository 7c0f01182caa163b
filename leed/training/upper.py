"""The stage of the upper level, which draws mouth and eyes of an edit in a larger picture; all else is frozen."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple, TypedDict

import torch
from torch import Tensor, nn

from leed.config import PRESETS, UPPER_WIDTHS, ModelConfig
from leed.data.batch import Batch
from leed.data.faces import FaceDataset
from leed.images import normalize, resize, to_pil, to_tensor
from leed.model import LEED, scaled
from leed.networks.critics import WindowCritic
from leed.networks.upper import UPPER_SCALE, Refinement, UpperLevel, seen_of, window_of
from leed.photo.geometry import Alignment
from leed.photo.pasting import Motion, paste
from leed.training import losses
from leed.training.augmentation import AUGMENTATIONS, Augmentation
from leed.training.config import LossWeights, Recipe, Settings, TrainConfig
from leed.training.detail import BOXES, box_of, box_ssim, detail_correlation, gradient_energy
from leed.training.earlier import diff_sizes, load_stage_model
from leed.training.faces import Faces, subset_or_raise
from leed.training.inputs import as_map, batches, channels_last, paired_inputs
from leed.training.stage import Loss, Stage, Validation, frozen
from leed.training.terms import weighted_loss

WIDTH = {"tiny": 16}
"""Channels of each window of the upper level in the presets; 32 in all others."""

CLOSED_SHARE = 1 / 3  # of the faces of a batch: those that become neutral; the others get their expression
CHANGED_SHARE = 0.4  # of the faces, those whose mouth or eyes change most: there the gradient energy is measured


class Seen(TypedDict):
    """What the upper level sees of edits in a window, and the truth there: (B, 3, h, w) each."""

    moved: Tensor
    edit: Tensor
    truth: Tensor


class UpperInputs(TypedDict):
    """What the upper level sees of edits, by window, and the edits' features and expressions; see `UpperLevel`."""

    windows: dict[str, Seen]
    features: Tensor
    delta_exp: Tensor


class Shown(TypedDict):
    """What a window should show and what is drawn there, (B, 3, h, w) each, for its critic; detached."""

    truth: Tensor
    drawn: Tensor


class UpperBorrowed(NamedTuple):
    """The critics by window, which the upper level's objective uses and does not train."""

    critics: nn.ModuleDict


class UpperObjective(nn.Module):
    """The loss of the upper level, mean over its windows: L1, 1 - SSIM, L1 of gradients, and the critics' scores."""

    def __init__(self, levels: Mapping[str, UpperLevel], critics: nn.ModuleDict, weights: LossWeights) -> None:
        super().__init__()
        self.levels, self.weights = nn.ModuleDict(levels), weights
        self.borrowed = UpperBorrowed(critics)

    def forward(self, inputs: UpperInputs) -> Loss:
        """The loss; for the critics the truth and what is drawn, by window (`Shown`)."""
        outputs: dict[str, Shown] = {}
        terms: defaultdict[str, list[Tensor]] = defaultdict(list)
        for window, level in self.levels.items():
            seen = inputs["windows"][window]
            moved, truth = seen["moved"], seen["truth"]
            replaced, added = level(moved, seen["edit"], inputs["features"], inputs["delta_exp"])
            drawn = Refinement(moved, replaced, added).drawn.float()
            for name, loss in self.terms(window, drawn, truth).items():
                terms[name].append(loss)
            outputs[window] = {"truth": truth, "drawn": drawn.detach()}
        return weighted_loss(self.weights, {name: torch.stack(found).mean() for name, found in terms.items()}, outputs)

    def terms(self, window: str, drawn: Tensor, truth: Tensor) -> dict[str, Tensor]:
        """The terms of what is drawn in a window, (B, 3, h, w)."""
        losses_of = {
            "upper_image": losses.image_loss,
            "upper_structure": losses.structure_loss,
            "upper_gradient": losses.gradient_loss,
        }
        terms = {name: loss(drawn, truth) for name, loss in losses_of.items() if getattr(self.weights, name)}
        if self.weights.upper_adversarial:
            critic = self.borrowed.critics[window]
            with frozen(critic):
                terms["upper_adversarial"] = losses.adversarial_loss(critic(drawn).float())
        return terms


class CriticObjective(nn.Module):
    """The critics of the windows: each learns to tell what is drawn from what is true."""

    def __init__(self, critics: nn.ModuleDict) -> None:
        super().__init__()
        self.critics = critics

    def forward(self, outputs: Mapping[str, Shown]) -> Loss:
        """The loss, mean over the windows; nothing for others."""
        found = []
        for window, critic in self.critics.items():
            shown = outputs[window]
            found.append(losses.hinge_loss(critic(shown["truth"]).float(), critic(shown["drawn"]).float()))
        loss = torch.stack(found).mean()
        return Loss(loss, {"upper_critic": loss.detach()}, {})


class Compared(NamedTuple):
    """A face with and without the upper level, and the truth: (1, 3, 3S, 3S) each."""

    drawn: Tensor
    pasted: Tensor
    enlarged: Tensor  # the edit without the photo
    truth: Tensor


class UpperStage(Stage[LEED]):
    """The upper level of a LEED that is trained already.

    Raises `ValueError` if no term has a weight, or the level no window.
    """

    name = "upper"
    title = "the expression editor, with its neutraliser and an upper level for large pictures"
    model_class = LEED
    figures = {
        f"{box}_{figure}{suffix}": f"{meaning}, {box}, {what}"
        for box in BOXES
        for figure, meaning in {
            "ssim": "SSIM",
            "detail": "correlation of detail finer than 2 px with the truth's",
            "energy": "gradient energy of the 40 % most changed (truth: 1)",
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

    def __init__(
        self,
        leed: LEED,
        weights: LossWeights,
        augmentation: Augmentation,
        mirror: bool = True,
        window: str | None = None,
    ) -> None:
        levels = {name: level for name, level in leed.upper_levels.items() if window in (None, name)}
        if not levels:
            fields = [UPPER_WIDTHS[name] for name in UPPER_WIDTHS if window in (None, name)]
            wanted = " or ".join(f"--model_{field}" for field in fields)
            raise ValueError(f"an upper level without channels learns nothing: give {wanted}")
        if not (weights.upper_image or weights.upper_structure or weights.upper_gradient):
            raise ValueError(
                "nothing tells the upper level what mouth and eyes look like: give upper_image, upper_structure or "
                "upper_gradient a weight"
            )
        self.model = leed.eval()
        leed.requires_grad_(False)
        for level in levels.values():
            level.requires_grad_(True)
        self.critics = critics = nn.ModuleDict({name: WindowCritic(leed.config.upper_widths[name]) for name in levels})
        self.objectives = {"upper": UpperObjective(levels, critics, weights)}
        if weights.upper_adversarial:
            self.objectives["critic"] = CriticObjective(critics)
        self.augmentation, self.mirror = augmentation, mirror
        self.checkpointed = tuple(levels.values())

    @classmethod
    def sizes(cls, preset: str) -> ModelConfig:
        width = WIDTH.get(preset, 32)
        return replace(PRESETS[preset], upper_width=width, upper_eyes_width=width)

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
        """The LEED of the earlier stage with an upper level: its own, in the windows that it draws.

        Raises `ValueError` for one of other sizes.
        """
        config, weights, sizes = settings
        start = load_stage_model("leed", LEED, config.leed, config.output_dir)
        leed = LEED(sizes)
        shared = {name for name in vars(sizes) if not name.startswith("upper_")}
        shared |= {UPPER_WIDTHS[window] for window in start.config.upper_widths}
        shared |= {"upper_depth"} if start.config.upper_widths else set()
        if found := diff_sizes(start, leed, shared):
            raise ValueError(f"the model has other sizes than this run: {found}; pass its own as --model_<field>")
        new = sorted(set(sizes.upper_widths) - set(start.config.upper_widths))
        if config.upper_window and (idle := [name for name in new if name != config.upper_window]):
            raise ValueError(
                f"{config.leed or 'the model'} does not draw the {idle[0]} yet, and would not learn it in this run: "
                f"give --model_{UPPER_WIDTHS[idle[0]]} 0, or no --upper_window"
            )
        leed.load_state_dict(start.state_dict(), strict=False)  # all but the windows that it lacks
        leed.share_estimator(start)
        augmentation = AUGMENTATIONS[cls.recipe.given(config).augmentation]
        return cls(leed, weights, augmentation, config.random_flip, config.upper_window)

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
        assert trace.features is not None  # the model has an upper level
        windows: dict[str, Seen] = {}
        for window in self.critics:
            moved, edit = seen_of(window, photo, trace.edited, trace.flow)
            there = window_of(window, truth.shape[-1]).of(truth)
            windows[window] = {
                "moved": channels_last(moved),
                "edit": channels_last(edit),
                "truth": channels_last(there),
            }
        delta_exp = scaled(alpha, prepared.expression.delta_exp)
        return {"windows": windows, "features": channels_last(trace.features), "delta_exp": delta_exp}

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
                compared = compared_edit(model, photo, face, neutral if row % 2 else face, 1.0 - row % 2)
                for name, value in measured(compared, photo[None].cpu()).items():
                    sums[name].append(value)
                waiting += number in shown
                if waiting and row % 2 == len(rows) % 2:  # rows at even distances would all be of one kind
                    rows.append([photo, compared.pasted[0], compared.drawn[0], compared.truth[0]])
                    waiting -= 1
                row += 1
        return Validation(upper_figures({name: torch.cat(values) for name, values in sums.items()}), rows)


def compared_edit(model: LEED, photo: Tensor, reference: Tensor, truth: Tensor, alpha: float) -> Compared:
    """An edit of a photo (3, 3S, 3S) that is the whole crop, with and without the upper level."""
    side, small = photo.shape[-1], model.config.image_size
    picture, whole = to_pil(photo), Alignment((0.0, 0.0), (float(photo.shape[-1]), 0.0))
    crop = whole.crop(picture, small)
    prepared = model.prepare(crop, model.expression(resize(reference[None], small)))
    trace = prepared.trace(alpha)
    edited, motion = to_pil(trace.edited), Motion.of(trace)
    refinements = prepared.refine(photo[None], trace, alpha)
    drawn, pasted = (
        to_tensor(paste(picture, crop, edited, whole, motion, given), side) for given in (refinements, {})
    )
    enlarged = nn.functional.interpolate(trace.edited, (side, side), mode="bicubic").clamp(-1, 1).cpu()
    return Compared(drawn, pasted, enlarged, truth[None].cpu())


def measured(compared: Compared, photo: Tensor) -> dict[str, Tensor]:
    """The measurements (1,) of mouth and eyes of each picture, and how much the true ones differ from the photo's."""
    truth, kinds = compared.truth, {"": compared.drawn, "_pasted": compared.pasted, "_enlarged": compared.enlarged}
    values = {}
    for box in BOXES:
        values[f"{box}_energy_truth"] = gradient_energy(truth, box)
        values[f"{box}_change"] = box_of(photo - truth, box).abs().mean((1, 2, 3))
        for suffix, pictures in kinds.items():
            values[f"{box}_ssim{suffix}"] = box_ssim(pictures, truth, box)
            values[f"{box}_detail{suffix}"] = detail_correlation(pictures, truth, box)
            values[f"{box}_energy{suffix}"] = gradient_energy(pictures, box)
    return values


def upper_figures(values: dict[str, Tensor]) -> dict[str, float]:
    """The figures of `UpperStage.validate`, of measurements (N,)."""
    figures = {}
    for name in UpperStage.figures:
        box, figure = name.split("_", 1)
        change = values[f"{box}_change"]
        most = change.topk(max(round(CHANGED_SHARE * len(change)), 1)).indices
        if figure.startswith("energy"):
            truth = values[f"{box}_energy_truth"][most].sum()
            figures[name] = float(values[name][most].sum() / truth.clamp(min=1e-9))
        else:
            figures[name] = float(values[name].mean())
    return figures
