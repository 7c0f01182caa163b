"""Edit metrics for expressions without a name: edits of the open face set's free expressions.

A triple holds input, reference, true edit (the input's person in the input's pose with exactly the reference's
expression) and the input's true neutral face, which is also that of the true edit. The reference's is not known.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch import Tensor

from leed.data.faces import decode
from leed.data.readers.openfaces import blendshape_names
from leed.data.readers.parquet import parquet_files, read_parquet
from leed.evaluation import metrics
from leed.evaluation.edits import ALPHAS, COMPARED, COMPARED_NAMES, share_of
from leed.evaluation.identity import SAME_PERSON, FaceEmbedding, distance
from leed.evaluation.metrics import Estimate, Metric, mean_of, median_of, quotient_of
from leed.evaluation.pairs import camera_yaws
from leed.evaluation.sheets import panel, side_by_side
from leed.evaluation.tables import line_table, markdown_table, show, show_estimate
from leed.expression import Expression
from leed.images import EYES, MOUTH, denormalize, normalize, part
from leed.model import LEED, PreparedEdit, unchanged
from leed.networks.classifier import ExpressionClassifier
from leed.similarity import inner_ssim, ssim

PICTURES = ("input", "reference", "target", "neutral")
LABELS = ("input_person", "reference_person", "input_camera", "reference_camera")
SIMILARITIES = {"ssim": ssim, "ssim_face": inner_ssim}
PARTS = {"eyes": EYES, "mouth": MOUTH}
NEUTRALS = ("learned", "input-true", "none")
"""Sources of the input's neutral face: the neutraliser, the truth, or the input itself. The reference's is always the
neutraliser's."""

CLOSED = 0.5  # weight of a blink from which an eye counts as closed
OPEN = 0.3  # weight of the jaw from which a mouth counts as open
ONE_SIDED = 0.3  # by which the mean of the weights of one side differs from the other's, in their larger half
SHEET_ROWS = 24
A_ROW = 2  # triples in a row of the sheet

LINES = {
    "share": "share of the way from true neutral to autoencoded truth, SSIM of the crop",
    "share_face": "same, SSIM of the inner face",
    "agreement_eyes": "agreement of the change at the eyes with the truth's (mean cosine over pixels)",
    "agreement_mouth": "same, at the mouth",
    "way_eyes": "part of the truth's change at the eyes that the edit makes (1: all)",
    "way_mouth": "same, at the mouth",
    "distance_to_neutral": "expression distance to the truth, relative to neutral-to-truth",
    "alpha_monotone_way": "alpha 0 to 1.5: share of triples that grow towards the truth in the evaluator's features",
    "alpha_one_way": "that way at alpha 1 (the truth: 1)",
    "identity": "identity distance, edit to input (median)",
    "identity_truth": "identity distance, truth to input (median)",
    "identity_ratio": "identity distance, edit to input relative to truth to input",
    "identity_within": "identity: share of edits within 0.6 of the input",
}

GROUP_COLUMNS = {
    "edit_ssim_face": "SSIM face",
    "neutral_ssim_face": "neutral",
    "share_face": "share",
    "agreement_eyes": "eyes",
    "agreement_mouth": "mouth",
    "way_eyes": "way, eyes",
    "way_mouth": "way, mouth",
    "distance_to_neutral": "distance",
    "alpha_monotone_way": "alpha",
}


# --------------------------------------------------------------------------------------------------------------------
# The triples


@dataclass(frozen=True)
class FreeTriples:
    """N triples. Pictures are uint8 (N, 3, S, S); `neutrals` are the true neutral faces of `inputs` and `targets`."""

    inputs: Tensor
    references: Tensor
    targets: Tensor
    neutrals: Tensor
    input_persons: np.ndarray  # names (N,)
    reference_persons: np.ndarray
    input_yaws: np.ndarray  # degrees (N,), negative towards the picture's left
    reference_yaws: np.ndarray
    blendshapes: np.ndarray  # weights of the reference's expression (N, 53)
    blendshape_names: tuple[str, ...]  # none if they are not known

    def __len__(self) -> int:
        return len(self.inputs)

    def select(self, rows: np.ndarray) -> "FreeTriples":
        """The triples of these rows."""
        kept = {name: values[rows] for name, values in vars(self).items() if name != "blendshape_names"}
        return replace(self, **kept)


