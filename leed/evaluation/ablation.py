"""Models side by side on the triples with a true edit: a row for each, by the edit metrics.

    python -m leed.evaluation.ablation base=RUNS/base/leed "without Q"=RUNS/noq/leed --plain base \\
        --evaluator hub/evaluator --data_dir openfaces-pairs --output_dir outputs/ablation

The first model is what the others are compared with. `--plain` adds D(C_IN + (C_RB - C_RN)), with E and D of one of
the models and without X and I. Models may be for pictures of different sizes; metrics of different sizes can be
compared only roughly. Prints a Markdown table; with --output_dir also writes it (ablation.md), all metrics
(ablation.json) and the edits of some triples (ablation.png), and keeps the measurements: a later run with more
models measures those alone. `accelerate launch -m leed.evaluation.ablation ...` spreads models over GPUs.
"""

import argparse
import tempfile
from pathlib import Path

from leed.commands import command_line, exit_on
from leed.evaluation.commands import add_options, present, save_sheets
from leed.evaluation.identity import identity_embedding
from leed.evaluation.pairs import Triples, load_triples
from leed.evaluation.paper import figures
from leed.evaluation.paper.cache import processes
from leed.evaluation.paper.corpus import fingerprint
from leed.evaluation.paper.plan import TrueEdits
from leed.evaluation.paper.variants import PLAIN, Variant, ablation_table, measure_variants

PROGRAM = "python -m leed.evaluation.ablation"


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = command_line(PROGRAM, __doc__)
    parser.add_argument("models", nargs="+", metavar="NAME=FOLDER", help="LEED: folders or names on the Hub")
    parser.add_argument("--plain", metavar="NAME", help="the model whose E and D serve the row without X and I")
    add_options(parser, "evaluator", "data_dir", "twins_dir", "neutrals")
    add_options(parser, output_dir="where to write, and to keep what is measured")
    add_options(parser, "identity", "num_alpha", "max_triples", "batch_size")
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


@exit_on(PROGRAM)
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
            fingerprint([options.data_dir.resolve()], options.max_triples),
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
    table = ablation_table("Models side by side", options.variants, found, triples.input_persons, options.neutrals)
    content = {"models": {v.name: vars(v) for v in options.variants}, "neutrals": options.neutrals}
    if present(options.output_dir, "ablation", table.markdown(), content | {"metrics": table.values}):
        methods = {variant.name: variant.method(state.device) for variant in options.variants}
        save_sheets(options.output_dir, {"ablation.png": figures.ablation(methods, TrueEdits(triples))})


if __name__ == "__main__":
    main()
