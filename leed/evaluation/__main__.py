"""Measures edits against the truth.

    python -m leed.evaluation --model hub/leed-open --evaluator hub/evaluator --data_dir ../shared/data/openfaces-pairs

Prints Markdown tables; with --output_dir also writes them (figures.md), all figures with intervals (figures.json) and,
with --contact_sheet, pictures: contact_sheet.png (input, reference, edit, truth) and alphas.png (input, reference,
edits at alpha 0, 0.25, ... 1.5). Intervals are 95 %, by a bootstrap over the people of the inputs.
"""

import argparse

import numpy as np
import torch
from PIL import Image
from tqdm.auto import tqdm

from leed.config import EXPRESSIONS
from leed.evaluation.edits import ALPHAS, COMPARED, NEUTRALS, SIMILARITIES, Measurements, evaluate, groups, measure
from leed.evaluation.edits import prepare as prepare_edit
from leed.evaluation.identity import identity_embedding
from leed.evaluation.metrics import Estimate
from leed.evaluation.pairs import Triples, load_triples
from leed.evaluation.tables import as_json, markdown_table, save_results, show, show_estimate
from leed.images import contact_sheet, normalize
from leed.model import LEED
from leed.networks.classifier import ExpressionClassifier

SHEET_ROWS = 16

COMPARED_NAMES = {
    "edit": "edit",
    "input": "input copied",
    "neutral": "input's true neutral face",
    "autoencoded": "truth autoencoded",
}

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
    "alpha_zero": "alpha 0 to the neutral face drawn on: difference, % of the range",
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
    parser = argparse.ArgumentParser(
        prog="python -m leed.evaluation", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True, help="LEED: a folder or a name on the Hub")
    parser.add_argument("--evaluator", required=True, help="expression classifier that no training touched")
    parser.add_argument("--data_dir", required=True, help="folder of triples")
    parser.add_argument("--twins_dir", help="their true neutral faces; default: <data_dir without -pairs>-twins")
    parser.add_argument("--neutrals", choices=NEUTRALS, default="learned", help="where neutral faces come from")
    parser.add_argument("--output_dir", help="where to write figures.json and figures.md")
    parser.add_argument("--contact_sheet", action="store_true", help="write contact sheets into output_dir")
    parser.add_argument("--identity", action=argparse.BooleanOptionalAction, help="default: if dlib is installed")
    parser.add_argument("--num_alpha", type=int, default=200, help="triples on which alpha is varied (default 200)")
    parser.add_argument("--max_triples", type=int, help="measure so many only, spread over all")
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args(arguments)
    if options.contact_sheet and not options.output_dir:
        parser.error("--contact_sheet needs --output_dir")
    return options


def similarity_table(figures: dict[str, Estimate]) -> str:
    """Edit and baselines against the truth."""
    header = ["compared with the truth", "SSIM", "SSIM face", "PSNR", "PSNR face"]
    rows = [
        [COMPARED_NAMES[name]]
        + [show_estimate(figures[f"{name}_{kind}"], 2 if "psnr" in kind else 4) for kind in SIMILARITIES]
        for name in COMPARED
    ]
    return markdown_table(header, rows)


def figure_table(figures: dict[str, Estimate]) -> str:
    """The other figures, one a line."""
    return markdown_table(
        ["figure", "value [95 %]"], [[line, show_estimate(figures[name])] for name, line in LINES.items()]
    )


def group_table(figures: dict[str, dict[str, Estimate]], counts: dict[str, int]) -> str:
    """The main figures by yaw of the input, by camera and by expression."""
    rows = [
        [group, str(counts[group]), *(show(figures[group][name].value) for name in GROUP_COLUMNS)] for group in figures
    ]
    return markdown_table(["triples", "number", *GROUP_COLUMNS.values()], rows)


def sheet_rows(triples: Triples, count: int = SHEET_ROWS) -> list[int]:
    """Triples for a sheet: the expressions in turn and the yaws in turn, each person once as long as people last."""
    expressions = triples.reference_expressions.numpy()
    yaws = sorted(set(triples.input_yaws.tolist()), key=lambda yaw: (abs(yaw), yaw))
    chosen: list[int] = []
    for i in range(min(count, len(triples))):

        def fit(row: int, i: int = i) -> tuple[bool, bool, bool]:
            used = set(triples.input_persons[chosen].tolist())
            return (
                expressions[row] == i % len(EXPRESSIONS),
                triples.input_yaws[row] == yaws[i % len(yaws)],
                triples.input_persons[row] not in used,
            )

        chosen.append(max((row for row in range(len(triples)) if row not in chosen), key=fit))
    return chosen


@torch.no_grad()
def contact_sheets(leed: LEED, triples: Triples, edits: torch.Tensor, neutrals: str) -> dict[str, Image.Image]:
    """Sheets by file name: edits beside the truth, and edits at every alpha."""
    rows = sheet_rows(triples)
    part = triples.select(np.array(rows))
    device = next(leed.parameters()).device
    image, reference, truth, neutral, reference_neutral = (
        normalize(pictures.to(device))
        for pictures in (part.inputs, part.references, part.targets, part.input_neutrals, part.reference_neutrals)
    )
    prepared, _ = prepare_edit(leed, image, reference, {"input": neutral, "reference": reference_neutral}, neutrals)
    alphas = [prepared(alpha) for alpha in ALPHAS]
    faces = zip(image, reference, normalize(edits[rows]), truth, strict=True)
    by_alpha = zip(image, reference, *alphas, strict=True)
    return {
        "contact_sheet.png": contact_sheet([list(row) for row in faces]),
        "alphas.png": contact_sheet([list(row) for row in by_alpha]),
    }


def report(figures: dict[str, dict[str, Estimate]], triples: Triples, measured: Measurements) -> str:
    """The three tables."""
    counts = {group: int(members.sum()) for group, members in groups(triples).items()}
    varied = int(np.isfinite(measured.values["monotone"]).sum())
    note = (
        f"{len(triples)} triples; alpha varied on {varied} with an expressive reference. Accuracy and distance: the "
        "evaluator sees the input's true neutral face. Yaw is the input's."
    )
    tables = (similarity_table(figures["all"]), figure_table(figures["all"]), group_table(figures, counts))
    return "\n\n".join([note, *tables])


def main(arguments: list[str] | None = None) -> None:
    options = parse_args(arguments)
    leed = LEED.from_pretrained(options.model).to(options.device)
    evaluator = ExpressionClassifier.from_pretrained(options.evaluator).to(options.device)
    triples = load_triples(options.data_dir, options.twins_dir, leed.config.image_size, options.max_triples)
    embedding = identity_embedding(options.identity)
    with tqdm(total=len(triples), desc="triples", disable=None) as bar:
        measured = measure(
            leed,
            evaluator,
            triples,
            options.neutrals,
            options.num_alpha,
            embedding,
            options.batch_size,
            progress=bar.update,
        )
    figures = evaluate(measured, triples)
    text = report(figures, triples, measured)
    print(text)
    if not options.output_dir:
        return
    counts = {group: int(members.sum()) for group, members in groups(triples).items()}
    content = {
        "model": options.model,
        "evaluator": options.evaluator,
        "neutrals": options.neutrals,
        "num_triples": counts,
        "figures": {
            group: {name: as_json(value) for name, value in named.items()} for group, named in figures.items()
        },
    }
    folder = save_results(options.output_dir, "figures", text, content)
    if options.contact_sheet:
        for name, sheet in contact_sheets(leed, triples, measured.edits, options.neutrals).items():
            sheet.save(folder / name)


if __name__ == "__main__":
    main()
