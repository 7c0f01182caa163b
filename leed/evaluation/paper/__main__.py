"""Makes the paper's Tables 1 and 2 and Figures 2 to 8, and a page with them, from published weights. With --study_dir
also the pictures that Table 3's user studies show.

    python -m leed.evaluation.paper --leed hub/leed-open --stargan RUN/stargan --ganimation RUN/ganimation \\
        --data_dir openfaces --output_dir outputs/paper

`accelerate launch -m leed.evaluation.paper ...` spreads the work over GPUs; on CPUs, that is
`ACCELERATE_USE_CPU=true torchrun --nproc-per-node 2 -m leed.evaluation.paper ...`. Results are kept in
<output_dir>/cache: the same command resumes where it was stopped, and other settings reuse what they share. A method
that is not given is left out, and the page says so. The page's notes say what the paper leaves open.
"""

import argparse
import shlex
import sys
from dataclasses import dataclass

from accelerate import PartialState

from leed.commands import at_least, command_line, exit_on, folder, output_folder
from leed.config import OPENFACE_MAX_YAW
from leed.evaluation.paper import clusters, imperfect
from leed.evaluation.paper.cache import processes
from leed.evaluation.paper.classification import Recipe
from leed.evaluation.paper.corpus import HELD_OUT
from leed.evaluation.paper.experiment import Experiment, names, num_people, prepare
from leed.evaluation.paper.extractors import EXTRACTORS, load_extractor
from leed.evaluation.paper.fidelity import Measuring
from leed.evaluation.paper.paper_tables import imperfect_table, table1, table2, variants, variants_table
from leed.evaluation.paper.plan import Edits
from leed.evaluation.paper.plates import FIGURES, make_plates, measure_clusters
from leed.evaluation.paper.report import all_tables, write_report
from leed.evaluation.paper.study_pictures import check_folder, study_edits, write_pictures
from leed.model import LEED
from leed.networks.classifier import ExpressionClassifier
from leed.pretrained import CONFIG, find_folder, read_config

PROGRAM = "python -m leed.evaluation.paper"
TABLES = {"table1": table1, "table2": table2}
IN_NUMBERS = {"figure3": variants_table, "figure6": imperfect_table}
PARTS = (*TABLES, "table3", *FIGURES)


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = command_line(PROGRAM, __doc__)
    model = parser.add_argument_group("models: folders or names on the Hub")
    model.add_argument("--leed", required=True)
    model.add_argument("--stargan", help="a neutraliser of kind stargan, trained with labels")
    model.add_argument("--ganimation")
    model.add_argument("--without_q", help="LEED trained without the mutual expression information loss (Figure 3)")
    model.add_argument("--without_s", help="LEED trained without the siamese loss (Figure 3)")
    model.add_argument("--evaluator", help="classifier that sees the neutral face, for Figures 3 and 6 in numbers")
    data = parser.add_argument_group("data")
    data.add_argument("--data_dir", required=True, help="face set: a folder, a name on the Hub, or drawn")
    data.add_argument("--reader", help="as train_accelerate.py's --dataset_reader; default: guessed")
    data.add_argument(
        "--pairs_dir", type=folder, help="triples with true edits; default: <data_dir>-pairs, if there is one"
    )
    data.add_argument(
        "--held_out", type=float, default=HELD_OUT, help="share of test people, where a set is undivided"
    )
    data.add_argument(
        "--wild_dir", type=folder, help="photographs for Figure 8; default: the composite people of the gallery"
    )
    data.add_argument(
        "--profile_action_units",
        action="store_true",
        help=f"also compare GANimation on faces turned by over {OPENFACE_MAX_YAW:g} degrees, and give it their units",
    )
    work = parser.add_argument_group("settings")
    work.add_argument("--output_dir", type=output_folder, required=True)
    work.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="default: all")
    work.add_argument("--extractor", choices=(*EXTRACTORS, "auto"), default="auto")
    work.add_argument(
        "--num_edits", type=at_least(1), default=5000, help="edits for Table 1's distances and for Table 2"
    )
    work.add_argument("--max_triples", type=at_least(1), help="of the true edits, so many only, spread over all")
    work.add_argument("--num_real", type=at_least(1), help="real pictures of test people for Table 1; default: all")
    work.add_argument("--generated", choices=("test", "train"), default="test", help="whose edits R + G trains on")
    work.add_argument("--seeds", type=at_least(1), default=7)
    work.add_argument("--steps", type=at_least(1), default=Recipe.steps, help="updates of each classifier")
    work.add_argument("--classifier_batch_size", type=at_least(1), default=Recipe.batch_size)
    work.add_argument("--mixed_precision", choices=("no", "bf16"), default="no", help="of the classifiers' training")
    work.add_argument("--num_imperfect", type=at_least(1), default=200, help="triples for Figures 3 and 6 in numbers")
    work.add_argument(
        "--imperfect_shares",
        type=float,
        nargs="+",
        default=imperfect.SHARES,
        help="of the expressive picture in Figure 6's neutral faces, from 0 to 1",
    )
    work.add_argument("--num_points", type=at_least(1), default=1000, help="test pictures in Figure 4")
    work.add_argument(
        "--study_dir",
        type=output_folder,
        help="folder for the pictures of Table 3's user studies, python -m leed.study",
    )
    work.add_argument("--num_study", type=at_least(1), default=100, help="edits by each method in it")
    work.add_argument("--batch_size", type=at_least(1), default=32)
    options = parser.parse_args(arguments)
    if not all(0 < share <= 1 for share in options.imperfect_shares):
        parser.error(f"--imperfect_shares must be above 0 and at most 1, got {options.imperfect_shares}")
    return options


