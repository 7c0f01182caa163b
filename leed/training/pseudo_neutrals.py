"""Neutral faces for photographs that have none: the best of several tries of a neutraliser, as pairs to train on.

    python -m leed.training.pseudo_neutrals --neutralizer hub/leed-open-neutralizer --classifier runs/fer \\
        --dataset_name path/to/wild --output_dir runs/wild-pairs
    accelerate launch train_accelerate.py --stage neutralizer --dataset_name path/to/openfaces,runs/wild-pairs ...

Where a neutraliser leaves a smile, it often does not if it sees the photograph mirrored, a little larger or moved. So
each photograph is tried in all these ways until a classifier of the face alone is sure that the result is neutral.
What the best try changed is brought back onto the photograph, which keeps its sharpness, and where the classifier
finds it neutral enough, photograph and neutral face become a pair. The next neutraliser learns to get there at once.
"""

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from datasets import Dataset
from PIL import Image
from torch import Tensor
from tqdm.auto import tqdm

from leed.data.faces import FaceDataset, load_faces
from leed.data.readers.registry import READERS
from leed.data.table import standard_table
from leed.images import contact_sheet, denormalize, normalize, png
from leed.networks.classifier import ExpressionClassifier, load_evaluator
from leed.networks.neutralizer import Neutralizer

ENOUGH = 0.8  # a classifier that is as sure as that is not asked again
LEAST = 0.4  # of eight expressions: what about half of the photographs that people call neutral reach
EVEN_MEAN, EVEN_DEVIATION = 0.1, 0.5  # of a picture with evened light, of the range [-1, 1]
NUM_SHOWN, A_ROW = 48, 8  # pairs on the sheet


@dataclass(frozen=True)
class Try:
    """How a photograph is shown to a neutraliser: about its centre, with what its border holds repeated."""

    mirrored: bool = False
    scale: float = 1.0  # 1.08: 8 % larger
    down: float = 0.0  # by so many half sides
    evened: bool = False  # with the same mean and contrast as all others

    def show(self, faces: Tensor) -> Tensor:
        """Faces (B, 3, H, W) as this try shows them."""
        return self._moved(faces, 1 / self.scale, -self.down / self.scale, "border")

    def bring_back(self, changes: Tensor) -> Tensor:
        """What was changed (B, 3, H, W) in faces that `show` moved, in its place on the faces themselves."""
        return self._moved(changes, self.scale, self.down, "zeros")

    def _moved(self, images: Tensor, scale: float, down: float, padding: str) -> Tensor:
        if self.mirrored:
            images = images.flip(-1)
        if (scale, down) == (1, 0):
            return images
        theta = images.new_tensor([[scale, 0, 0], [0, scale, down]]).expand(len(images), 2, 3)
        grid = F.affine_grid(theta, list(images.shape), align_corners=False)
        return F.grid_sample(images, grid, padding_mode=padding, align_corners=False)


TRIES = (
    Try(),
    Try(mirrored=True),
    Try(scale=1.08),
    Try(scale=0.93),
    Try(down=-0.05),
    Try(down=0.05),
    Try(evened=True),
)


def attempt(neutralize: Callable[[Tensor], Tensor], faces: Tensor, how: Try) -> Tensor:
    """The neutral faces of `faces` (B, 3, H, W) in [-1, 1], all shown as one try says."""
    shown, contrast = how.show(faces), 1.0
    if how.evened:
        mean, deviation = shown.mean((1, 2, 3), keepdim=True), shown.std((1, 2, 3), keepdim=True).clamp(min=1e-3)
        contrast = deviation / EVEN_DEVIATION
        shown = ((shown - mean) / contrast + EVEN_MEAN).clamp(-1, 1)
    change = (neutralize(shown) - shown) * contrast
    return (faces + how.bring_back(change)).clamp(-1, 1)


def neutral_certainty(classifier: ExpressionClassifier, faces: Tensor) -> Tensor:
    """The probability (B,) of neutral for faces (B, 3, H, W) in [-1, 1], mean of theirs and their mirror images'."""
    both = classifier.neutrality(torch.cat([faces, faces.flip(-1)]))
    return both.unflatten(0, (2, -1)).mean(dim=0)


