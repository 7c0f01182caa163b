"""Models side by side on the triples with a true edit: a row for each, by the ruler for edits.

    python -m leed.evaluation.ablation base=RUNS/base/leed "without Q"=RUNS/noq/leed --plain base \\
        --evaluator hub/evaluator --data_dir ../shared/data/openfaces-pairs --output_dir outputs/ablation

The first model is what the others are compared with. `--plain` adds D(C_IN + (C_RB - C_RN)), with E and D of one of
the models and without X and I. Models may be for pictures of different sizes; figures of different sizes are not to
be compared, but for a rough idea. Prints a Markdown table; with --output_dir also writes it (ablation.md), all
figures (ablation.json) and the edits of some triples (ablation.png), and keeps what is measured: a later run with
more models measures those alone. `accelerate launch -m leed.evaluation.ablation ...` spreads models over GPUs.
"""

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState

from leed.evaluation import edits as ruler
from leed.evaluation import metrics
from leed.evaluation.identity import FaceEmbedding, identity_embedding
from leed.evaluation.metrics import Estimate
from leed.evaluation.pairs import Triples, load_triples
from leed.evaluation.paper import figures
from leed.evaluation.paper.cache import key, processes, remembered
from leed.evaluation.paper.corpus import fingerprint
from leed.evaluation.paper.methods import Method, leed_method, load_leed
from leed.evaluation.paper.plan import TrueEdits
from leed.evaluation.paper.report import Table
from leed.evaluation.tables import as_json, save_results, show_estimate
from leed.model import LEED
from leed.networks.classifier import ExpressionClassifier
from leed.pretrained import CONFIG, WEIGHTS, find_folder, read_config, read_digest

COLUMNS = {
    "edit_ssim_face": "SSIM ↑",
    "share_face": "share ↑",
    "accuracy": "accuracy ↑",
    "distance_to_input": "distance ↓",
    "identity_ratio": "identity",
    "alpha_one_way": "strength",
    "alpha_monotone_way": "alpha ↑",
    "autoencoded_ssim_face": "autoencoded ↑",
}
NOTE = (
    "SSIM of edit and true edit, inner face; its share of the way from the input's true neutral face (0) to the "
    "autoencoded truth (1); accuracy of the evaluator on the edits, and its feature distance to the truth "
    "relative to input-to-truth; identity distance of edit and input relative to truth and input (1 is right); "
    "strength, the way towards the truth in the evaluator's features (the truth: 1); alpha, the share of triples in "
    "which that grows with alpha from 0 to 1.5; SSIM of the truth autoencoded. Brackets: 95 % interval over people. A "
    "star: the difference from the first row, in a bootstrap over the same people, is not 0 with 95 % confidence."
)
OF_SIZES = " Between image sizes, differences mean little."
PLAIN = "plain arithmetic"
"""D(C_IN + (C_RB - C_RN))."""


@dataclass(frozen=True)
class Variant:
    """A model by the name of its row; with `plain` its E and D alone, and arithmetic instead of X and I."""

    name: str
    path: str
    plain: bool = False

    @property
    def image_size(self) -> int:
        return read_config(find_folder(self.path) / CONFIG, LEED.__name__).image_size

    @property
    def digest(self) -> str:
        return f"{read_digest(find_folder(self.path) / WEIGHTS)}{' plain' if self.plain else ''}"

    def method(self, device: torch.device) -> Method:
        """The variant as a method."""
        return leed_method(self.path, device, self.name, self.plain)


def measure_variants(
    variants: list[Variant],
    evaluator_path: str,
    load: Callable[[int], Triples],
    identity: str,
    cache_folder: Path,
    state: PartialState,
    embedding: FaceEmbedding | None = None,
    neutrals: str = "learned",
    num_alpha: int = 200,
    batch_size: int = 32,
) -> dict[str, dict[str, np.ndarray]]:
    """What `ruler.measure` finds of each variant, by name; kept in `cache_folder`.

    `load` gives the triples at an image size, which are the same but for it; `identity` says which they are.
    """
    load = cache(load)

    def measure(variant: Variant) -> dict[str, list[float]]:
        evaluator = ExpressionClassifier.from_pretrained(evaluator_path).to(state.device)
        measured = ruler.measure(
            load_leed(variant.path, state.device, variant.plain),
            evaluator,
            load(variant.image_size),
            neutrals,
            num_alpha,
            embedding,
            batch_size,
        )
        return {name: values.tolist() for name, values in measured.values.items()}

    digest = read_digest(find_folder(evaluator_path) / WEIGHTS)
    settings = digest, identity, neutrals, num_alpha, embedding is not None
    names = {variant.name: key("edits", variant.digest) for variant in variants}
    tasks = {names[variant.name]: partial(measure, variant) for variant in variants}
    found = remembered(cache_folder / key("ruler", *settings), tasks, state, "models on the triples")
    return {
        name: {kind: np.array(values, dtype=float) for kind, values in found[file].items()}
        for name, file in names.items()
    }


