"""Measures edits at a photo's own size: 200 true edits of test people, and their real smiles closed.

    python -m leed.evaluation.large --model hub/leed-open --data_dir openfaces-large

The folder holds pictures of 400 pixels; `<folder without -large>-pairs` beside it has the references. Each is resized
to 384 pixels and edited as a photo whose crop is the whole picture: the model sees 128 pixels, the rest is pasting.
Measured are boxes about the mouth and the eyes, each beside the model's edit enlarged without the photo, the input as
it is, and the truth through 128 pixels, which is as good as a model of that size can be. Prints Markdown tables; with
--output_dir also writes them (large.md), all metrics with 95 % intervals by a bootstrap over people (large.json) and
contact sheets.

To choose between models or settings without the test people, `--people held_out` measures the people whom training
holds out: their neutral faces with the expressions of their own pictures, these pictures and their smiles closed. With
`--rendered more` their pictures are those of the part `large_more`, free expressions among them.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import torch
import torch.nn.functional as F
from datasets import Dataset
from PIL import Image
from torch import Tensor
from tqdm.auto import tqdm

from leed.commands import at_least, command_line, exit_on
from leed.data.faces import split_by_person
from leed.data.readers.openfaces_large import parse_names
from leed.data.readers.parquet import read_parquet
from leed.evaluation import metrics
from leed.evaluation.commands import add_options, present, save_sheets
from leed.evaluation.metrics import Estimate, Metric, mean_of, quotient_of
from leed.evaluation.pairs import read_triples
from leed.evaluation.pictures import check_rows, stored_picture
from leed.evaluation.sheets import panel, side_by_side
from leed.evaluation.tables import as_json, markdown_table, show_estimate
from leed.images import INNER_CROP, normalize, to_pil, to_tensor
from leed.model import LEED
from leed.photo.editor import PreparedPhoto
from leed.photo.geometry import Alignment
from leed.training.detail import BOXES, SIDE, box_of, box_ssim, detail_correlation, enlarged, gradient_energy

PROGRAM = "python -m leed.evaluation.large"
CHANGED_SHARE = 0.4  # of the pictures, those in which a box changes most: there the gradient energy is measured
SHEET_ROWS = 8

HELD_OUT = 0.1  # of the training people, as in training

KINDS = {
    "edit": "edit",
    "enlarged": "edit enlarged",
    "through": "truth through the model's size",
    "input": "input as it is",
}
FIGURES = {
    "ssim": "SSIM, {}",
    "energy": "gradient energy of the 40 % most changed, {} (truth: 1)",
    "detail": "correlation of detail finer than 2 px, {}",
}


@dataclass(frozen=True)
class Case:
    """A photo to edit and what should come out, (1, 3, SIDE, SIDE) in [-1, 1].

    The reference is a crop for the model; None asks for the neutral face.
    """

    photo: Tensor
    truth: Tensor
    reference: Image.Image | None
    person: str


class Edited(NamedTuple):
    """An edit of a case, (1, 3, SIDE, SIDE) each: the photo with it, and the model's own picture enlarged."""

    photo: Tensor
    enlarged: Tensor


def load_pairs(folder: Path, most: int | None = None) -> Iterator[Case]:
    """True edits of test people, `most` of them spread over all.

    Raises `ValueError` for missing files and columns, a triple that is not there and pictures that cannot be read.
    """
    table = read_parquet(folder, "pairs", ("triple", "input", "target"))
    check_rows(table, folder, "true edits")
    beside = folder.with_name(folder.name.removesuffix("-large") + "-pairs")
    triples, numbers = read_triples(beside, ("reference", "input_person"))
    row_of = {number: row for row, number in enumerate(numbers.tolist())}
    rows = np.arange(len(table))
    for row in (rows if most is None else metrics.spread(rows, most)).tolist():
        triple = table["triple"][row].as_py()
        if triple not in row_of:
            raise ValueError(f"{folder}, row {row}: triple {triple} is not one of the {len(triples)} in {beside}")
        reference = stored_picture(triples, "reference", row_of[triple], beside, 128, INNER_CROP)
        photo, truth = (picture(table, name, row, folder) for name in ("input", "target"))
        yield Case(photo, truth, to_pil(normalize(reference)), triples["input_person"][row_of[triple]].as_py())