@torch.no_grad()
def best_try(
    neutralize: Callable[[Tensor], Tensor],
    certainty: Callable[[Tensor], Tensor],
    faces: Tensor,
    tries: Iterable[Try] = TRIES,
) -> tuple[Tensor, Tensor]:
    """The most neutral of all tries, (B, 3, H, W) in [-1, 1], and its certainty, (B,) in [0, 1].

    Faces for which the certainty reaches `ENOUGH` are not tried further.
    """
    best, neutrals = faces.new_full((len(faces),), -1.0), faces.clone()
    for how in tries:
        rows = (best < ENOUGH).nonzero().squeeze(1)
        if not len(rows):
            break
        found = attempt(neutralize, faces[rows], how)
        certain = certainty(found)
        better = certain > best[rows]
        best[rows[better]], neutrals[rows[better]] = certain[better], found[better]
    return neutrals, best


def make_pairs(
    neutralizer: Neutralizer, classifier: ExpressionClassifier, photographs: FaceDataset, least: float, batch_size: int
) -> Dataset:
    """The standard table of photographs without a neutral face and their best tries, of certainty `least` or more."""
    device = next(neutralizer.parameters()).device
    columns: dict[str, list] = {"image": [], "neutral": [], "expression": [], "person": []}
    batches = (~photographs.has_neutral).nonzero().squeeze(1).split(batch_size)
    for rows in tqdm(batches, desc="photographs", unit="batch", disable=None):
        batch = photographs.__getitems__(rows.tolist())
        faces = normalize(batch["image"].to(device))
        neutrals, certain = best_try(neutralizer, lambda found: neutral_certainty(classifier, found), faces)
        for row in (certain >= least).nonzero().squeeze(1).tolist():
            columns["image"].append(png(batch["image"][row]))
            columns["neutral"].append(png(denormalize(neutrals[row]).cpu()))
            columns["expression"].append(int(batch["expression"][row]))
            columns["person"].append(photographs.persons[batch["person"][row]])
    return standard_table(len(columns["person"]), **columns)


def pair_sheet(pairs: Dataset, size: int) -> Image.Image:
    """Each photograph beside its neutral face, spread over all pairs."""
    shown = np.linspace(0, len(pairs) - 1, min(NUM_SHOWN, len(pairs))).astype(int)
    pictures = FaceDataset(pairs.select(shown), size)
    faces = normalize(torch.stack([pictures.images, pictures.neutrals], dim=1).flatten(0, 1))
    return contact_sheet([list(row) for row in faces.split(2 * A_ROW)])


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m leed.training.pseudo_neutrals",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--neutralizer", required=True, help="a folder or a name on the Hub")
    parser.add_argument(
        "--classifier", required=True, help="one that sees the face alone: trained on other photographs"
    )
    parser.add_argument("--dataset_name", required=True, help="photographs: a folder or a name on the Hub")
    parser.add_argument("--dataset_reader", choices=sorted(READERS), help="default: guessed")
    parser.add_argument("--dataset_split", default="train")
    parser.add_argument("--max_samples", type=int, help="of the photographs, drawn at random; default: all")
    parser.add_argument("--least", type=float, default=LEAST, help="certainty below which there is no pair")
    parser.add_argument("--output_dir", required=True)
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    options = parse_args(arguments)
    neutralizer = Neutralizer.from_pretrained(options.neutralizer).to(options.device).eval()
    try:
        classifier = load_evaluator(options.classifier).to(options.device)
    except ValueError as error:
        raise SystemExit(str(error)) from None
    table = load_faces(
        options.dataset_name, options.dataset_reader, options.dataset_split, max_samples=options.max_samples
    )
    size = neutralizer.config.image_size
    photographs = FaceDataset(table, size, in_memory=False)
    pairs = make_pairs(neutralizer, classifier, photographs, options.least, options.batch_size)
    print(f"{len(pairs)} of {len(photographs)} photographs have a neutral face that is neutral enough")
    if not len(pairs):
        raise SystemExit(f"nothing to write: lower --least, which is {options.least}, or look at the classifier")
    folder = Path(options.output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    pairs.to_parquet(folder / "train-00000-of-00001.parquet")
    pair_sheet(pairs, size).save(folder / "pairs.png")
    print(f"wrote {folder}; look at {folder / 'pairs.png'} before training on it")


if __name__ == "__main__":
    main()
