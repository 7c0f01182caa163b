"""Measures how well the estimator tells what remains of an expression in a neutral face.

    python -m leed.evaluation.remains --model hub/leed-open --rendered openfaces,openfaces-free \\
        --smiles openfaces-large

The pictures are those of the training people whom `leed.training.remains` held out; with `--split test`, of the test
people. In rendered sets the truth is the difference that is left to the true neutral face, from 1 on visible
(`leed.training.remains.true_remains`). A warning is an estimate of VISIBLE or more at mouth or eyes. Beside it stands
the score that LEED had before: the SSIM between the neutral face and its own neutral face, a warning below IDEMPOTENT.

"Left as they are" are pictures taken as if they were neutral faces: those with an expression, and the wide-open mouths
among them, by their action unit 26; what a neutraliser does to a picture that it does not understand. Real smiles are
measured so alone, against the person's real neutral photographs. Intervals are 95 %, by a bootstrap over people.

Prints a Markdown table for each set; with --output_dir also writes them (remains.md, remains.json) and sheets of what
was missed and of the false alarms, each picture beside its neutral face and the true one.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from PIL import Image
from torch import Tensor
from tqdm.auto import tqdm

from leed.commands import command_line, exit_on
from leed.config import ACTION_UNITS
from leed.data.faces import FaceDataset, load_faces
from leed.evaluation import metrics
from leed.evaluation.commands import add_options, present, save_sheets
from leed.evaluation.metrics import Metric, auc_of, mean_of
from leed.evaluation.sheets import panel, side_by_side
from leed.evaluation.tables import as_json, line_table
from leed.images import normalize
from leed.model import LEED
from leed.networks.remains import VISIBLE
from leed.similarity import inner_ssim
from leed.training.remains import split_tables, true_remains

PROGRAM = "python -m leed.evaluation.remains"
IDEMPOTENT = 0.95  # the limit of the score that LEED had before
WIDE_OPEN = 0.3  # of action unit 26, from which a mouth counts as wide open
JAW = ACTION_UNITS.index("AU26")
SHEET_ROWS, A_ROW = 8, 4

LINES = {
    "visible": "neutral faces in which an expression remains visible",
    "auc": "AUC of the estimate for these",
    "auc_before": "same, of the score before",
    "missed": "missed of them",
    "missed_before": "same, by the score before",
    "alarms": "warned about of the others (false alarms)",
    "alarms_before": "same, by the score before",
    "alarms_true": "same, of the true neutral faces",
    "auc_as_is": "AUC, expressions left as they are against true neutral faces",
    "warned_as_is": "warned about of the expressions left as they are",
    "warned_wide": "warned about of the wide-open mouths left as they are",
}

SMILE_LINES = {
    "auc": "AUC, smiles left as they are against real neutral photographs",
    "warned": "warned about of the smiles left as they are",
    "alarms": "warned about of the real neutral photographs",
    "warned_after": "warned about of the smiles' neutral faces (truth unknown)",
}


@dataclass(frozen=True)
class Measured:
    """Measurements (N,) of pictures, float64, by name, and the people in them; NaN where not measured."""

    values: dict[str, np.ndarray]
    persons: np.ndarray


@torch.no_grad()
def measure(leed: LEED, table: Dataset, device: str, batch_size: int = 32, of: str = "the set") -> Measured:
    """Estimates, the score before and the truth of the pictures that have a true neutral face.

    `of` names the set in the `ValueError` that is raised if there are none.
    """
    assert leed.estimator is not None  # main asks for it
    estimator = leed.estimator.to(device)
    data = FaceDataset(table, leed.config.image_size, in_memory=False)
    rows = data.has_neutral.nonzero().squeeze(1)
    if not len(rows):
        raise ValueError(f"none of the {len(data)} pictures of {of} has a true neutral face to compare with")
    batches = []
    for image, neutral, of_batch in _batches(data, rows, device, batch_size):
        found = leed.neutral(image).image.clamp(-1, 1)
        as_is = estimator.remains(image)
        values = {
            "estimate": estimator.remains(found).most,
            "estimate_true": estimator.remains(neutral).most,
            "estimate_as_is": as_is.most,
            "mouth_as_is": as_is.mouth,
            "before": 1 - inner_ssim(leed.neutral(found).image.clamp(-1, 1), found),
            "truth": true_remains(found, neutral).amax(dim=1),
            "truth_as_is": true_remains(image, neutral).amax(dim=1),
            "jaw": data.action_units[of_batch, JAW],
            "row": of_batch,
        }
        batches.append(metrics.as_arrays(values))
    persons = np.array(data.persons)[data.person_ids[rows]]
    return Measured(metrics.joined(batches), persons)


def _batches(data: FaceDataset, rows: Tensor, device: str, batch_size: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Pictures, true neutral faces and rows of each batch."""
    for of_batch in tqdm(rows.split(batch_size), desc="pictures", disable=None):
        batch = data.__getitems__(of_batch.tolist())
        yield normalize(batch["image"].to(device)), normalize(batch["neutral"].to(device)), of_batch


