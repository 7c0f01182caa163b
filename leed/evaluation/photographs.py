"""Measures and shows edits of real photographs, for which no exact truth exists.

    python -m leed.evaluation.photographs --model hub/leed-open --data_dir openfaces \
        --wild_dir wild --output_dir OUT

Each real smile of the test people of --data_dir is compared with the same person's neutral face, taken in another
shot: the smile is taken away (neutral face of the smile), and given back (the neutral face with the smile as its
reference). Pose and light of the two photographs differ a little, so SSIM must be read against that of smile and
neutral face. A --classifier, which sees the face alone, adds what it calls them. Intervals are 95 %, by a bootstrap
over people.

With --wild_dir, everyday photographs get the expressions of the test people's faces in turn, and --classifier says in
which share it sees the wanted expression: before, after, and in the references themselves, the upper limit.

Writes photographs.md, photographs.json, real_smiles.png (neutral, smile, smile taken away, smile given, smile of the
next person given) and, with --wild_dir, wild.png: everyday photographs, each with its neutral face and its edit.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from leed.commands import at_least, command_line, exit_on
from leed.config import EXPRESSIONS, NEUTRAL
from leed.data.readers.parquet import read_parquet
from leed.evaluation import metrics
from leed.evaluation.commands import add_options, present, save_sheets
from leed.evaluation.identity import FaceEmbedding, distance, identity_embedding
from leed.evaluation.metrics import Estimate
from leed.evaluation.neutral import load_wild
from leed.evaluation.pictures import stored_picture
from leed.evaluation.sheets import Face, panel, side_by_side
from leed.evaluation.tables import as_json, line_table
from leed.images import INNER_CROP, normalize
from leed.model import LEED
from leed.networks.classifier import ExpressionClassifier, load_evaluator
from leed.similarity import inner_ssim

PROGRAM = "python -m leed.evaluation.photographs"
HAPPY = EXPRESSIONS.index("happy")
FRONTAL = "090"
NUM_WILD = 300
NUM_SHOWN = 100
WILD_A_ROW = 5
BATCH = 64

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

SMILE_TITLES = ("neutral", "smile", "taken away", "given", "other's given")

WILD_LINES = {
    "wanted_before": "called what the reference shows: photographs",
    "wanted_after": "same, edits",
    "wanted_reference": "same, references",
    "happy_before": "of a smile: photographs",
    "happy_after": "same, edits",
    "surprised_before": "of surprise: photographs",
    "surprised_after": "same, edits",
    "identity_wild": "identity distance of edit and photograph (median)",
}


@dataclass(frozen=True)
class Smiles:
    """Pictures uint8 (N, 3, S, S) of N people, neutral and smiling; `expressions` has all frontal ones by label."""

    persons: np.ndarray
    neutrals: Tensor
    smiles: Tensor
    expressions: dict[int, Tensor]


def load_smiles(folder: str | Path, size: int) -> Smiles:
    """The real smiles of the test split. Raises `ValueError` if there are none with a frontal neutral face."""
    table = read_parquet(Path(folder), "test", ("image", "person", "expression", "camera", "real"))
    rows = table.select(["person", "expression", "camera", "real"]).to_pylist()

    def picture(row: int) -> Tensor:
        return stored_picture(table, "image", row, Path(folder), size, INNER_CROP)

    def rows_of(expression: int, real: bool) -> dict[str, int]:
        """By person, the row of a frontal face."""
        return {
            row["person"]: i
            for i, row in enumerate(rows)
            if row["expression"] == expression and bool(row["real"]) == real and row["camera"] == FRONTAL
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
        expressions={
            label: torch.stack([picture(row) for row in found.values()])
            for label, found in enumerate(frontal)
            if found
        },
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
    """Takes the smiles away and gives them, as a user of the model would."""
    neutral, smile = (normalize(pictures.to(device)) for pictures in (smiles.neutrals, smiles.smiles))
    return SmileEdits(
        neutral, smile, leed.neutralize(smile), leed.edit(neutral, smile), leed.edit(neutral, smile.roll(1, 0))
    )


@torch.no_grad()
def measure(
    edits: SmileEdits, embedding: FaceEmbedding | None, classifier: ExpressionClassifier | None
) -> dict[str, np.ndarray]:
    """Measurements of each person, by the names of LINES: float64 (N,), NaN where not measured."""
    values = metrics.as_arrays(
        {
            "ssim_apart": inner_ssim(edits.smile, edits.neutral),
            "ssim_taken": inner_ssim(edits.taken, edits.neutral),
            "ssim_given": inner_ssim(edits.given, edits.smile),
        }
    )
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
    """Every metric with its 95 % interval over people: the median of distances, the mean of all others."""
    named = {
        name: metrics.median_of(value) if name.startswith("identity") else metrics.mean_of(value)
        for name, value in values.items()
    }
    return metrics.estimates(named, persons, {"all": metrics.everyone(len(persons))})["all"]


@dataclass(frozen=True)
class PhotographEdits:
    """Face tensors (N, 3, S, S) in [-1, 1]: photographs, their neutral faces, their edits and the references."""

    image: Tensor
    neutral: Tensor
    edit: Tensor
    reference: Tensor
    wanted: Tensor  # (N,), the references' expressions


@torch.no_grad()
def edit_photographs(leed: LEED, photographs: Tensor, references: dict[int, Tensor], device: str) -> PhotographEdits:
    """Gives photographs, uint8 (N, 3, S, S), the expressions of the references in turn, without the neutral one.

    Raises `ValueError` if the references show no other.
    """
    labels = sorted(references.keys() - {NEUTRAL})
    if not labels:
        raise ValueError(
            "no reference for the photographs: the test split of --data_dir has no frontal face with another "
            "expression than neutral, apart from real smiles"
        )
    wanted = [labels[i % len(labels)] for i in range(len(photographs))]
    rows = []
    for i, photograph in enumerate(photographs):
        faces = references[wanted[i]]
        reference = normalize(faces[None, i // len(labels) % len(faces)].to(device))
        image = normalize(photograph[None].to(device))
        rows.append((image, leed.neutralize(image), leed.edit(image, reference), reference))
    image, neutral, edit, reference = (torch.cat(column) for column in zip(*rows, strict=True))
    return PhotographEdits(image, neutral, edit, reference, torch.tensor(wanted, device=device))


@torch.no_grad()
def measure_photographs(
    edits: PhotographEdits, embedding: FaceEmbedding | None, classifier: ExpressionClassifier | None
) -> dict[str, np.ndarray]:
    """Measurements of each photograph, by the names of WILD_LINES: float64 (N,), NaN where not measured."""
    values = dict.fromkeys(WILD_LINES, np.full(len(edits.image), np.nan))
    if classifier is not None:
        for name, faces in (("before", edits.image), ("after", edits.edit), ("reference", edits.reference)):
            called = torch.cat([classifier(part).argmax(dim=1) for part in faces.split(BATCH)])
            right = (called == edits.wanted).double()
            values[f"wanted_{name}"] = right.cpu().numpy()
            for expression in ("happy", "surprised") if name != "reference" else ():
                of_others = edits.wanted != EXPRESSIONS.index(expression)
                values[f"{expression}_{name}"] = right.masked_fill(of_others, float("nan")).cpu().numpy()
    if embedding is not None:
        values["identity_wild"] = distance(embedding(edits.edit), embedding(edits.image))
    return values


def photograph_rows(edits: PhotographEdits) -> list[list[Face]]:
    """Rows of a sheet: photograph, its neutral face, its edit, several photographs in a row."""
    return side_by_side(edits.image, edits.neutral, edits.edit, a_row=WILD_A_ROW)


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = command_line(PROGRAM, __doc__)
    add_options(parser, "model", data_dir="face set whose test split has real smiles")
    add_options(parser, "wild_dir", "classifier", "identity")
    parser.add_argument("--num_wild", type=at_least(1), default=NUM_WILD, help="photographs to edit, spread over all")
    add_options(parser, "device", output_dir={"required": True})
    return parser.parse_args(arguments)


@exit_on(PROGRAM)
def main(arguments: list[str] | None = None) -> None:
    options = parse_args(arguments)
    leed = LEED.from_pretrained(options.model, map_location=options.device)
    classifier = load_evaluator(options.classifier).to(options.device) if options.classifier else None
    size, embedding = leed.config.image_size, identity_embedding(options.identity)
    smiles = load_smiles(options.data_dir, size)
    edits = edit_smiles(leed, smiles, options.device)
    found = evaluate(measure(edits, embedding, classifier), smiles.persons)
    tables = [line_table(f"{len(smiles.persons)} real smiles", LINES, found)]
    rows = side_by_side(edits.neutral, edits.smile, edits.taken, edits.given, edits.others)
    sheets = {"real_smiles.png": panel(rows, SMILE_TITLES)}
    if options.wild_dir:
        photographs, _, persons = load_wild(options.wild_dir, size)
        chosen = metrics.spread(np.arange(len(photographs)), options.num_wild)
        photographs, persons = photographs[chosen], persons[chosen]
        wild = edit_photographs(leed, photographs, smiles.expressions, options.device)
        found_wild = evaluate(measure_photographs(wild, embedding, classifier), persons)
        tables.append(line_table(f"{len(photographs)} everyday photographs", WILD_LINES, found_wild))
        sheets["wild.png"] = panel(photograph_rows(wild)[: NUM_SHOWN // WILD_A_ROW], group=3)
        found |= found_wild
    content = {"model": options.model, "metrics": as_json(found)}
    if present(options.output_dir, "photographs", "\n\n".join(tables), content):
        save_sheets(options.output_dir, sheets)


if __name__ == "__main__":
    main()
