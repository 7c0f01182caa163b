"""Measures neutral faces against true ones.

    python -m leed.evaluation.neutral --model hub/leed-open --data_dir openfaces-pairs

The pictures are the inputs and references of the triples. Prints a Markdown table; with --output_dir also writes it
(neutral.md), all metrics with intervals (neutral.json), mouths.png (at each yaw the widest open mouths of different
people: picture, neutral face, true neutral face) and, with --wild_dir, wild_smiles.png (photographs of smiles, each
with its neutral face). Intervals are 95 %, by a bootstrap over the people.

Open mouths are the 30 % of the pictures whose lips are farthest apart by their landmarks (a reference's are those of
the true edit, which shows its expression). The difference left in them is that between result and true neutral face,
summed over the mouth's part of the crop and these pictures, relative to that between picture and true neutral face:
1 is unchanged, 0 is gone.

With `--data_dir openfaces-free` the pictures are free expressions (the true edits of the triples), with
`--data_dir openfaces-large` real smiles of test people. Then the differences left are those at the eyes
and at the mouth, and the sheet is pairs.png. Photographs without truth are measured beside triples only.
"""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm.auto import tqdm

from leed.commands import command_line, exit_on
from leed.config import EXPRESSIONS
from leed.data.faces import FaceDataset
from leed.data.readers.wild import read_wild
from leed.evaluation import metrics, neutral_pairs
from leed.evaluation.commands import add_options, present, save_sheets
from leed.evaluation.identity import FaceEmbedding, distance, identity_embedding, missing_package
from leed.evaluation.metrics import Estimate, Metric, mean_of, median_of, quotient_of, spread
from leed.evaluation.pairs import Triples, load_triples
from leed.evaluation.sheets import panel, side_by_side
from leed.evaluation.tables import as_json, markdown_table, show_estimate
from leed.images import MOUTH, normalize, part
from leed.model import LEED
from leed.networks.classifier import ExpressionClassifier
from leed.networks.neutralizer import Neutralizer
from leed.similarity import inner_ssim, ssim
from leed.training.augmentation import resample

Neutralize = Callable[[Tensor], Tensor]
"""Faces (B, 3, S, S) in [-1, 1] to their neutral faces."""

PROGRAM = "python -m leed.evaluation.neutral"
OPEN_SHARE = 0.3
MOVES = {"right": {"right": 4.0}, "down": {"down": 4.0}, "smaller": {"scale": 0.9}}
IDENTITY_STEP = 4  # identity is measured on every fourth picture
NUM_SMILES = 30
SMILES_A_ROW = 3
MOUTHS_A_YAW = 4

LINES = {
    "ssim_face": "inner-face SSIM to the true neutral face",
    "picture_ssim_face": "same, the picture itself",
    "left_open": "difference left in the most open mouths (top 30 %; 1 = unchanged)",
    "left_right": "same, crop 4 px off to the right",
    "left_down": "same, crop 4 px off downwards",
    "left_smaller": "same, face 10 % smaller",
    "neutral_in": "neutral in: SSIM to itself",
    "neutral_in_face": "same, inner face",
    "identity_ratio": "identity distance to the picture, relative to the true neutral's (medians)",
}


def move(images: Tensor, right: float = 0.0, down: float = 0.0, scale: float = 1.0) -> Tensor:
    """Pictures (B, C, H, W) moved by pixels of 128 and scaled about the centre; their edges repeat."""
    if (right, down, scale) == (0.0, 0.0, 1.0):
        return images
    shift = torch.tensor([[-right / 64 / scale], [-down / 64 / scale]])
    return resample(images, torch.cat([torch.eye(2) / scale, shift], dim=1).to(images))


def mouth_mask(size: int) -> Tensor:
    """Mask (1, 1, size, size): 1 in the mouth's part of the crop, from under the nose to the chin."""
    mask = torch.zeros(1, 1, size, size)
    part(mask, MOUTH).fill_(1)
    return mask


def most_open(openings: np.ndarray) -> np.ndarray:
    """Marks the OPEN_SHARE of pictures (N,), at least one, with the lips farthest apart."""
    return metrics.largest(openings, OPEN_SHARE)


