"""Neutral faces for photographs that have none: the best of several views by a neutraliser, as pairs to train on.

    python -m leed.training.pseudo_neutrals --neutralizer hub/leed-open-neutralizer --classifier runs/fer \\
        --dataset_name path/to/wild --output_dir runs/wild-pairs
    accelerate launch train_accelerate.py --stage neutralizer --dataset_name path/to/openfaces,runs/wild-pairs ...

Where a neutraliser leaves a smile, it often does not if it sees the photograph mirrored, a little larger or moved. So
each photograph is shown in all these views (test-time augmentation) until a classifier of the face alone is confident
that the result is neutral. The change in the best view is brought back onto the photograph, which keeps its sharpness.
Where the classifier finds it neutral enough, photograph and neutral face become a pair. The next neutraliser learns to
get there at once.
"""

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from datasets import Dataset
from PIL import Image
from torch import Tensor
from tqdm.auto import tqdm

from leed.commands import OPTIONS, add_options, command_line, exit_on
from leed.data.faces import FaceDataset, load_faces
from leed.data.readers.registry import READERS
from leed.data.table import standard_table
from leed.images import contact_sheet, denormalize, normalize, png
from leed.networks.classifier import ExpressionClassifier, load_evaluator
from leed.networks.neutralizer import Neutralizer
from leed.training.augmentation import resample

PROGRAM = "python -m leed.training.pseudo_neutrals"
CONFIDENT = 0.8
"""Probability of neutral from which on a photograph is shown in no further view."""

MIN_CONFIDENCE = 0.4
"""Probability of neutral below which there is no pair; half of the photographs that people call neutral reach it."""

EVEN_MEAN, EVEN_DEVIATION = 0.1, 0.5  # of a view with evened light, in the range [-1, 1]
NUM_SHOWN, A_ROW = 48, 8  # pairs on the sheet


@dataclass(frozen=True)
class View:
    """A way to show a photograph to a neutraliser: scaled about its centre, its border repeated beyond the edge."""

    mirrored: bool = False
    scale: float = 1.0  # 1.08: 8 % larger
    down: float = 0.0  # [half sides] by which the face lies lower
    evened: bool = False  # with the mean and the contrast of EVEN_MEAN and EVEN_DEVIATION

    def show(self, faces: Tensor) -> Tensor:
        """Faces (B, 3, H, W) as this view shows them."""
        return self._resampled(faces, 1 / self.scale, -self.down / self.scale, "border")

    def bring_back(self, changes: Tensor) -> Tensor:
        """Changes (B, 3, H, W) of faces that `show` gave, in their place on the faces themselves."""
        return self._resampled(changes, self.scale, self.down, "zeros")

    def _resampled(self, images: Tensor, scale: float, down: float, padding: str) -> Tensor:
        if self.mirrored:
            images = images.flip(-1)
        if (scale, down) == (1, 0):
            return images
        return resample(images, images.new_tensor([[scale, 0, 0], [0, scale, down]]), padding)


VIEWS = (
    View(),
    View(mirrored=True),
    View(scale=1.08),
    View(scale=0.93),
    View(down=-0.05),
    View(down=0.05),
    View(evened=True),
)


def neutralize_view(neutralize: Callable[[Tensor], Tensor], faces: Tensor, view: View) -> Tensor:
    """The neutral faces of `faces` (B, 3, H, W) in [-1, 1], found in one view of them."""
    shown = view.show(faces)
    if not view.evened:
        return (faces + view.bring_back(neutralize(shown) - shown)).clamp(-1, 1)
    mean, deviation = shown.mean((1, 2, 3), keepdim=True), shown.std((1, 2, 3), keepdim=True).clamp(min=1e-3)
    contrast = deviation / EVEN_DEVIATION
    shown = ((shown - mean) / contrast + EVEN_MEAN).clamp(-1, 1)
    change = (neutralize(shown) - shown) * contrast
    return (faces + view.bring_back(change)).clamp(-1, 1)


def neutral_confidence(classifier: ExpressionClassifier, faces: Tensor) -> Tensor:
    """The probability (B,) of neutral for faces (B, 3, H, W) in [-1, 1], mean of theirs and their mirror images'."""
    both = classifier.neutrality(torch.cat([faces, faces.flip(-1)]))
    return both.unflatten(0, (2, -1)).mean(dim=0)


