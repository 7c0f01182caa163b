"""Measures edits against the truth.

    python -m leed.evaluation --model hub/leed-open --evaluator hub/evaluator --data_dir openfaces-pairs

Prints Markdown tables; with --output_dir also writes them (metrics.md), all metrics with intervals (metrics.json) and,
with --contact_sheet, pictures: contact_sheet.png (input, reference, edit, truth) and alphas.png (input, reference,
edits at alpha 0, 0.25, ... 1.5). Intervals are 95 %, by a bootstrap over the people of the inputs.

With `--data_dir openfaces-free` the expressions are free ones, without names: instead of accuracies it
measures the agreement of the changes at the eyes and at the mouth with the truth's.
"""

import argparse
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from PIL import Image
from tqdm.auto import tqdm

from leed.commands import command_line, exit_on
from leed.config import EXPRESSIONS
from leed.evaluation import free
from leed.evaluation.commands import add_options, present, save_sheets
from leed.evaluation.edits import (
    ALPHAS,
    COMPARED,
    COMPARED_NAMES,
    SIMILARITIES,
    Measurements,
    TripleFaces,
    evaluate,
    groups,
    measure,
    prepare,
)
from leed.evaluation.identity import identity_embedding
from leed.evaluation.metrics import Estimate
from leed.evaluation.pairs import Triples, load_triples
from leed.evaluation.sheets import panel, side_by_side
from leed.evaluation.tables import as_json, line_table, markdown_table, show, show_estimate
from leed.images import normalize
from leed.model import LEED
from leed.networks.classifier import ExpressionClassifier

PROGRAM = "python -m leed.evaluation"
SHEET_ROWS = 16

Result = TypeVar("Result")

LINES = {
    "share": "share of the way from true neutral to autoencoded truth, SSIM of the crop",
    "share_face": "same, SSIM of the inner face",
    "accuracy": "expression accuracy of edits",
    "accuracy_truth": "expression accuracy of the truth",
    "accuracy_ratio": "edits' accuracy as a share of the truth's",
    "distance_to_neutral": "expression distance to the truth, relative to neutral-to-truth",
    "distance_to_input": "expression distance to the truth, relative to input-to-truth",
    "identity": "identity distance, edit to input (median)",
    "identity_truth": "identity distance, truth to input (median)",
    "identity_other": "identity distance, other people to input (median)",
    "identity_ratio": "identity distance, edit to input relative to truth to input",
    "identity_within": "identity: share of edits within 0.6 of the input",
    "alpha_monotone": "alpha 0 to 1.5: share of triples whose expression's probability grows",
    "alpha_monotone_way": "same, the way towards the truth in the evaluator's features",
    "alpha_one_way": "that way at alpha 1 (the truth: 1)",
    "alpha_zero": "alpha 0 to the neutral face it starts from: difference, % of the range",
    "outside": "outside the inner face, edit to input: difference, % of the range",
    "outside_truth": "outside the inner face, truth to input: difference, % of the range",
    "colour_shift": "mean colour, edit to truth: difference, % of the range",
}

GROUP_COLUMNS = {
    "edit_ssim": "SSIM",
    "edit_ssim_face": "SSIM face",
    "input_ssim_face": "copied",
    "neutral_ssim_face": "neutral",
    "autoencoded_ssim_face": "autoencoded",
    "share_face": "share",
    "accuracy": "accuracy",
    "accuracy_truth": "on truth",
    "accuracy_ratio": "ratio",
    "distance_to_neutral": "distance (neutral)",
    "distance_to_input": "distance (input)",
    "identity_ratio": "identity",
    "alpha_monotone_way": "alpha",
}


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = command_line(PROGRAM, __doc__)
    add_options(parser, "model", "evaluator", "data_dir", "twins_dir", "neutrals")
    add_options(parser, output_dir="where to write metrics.json and metrics.md")
    parser.add_argument("--contact_sheet", action="store_true", help="write contact sheets into output_dir")
    add_options(parser, "identity", "num_alpha", "max_triples", "batch_size", "device")
    options = parser.parse_args(arguments)
    if options.contact_sheet and not options.output_dir:
        parser.error("--contact_sheet needs --output_dir")
    return options


def similarity_table(found: dict[str, Estimate]) -> str:
    """Edit and baselines against the truth."""
    header = ["compared with the truth", "SSIM", "SSIM face", "PSNR", "PSNR face"]
    rows = [
        [COMPARED_NAMES[name]]
        + [show_estimate(found[f"{name}_{kind}"], 2 if "psnr" in kind else 4) for kind in SIMILARITIES]
        for name in COMPARED
    ]
    return markdown_table(header, rows)


def group_table(found: dict[str, dict[str, Estimate]], counts: dict[str, int]) -> str:
    """The main metrics by yaw of the input, by camera and by expression."""
    rows = [
        [group, str(counts[group]), *(show(named[name].value) for name in GROUP_COLUMNS)]
        for group, named in found.items()
    ]
    return markdown_table(["triples", "number", *GROUP_COLUMNS.values()], rows)