@torch.no_grad()
def measure(
    neutralize: Neutralize,
    triples: Triples,
    embedding: FaceEmbedding | None = None,
    device: str = "cpu",
    batch_size: int = 32,
    progress: Callable[[int], object] = lambda done: None,
) -> dict[str, np.ndarray]:
    """Measurements of the 2 N pictures, inputs before references: float64 (2 N,), NaN where not measured.

    `progress` is called with the number of pictures of each batch.
    """
    count, size = len(triples), triples.inputs.shape[-1]
    is_open = most_open(np.concatenate([triples.input_openings, triples.reference_openings]))
    mask = mouth_mask(size).to(device)
    batches = []
    for first, pictures, neutrals in (
        (0, triples.inputs, triples.input_neutrals),
        (count, triples.references, triples.reference_neutrals),
    ):
        for start in range(0, count, batch_size):
            image, neutral = (normalize(x[start : start + batch_size].to(device)) for x in (pictures, neutrals))
            rows = slice(first + start, first + start + len(image))
            guess, again = (neutralize(faces).clamp(-1, 1) for faces in (image, neutral))
            marked = torch.from_numpy(is_open[rows]).to(device)
            values = _similarities(guess, again, image, neutral) | _mouths(guess, image, neutral, marked, mask, "open")
            for name, step in MOVES.items():
                values |= _moved_mouths(neutralize, image, neutral, marked, mask, name, step)
            batches.append(metrics.as_arrays(values) | _identity(embedding, guess, image, neutral, rows.start))
            progress(len(image))
    return metrics.joined(batches)


def _similarities(guess: Tensor, again: Tensor, image: Tensor, neutral: Tensor) -> dict[str, Tensor]:
    """SSIM (B,) to the true neutral: of the result, of the picture, and of the true neutral neutralised again."""
    return {
        "ssim_face": inner_ssim(guess, neutral),
        "picture_ssim_face": inner_ssim(image, neutral),
        "neutral_in": ssim(again, neutral),
        "neutral_in_face": inner_ssim(again, neutral),
    }


def _mouths(
    guess: Tensor, image: Tensor, neutral: Tensor, marked: Tensor, mask: Tensor, name: str
) -> dict[str, Tensor]:
    """Differences to the true neutral in the mouth's part, after and before (B,); NaN for pictures not marked."""
    after, before = (metrics.difference(x, neutral, mask) for x in (guess, image))
    return {f"after_{name}": after.where(marked, torch.nan), f"before_{name}": before.where(marked, torch.nan)}


def _moved_mouths(
    neutralize: Neutralize,
    image: Tensor,
    neutral: Tensor,
    marked: Tensor,
    mask: Tensor,
    name: str,
    step: Mapping[str, float],
) -> dict[str, Tensor]:
    """`_mouths` with picture, true neutral and mouth moved alike; only marked pictures are neutralised."""
    values = {
        f"{when}_{name}": torch.full((len(image),), torch.nan, dtype=torch.float64, device=image.device)
        for when in ("after", "before")
    }
    if bool(marked.any()):
        moved_image, moved_neutral, moved_mask = (move(x, **step) for x in (image[marked], neutral[marked], mask))
        guess = neutralize(moved_image).clamp(-1, 1)
        values[f"after_{name}"][marked] = metrics.difference(guess, moved_neutral, moved_mask)
        values[f"before_{name}"][marked] = metrics.difference(moved_image, moved_neutral, moved_mask)
    return values


def _identity(
    embedding: FaceEmbedding | None, guess: Tensor, image: Tensor, neutral: Tensor, first: int
) -> dict[str, np.ndarray]:
    """Embedding distances of guess and true neutral to the picture (B,), on every IDENTITY_STEP-th picture."""
    values = {name: np.full(len(image), np.nan) for name in ("guess_identity", "neutral_identity")}
    rows = [row for row in range(len(image)) if (first + row) % IDENTITY_STEP == 0]
    if embedding is not None and rows:
        own = embedding(image[rows])
        values["guess_identity"][rows] = distance(embedding(guess[rows]), own)
        values["neutral_identity"][rows] = distance(embedding(neutral[rows]), own)
    return values


def neutral_metrics(values: dict[str, np.ndarray]) -> dict[str, Metric]:
    """The metric of every line by name, of the values of `measure`."""

    def left(name: str) -> Metric:
        return quotient_of(mean_of(values[f"after_{name}"]), mean_of(values[f"before_{name}"]))

    named = {
        name: mean_of(values[name]) for name in ("ssim_face", "picture_ssim_face", "neutral_in", "neutral_in_face")
    }
    named |= {f"left_{name}": left(name) for name in ("open", *MOVES)}
    named["identity_ratio"] = quotient_of(median_of(values["guess_identity"]), median_of(values["neutral_identity"]))
    return {name: named[name] for name in LINES}