def holds_free_triples(folder: str | Path, split: str = "test") -> bool:
    """True if a folder's triples are those of free expressions."""
    files = parquet_files(Path(folder), split)
    return bool(files) and {*PICTURES, "blendshapes"} <= set(pq.read_schema(files[0]).names)


def load_free_triples(
    folder: str | Path, image_size: int = 128, max_triples: int | None = None, split: str = "test"
) -> FreeTriples:
    """The triples of `folder`; with `max_triples` that many, spread over all.

    The names of the blendshape weights are read from `blendshapes.txt` in the folder or in that of the open face set
    beside it, if there is one. Raises `ValueError` if a file or column is missing.
    """
    folder = Path(folder).resolve()
    table = read_parquet(folder, split, (*PICTURES, *LABELS, "blendshapes"))
    if max_triples is not None:
        table = table.take(metrics.spread(np.arange(len(table)), max_triples))
    pictures = {name: torch.stack([decode(x, image_size) for x in table[name].to_pylist()]) for name in PICTURES}
    labels = {name: np.array(table[name].to_pylist()) for name in LABELS}
    return FreeTriples(
        inputs=pictures["input"],
        references=pictures["reference"],
        targets=pictures["target"],
        neutrals=pictures["neutral"],
        input_persons=labels["input_person"],
        reference_persons=labels["reference_person"],
        input_yaws=camera_yaws(labels["input_camera"]),
        reference_yaws=camera_yaws(labels["reference_camera"]),
        blendshapes=np.array(table["blendshapes"].to_pylist()),
        blendshape_names=tuple(blendshape_names(folder)),
    )


def groups(triples: FreeTriples) -> dict[str, np.ndarray]:
    """Masks (N,) by name of the groups of triples that have metrics of their own; empty groups are left out.

    By yaw of the input and by camera and, if the blendshapes' names are known, by what the reference shows.
    """
    yaws, same = np.abs(triples.input_yaws), triples.input_yaws == triples.reference_yaws
    named = {"all": metrics.everyone(len(triples))} | metrics.yaw_groups(yaws)
    named |= {"same camera": same, "other camera": ~same} | shown(triples)
    return {name: members for name, members in named.items() if members.any()}


def shown(triples: FreeTriples) -> dict[str, np.ndarray]:
    """Masks (N,) by name of the triples whose references show something, by their blendshape weights."""
    weight = dict(zip(triples.blendshape_names, triples.blendshapes.T, strict=False))
    if not weight:
        return {}
    left, right = (weight[f"eyeBlink_{side}"] >= CLOSED for side in "LR")
    sided = [name[:-2] for name in weight if name.endswith("_L") and f"{name[:-2]}_R" in weight]
    gaps = np.stack([np.abs(weight[f"{name}_L"] - weight[f"{name}_R"]) for name in sided if "Look" not in name])
    return {
        "eyes closed": left & right,
        "one eye closed": left ^ right,
        "open jaw": weight["jawOpen"] >= OPEN,
        "one-sided": (gaps.max(axis=0) >= ONE_SIDED) & (left == right),
    }


# --------------------------------------------------------------------------------------------------------------------
# Edits