def load_smiles(
    folder: Path, split: str = "test", most: int | None = None, among: set[str] | None = None
) -> Iterator[Case]:
    """Real smiles of a split's people, or of some `among` them, with their real neutral photographs.

    Raises `ValueError` if there are none.
    """
    table = read_parquet(folder, "smiles", ("file", "split", "image", "neutral"))
    people = [parts["person"] for parts in parse_names(table["file"].to_pylist(), folder)]
    chosen = np.ones(len(people), bool) if among is None else np.isin(people, sorted(among))
    rows = np.flatnonzero((np.asarray(table["split"]) == split) & chosen)
    if not len(rows):
        who = f"{split} people" if among is None else f"the {len(among)} held-out of its {split} people"
        raise ValueError(f"{folder} has no real smiles of {who}, in whose rows `split` is {split}")
    for row in (rows if most is None else metrics.spread(rows, most)).tolist():
        photo, truth = (picture(table, name, row, folder) for name in ("image", "neutral"))
        yield Case(photo, truth, None, people[row])


def held_out_people(folder: Path) -> set[str]:
    """The training people whom training on `<folder without -large>` holds out. Raises `ValueError` without it."""
    beside = folder.with_name(folder.name.removesuffix("-large"))
    people = read_parquet(beside, "train", ("person",))["person"].to_pylist()
    return set(split_by_person(Dataset.from_dict({"person": people}), HELD_OUT)[1]["person"])


def load_rendered(
    folder: Path, close: bool, among: set[str], most: int | None = None, file: str = "train"
) -> Iterator[Case]:
    """Rendered pictures of some training people: neutral faces with their expressions, or with `close` the reverse.

    `file` is "train" or "more", of the parts `large` and `large_more`. Raises `ValueError` if there are none.
    """
    table = read_parquet(folder, file, ("person", "image", "neutral"))
    rows = np.flatnonzero(np.isin(table["person"].to_pylist(), sorted(among)))
    if not len(rows):
        raise ValueError(f"{folder} has no training pictures of the {len(among)} people held out of training")
    for row in (rows if most is None else metrics.spread(rows, most)).tolist():
        image, neutral = (picture(table, name, row, folder) for name in ("image", "neutral"))
        person = table["person"][row].as_py()
        reference = to_pil(normalize(stored_picture(table, "image", row, folder, 128)))
        yield Case(image, neutral, None, person) if close else Case(neutral, image, reference, person)


def picture(table: pa.Table, column: str, row: int, folder: Path) -> Tensor:
    """A stored picture as a face tensor (1, 3, SIDE, SIDE)."""
    return normalize(stored_picture(table, column, row, folder, SIDE))[None]


@torch.no_grad()
def edit(leed: LEED, case: Case, upper_level: bool = True) -> Edited:
    """The case's photo edited in its own size, with the model's upper level if it has one and is to be used."""
    photo = to_pil(case.photo[0])
    whole = Alignment((0.0, 0.0), (float(SIDE), 0.0))
    crop = whole.crop(photo, leed.config.image_size)
    expression = leed.expression(crop if case.reference is None else case.reference)
    prepared = PreparedPhoto(photo, crop, whole, leed.prepare(crop, expression), upper_level=upper_level)
    result = prepared(0.0 if case.reference is None else 1.0)
    return Edited(to_tensor(result.photo, SIDE), enlarged(to_tensor(result.edited, leed.config.image_size)))


def through(pictures: Tensor, size: int) -> Tensor:
    """Pictures (B, 3, SIDE, SIDE) made `size` pixels small and large again, as sharp as interpolation allows."""
    return enlarged(F.interpolate(pictures, (size, size), mode="bicubic", antialias=True))


def measure(edited: Edited, case: Case, size: int) -> dict[str, float]:
    """The measurements of an edit, of the truth through a model of side `size`, and of the input as it is."""
    shown = {**edited._asdict(), "through": through(case.truth, size), "input": case.photo}
    shown["edit"] = shown.pop("photo")
    values = {}
    for box in BOXES:
        values[f"{box}_truth_energy"] = gradient_energy(case.truth, box)
        values[f"{box}_change"] = (box_of(case.photo - case.truth, box)).abs().mean((1, 2, 3))
        for kind, pictures in shown.items():
            values[f"{box}_{kind}_ssim"] = box_ssim(pictures, case.truth, box)
            values[f"{box}_{kind}_energy"] = gradient_energy(pictures, box)
            values[f"{box}_{kind}_detail"] = detail_correlation(pictures, case.truth, box)
    return {name: float(value) for name, value in values.items()}