@torch.no_grad()
def best_of_views(
    neutralize: Callable[[Tensor], Tensor],
    confidence: Callable[[Tensor], Tensor],
    faces: Tensor,
    views: Iterable[View] = VIEWS,
) -> tuple[Tensor, Tensor]:
    """The most neutral result of all views, (B, 3, H, W) in [-1, 1], and its confidence, (B,) in [0, 1].

    Faces whose confidence reaches `CONFIDENT` are shown in no further view.
    """
    best, neutrals = faces.new_full((len(faces),), -1.0), faces.clone()
    for view in views:
        rows = (best < CONFIDENT).nonzero().squeeze(1)
        if not len(rows):
            break
        found = neutralize_view(neutralize, faces[rows], view)
        confident = confidence(found)
        better = confident > best[rows]
        best[rows[better]], neutrals[rows[better]] = confident[better], found[better]
    return neutrals, best


def make_pairs(
    neutralizer: Neutralizer, classifier: ExpressionClassifier, photographs: FaceDataset, least: float, batch_size: int
) -> Dataset:
    """The standard table of photographs that had no neutral face, with those found of confidence `least` or more."""
    device = neutralizer.device
    columns: dict[str, list] = {"image": [], "neutral": [], "expression": [], "person": []}
    batches = (~photographs.has_neutral).nonzero().squeeze(1).split(batch_size)
    for rows in tqdm(batches, desc="photographs", unit="batch", disable=None):
        batch = photographs.__getitems__(rows.tolist())
        faces = normalize(batch["image"].to(device))
        neutrals, confident = best_of_views(neutralizer, lambda found: neutral_confidence(classifier, found), faces)
        for row in (confident >= least).nonzero().squeeze(1).tolist():
            columns["image"].append(png(batch["image"][row]))
            columns["neutral"].append(png(denormalize(neutrals[row]).cpu()))
            columns["expression"].append(int(batch["expression"][row]))
            columns["person"].append(photographs.persons[batch["person"][row]])
    return standard_table(len(columns["person"]), **columns)


def pair_sheet(pairs: Dataset, size: int) -> Image.Image:
    """Each photograph beside its neutral face, spread over all pairs."""
    shown = np.linspace(0, len(pairs) - 1, min(NUM_SHOWN, len(pairs))).astype(int)
    batch = FaceDataset(pairs.select(shown), size).__getitems__(list(range(len(shown))))
    faces = normalize(torch.stack([batch["image"], batch["neutral"]], dim=1).flatten(0, 1))
    return contact_sheet([list(row) for row in faces.split(2 * A_ROW)])


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = command_line(PROGRAM, __doc__)
    parser.add_argument("--neutralizer", required=True, help="a folder or a name on the Hub")
    parser.add_argument(
        "--classifier", required=True, help="one that sees the face alone: trained on other photographs"
    )
    parser.add_argument("--dataset_name", required=True, help="photographs: a folder or a name on the Hub")
    parser.add_argument("--dataset_reader", choices=sorted(READERS), help="default: guessed")
    parser.add_argument("--dataset_split", default="train")
    add_options(parser, OPTIONS, max_samples="of the photographs, drawn at random; default: all")
    parser.add_argument("--least", type=float, default=MIN_CONFIDENCE, help="confidence below which there is no pair")
    add_options(parser, OPTIONS, "batch_size", "device", output_dir={"required": True})
    return parser.parse_args(arguments)


@exit_on(PROGRAM)
def main(arguments: list[str] | None = None) -> None:
    """Writes a data set of pairs, and a sheet of them to look at."""
    options = parse_args(arguments)
    neutralizer = Neutralizer.from_pretrained(options.neutralizer, map_location=options.device)
    classifier = load_evaluator(options.classifier).to(options.device)
    table = load_faces(
        options.dataset_name, options.dataset_reader, options.dataset_split, max_samples=options.max_samples
    )
    size = neutralizer.config.image_size
    photographs = FaceDataset(table, size, in_memory=False)
    pairs = make_pairs(neutralizer, classifier, photographs, options.least, options.batch_size)
    print(f"{len(pairs)} of {len(photographs)} photographs have a neutral face that is neutral enough")
    if not len(pairs):
        raise ValueError(f"nothing to write: lower --least, which is {options.least}, or look at the classifier")
    folder = options.output_dir
    folder.mkdir(parents=True, exist_ok=True)
    pairs.to_parquet(folder / "train-00000-of-00001.parquet")
    pair_sheet(pairs, size).save(folder / "pairs.png")
    print(f"wrote {folder}; look at {folder / 'pairs.png'} before training on it")


if __name__ == "__main__":
    main()