def evaluate(values: dict[str, np.ndarray], triples: Triples) -> dict[str, dict[str, Estimate]]:
    """Every metric with its 95 % interval over people, for all pictures and by yaw."""
    persons = np.concatenate([triples.input_persons, triples.reference_persons])
    yaws = np.abs(np.concatenate([triples.input_yaws, triples.reference_yaws]))
    groups = {"all": metrics.everyone(len(yaws))} | metrics.yaw_groups(yaws)
    return metrics.estimates(neutral_metrics(values), persons, groups)


def load_wild(folder: str | Path, size: int) -> tuple[Tensor, np.ndarray, np.ndarray]:
    """Test photographs, uint8 (N, 3, size, size), their rough expression labels (N,) and the people's names (N,).

    Raises `ValueError` if there are none, or one cannot be read.
    """
    table = read_wild(Path(folder), "test")
    if not len(table):
        raise ValueError(f"{folder} has no photographs: its parquet files of split 'test' have no rows")
    pictures = FaceDataset(table, size, in_memory=True).images
    assert pictures is not None  # in memory
    return pictures, np.array(list(table["expression"])), np.array(list(table["person"]))


@torch.no_grad()
def neutral_shares(
    classifier: ExpressionClassifier,
    neutralize: Neutralize,
    photographs: Tensor,
    device: str,
    batch_size: int = 32,
) -> tuple[np.ndarray, np.ndarray]:
    """Masks (N,) of the photographs that the classifier calls neutral, before and after."""
    before: list[np.ndarray] = []
    after: list[np.ndarray] = []
    for start in range(0, len(photographs), batch_size):
        image = normalize(photographs[start : start + batch_size].to(device))
        for found, faces in ((before, image), (after, neutralize(image).clamp(-1, 1))):
            found.append((classifier(faces).argmax(dim=1) == EXPRESSIONS.index("neutral")).cpu().numpy())
    return np.concatenate(before), np.concatenate(after)


def wild_lines(
    classifier: ExpressionClassifier | None,
    neutralize: Neutralize,
    photographs: Tensor,
    labels: np.ndarray,
    device: str,
) -> list[str]:
    """The share of photographs called neutral, or the reason why it is not measured, in lines of text."""
    if classifier is None:
        return ["wild faces called neutral: not measured, since no --classifier is given"]
    if classifier.config.classifier_sees_neutral:
        return ["wild faces called neutral: not measured, since this classifier needs a neutral face"]
    before, after = neutral_shares(classifier, neutralize, photographs, device)
    lines = []
    smiles = labels == EXPRESSIONS.index("happy")
    for name, marks in (("wild faces called neutral", np.ones(len(labels), bool)), ("smiles among them", smiles)):
        if marks.any():
            shares = after[marks].mean(), before[marks].mean()
            lines.append(f"{name}: {shares[0]:.3f} of {marks.sum()} (before: {shares[1]:.3f})")
    return lines


@torch.no_grad()
def smile_sheet(neutralize: Neutralize, photographs: Tensor, labels: np.ndarray, device: str) -> Image.Image | None:
    """Up to NUM_SMILES smiles, spread over all, each with its neutral face; None if there are no smiles."""
    rows = np.flatnonzero(labels == EXPRESSIONS.index("happy"))
    if not len(rows):
        return None
    before = normalize(photographs[spread(rows, NUM_SMILES)].to(device))
    return panel(side_by_side(before, neutralize(before), a_row=SMILES_A_ROW), group=2)


def widest_mouths(triples: Triples, count: int = MOUTHS_A_YAW) -> list[list[int]]:
    """For each yaw the references, at most `count` of different people, whose lips are farthest apart."""
    rows = []
    for yaw in sorted(set(triples.reference_yaws.tolist())):
        members = np.flatnonzero(triples.reference_yaws == yaw)
        found: dict[str, int] = {}
        for row in members[np.argsort(-triples.reference_openings[members], kind="stable")]:
            found.setdefault(str(triples.reference_persons[row]), int(row))
        rows.append(list(found.values())[:count])
    return rows


