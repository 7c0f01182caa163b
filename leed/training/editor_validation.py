"""Validation of the editor: figures on held-out people and rows for a contact sheet."""

from collections import defaultdict
from typing import NamedTuple

import torch
from torch import Tensor

from leed.data.batch import Batch
from leed.images import normalize
from leed.model import LEED
from leed.networks.classifier import ExpressionClassifier
from leed.similarity import inner_ssim
from leed.training.faces import Faces
from leed.training.inputs import batches, choose_neutrals, whole_views
from leed.training.stage import Validation

SHEET_ALPHAS = (0.0, 0.5, 1.0, 1.5)
"""Intensities of the edits on a contact sheet."""


class Edits(NamedTuple):
    """Held-out faces (B, 3, S, S) in [-1, 1], and what the model makes of them."""

    image: Tensor
    neutral: Tensor
    autoencoded: Tensor  # D(E(image))
    rebuilt: Tensor  # from the neutral face and the face's own delta_exp
    across: Tensor | None  # the same with delta_exp from the second camera; None if no face has one
    has_view: Tensor  # bool (B,)
    edit: Tensor  # the neutral face with the next face's delta_exp
    code_neutral: Tensor
    delta_exp: Tensor


def validate_editor(model: LEED, psi: ExpressionClassifier, faces: Faces) -> Validation:
    """Figures with the neutral faces of the data set, or with the neutraliser's where the editor trains on them.

    `share_own`, `share_view`: how far the rebuilt face goes from the neutral face (0) to the face (1) in SSIM of
    the inner face, with delta_exp from itself and, where there is one, from the second camera; `autoencoded`: SSIM
    of D(E(face)); `accuracy`, `distance`: Psi on edits with the next face's expression (distance in features, 1 =
    that of the neutral face). Rows: face, its neutral face, rebuilt, rebuilt from the second camera, reference,
    edits with alpha of SHEET_ALPHAS.
    """
    sums: defaultdict[str, float] = defaultdict(float)
    rows: list[list[Tensor | None]] = []
    for stored, shown in batches(faces, model.device):
        batch = choose_neutrals(stored, 1.0)
        edits = make_edits(model, batch)
        measured = measure_pictures(edits) | measure_expressions(psi, edits, batch["expression"])
        for name, values in measured.items():
            sums[name] += float(values.sum())  # no float64: MPS has none
        rows += sheet_rows(model, edits, shown)
    return Validation(editor_figures(sums), rows)


def render(model: LEED, code_neutral: Tensor, delta_exp: Tensor, alpha: float = 1.0) -> Tensor:
    """D(I(C_IN, alpha delta_exp)), clamped to [-1, 1]."""
    return model.decode(model.interpolate(code_neutral, delta_exp, alpha).code).clamp(-1, 1)


def make_edits(model: LEED, batch: Batch) -> Edits:
    """Everything that the figures and the sheet show of a batch."""
    image, neutral, has_view = normalize(batch["image"]), normalize(batch["neutral"]), whole_views(batch)
    C_I, C_IN = model.encode(image), model.encode(neutral)
    delta_exp = model.extract(C_I, C_IN)
    across = None
    if bool(has_view.any()):
        view, view_neutral = normalize(batch["view"]), normalize(batch["view_neutral"])
        across = render(model, C_IN, model.extract(model.encode(view), model.encode(view_neutral)))
    autoencoded = model.decode(C_I).clamp(-1, 1)
    rebuilt, edit = render(model, C_IN, delta_exp), render(model, C_IN, delta_exp.roll(1, 0))
    return Edits(image, neutral, autoencoded, rebuilt, across, has_view, edit, C_IN, delta_exp)


def measure_pictures(edits: Edits) -> dict[str, Tensor]:
    """SSIM of the inner face to the face (B,), by what is compared; of second cameras, only the faces with one."""
    start = inner_ssim(edits.neutral, edits.image)
    measured = {
        "faces": torch.ones(len(edits.image)),
        "neutral": start,
        "own": inner_ssim(edits.rebuilt, edits.image),
        "autoencoded": inner_ssim(edits.autoencoded, edits.image),
    }
    if edits.across is not None:
        with_view = edits.has_view
        measured["views"] = with_view
        measured["view_neutral"] = start[with_view]
        measured["view"] = inner_ssim(edits.across[with_view], edits.image[with_view])
    return measured


def measure_expressions(psi: ExpressionClassifier, edits: Edits, expression: Tensor) -> dict[str, Tensor]:
    """Psi on each edit (B,): whether it finds the reference's label, and the distances of features.

    `expression` (B,) are the faces' own labels, -1 where unknown.
    """
    wanted = psi.features(edits.image, edits.neutral).roll(1, 0)
    found = psi.features(edits.edit, edits.neutral)
    label = expression.roll(1, 0)
    return {
        "labels": label >= 0,
        "right": psi.resnet.fc(found).argmax(1) == label,
        "distance": (found - wanted).norm(dim=1),
        "way": (psi.features(edits.neutral, edits.neutral) - wanted).norm(dim=1),
    }


def sheet_rows(model: LEED, edits: Edits, shown: list[int]) -> list[list[Tensor | None]]:
    """The rows of a contact sheet, of the faces `shown`."""
    reference, delta_exp = edits.image.roll(1, 0), edits.delta_exp.roll(1, 0)
    scale = [render(model, edits.code_neutral[shown], delta_exp[shown], alpha) for alpha in SHEET_ALPHAS]
    rows = []
    for number, i in enumerate(shown):
        second = edits.across[i] if edits.across is not None and edits.has_view[i] else None
        row = [edits.image[i], edits.neutral[i], edits.rebuilt[i], second, reference[i]]
        rows.append(row + [pictures[number] for pictures in scale])
    return rows


def editor_figures(sums: defaultdict[str, float]) -> dict[str, float]:
    """The figures of `validate_editor` from its sums over faces; those that the data cannot tell are left out."""
    figures = {"autoencoded": sums["autoencoded"] / sums["faces"]}
    wholes = {
        "share_own": (sums["own"] - sums["neutral"], sums["faces"] - sums["neutral"]),
        "share_view": (sums["view"] - sums["view_neutral"], sums["views"] - sums["view_neutral"]),
        "accuracy": (sums["right"], sums["labels"]),
        "distance": (sums["distance"], sums["way"]),
    }
    return figures | {name: part / whole for name, (part, whole) in wholes.items() if whole > 0}
