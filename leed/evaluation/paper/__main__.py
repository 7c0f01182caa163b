"""Makes the paper's Tables 1 and 2 and Figures 2 to 8, and a page with them, from published weights. With --study_dir
also the pictures that Table 3's user studies show.

    python -m leed.evaluation.paper --leed hub/leed-open --stargan RUN/stargan --ganimation RUN/ganimation \\
        --data_dir ../shared/data/openfaces --output_dir outputs/paper

`accelerate launch -m leed.evaluation.paper ...` spreads the work over GPUs; on CPUs, that is
`ACCELERATE_USE_CPU=true torchrun --nproc-per-node 2 -m leed.evaluation.paper ...`. What is done is kept in
<output_dir>/cache: the same command goes on where it was stopped, and other settings reuse what they share. A method
that is not given is left out, and the page says so. See the page's notes for what the paper leaves open.
"""

import argparse
import shlex
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from leed.config import OPENFACE_MAX_YAW
from leed.evaluation.paper import clusters, figures, imperfect
from leed.evaluation.paper.cache import key, processes, progress, remembered
from leed.evaluation.paper.classification import Recipe
from leed.evaluation.paper.clusters import Clusters
from leed.evaluation.paper.corpus import HELD_OUT
from leed.evaluation.paper.experiment import Experiment, leed_of, names, num_people, prepare, sample
from leed.evaluation.paper.extractors import EXTRACTORS, load_extractor
from leed.evaluation.paper.fidelity import Measuring
from leed.evaluation.paper.paper_tables import spoilt_table, table1, table2, variants, variants_table
from leed.evaluation.paper.plan import plan_edits
from leed.evaluation.paper.report import Plate, Table, all_tables, save_picture, write_report
from leed.evaluation.paper.study_pictures import check_folder, study_edits, write_pictures
from leed.evaluation.paper.variants import PLAIN
from leed.model import LEED
from leed.networks.classifier import ExpressionClassifier
from leed.pretrained import CONFIG, find_folder, read_config

PARTS = ("table1", "table2", "table3", "figure2", "figure3", "figure4", "figure5", "figure6", "figure7", "figure8")
NUM_PROFILES = 3000  # edits among which those of turned faces are looked for


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m leed.evaluation.paper",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
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
    data.add_argument("--pairs_dir", help="triples with true edits; default: <data_dir>-pairs, if there is one")
    data.add_argument(
        "--held_out", type=float, default=HELD_OUT, help="share of test people, where a set is undivided"
    )
    data.add_argument("--wild_dir", help="photographs for Figure 8; default: the composite people of the gallery")
    data.add_argument(
        "--profile_action_units",
        action="store_true",
        help=f"compare GANimation on faces turned by over {OPENFACE_MAX_YAW:g} degrees, too, and give it their units",
    )
    work = parser.add_argument_group("settings")
    work.add_argument("--output_dir", required=True)
    work.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="default: all")
    work.add_argument("--extractor", choices=(*EXTRACTORS, "auto"), default="auto")
    work.add_argument("--num_edits", type=int, default=5000, help="edits for Table 1's distances and for Table 2")
    work.add_argument("--max_triples", type=int, help="of the true edits, so many only, spread over all")
    work.add_argument("--num_real", type=int, help="real pictures of test people for Table 1; default: all")
    work.add_argument("--generated", choices=("test", "train"), default="test", help="whose edits R + G trains on")
    work.add_argument("--seeds", type=int, default=7)
    work.add_argument("--steps", type=int, default=Recipe.steps, help="updates of each classifier")
    work.add_argument("--classifier_batch_size", type=int, default=Recipe.batch_size)
    work.add_argument("--mixed_precision", choices=("no", "bf16"), default="no", help="of the classifiers' training")
    work.add_argument("--num_imperfect", type=int, default=200, help="triples for Figures 3 and 6 in numbers")
    work.add_argument(
        "--spoilt_shares",
        type=float,
        nargs="+",
        default=imperfect.SHARES,
        help="of the expressive picture in Figure 6's neutral faces, from 0 to 1",
    )
    work.add_argument("--num_points", type=int, default=1000, help="test pictures in Figure 4")
    work.add_argument("--study_dir", help="folder for the pictures of Table 3's user studies, python -m leed.study")
    work.add_argument("--num_study", type=int, default=100, help="edits by each method in it")
    work.add_argument("--batch_size", type=int, default=32)
    options = parser.parse_args(arguments)
    positive = ("num_edits", "seeds", "steps", "classifier_batch_size", "num_imperfect", "num_study", "batch_size")
    for name in positive:
        if getattr(options, name) < 1:
            parser.error(f"--{name} must be at least 1, got {getattr(options, name)}")
    if not all(0 < share <= 1 for share in options.spoilt_shares):
        parser.error(f"--spoilt_shares must be above 0 and at most 1, got {options.spoilt_shares}")
    return options


# --------------------------------------------------------------------------------------------------------------------
# Figures, on one process