def sheet_rows(triples: Triples, count: int = SHEET_ROWS) -> list[int]:
    """Triples for a sheet: the expressions in turn and the yaws in turn, each person once as long as people last."""
    expressions = triples.reference_expressions.tolist()
    yaws = sorted(set(triples.input_yaws.tolist()), key=lambda yaw: (abs(yaw), yaw))
    chosen: list[int] = []
    left = list(range(len(triples)))
    for i in range(min(count, len(triples))):
        expression, yaw = i % len(EXPRESSIONS), yaws[i % len(yaws)]
        used = set(triples.input_persons[chosen].tolist())
        fitting = [
            (expressions[row] == expression, triples.input_yaws[row] == yaw, triples.input_persons[row] not in used)
            for row in left
        ]
        chosen.append(left.pop(fitting.index(max(fitting))))
    return chosen


@torch.no_grad()
def contact_sheets(leed: LEED, triples: Triples, edits: torch.Tensor, neutrals: str) -> dict[str, Image.Image]:
    """Sheets by file name: edits next to the truth, and edits at every alpha."""
    rows = sheet_rows(triples)
    faces = TripleFaces.of(triples.select(np.array(rows)), leed.device)
    prepared, _ = prepare(leed, faces.image, faces.reference, faces.true_neutrals, neutrals)
    given = faces.image, faces.reference
    titles = [f"alpha {alpha:g}" for alpha in ALPHAS]
    return {
        "contact_sheet.png": panel(
            side_by_side(*given, normalize(edits[rows]), faces.truth), ["input", "reference", "edit", "truth"]
        ),
        "alphas.png": panel(
            side_by_side(*given, *(prepared(alpha) for alpha in ALPHAS)), ["input", "reference", *titles]
        ),
    }


def report(found: dict[str, dict[str, Estimate]], triples: Triples, measured: Measurements) -> str:
    """The three tables."""
    varied = int(np.isfinite(measured.values["monotone"]).sum())
    note = (
        f"{len(triples)} triples; alpha varied on {varied} with an expressive reference. Accuracy and distance: the "
        "evaluator sees the input's true neutral face. Yaw is the input's."
    )
    tables = (
        similarity_table(found["all"]),
        line_table("metric", LINES, found["all"]),
        group_table(found, group_sizes(triples)),
    )
    return "\n\n".join([note, *tables])


def group_sizes(triples: Triples) -> dict[str, int]:
    """The number of triples in each group."""
    return {group: int(members.sum()) for group, members in groups(triples).items()}


def measured(
    function: Callable[..., Result],
    leed: LEED,
    evaluator: ExpressionClassifier,
    triples: Triples | free.FreeTriples,
    options: argparse.Namespace,
) -> Result:
    """What a function measures with the settings of the command line, with a bar."""
    settings = options.neutrals, options.num_alpha, identity_embedding(options.identity), options.batch_size
    with tqdm(total=len(triples), desc="triples", disable=None) as bar:
        return function(leed, evaluator, triples, *settings, progress=bar.update)


def measure_triples(leed: LEED, evaluator: ExpressionClassifier, options: argparse.Namespace) -> None:
    """Measures triples of the eight expressions."""
    triples = load_triples(options.data_dir, options.twins_dir, leed.config.image_size, options.max_triples)
    values = measured(measure, leed, evaluator, triples, options)
    found = evaluate(values, triples)
    if save(options, report(found, triples, values), group_sizes(triples), found) and options.contact_sheet:
        save_sheets(options.output_dir, contact_sheets(leed, triples, values.edits, options.neutrals))


def measure_free(leed: LEED, evaluator: ExpressionClassifier, options: argparse.Namespace) -> None:
    """Measures triples of free expressions."""
    if options.neutrals not in free.NEUTRALS:
        raise ValueError(
            f"--neutrals must be one of {', '.join(free.NEUTRALS)} here, where references have no true neutral face"
        )
    triples = free.load_free_triples(options.data_dir, leed.config.image_size, options.max_triples)
    values, edits = measured(free.measure, leed, evaluator, triples, options)
    found = free.evaluate(values, triples)
    counts = {group: int(members.sum()) for group, members in free.groups(triples).items()}
    if save(options, free.report(found, triples), counts, found) and options.contact_sheet:
        save_sheets(options.output_dir, {"contact_sheet.png": free.edit_sheet(triples, edits)})


def save(
    options: argparse.Namespace, text: str, counts: dict[str, int], found: dict[str, dict[str, Estimate]]
) -> bool:
    """Prints the tables and writes them and the metrics, if there is a folder for them. Returns whether there is."""
    content = {
        "model": options.model,
        "evaluator": options.evaluator,
        "neutrals": options.neutrals,
        "num_triples": counts,
        "metrics": {group: as_json(named) for group, named in found.items()},
    }
    return present(options.output_dir, "metrics", text, content)


@exit_on(PROGRAM)
def main(arguments: list[str] | None = None) -> None:
    options = parse_args(arguments)
    leed = LEED.from_pretrained(options.model, map_location=options.device)
    evaluator = ExpressionClassifier.from_pretrained(options.evaluator, map_location=options.device)
    if free.holds_free_triples(options.data_dir):
        measure_free(leed, evaluator, options)
    else:
        measure_triples(leed, evaluator, options)


if __name__ == "__main__":
    main()
