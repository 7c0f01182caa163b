"""Measures and shows edits of real photographs, for which no exact truth exists.

    python -m leed.evaluation.photographs --model hub/leed-open --data_dir ../shared/data/openfaces \
        --wild_dir ../shared/data/wild --output_dir OUT

The real smiles of the test people of --data_dir, each beside that person's neutral face of another moment: the smile
is taken away (neutral face of the smile), and given back (the neutral face with the smile as its reference). Pose and
light of the two photographs differ a little, so SSIM is to be read against that of smile and neutral face. With
--classifier, which sees the face alone, also what it calls them. Intervals are 95 %, by a bootstrap over people.

Writes photographs.md, photographs.json, real_smiles.png (neutral, smile, smile taken away, smile given, smile of the
next person given) and, with --wild_dir, wild.png: everyday photographs, each with its neutral face and an edit, the
expressions of the test people's faces in turn.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from leed.config import EXPRESSIONS, NEUTRAL
from leed.data import decode
from leed.evaluation import metrics
from leed.evaluation.identity import FaceEmbedding, distance, identity_embedding
from leed.evaluation.metrics import Estimate
from leed.evaluation.neutral import load_wild
from leed.evaluation.tables import as_json, markdown_table, save_results, show_estimate
from leed.features import ExpressionClassifier
from leed.images import INNER_CROP, contact_sheet, normalize
from leed.model import LEED
from leed.readers import read_parquet
from leed.similarity import inner_ssim

HAPPY = EXPRESSIONS.index("happy")
FRONTAL = "090"
NUM_WILD = 100
WILD_A_ROW = 5

LINES = {
    "ssim_apart": "inner-face SSIM of smile and neutral face",
    "ssim_taken": "same, smile taken away and neutral face",
    "ssim_given": "same, smile and neutral face with the smile given",
    "identity_apart": "identity distance of smile and neutral face (median)",
    "identity_taken": "same, smile taken away and smile",
    "identity_given": "same, neutral face with the smile given and neutral face",
    "neutral_smile": "called neutral: smiles",
    "neutral_taken": "same, smiles taken away",
    "neutral_neutral": "same, neutral faces",
    "happy_smile": "called happy: smiles",
    "happy_given": "same, neutral faces with the smile given",
    "happy_neutral": "same, neutral faces",
}


@dataclass(frozen=True)
class Smiles:
    """Pictures uint8 (N, 3, S, S) of N people: neutral and smiling, and frontal faces of each expression (8, ...)."""

    persons: np.ndarray
    neutrals: Tensor
    smiles: Tensor
    expressions: Tensor


def load_smiles(folder: str | Path, size: int) -> Smiles:
    """The real smiles of the test split. Raises `ValueError` if there are none with a frontal neutral face."""
    table = read_parquet(Path(folder), "test", ("image", "person", "expression", "camera", "real"))
    rows = table.select(["person", "expression", "camera", "real"]).to_pylist()

    def picture(row: int) -> Tensor:
        return decode(table["image"][row].as_py(), size, INNER_CROP)

    def rows_of(expression: int, real: bool) -> dict[str, int]:
        """By person, the row of a frontal face."""
        wanted = (expression, real)
        return {
            row["person"]: i
            for i, row in enumerate(rows)
            if (row["expression"], bool(row["real"])) == wanted and row["camera"] == FRONTAL
        }

    neutrals, smiles = rows_of(NEUTRAL, False), rows_of(HAPPY, True)
    persons = sorted(neutrals.keys() & smiles.keys())
    if not persons:
        raise ValueError(f"{folder} has no test person with a real smile and a frontal neutral face")
    frontal = [rows_of(expression, False) for expression in range(len(EXPRESSIONS))]
    return Smiles(
        persons=np.array(persons),
        neutrals=torch.stack([picture(neutrals[person]) for person in persons]),
        smiles=torch.stack([picture(smiles[person]) for person in persons]),
        expressions=torch.stack([picture(next(iter(found.values()))) for found in frontal if found]),
    )


@dataclass(frozen=True)
class SmileEdits:
    """Face tensors (N, 3, S, S) in [-1, 1]: as they were, the smile taken away and given, another's smile given."""

    neutral: Tensor
    smile: Tensor
    taken: Tensor
    given: Tensor
    others: Tensor


@torch.no_grad()
def edit_smiles(leed: LEED, smiles: Smiles, device: str) -> SmileEdits:
    """Takes the smiles away and gives them, with everything as a user would do it."""
    neutral, smile = (normalize(pictures.to(device)) for pictures in (smiles.neutrals, smiles.smiles))
    return SmileEdits(
        neutral, smile, leed.neutralize(smile), leed.edit(neutral, smile), leed.edit(neutral, smile.roll(1, 0))
    )