def measure_clusters(experiment: Experiment) -> dict[str, Clusters]:
    """Figure 4's maps and figures, each by a process of its own."""
    faces, rows = experiment.corpus.test, cluster_rows(experiment)

    @cache
    def features() -> dict[str, np.ndarray]:
        return clusters.expression_features(leed_of(experiment), faces, rows, experiment.options.batch_size)

    def measure(kind: str) -> dict:
        return vars(clusters.cluster(features()[kind], faces.expressions[rows], faces.persons[rows]))

    digest = experiment.methods[-1].digest
    folder = experiment.cache / key("clusters", *experiment.fingerprint, digest, rows.tolist())
    tasks = {kind: lambda kind=kind: measure(kind) for kind in clusters.KINDS}
    found = remembered(folder, tasks, experiment.state, "t-SNE")
    return {kind: Clusters(**values) for kind, values in found.items()}


def cluster_rows(experiment: Experiment) -> np.ndarray:
    """The test pictures in Figure 4."""
    known = np.flatnonzero(experiment.corpus.test.expressions >= 0)
    return known[sample(len(known), experiment.options.num_points)]


def cluster_figure(experiment: Experiment, found: dict[str, Clusters]) -> tuple[Image.Image, str]:
    """Figure 4 and its caption."""
    rows = cluster_rows(experiment)
    values = "; ".join(f"{kind} {c.silhouette:.3f} and {c.accuracy:.3f}" for kind, c in found.items())
    return clusters.scatter(found, experiment.corpus.test.expressions[rows]), (
        f"t-SNE of the features of {len(rows)} test pictures. Silhouette by expression, and accuracy of the "
        f"{clusters.NEIGHBOURS} nearest neighbours of other people, in the features themselves: {values}."
    )


def profile_figure(experiment: Experiment) -> tuple[Image.Image | None, str]:
    """Figure 5 and its caption."""
    edits = experiment.shown
    if not figures.profile(edits).any():
        edits = plan_edits(experiment.corpus.test, NUM_PROFILES)
    caption = (
        f"Faces turned to the side by more than {figures.PROFILE:g} degrees, after references that are turned as far, "
        "but by another angle or to the other side."
    )
    if "GANimation" in names(experiment.methods) and not experiment.options.profile_action_units:
        caption += (
            f" White: of references turned by more than {OPENFACE_MAX_YAW:g} degrees GANimation gets no action units, "
            "since OpenFace cannot be trusted there (--profile_action_units gives them)."
        )
    return figures.turned_faces(experiment.methods, edits), caption


def ablation_figure(experiment: Experiment) -> tuple[Image.Image, str]:
    """Figure 3 and its caption."""
    chosen = {variant.name: variant.method(experiment.state.device) for variant in variants(experiment.options)}
    models = {PLAIN: chosen.pop(PLAIN)} | {name: chosen[name] for name in reversed(chosen)}
    caption = "LEED with parts left out. Plain arithmetic is D(C_IN + (C_RB - C_RN)), without X and I."
    return figures.ablation(models, experiment.shown), caption


def wild_figure(experiment: Experiment) -> tuple[Image.Image, str]:
    """Figure 8 and its caption."""
    size, folder = experiment.methods[-1].image_size, experiment.options.wild_dir
    photographs = figures.folder_photographs(folder, size) if folder else figures.gallery_photographs(size)
    whose = "" if folder else " These people do not exist: they are the composites of the gallery."
    return figures.wild(leed_of(experiment), photographs), "Photographs: input, reference, edit." + whose


# --------------------------------------------------------------------------------------------------------------------
# The page


def lacking(experiment: Experiment) -> dict[str, str]:
    """What cannot be made of what was given, by part, and why."""
    options = experiment.options
    found = {}
    if not options.study_dir:
        found["table3"] = "Table 3, the pictures that raters see: give --study_dir, a folder for them"
    if packages := clusters.missing_packages():
        found["figure4"] = f"Figure 4: {', '.join(packages)} not installed (pip install 'leed[evaluation]')"
    if experiment.true_edits is None:
        found["numbers"] = "Figures 3 and 6 in numbers: need triples with true edits"
    elif not options.evaluator:
        found["numbers"] = "Figures 3 and 6 in numbers: give --evaluator, a classifier that no training touched"
    if not options.wild_dir and not figures.GALLERY.is_dir():
        found["figure8"] = "Figure 8: give --wild_dir; the gallery is part of a clone only"
    return found


TABLES = {"table1": table1, "table2": table2}
IN_NUMBERS = {"figure3": variants_table, "figure6": spoilt_table}
NAMES = {
    "figure2": "expression editing",
    "figure3": "ablation",
    "figure4": "features",
    "figure5": "faces turned to the side",
    "figure6": "imperfect neutral faces",
    "figure7": "strengths",
    "figure8": "photographs",
}


