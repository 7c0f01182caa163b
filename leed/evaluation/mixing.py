"""Measures mixed expressions and regions: weights that do what they say, and edits that stay in their region.

    python -m leed.evaluation.mixing --model hub/leed-open --evaluator hub/evaluator --data_dir openfaces-pairs

Each input of the triples whose reference is not neutral gets the expressions of two references, its own and that of
another triple with another label, by the model's own neutral faces. Growth is the way that the evaluator's features,
or the pixels of the inner face, go in the direction of the edit with one of the two expressions alone, for each weight
of WEIGHTS from 0 to 1. It saturates where the other expression shows the same already. Similarities are SSIM of a
region in a mix and in that region's own edit; for comparison, of the two edits. Intervals are 95 %, by a bootstrap
over people.

Prints a Markdown table; with --output_dir also writes it (mixing.md, mixing.json).
"""

import argparse
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm.auto import tqdm

from leed.commands import at_least, command_line, exit_on
from leed.evaluation import metrics
from leed.evaluation.commands import add_options, present
from leed.evaluation.edits import alpha_rows
from leed.evaluation.metrics import Metric, mean_of
from leed.evaluation.pairs import Triples, load_triples
from leed.evaluation.tables import as_json, line_table
from leed.expression import between
from leed.images import EYES, INNER_FACE, MOUTH, normalize, part
from leed.model import LEED, PreparedEdit
from leed.networks.classifier import ExpressionClassifier
from leed.regions import BORDER_COLUMN, BORDER_WIDTH
from leed.similarity import ssim

PROGRAM = "python -m leed.evaluation.mixing"
WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)
UNTOUCHED = 0.99  # SSIM from which a region counts as left alone

TOP, BOTTOM, LEFT, RIGHT = INNER_FACE
PARTS = {
    "eyes": EYES,
    "mouth": MOUTH,
    "left": (TOP, BOTTOM, BORDER_COLUMN + BORDER_WIDTH / 2, RIGHT),
    "right": (TOP, BOTTOM, LEFT, BORDER_COLUMN - BORDER_WIDTH / 2),
}
"""Where each region is compared, outside of the passage between two: top, bottom, left, right."""

OPPOSITE = {"eyes": "mouth", "mouth": "eyes", "left": "right", "right": "left"}

BESIDE = {"alone": 0.0, "half": 0.5, "whole": 1.0}
"""Weights of the other expression by which growth is shown."""

LINES = {
    "features_alone": "evaluator's features grow with an expression's weight, alone",
    "features_half": "same, beside half of the other",
    "features_whole": "same, beside the whole other",
    "features_both": "same, with both weights, whatever the other is",
    "features_alike": "same, of pairs whose delta_exp point the same way (cosine above 0)",
    "features_opposite": "same, of the other pairs",
    "features_steps": "steps of all these lines that do not fall",
    "pixels_alone": "pixels grow with an expression's weight, alone",
    "pixels_half": "same, beside half of the other",
    "pixels_whole": "same, beside the whole other",
    "pixels_both": "same, with both weights, whatever the other is",
    "pixels_alike": "same, of pairs whose delta_exp point the same way (cosine above 0)",
    "pixels_opposite": "same, of the other pairs",
    "pixels_steps": "steps of all these lines that do not fall",
    "between": "evaluator's features grow on the way from one expression to the other",
}
for name in PARTS:
    LINES |= {
        f"{name}_own": f"SSIM at the {name}: a mix and the region's own edit",
        f"{name}_lowest": "same, the lowest of all",
        f"{name}_untouched": f"same, share of {UNTOUCHED} or more",
        f"{name}_neutral": f"SSIM at the {name} to the neutral face, if the other region alone gets an expression",
        f"{name}_whole": f"for comparison: SSIM at the {name} of the two edits",
    }


def partners(triples: Triples) -> np.ndarray:
    """For each triple (N,) the row of the next one with another expression."""
    labels = triples.reference_expressions.numpy()
    rows = np.arange(len(labels))
    found = rows.copy()
    for step in range(1, len(labels)):
        open_rows = labels[found] == labels
        found[open_rows] = np.roll(rows, -step)[open_rows]
    return found


@torch.no_grad()
def measure(
    leed: LEED, evaluator: ExpressionClassifier, triples: Triples, batch_size: int = 20
) -> dict[str, np.ndarray]:
    """Values by name, float64 (N,)."""
    others = partners(triples)
    batches = []
    for start in tqdm(range(0, len(triples), batch_size), desc="batches", disable=None):
        rows = np.arange(start, min(start + batch_size, len(triples)))
        image, first, second, neutral = (
            normalize(pictures.to(leed.device))
            for pictures in (
                triples.inputs[rows],
                triples.references[rows],
                triples.references[others[rows]],
                triples.input_neutrals[rows],
            )
        )
        prepared, another = leed.prepare(image, first), leed.prepare(image, second)
        values = growth(evaluator, prepared, another, neutral) | regional(prepared, another)
        batches.append(metrics.as_arrays(values))
    return metrics.joined(batches)