@torch.no_grad()
def mouth_sheet(neutralize: Neutralize, triples: Triples, device: str) -> Image.Image:
    """A row of the sheet for each yaw: picture, neutral face and true neutral face of the widest mouths."""
    sheet = []
    for rows in widest_mouths(triples):
        image, true = (normalize(x[rows].to(device)) for x in (triples.references, triples.reference_neutrals))
        guess = neutralize(image).clamp(-1, 1)
        sheet += side_by_side(image, guess, true, a_row=len(rows))
    return panel(sheet, group=3)


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = command_line(PROGRAM, __doc__)
    models = parser.add_mutually_exclusive_group(required=True)
    models.add_argument("--model", help="LEED, whose neutraliser is measured: a folder or a name on the Hub")
    models.add_argument("--neutralizer", help="a neutraliser alone: a folder or a name on the Hub")
    add_options(parser, data_dir="folder of triples, of free expressions or of real smiles")
    add_options(parser, "twins_dir", wild_dir="folder of photographs without truth")
    add_options(parser, classifier="expression classifier that sees the face alone, for the photographs")
    add_options(parser, output_dir="where to write neutral.json, neutral.md and the sheets")
    add_options(parser, "identity", "max_triples", "batch_size", "device")
    return parser.parse_args(arguments)


def load_neutralizer(options: argparse.Namespace) -> Neutralizer:
    """The neutraliser that the options name, ready to use."""
    if options.model:
        return LEED.from_pretrained(options.model, map_location=options.device).neutralizer
    return Neutralizer.from_pretrained(options.neutralizer, map_location=options.device)


def measure_pairs(neutralize: Neutralizer, options: argparse.Namespace) -> None:
    """Measures pictures that come with their true neutral faces."""
    if options.wild_dir or options.classifier or options.twins_dir:
        raise ValueError("--wild_dir, --classifier and --twins_dir go with triples of eight expressions")
    pairs = neutral_pairs.load_neutral_pairs(options.data_dir, neutralize.config.image_size, options.max_triples)
    embedding = identity_embedding(options.identity)
    with tqdm(total=len(pairs), desc="pictures", disable=None) as bar:
        values = neutral_pairs.measure(neutralize, pairs, embedding, options.device, options.batch_size, bar.update)
    found = neutral_pairs.evaluate(values, pairs)
    content = {
        "model": options.model or options.neutralizer,
        "num_pictures": len(pairs),
        "metrics": {"all": as_json(found)},
    }
    if present(options.output_dir, "neutral", neutral_pairs.report(found, pairs), content):
        sheet = neutral_pairs.pair_sheet(neutralize, pairs, options.device)
        save_sheets(options.output_dir, {"pairs.png": sheet})


def measure_triples(neutralize: Neutralizer, options: argparse.Namespace) -> None:
    """Measures the inputs and references of triples and, if asked to, looks at photographs."""
    size = neutralize.config.image_size
    classifier, photographs = None, None
    if options.classifier:
        classifier = ExpressionClassifier.from_pretrained(options.classifier, map_location=options.device)
    if options.wild_dir:
        photographs, labels, _ = load_wild(options.wild_dir, size)
    triples = load_triples(options.data_dir, options.twins_dir, size, options.max_triples)
    lines = []
    if package := missing_package() if options.identity is None else None:
        lines.append(f'identity: not measured, {package} is not installed (in a clone: pip install ".[evaluation]")')
    embedding = None if package or options.identity is False else FaceEmbedding()
    with tqdm(total=2 * len(triples), desc="pictures", disable=None) as bar:
        values = measure(neutralize, triples, embedding, options.device, options.batch_size, bar.update)
    found = evaluate(values, triples)
    rows = [[line, *(show_estimate(found[group][name]) for group in found)] for name, line in LINES.items()]
    table = markdown_table([f"{2 * len(triples)} pictures", *found], rows)
    if photographs is not None:
        lines += wild_lines(classifier, neutralize, photographs, labels, options.device)
    content = {
        "model": options.model or options.neutralizer,
        "num_pictures": 2 * len(triples),
        "metrics": {group: as_json(named) for group, named in found.items()},
        "notes": lines,
    }
    if present(options.output_dir, "neutral", "\n\n".join([table, *lines]), content):
        sheets = {"mouths.png": mouth_sheet(neutralize, triples, options.device)}
        if photographs is not None and (sheet := smile_sheet(neutralize, photographs, labels, options.device)):
            sheets["wild_smiles.png"] = sheet
        save_sheets(options.output_dir, sheets)


@exit_on(PROGRAM)
def main(arguments: list[str] | None = None) -> None:
    options = parse_args(arguments)
    neutralize = load_neutralizer(options)
    if neutral_pairs.holds_neutral_pairs(options.data_dir):
        measure_pairs(neutralize, options)
    else:
        measure_triples(neutralize, options)


if __name__ == "__main__":
    main()