def rendered_metrics(values: dict[str, np.ndarray]) -> dict[str, Metric]:
    """The metric of every line by name, of pictures with an exact true neutral face."""
    visible, shown = values["truth"] >= 1, values["truth_as_is"] >= 1
    warned, warned_before = values["estimate"] >= VISIBLE, values["before"] > 1 - IDEMPOTENT
    as_is = values["estimate_as_is"] >= VISIBLE
    named = {
        "visible": mean_of(visible.astype(float)),
        "auc": auc_of(values["estimate"], visible),
        "auc_before": auc_of(values["before"], visible),
        "missed": share_of(~warned, visible),
        "missed_before": share_of(~warned_before, visible),
        "alarms": share_of(warned, ~visible),
        "alarms_before": share_of(warned_before, ~visible),
        "alarms_true": mean_of((values["estimate_true"] >= VISIBLE).astype(float)),
        "auc_as_is": against(values["estimate_as_is"], values["estimate_true"], shown),
        "warned_as_is": share_of(as_is, shown),
        "warned_wide": share_of(values["mouth_as_is"] >= VISIBLE, values["jaw"] >= WIDE_OPEN),
    }
    return {name: named[name] for name in LINES}


def smile_metrics(values: dict[str, np.ndarray]) -> dict[str, Metric]:
    """The metric of every line by name, of real smiles whose neutral face is another photograph."""
    all_of_them = np.ones(len(values["estimate"]), dtype=bool)
    return {
        "auc": against(values["estimate_as_is"], values["estimate_true"], all_of_them),
        "warned": share_of(values["estimate_as_is"] >= VISIBLE, all_of_them),
        "alarms": share_of(values["estimate_true"] >= VISIBLE, all_of_them),
        "warned_after": share_of(values["estimate"] >= VISIBLE, all_of_them),
    }


def share_of(marks: np.ndarray, members: np.ndarray) -> Metric:
    """The share of members (N,) that are marked (N,)."""
    return mean_of(np.where(members, marks.astype(float), np.nan))


def against(scores: np.ndarray, others: np.ndarray, members: np.ndarray) -> Metric:
    """The AUC of the scores (N,) of members (N,) against the other scores (N,) of all, of the same people."""
    both = np.concatenate([np.where(members, scores, np.nan), others])
    metric = auc_of(both, np.arange(len(both)) < len(scores))
    return lambda weights: metric(np.concatenate([weights, weights], axis=1))


def doubtful_sheets(leed: LEED, table: Dataset, measured: Measured, device: str) -> dict[str, Image.Image]:
    """What was missed, the worst first, and the false alarms, the strongest first: picture, neutral and true face."""
    values = measured.values
    warned, visible = values["estimate"] >= VISIBLE, values["truth"] >= 1
    data = FaceDataset(table, leed.config.image_size, in_memory=False)
    sheets = {}
    for name, marks, order in (("missed", visible & ~warned, "truth"), ("alarms", warned & ~visible, "estimate")):
        chosen = np.flatnonzero(marks)[np.argsort(-values[order][marks], kind="stable")][: SHEET_ROWS * A_ROW]
        rows = torch.from_numpy(values["row"][chosen].astype(np.int64))
        for image, neutral, _ in _batches(data, rows, device, len(rows)) if len(rows) else ():
            sheets[name] = panel(side_by_side(image, leed.neutralize(image), neutral, a_row=A_ROW), group=3)
    return sheets


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = command_line(PROGRAM, __doc__)
    add_options(parser, model={"help": "LEED with an estimator: a folder or a name on the Hub"})
    parser.add_argument("--rendered", required=True, help="sets with exact true neutral faces, joined by commas")
    parser.add_argument("--smiles", help="set whose neutral faces are other photographs")
    parser.add_argument("--split", choices=("held_out", "test"), default="held_out")
    add_options(parser, "device", output_dir="where to write remains.md, remains.json and the sheets")
    return parser.parse_args(arguments)


def load_tables(rendered: Sequence[str], smiles: str | None, split: str) -> list[Dataset]:
    """The tables of the rendered sets and, as the last, of the smiles: the test people's or those held out."""
    if split == "held_out":
        return split_tables(rendered, smiles)["held_out"]
    return [load_faces(name, split="test") for name in (*rendered, *([smiles] if smiles else []))]


@exit_on(PROGRAM)
def main(arguments: list[str] | None = None) -> None:
    options = parse_args(arguments)
    leed = LEED.from_pretrained(options.model, map_location=options.device)
    if leed.estimator is None:
        raise ValueError(f"{options.model} has no estimator: make one with python -m leed.training.remains")
    rendered = options.rendered.split(",")
    names = [*rendered, *([options.smiles] if options.smiles else [])]
    tables = load_tables(rendered, options.smiles, options.split)
    texts, content = [], {}
    sheets: dict[str, Image.Image] = {}
    for place, (name, table) in enumerate(zip(names, tables, strict=True)):
        measured, title = measure(leed, table, options.device, of=f"{name}, {options.split}"), Path(name).name
        exact = place < len(rendered)
        named = rendered_metrics(measured.values) if exact else smile_metrics(measured.values)
        groups = {"all": metrics.everyone(len(measured.persons))}
        found = metrics.estimates(named, measured.persons, groups)["all"]
        texts.append(line_table(f"{len(measured.persons)} of {title}", LINES if exact else SMILE_LINES, found))
        content[name if title in content else title] = as_json(found)
        if exact:
            drawn = doubtful_sheets(leed, table, measured, options.device)
            sheets |= {f"{title}-{kind}.png": sheet for kind, sheet in drawn.items()}
    what = {"model": options.model, "split": options.split, "metrics": content}
    if present(options.output_dir, "remains", "\n\n".join(texts), what):
        save_sheets(options.output_dir, sheets)


if __name__ == "__main__":
    main()