@torch.no_grad()
def measure(
    leed: LEED,
    evaluator: ExpressionClassifier,
    triples: FreeTriples,
    neutrals: str = "learned",
    num_alpha: int = 200,
    embedding: FaceEmbedding | None = None,
    batch_size: int = 32,
    progress: Callable[[int], object] = lambda done: None,
) -> tuple[dict[str, np.ndarray], Tensor]:
    """Edits every triple and compares: values by name, float64 (N,), NaN where not measured, and edits uint8.

    `neutrals` is one of NEUTRALS. The evaluator serves by its features alone, which need no name for an expression; it
    sees the input's true neutral face. Alphas other than 1 are tried on `num_alpha` triples. Without `embedding`
    identity stays unmeasured.
    """
    varied = np.isin(np.arange(len(triples)), metrics.spread(np.arange(len(triples)), num_alpha))
    batches, edits = [], []
    for start in range(0, len(triples), batch_size):
        rows = np.arange(start, min(start + batch_size, len(triples)))
        triple = triples.select(rows)
        image, reference, truth, neutral = (
            normalize(pictures.to(leed.device))
            for pictures in (triple.inputs, triple.references, triple.targets, triple.neutrals)
        )
        prepared = prepare(leed, image, reference, neutral, neutrals)
        edit = prepared(1.0)
        autoencoded = leed.decode(leed.encode(truth)).clamp(-1, 1)
        pictures = dict(zip(COMPARED, (edit, image, neutral, autoencoded), strict=True))
        values = {
            f"{name}_{kind}": metric(picture, truth)
            for kind, metric in SIMILARITIES.items()
            for name, picture in pictures.items()
        }
        values |= changes(edit - neutral, truth - neutral)
        values |= strengths(evaluator, prepared, edit, neutral, truth, torch.from_numpy(varied[rows]))
        batches.append(metrics.as_arrays(values) | identity(embedding, edit, truth, image))
        edits.append(denormalize(edit).cpu())
        progress(len(rows))
    return metrics.joined(batches), torch.cat(edits)


def prepare(leed: LEED, image: Tensor, reference: Tensor, neutral: Tensor, source: str) -> PreparedEdit:
    """The edit that starts from the neutral face of the input (B, 3, H, W) from `source`, one of NEUTRALS.

    With "learned" the edit is that of `leed.prepare`.
    """
    start = leed.neutralizer(image) if source == "learned" else {"input-true": neutral, "none": image}[source]
    delta_exp = leed.extract(leed.encode(reference), leed.encode(leed.neutralizer(reference)))
    code_neutral = leed.encode(start)
    return PreparedEdit(leed, code_neutral, leed.context(code_neutral), Expression(delta_exp), unchanged)


def changes(change: Tensor, wanted: Tensor) -> dict[str, Tensor]:
    """Cosines of the changes (B, 3, H, W) of edit and truth in each of PARTS, and the products for `way` (B,).

    The cosine is NaN where either is zero.
    """
    values = {}
    for name, box in PARTS.items():
        found, truth = (part(x, box).double().flatten(1) for x in (change, wanted))
        product, size = (found * truth).sum(1), found.norm(dim=1) * truth.norm(dim=1)
        values[f"{name}_cosine"] = torch.where(size > 0, product / size, torch.nan)
        values[f"{name}_product"], values[f"{name}_truth"] = product, (truth**2).sum(1)
    return values


def strengths(
    evaluator: ExpressionClassifier,
    prepared: PreparedEdit,
    edit: Tensor,
    neutral: Tensor,
    truth: Tensor,
    varied: Tensor,
) -> dict[str, Tensor]:
    """The evaluator's distances to the truth, and the way of its features towards it over ALPHAS (B,).

    The way is 0 at the neutral face and 1 at the truth; NaN for triples that are not `varied` (B,).
    """
    start, wanted, found = (evaluator.features(x, neutral) for x in (neutral, truth, edit))
    values = {
        "edit_distance": metrics.feature_distance(found, wanted),
        "neutral_distance": metrics.feature_distance(start, wanted),
    }
    direction = wanted - start
    ways = []
    for alpha in ALPHAS:
        features = found if alpha == 1 else evaluator.features(prepared(alpha), neutral)
        ways.append(metrics.way(features - start, direction))
    varied = varied.to(edit.device)
    values["monotone_way"] = metrics.monotone(torch.stack(ways, dim=1)).where(varied, torch.nan)
    values["way_at_one"] = ways[ALPHAS.index(1.0)].double().where(varied, torch.nan)
    return values