def growth(
    evaluator: ExpressionClassifier, first: PreparedEdit, second: PreparedEdit, neutral: Tensor
) -> dict[str, Tensor]:
    """1 where features or pixels go on in an expression's direction as its weight grows, else 0 (B,).

    Of the two expressions it is the mean, with both weights the worst; that, too, of pairs that are alike or opposite,
    NaN for the others, and the share of the single steps that go on.
    """
    edits = {
        (a, b): first.with_expression(a * first.expression + b * second.expression)(1.0)
        for a, b in product(WEIGHTS, WEIGHTS)
    }
    seen = {
        "features": {pair: evaluator.features(edit, neutral) for pair, edit in edits.items()},
        "pixels": {pair: part(edit, INNER_FACE).flatten(1) for pair, edit in edits.items()},
    }
    alike = F.cosine_similarity(first.expression.delta_exp.flatten(1), second.expression.delta_exp.flatten(1)) > 0
    values: dict[str, Tensor] = {}
    for kind, found in seen.items():
        mirrored = {(b, a): value for (a, b), value in found.items()}
        courses = [course(of, fixed) for fixed in WEIGHTS for of in (found, mirrored)]
        lines = torch.stack([metrics.monotone(one) for one in courses]).unflatten(0, (-1, 2))
        values |= {f"{kind}_{name}": lines[WEIGHTS.index(fixed)].mean(0) for name, fixed in BESIDE.items()}
        both = lines.amin((0, 1))
        values |= {f"{kind}_both": both, f"{kind}_steps": torch.stack([*map(metrics.goes_on, courses)]).mean(0)}
        values |= {f"{kind}_alike": both.where(alike, torch.nan), f"{kind}_opposite": both.where(~alike, torch.nan)}
    path = [between(first.expression, second.expression, share) for share in WEIGHTS]
    way = [evaluator.features(first.with_expression(step)(1.0), neutral) for step in path]
    steps = [metrics.way(features - way[0], way[-1] - way[0]) for features in way]
    return values | {"between": metrics.monotone(torch.stack(steps, 1))}


def course(found: dict[tuple[float, float], Tensor], fixed: float) -> Tensor:
    """How far what is found (B, F) goes in the first weight's direction at each of WEIGHTS, (B, A)."""
    start = found[0.0, 0.0]
    return torch.stack([metrics.way(found[weight, fixed] - start, found[1.0, 0.0] - start) for weight in WEIGHTS], 1)


def regional(first: PreparedEdit, second: PreparedEdit) -> dict[str, Tensor]:
    """SSIM (B,) at each region: of a mix to its own edit, of the other region alone to neutral, of two edits."""
    one, two, neutral = first(1.0), second(1.0), first(0.0)
    values: dict[str, Tensor] = {}
    for name, box in PARTS.items():
        mix = first.expression.at(name) + second.expression.at(OPPOSITE[name])
        pictures = {
            "own": (first.with_expression(mix)(1.0), one),
            "neutral": (first.with_expression(second.expression.at(OPPOSITE[name]))(1.0), neutral),
            "whole": (two, one),
        }
        values |= {f"{name}_{kind}": ssim(part(a, box), part(b, box)) for kind, (a, b) in pictures.items()}
        values[f"{name}_untouched"] = (values[f"{name}_own"] >= UNTOUCHED).double()
    return values


def lowest_of(values: np.ndarray) -> Metric:
    """The lowest value of those that count."""
    return lambda weights: np.array([values[row > 0].min() for row in np.atleast_2d(weights)])


def mixing_metrics(values: dict[str, np.ndarray]) -> dict[str, Metric]:
    """Every metric of LINES by name, of the values of `measure`."""
    lowest = {f"{name}_lowest": lowest_of(values[f"{name}_own"]) for name in PARTS}
    return {name: mean_of(found) for name, found in values.items()} | lowest


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = command_line(PROGRAM, __doc__)
    add_options(parser, "model", "evaluator", data_dir="triples, with their twins beside them")
    parser.add_argument(
        "--pairs", type=at_least(1), default=100, help="how many pairs, spread over all triples (default 100)"
    )
    add_options(parser, "device", output_dir="where to write mixing.md and mixing.json")
    return parser.parse_args(arguments)


@exit_on(PROGRAM)
def main(arguments: list[str] | None = None) -> None:
    """Prints the table and, if asked to, writes it."""
    options = parse_args(arguments)
    leed = LEED.from_pretrained(options.model, map_location=options.device)
    evaluator = ExpressionClassifier.from_pretrained(options.evaluator, map_location=options.device)
    triples = load_triples(options.data_dir, image_size=leed.config.image_size)
    triples = triples.select(alpha_rows(triples, options.pairs))
    values = measure(leed, evaluator, triples)
    groups = {"all": metrics.everyone(len(triples))}
    found = metrics.estimates(mixing_metrics(values), triples.input_persons, groups)["all"]
    text = line_table(f"{len(triples)} pairs of expressions", LINES, found)
    present(options.output_dir, "mixing", text, {"model": options.model, "metrics": as_json(found)})


if __name__ == "__main__":
    main()