def ablation_table(
    title: str, variants: list[Variant], found: dict[str, dict[str, np.ndarray]], persons: np.ndarray, note: str
) -> Table:
    """A row for each variant, with its image size if there are several; `persons` (N,) are those of the inputs."""
    weights, everyone = metrics.person_weights(persons), np.ones(len(persons), dtype=bool)
    named = {name: ruler.figures(values) for name, values in found.items()}
    first = named[variants[0].name]

    def estimate(name: str, column: str) -> Estimate:
        return metrics.estimate(named[name][column], weights, everyone)

    def differs(name: str, column: str) -> bool:
        gap = metrics.estimate(lambda w: named[name][column](w) - first[column](w), weights, everyone)
        return gap.low > 0 or gap.high < 0

    several_sizes = len({variant.image_size for variant in variants}) > 1
    header = ["", *(["size"] if several_sizes else []), *COLUMNS.values()]
    rows, values = [], {}
    for variant in variants:
        estimates = {column: estimate(variant.name, column) for column in COLUMNS}
        cells = [
            show_estimate(found).replace(" [", "* [" if differs(variant.name, column) else " [")
            for column, found in estimates.items()
        ]
        rows.append([variant.name, *([f"{variant.image_size} px"] if several_sizes else []), *cells])
        values[variant.name] = {column: as_json(e) for column, e in estimates.items()}
    truth = estimate(variants[0].name, "accuracy_truth")
    note = f"{len(persons)} triples{note}; the evaluator's accuracy on the truth is {truth.value:.3f}. {NOTE}"
    note += OF_SIZES if several_sizes else ""
    return Table(title, header, rows, note, values)


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m leed.evaluation.ablation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("models", nargs="+", metavar="NAME=FOLDER", help="LEED: folders or names on the Hub")
    parser.add_argument("--plain", metavar="NAME", help="the model whose E and D serve the row without X and I")
    parser.add_argument("--evaluator", required=True, help="expression classifier that no training touched")
    parser.add_argument("--data_dir", required=True, help="folder of triples")
    parser.add_argument("--twins_dir", help="their true neutral faces; default: <data_dir without -pairs>-twins")
    parser.add_argument("--neutrals", choices=ruler.NEUTRALS, default="learned", help="where neutral faces come from")
    parser.add_argument("--output_dir", help="where to write, and to keep what is measured")
    parser.add_argument("--identity", action=argparse.BooleanOptionalAction, help="default: if dlib is installed")
    parser.add_argument("--num_alpha", type=int, default=200, help="triples on which alpha is varied (default 200)")
    parser.add_argument("--max_triples", type=int, help="measure so many only, spread over all")
    parser.add_argument("--batch_size", type=int, default=32)
    options = parser.parse_args(arguments)
    named = [model.partition("=")[::2] for model in options.models]
    options.variants = [Variant(name, path or name) for name, path in named]
    names = [variant.name for variant in options.variants]
    if len(set(names)) < len(names):
        parser.error(f"every model needs a name of its own, got {', '.join(names)}")
    if options.plain is not None:
        if options.plain not in names:
            parser.error(f"--plain must be one of {', '.join(names)}, got {options.plain}")
        path = options.variants[names.index(options.plain)].path
        options.variants.append(Variant(f"{PLAIN}, {options.plain}", path, plain=True))
    return options


def main(arguments: list[str] | None = None) -> None:
    options = parse_args(arguments)
    state = processes()

    def load(size: int) -> Triples:
        return load_triples(options.data_dir, options.twins_dir, size, options.max_triples)

    with tempfile.TemporaryDirectory() as nowhere:
        found = measure_variants(
            options.variants,
            options.evaluator,
            load,
            fingerprint([Path(options.data_dir).resolve()], options.max_triples),
            Path(options.output_dir or nowhere) / "cache",
            state,
            identity_embedding(options.identity),
            options.neutrals,
            options.num_alpha,
            options.batch_size,
        )
    if not state.is_main_process:
        return
    triples = load(max(variant.image_size for variant in options.variants))
    note = f", {options.neutrals} neutral faces"
    table = ablation_table("Models side by side", options.variants, found, triples.input_persons, note)
    print(table.markdown())
    if options.output_dir:
        content = {"models": {v.name: vars(v) for v in options.variants}, "neutrals": options.neutrals}
        folder = save_results(options.output_dir, "ablation", table.markdown(), content | {"figures": table.values})
        methods = {variant.name: variant.method(state.device) for variant in options.variants}
        figures.ablation(methods, TrueEdits(triples)).save(folder / "ablation.png")


if __name__ == "__main__":
    main()