def identity(embedding: FaceEmbedding | None, edit: Tensor, truth: Tensor, image: Tensor) -> dict[str, np.ndarray]:
    """Embedding distances (B,) of edit and truth to the input; NaN without embedding."""
    if embedding is None:
        return {name: np.full(len(image), np.nan) for name in ("edit_identity", "truth_identity")}
    own = embedding(image)
    return {
        "edit_identity": distance(embedding(edit), own),
        "truth_identity": distance(embedding(truth), own),
    }


def free_metrics(values: dict[str, np.ndarray]) -> dict[str, Metric]:
    """Every metric by name, of the values of `measure`."""

    def quotient(numerator: str, denominator: str, of: Callable[[np.ndarray], Metric] = mean_of) -> Metric:
        return quotient_of(of(values[numerator]), of(values[denominator]))

    near = values["edit_identity"]
    within = np.where(np.isnan(near), np.nan, near <= SAME_PERSON)
    named = {f"{name}_{kind}": mean_of(values[f"{name}_{kind}"]) for kind in SIMILARITIES for name in COMPARED}
    named |= {f"agreement_{name}": mean_of(values[f"{name}_cosine"]) for name in PARTS}
    named |= {f"way_{name}": quotient(f"{name}_product", f"{name}_truth") for name in PARTS}
    return named | {
        "share": share_of(values, "ssim"),
        "share_face": share_of(values, "ssim_face"),
        "distance_to_neutral": quotient("edit_distance", "neutral_distance"),
        "alpha_monotone_way": mean_of(values["monotone_way"]),
        "alpha_one_way": mean_of(values["way_at_one"]),
        "identity": median_of(values["edit_identity"]),
        "identity_truth": median_of(values["truth_identity"]),
        "identity_ratio": quotient("edit_identity", "truth_identity", median_of),
        "identity_within": mean_of(within),
    }


def evaluate(values: dict[str, np.ndarray], triples: FreeTriples) -> dict[str, dict[str, Estimate]]:
    """Every metric with its 95 % interval, over the people of the inputs, for every group."""
    return metrics.estimates(free_metrics(values), triples.input_persons, groups(triples))


def report(found: dict[str, dict[str, Estimate]], triples: FreeTriples) -> str:
    """The three tables: similarities, metrics, groups."""
    similarity = [
        [COMPARED_NAMES[name], *(show_estimate(found["all"][f"{name}_{kind}"], 4) for kind in SIMILARITIES)]
        for name in COMPARED
    ]
    counts = {group: int(members.sum()) for group, members in groups(triples).items()}
    rows = [
        [group, str(counts[group]), *(show(named[name].value) for name in GROUP_COLUMNS)]
        for group, named in found.items()
    ]
    return "\n\n".join(
        [
            f"{len(triples)} triples of free expressions. Yaw is the input's.",
            markdown_table(["compared with the truth", "SSIM", "SSIM face"], similarity),
            line_table("metric", LINES, found["all"]),
            markdown_table(["triples", "number", *GROUP_COLUMNS.values()], rows),
        ]
    )


def edit_sheet(triples: FreeTriples, edits: Tensor) -> Image.Image:
    """Input, reference, edit and truth of triples spread over all."""
    rows = metrics.spread(np.arange(len(triples)), SHEET_ROWS)
    pictures = (triples.inputs, triples.references, edits, triples.targets)
    titles = ["input", "reference", "edit", "truth"] * min(A_ROW, len(rows))
    faces = side_by_side(*(normalize(uint8[rows]) for uint8 in pictures), a_row=A_ROW)
    return panel(faces, titles, group=len(pictures))