def evaluate(measured: list[dict[str, float]], persons: list[str]) -> dict[str, Estimate]:
    """Every metric, `<box>_<kind>_<figure>`, with its 95 % interval over people."""
    values = {name: np.array([one[name] for one in measured]) for name in measured[0]}
    named: dict[str, Metric] = {}
    for box in BOXES:
        most = metrics.largest(values[f"{box}_change"], CHANGED_SHARE)
        whole = mean_of(np.where(most, values[f"{box}_truth_energy"], np.nan))
        for kind in KINDS:
            energy = mean_of(np.where(most, values[f"{box}_{kind}_energy"], np.nan))
            named[f"{box}_{kind}_ssim"] = mean_of(values[f"{box}_{kind}_ssim"])
            named[f"{box}_{kind}_energy"] = quotient_of(energy, whole)
            named[f"{box}_{kind}_detail"] = mean_of(values[f"{box}_{kind}_detail"])
    return metrics.estimates(named, np.array(persons), {"all": metrics.everyone(len(persons))})["all"]


def report(title: str, found: dict[str, Estimate]) -> str:
    """The table of one kind of cases: a line for each figure and box, a column for each thing compared."""
    rows = [
        [line.format(box), *(show_estimate(found[f"{box}_{kind}_{figure}"]) for kind in KINDS)]
        for figure, line in FIGURES.items()
        for box in BOXES
    ]
    return markdown_table([title, *KINDS.values()], rows)


TITLES = {"edits": "true edits", "closed": "rendered expressions closed", "smiles": "real smiles closed"}


def load_kinds(folder: Path, people: str, most: int | None, rendered: str = "train") -> dict[str, list[Case]]:
    """The cases of the "test" or of the "held_out" people by kind, `most` of each. Raises as loading does."""
    if people == "test":
        return {"edits": list(load_pairs(folder, most)), "smiles": list(load_smiles(folder, most=most))}
    among = held_out_people(folder)
    return {
        "edits": list(load_rendered(folder, False, among, most, rendered)),
        "closed": list(load_rendered(folder, True, among, most, rendered)),
        "smiles": list(load_smiles(folder, "train", most, among)),
    }


def run(
    leed: LEED, cases: list[Case], edited: Callable[[LEED, Case], Edited] = edit
) -> tuple[dict[str, Estimate], Image.Image]:
    """All metrics over some cases, and a sheet: photo, edit and truth of cases spread over all."""
    shown = set(metrics.spread(np.arange(len(cases)), SHEET_ROWS).tolist())
    measured, rows = [], []
    for number, case in enumerate(tqdm(cases, "photos", unit="photo", disable=None)):
        result = edited(leed, case)
        measured.append(measure(result, case, leed.config.image_size))
        if number in shown:
            rows.append((case.photo[0], result.photo[0], case.truth[0]))
    photos, results, truths = zip(*rows, strict=True)
    sheet = panel(side_by_side(photos, results, truths, a_row=2), ["photo", "edit", "truth"] * 2, group=3)
    return evaluate(measured, [case.person for case in cases]), sheet


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = command_line(PROGRAM, __doc__)
    add_options(parser, "model", data_dir="the folder of the large open faces")
    parser.add_argument(
        "--people", choices=("test", "held_out"), default="test", help="held_out: those held out of training"
    )
    parser.add_argument(
        "--rendered", choices=("train", "more"), default="train", help="pictures of held-out people: which file's"
    )
    parser.add_argument("--without_upper_level", action="store_true", help="leave the model's upper level unused")
    parser.add_argument("--max_photos", type=at_least(1), help="of each kind, spread over all; default: all")
    add_options(parser, output_dir="for tables, metrics and contact sheets")
    options = parser.parse_args(arguments)
    if options.rendered != "train" and options.people != "held_out":
        parser.error("--rendered serves --people held_out")
    return options


@exit_on(PROGRAM)
def main(arguments: list[str] | None = None) -> None:
    """Prints the tables and, if asked to, writes them."""
    options = parse_args(arguments)
    leed = LEED.from_pretrained(options.model)
    folder = options.data_dir.resolve()
    kinds = load_kinds(folder, options.people, options.max_photos, options.rendered)
    texts, content, sheets = [], {}, {}
    for name, title in TITLES.items():
        if name not in kinds:
            continue
        edited = partial(edit, upper_level=not options.without_upper_level)
        found, sheets[f"{name}.png"] = run(leed, kinds[name], edited)
        texts.append(report(f"{len(kinds[name])} {title}", found))
        content[name] = as_json(found)
    if present(options.output_dir, "large", "\n\n".join(texts), content):
        save_sheets(options.output_dir, sheets)


if __name__ == "__main__":
    main()