@torch.no_grad()
def measure(
    edits: SmileEdits, embedding: FaceEmbedding | None, classifier: ExpressionClassifier | None
) -> dict[str, np.ndarray]:
    """What is measured of each person, by the names of LINES: float64 (N,), NaN where not measured."""
    values = {
        "ssim_apart": inner_ssim(edits.smile, edits.neutral),
        "ssim_taken": inner_ssim(edits.taken, edits.neutral),
        "ssim_given": inner_ssim(edits.given, edits.smile),
    }
    values = {name: value.double().cpu().numpy() for name, value in values.items()}
    if embedding is not None:
        neutral, smile = embedding(edits.neutral), embedding(edits.smile)
        values["identity_apart"] = distance(smile, neutral)
        values["identity_taken"] = distance(embedding(edits.taken), smile)
        values["identity_given"] = distance(embedding(edits.given), neutral)
    if classifier is not None:
        for name in ("neutral", "smile", "taken", "given"):
            called = classifier(getattr(edits, name)).argmax(dim=1)
            for kind, expression in (("neutral", NEUTRAL), ("happy", HAPPY)):
                values[f"{kind}_{name}"] = (called == expression).double().cpu().numpy()
    unknown = np.full(len(edits.smile), np.nan)
    return {name: values.get(name, unknown) for name in LINES}


def evaluate(values: dict[str, np.ndarray], persons: np.ndarray) -> dict[str, Estimate]:
    """Every figure with its interval."""
    weights, everyone = metrics.person_weights(persons), np.ones(len(persons), dtype=bool)

    def figure(name: str) -> Callable[[np.ndarray], np.ndarray]:
        average = metrics.median if name.startswith("identity") else metrics.mean
        return lambda w: average(values[name], w)

    return {name: metrics.estimate(figure(name), weights, everyone) for name in LINES}


@torch.no_grad()
def edited_photographs(leed: LEED, photographs: Tensor, references: Tensor, device: str) -> Iterator[list[Tensor]]:
    """Rows of a sheet: photograph, its neutral face, its edit; the expressive references in turn."""
    expressions = [leed.expression(normalize(face[None].to(device))) for face in references[1:]]
    faces: list[Tensor] = []
    for i, photograph in enumerate(photographs):
        image = normalize(photograph[None].to(device))
        faces += [image[0], leed.neutralize(image)[0], leed.edit(image, expressions[i % len(expressions)])[0]]
        if len(faces) == 3 * WILD_A_ROW or i == len(photographs) - 1:
            yield faces
            faces = []


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m leed.evaluation.photographs",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", required=True, help="LEED: a folder or a name on the Hub")
    parser.add_argument("--data_dir", required=True, help="face set whose test split has real smiles")
    parser.add_argument("--wild_dir", help="folder of everyday photographs")
    parser.add_argument("--classifier", help="expression classifier that sees the face alone")
    parser.add_argument("--identity", action=argparse.BooleanOptionalAction, help="default: if dlib is installed")
    parser.add_argument("--num_wild", type=int, default=NUM_WILD, help="photographs to show, spread over all")
    parser.add_argument("--output_dir", required=True)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    options = parse_args(arguments)
    leed = LEED.from_pretrained(options.model).to(options.device).eval()
    classifier = ExpressionClassifier.from_pretrained(options.classifier) if options.classifier else None
    if classifier is not None:
        if classifier.config.classifier_sees_neutral:
            raise SystemExit(f"{options.classifier} needs a neutral face: give a classifier that sees the face alone")
        classifier.to(options.device)
    smiles = load_smiles(options.data_dir, leed.config.image_size)
    edits = edit_smiles(leed, smiles, options.device)
    embedding = identity_embedding(options.identity)
    figures = evaluate(measure(edits, embedding, classifier), smiles.persons)
    rows = [[line, show_estimate(figures[name])] for name, line in LINES.items()]
    text = markdown_table([f"{len(smiles.persons)} real smiles", "value [95 %]"], rows)
    print(text)
    content = {"model": options.model, "figures": {name: as_json(figure) for name, figure in figures.items()}}
    folder = save_results(options.output_dir, "photographs", text, content)
    columns = zip(edits.neutral, edits.smile, edits.taken, edits.given, edits.others, strict=True)
    contact_sheet([list(row) for row in columns]).save(folder / "real_smiles.png")
    if options.wild_dir:
        photographs, _ = load_wild(options.wild_dir, leed.config.image_size)
        chosen = metrics.spread(np.arange(len(photographs)), options.num_wild)
        shown = edited_photographs(leed, photographs[chosen], smiles.expressions, options.device)
        contact_sheet(list(shown)).save(folder / "wild.png")


if __name__ == "__main__":
    main()