def lacking(experiment: Experiment) -> dict[str, str]:
    """The parts that cannot be made with the given options, each with the reason."""
    options = experiment.options
    found = {}
    if not options.study_dir:
        found["table3"] = "Table 3, the pictures that raters see: give --study_dir, a folder for them"
    if packages := clusters.missing_packages():
        found["figure4"] = f"Figure 4: {', '.join(packages)} not installed (in a clone: pip install '.[evaluation]')"
    if experiment.true_edits is None:
        found["numbers"] = "Figures 3 and 6 in numbers: need triples with true edits"
    elif not options.evaluator:
        found["numbers"] = "Figures 3 and 6 in numbers: give --evaluator, a classifier that no training touched"
    return found


def baselines_not_given(experiment: Experiment) -> list[str]:
    """The names of the paper's baselines that were not given."""
    return [name for name in ("StarGAN", "GANimation") if name not in names(experiment.methods)]


def left_out(experiment: Experiment, absent: dict[str, str]) -> list[str]:
    """Reasons for what the page does not have; `absent` has those of parts."""
    options = experiment.options
    missing = [f"{name}: not given (--{name.lower()})" for name in baselines_not_given(experiment)]
    if "figure3" in options.parts:
        without = {"without_q": options.without_q, "without_s": options.without_s}
        missing += [f"Figure 3, a row: not given (--{name})" for name, folder in without.items() if not folder]
    missing += [reason for part, reason in absent.items() if part in (*options.parts, "numbers")]
    return missing + [f"{part}: not in --parts" for part in PARTS if part not in options.parts]


def check_models(options: argparse.Namespace) -> None:
    """Raises `ModelFileError` for a wrong model of Figures 3 and 6, before the tables are computed."""
    for variant in variants(options):
        read_config(find_folder(variant.path) / CONFIG, LEED.__name__)
    if options.evaluator:
        read_config(find_folder(options.evaluator) / CONFIG, ExpressionClassifier.__name__)


@dataclass(frozen=True)
class Work:
    """All that was loaded and checked before anything is computed; None where no part needs it."""

    experiment: Experiment
    measuring: Measuring | None
    study: Edits | None


def load(options: argparse.Namespace, state: PartialState) -> Work:
    """Loads and checks everything. Raises an error with its remedy if a part that is wanted cannot be made."""
    check_models(options)
    experiment = prepare(options, state)
    measuring, study = None, None
    if "table3" in options.parts and options.study_dir:
        study = study_edits(experiment.edits, options.num_study)
        check_folder(options.study_dir, experiment.methods, study)
    if TABLES.keys() & set(options.parts):
        with state.main_process_first():  # one process downloads weights
            extractor = load_extractor(options.extractor).to(state.device)
        measuring = Measuring(extractor, experiment.cache, state, experiment.fingerprint, options.batch_size)
    return Work(experiment, measuring, study)


def subtitle(experiment: Experiment) -> str:
    """The line below the page's title: methods, data, and the baselines that were not given."""
    methods, people = ", ".join(names(experiment.methods)), num_people(experiment.corpus.test.persons)
    size = experiment.methods[-1].image_size
    text = f"{methods} on {experiment.corpus.name} at {size} pixels, {people} test people."
    if baselines := baselines_not_given(experiment):
        text += f" Not given, so not compared with: {' and '.join(baselines)}."
    return text


@exit_on(PROGRAM)
def main(arguments: list[str] | None = None) -> None:
    options = parse_args(arguments)
    state = processes()
    work = load(options, state)
    experiment = work.experiment
    options.output_dir.mkdir(parents=True, exist_ok=True)
    absent = lacking(experiment)
    parts = [part for part in options.parts if part not in absent]
    measured = [TABLES[name](experiment, work.measuring) for name in TABLES if name in parts and work.measuring]
    numbers = {} if "numbers" in absent else {name: IN_NUMBERS[name] for name in IN_NUMBERS if name in parts}
    in_numbers = {name: make(experiment) for name, make in numbers.items()}
    found = measure_clusters(experiment) if "figure4" in parts else {}
    if not state.is_main_process:
        return
    if work.study is not None:
        write_pictures(options.study_dir, experiment.methods, work.study, options.batch_size)
        print(f"pictures for python -m leed.study --pictures {shlex.quote(str(options.study_dir))}")
    tables = [table for table in measured if table is not None]
    plates, not_made = make_plates(experiment, parts, found, in_numbers)
    missing = left_out(experiment, absent | not_made)
    given = sys.argv[1:] if arguments is None else arguments
    command = f"{PROGRAM} {shlex.join(given)}"
    page = write_report(options.output_dir, subtitle(experiment), tables, plates, missing, command)
    print("\n\n".join(table.markdown() for table in all_tables(tables, plates)))
    print("\n".join(f"left out: {reason}" for reason in missing))
    print(page)


if __name__ == "__main__":
    main()
