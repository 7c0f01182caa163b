"""Neutral faces of pictures that come with their true ones: free expressions and real smiles of test people.

`python -m leed.evaluation.neutral` measures them where its --data_dir holds either set.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from leed.data.faces import FaceDataset
from leed.data.readers.openfaces_smiles import read_openfaces_smiles
from leed.data.readers.parquet import parquet_files
from leed.evaluation import metrics
from leed.evaluation.free import PARTS, holds_free_triples, identity, load_free_triples
from leed.evaluation.identity import FaceEmbedding
from leed.evaluation.metrics import Estimate, Metric, mean_of, median_of, quotient_of
from leed.evaluation.sheets import panel, side_by_side
from leed.evaluation.tables import line_table
from leed.images import normalize, part
from leed.similarity import inner_ssim, ssim

MOST_SHARE = 0.3  # of the pictures, those in which a part of the face changes most
SHEET_ROWS, A_ROW = 8, 3

LINES = {
    "ssim_face": "inner-face SSIM to the true neutral face",
    "picture_ssim_face": "same, the picture itself",
    "left_eyes": "difference left at the eyes (1 = unchanged)",
    "left_eyes_most": "same, where they change most (top 30 %)",
    "left_mouth": "difference left at the mouth",
    "left_mouth_most": "same, where it changes most (top 30 %)",
    "neutral_in": "neutral in: SSIM to itself",
    "identity_ratio": "identity distance to the picture, relative to the true neutral's (medians)",
}


@dataclass(frozen=True)
class NeutralPairs:
    """N pictures and their true neutral faces, uint8 (N, 3, S, S), and the names (N,) of the people in them."""

    images: Tensor
    neutrals: Tensor
    persons: np.ndarray
    title: str  # the kind of pictures, in words

    def __len__(self) -> int:
        return len(self.images)


def holds_neutral_pairs(folder: str | Path) -> bool:
    """True if a folder holds pictures that `load_neutral_pairs` reads."""
    return holds_free_triples(folder) or bool(parquet_files(Path(folder), "smiles"))


def load_neutral_pairs(folder: str | Path, image_size: int = 128, max_pictures: int | None = None) -> NeutralPairs:
    """The true edits of free triples, or the real smiles of test people; `max_pictures` of them, spread over all.

    A true edit's true neutral face is that of its input, whose pose and light it has. Raises `ValueError` if a folder
    of smiles has none of test people.
    """
    if holds_free_triples(folder):
        triples = load_free_triples(folder, image_size, max_pictures)
        return NeutralPairs(triples.targets, triples.neutrals, triples.input_persons, "free expressions")
    table = read_openfaces_smiles(Path(folder).resolve(), "test")
    if max_pictures is not None:
        table = table.select(metrics.spread(np.arange(len(table)), max_pictures))
    faces = FaceDataset(table, image_size, in_memory=True)
    if faces.images is None or faces.neutrals is None:
        raise ValueError(f"{folder} has no real smiles of test people, in whose rows `split` is test")
    return NeutralPairs(faces.images, faces.neutrals, np.array(list(table["person"])), "real smiles")


@torch.no_grad()
def measure(
    neutralize: Callable[[Tensor], Tensor],
    pairs: NeutralPairs,
    embedding: FaceEmbedding | None = None,
    device: str = "cpu",
    batch_size: int = 32,
    progress: Callable[[int], object] = lambda done: None,
) -> dict[str, np.ndarray]:
    """Measurements of each picture: float64 (N,), NaN where not measured.

    `progress` is called with the number of pictures of each batch.
    """
    batches = []
    for images, neutrals in zip(pairs.images.split(batch_size), pairs.neutrals.split(batch_size), strict=True):
        image, neutral = normalize(images.to(device)), normalize(neutrals.to(device))
        guess, again = (neutralize(faces).clamp(-1, 1) for faces in (image, neutral))
        values = {
            "ssim_face": inner_ssim(guess, neutral),
            "picture_ssim_face": inner_ssim(image, neutral),
            "neutral_in": ssim(again, neutral),
        }
        for name, box in PARTS.items():
            for when, faces in (("after", guess), ("before", image)):
                values[f"{when}_{name}"] = metrics.difference(part(faces, box), part(neutral, box))
        batches.append(metrics.as_arrays(values) | identity(embedding, guess, neutral, image))
        progress(len(image))
    return metrics.joined(batches)


def pair_metrics(values: dict[str, np.ndarray]) -> dict[str, Metric]:
    """The metric of every line by name, of the values of `measure`."""

    def left(name: str, share: float) -> Metric:
        before, after = values[f"before_{name}"], values[f"after_{name}"]
        marked = metrics.largest(before, share)
        return quotient_of(mean_of(np.where(marked, after, np.nan)), mean_of(np.where(marked, before, np.nan)))

    named = {name: mean_of(values[name]) for name in ("ssim_face", "picture_ssim_face", "neutral_in")}
    named |= {f"left_{name}": left(name, 1.0) for name in PARTS}
    named |= {f"left_{name}_most": left(name, MOST_SHARE) for name in PARTS}
    named["identity_ratio"] = quotient_of(median_of(values["edit_identity"]), median_of(values["truth_identity"]))
    return {name: named[name] for name in LINES}


def evaluate(values: dict[str, np.ndarray], pairs: NeutralPairs) -> dict[str, Estimate]:
    """Every metric with its 95 % interval over people."""
    return metrics.estimates(pair_metrics(values), pairs.persons, {"all": metrics.everyone(len(pairs))})["all"]


def report(found: dict[str, Estimate], pairs: NeutralPairs) -> str:
    """The table of all metrics."""
    return line_table(f"{len(pairs)} pictures, {pairs.title}", LINES, found)


@torch.no_grad()
def pair_sheet(neutralize: Callable[[Tensor], Tensor], pairs: NeutralPairs, device: str) -> Image.Image:
    """Picture, neutral face and true neutral face of pictures spread over all."""
    rows = metrics.spread(np.arange(len(pairs)), SHEET_ROWS * A_ROW)
    image, true = (normalize(uint8[rows].to(device)) for uint8 in (pairs.images, pairs.neutrals))
    titles = ["picture", "neutral", "true"] * min(A_ROW, len(rows))
    return panel(side_by_side(image, neutralize(image).clamp(-1, 1), true, a_row=A_ROW), titles, group=3)