def make_figures(
    experiment: Experiment,
    parts: list[str],
    absent: dict[str, str],
    found: dict[str, Clusters],
    in_numbers: dict[str, Table],
) -> list[Plate]:
    """The wanted figures, written into the output folder. `absent` gets those that turn out not to be possible."""
    shown, methods, folder = experiment.shown, experiment.methods, Path(experiment.options.output_dir)
    makers: dict[str, Callable[[], tuple[Image.Image | None, str]]] = {
        "figure2": lambda: (figures.side_by_side(methods, shown), "Input, reference, and the edit of each method."),
        "figure3": lambda: ablation_figure(experiment),
        "figure4": lambda: cluster_figure(experiment, found),
        "figure5": lambda: profile_figure(experiment),
        "figure6": lambda: (figures.imperfect_neutrals(leed_of(experiment), shown), IMPERFECT_CAPTION),
        "figure7": lambda: (figures.strengths(leed_of(experiment), shown), STRENGTH_CAPTION),
        "figure8": lambda: wild_figure(experiment),
    }
    plates = []
    for name in progress([name for name in makers if name in parts and name not in absent], "figures"):
        picture, caption = makers[name]()
        number = int(name[-1])
        if picture is None:
            absent[name] = f"Figure {number}: the face set has no pictures for it"
        else:
            file = save_picture(folder, name, picture)
            plates.append(Plate(number, NAMES[name], caption, file, in_numbers.get(name)))
    return plates


IMPERFECT_CAPTION = (
    "Learned neutral faces of input and reference, and the edit; the same with "
    f"{figures.SPOILT_SHARE:.0%} of the expressive picture blended into the neutral face of the input, of the "
    "reference, or of both."
)
STRENGTH_CAPTION = "Edits at alpha from 0 to 1, interpolated, and beyond it, extrapolated."


def baselines_not_given(experiment: Experiment) -> list[str]:
    """Their names."""
    return [name for name in ("StarGAN", "GANimation") if name not in names(experiment.methods)]


def left_out(experiment: Experiment, absent: dict[str, str]) -> list[str]:
    """What the page does not have, and why; `absent` says it of parts."""
    options = experiment.options
    missing = [f"{name}: not given (--{name.lower()})" for name in baselines_not_given(experiment)]
    if "figure3" in options.parts:
        without = {"without_q": options.without_q, "without_s": options.without_s}
        missing += [f"Figure 3, a row: not given (--{name})" for name, folder in without.items() if not folder]
    missing += [reason for part, reason in absent.items() if part in (*options.parts, "numbers")]
    return missing + [f"{part}: not in --parts" for part in PARTS if part not in options.parts]


def check_models(options: argparse.Namespace) -> None:
    """Raises `ModelFileError` for a model of Figures 3 and 6 that is not one: now, not after the tables."""
    for variant in variants(options):
        read_config(find_folder(variant.path) / CONFIG, LEED.__name__)
    if options.evaluator:
        read_config(find_folder(options.evaluator) / CONFIG, ExpressionClassifier.__name__)


def main(arguments: list[str] | None = None) -> None:
    options = parse_args(arguments)
    state = processes()
    try:
        check_models(options)
        experiment = prepare(options, state)
        measuring, study = None, None
        if "table3" in options.parts and options.study_dir:
            study = study_edits(experiment.edits, options.num_study)
            check_folder(Path(options.study_dir), experiment.methods, study)
        if {"table1", "table2"} & set(options.parts):
            with state.main_process_first():  # one process downloads weights
                extractor = load_extractor(options.extractor).to(state.device)
            measuring = Measuring(extractor, experiment.cache, state, experiment.fingerprint, options.batch_size)
    except (ValueError, OSError, ModuleNotFoundError) as error:
        raise SystemExit(f"leed.evaluation.paper: {error}") from error
    Path(options.output_dir).mkdir(parents=True, exist_ok=True)
    absent = lacking(experiment)
    parts = options.parts
    tables = [make(experiment, measuring) for name, make in TABLES.items() if name in parts]
    wanted = [] if "numbers" in absent else [name for name in IN_NUMBERS if name in parts]
    in_numbers = {name: IN_NUMBERS[name](experiment) for name in wanted}
    found = measure_clusters(experiment) if "figure4" in parts and "figure4" not in absent else {}
    if not state.is_main_process:
        return
    if study is not None:
        write_pictures(Path(options.study_dir), experiment.methods, study, options.batch_size)
        print(f"pictures for python -m leed.study --pictures {shlex.quote(options.study_dir)}")
    plates = make_figures(experiment, parts, absent, found, in_numbers)
    missing = left_out(experiment, absent)
    methods, people = ", ".join(names(experiment.methods)), num_people(experiment.corpus.test.persons)
    subtitle = (
        f"{methods} on {experiment.corpus.name} at {experiment.methods[-1].image_size} pixels, {people} test people."
    )
    if baselines := baselines_not_given(experiment):
        subtitle += f" Not given, so not compared with: {' and '.join(baselines)}."
    given = sys.argv[1:] if arguments is None else arguments
    command = shlex.join(["python", "-m", "leed.evaluation.paper", *given])
    page = write_report(Path(options.output_dir), subtitle, tables, plates, missing, command)
    print("\n\n".join(table.markdown() for table in all_tables(tables, plates)))
    print("\n".join(f"left out: {reason}" for reason in missing))
    print(page)


if __name__ == "__main__":
    main()
