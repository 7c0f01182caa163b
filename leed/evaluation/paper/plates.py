"""Figures 2 to 8 with their captions, for the page. All but the measuring for Figure 4 runs on one process."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
from PIL import Image

from leed.config import OPENFACE_MAX_YAW
from leed.evaluation.paper import clusters, figures
from leed.evaluation.paper.cache import key, progress, remembered
from leed.evaluation.paper.clusters import Clusters
from leed.evaluation.paper.experiment import Experiment, leed_of, names, sample
from leed.evaluation.paper.notes import note
from leed.evaluation.paper.paper_tables import variants
from leed.evaluation.paper.plan import plan_edits
from leed.evaluation.paper.report import Plate, Table, save_picture
from leed.evaluation.paper.variants import PLAIN

NUM_PROFILES = 3000  # edits among which those of turned faces are looked for

Figure = tuple[Image.Image | None, str]  # with its caption; None if the face set has no pictures for it


def measure_clusters(experiment: Experiment) -> dict[str, Clusters]:
    """Figure 4's maps and metrics, each by a process of its own."""
    faces, rows = experiment.corpus.test, cluster_rows(experiment)

    @cache
    def features() -> dict[str, np.ndarray]:
        return clusters.expression_features(leed_of(experiment), faces, rows, experiment.options.batch_size)

    def measure(kind: str) -> dict:
        return vars(clusters.cluster(features()[kind], faces.expressions[rows], faces.persons[rows]))

    digest = experiment.methods[-1].digest
    folder = experiment.cache / key("clusters", *experiment.fingerprint, digest, rows.tolist())
    tasks = {kind: partial(measure, kind) for kind in clusters.KINDS}
    found = remembered(folder, tasks, experiment.state, "t-SNE")
    return {kind: Clusters(**values) for kind, values in found.items()}


def cluster_rows(experiment: Experiment) -> np.ndarray:
    """The test pictures in Figure 4."""
    known = np.flatnonzero(experiment.corpus.test.expressions >= 0)
    return known[sample(len(known), experiment.options.num_points)]


def figure2(experiment: Experiment) -> Figure:
    return figures.comparison(experiment.methods, experiment.shown), note("figure2")


def figure3(experiment: Experiment) -> Figure:
    chosen = {variant.name: variant.method(experiment.state.device) for variant in variants(experiment.options)}
    models = {PLAIN: chosen.pop(PLAIN)} | {name: chosen[name] for name in reversed(chosen)}
    return figures.ablation(models, experiment.shown), note("figure3")


def figure4(experiment: Experiment, found: dict[str, Clusters]) -> Figure:
    rows = cluster_rows(experiment)
    picture = clusters.scatter(found, experiment.corpus.test.expressions[rows])
    return picture, note("figure4", num_pictures=len(rows), neighbours=clusters.NEIGHBOURS, clusters=found)


def figure5(experiment: Experiment) -> Figure:
    edits = experiment.shown
    if not figures.profile(edits).any():
        edits = plan_edits(experiment.corpus.test, NUM_PROFILES)
    withheld = "GANimation" in names(experiment.methods) and not experiment.options.profile_action_units
    caption = note("figure5", profile=figures.PROFILE, withheld_beyond=OPENFACE_MAX_YAW if withheld else None)
    return figures.turned_faces(experiment.methods, edits), caption


def figure6(experiment: Experiment) -> Figure:
    picture = figures.imperfect_neutrals(leed_of(experiment), experiment.shown)
    return picture, note("figure6", share=figures.IMPERFECT_SHARE)


def figure7(experiment: Experiment) -> Figure:
    return figures.strengths(leed_of(experiment), experiment.shown), note("figure7")


def figure8(experiment: Experiment) -> Figure:
    size, folder = experiment.methods[-1].image_size, experiment.options.wild_dir
    photographs = figures.folder_photographs(folder, size) if folder else figures.gallery_photographs(size)
    return figures.wild(leed_of(experiment), photographs), note("figure8", composites=not folder)


@dataclass(frozen=True)
class Part:
    """A figure of the paper: its number, its name on the page, and the function that makes it."""

    number: int
    name: str
    make: Callable[..., Figure]  # Figure 4's takes the clusters as well


FIGURES = {
    "figure2": Part(2, "expression editing", figure2),
    "figure3": Part(3, "ablation", figure3),
    "figure4": Part(4, "features", figure4),
    "figure5": Part(5, "faces turned to the side", figure5),
    "figure6": Part(6, "imperfect neutral faces", figure6),
    "figure7": Part(7, "strengths", figure7),
    "figure8": Part(8, "photographs", figure8),
}


def make_plates(
    experiment: Experiment, parts: list[str], found: dict[str, Clusters], in_numbers: dict[str, Table]
) -> tuple[list[Plate], dict[str, str]]:
    """The figures of `parts`, written into the output folder; and why others of them cannot be made, by part.

    `found` is for Figure 4; `in_numbers` has the tables that stand below figures.
    """
    folder = Path(experiment.options.output_dir)
    plates, absent = [], {}
    for name in progress([name for name in FIGURES if name in parts], "figures"):
        part = FIGURES[name]
        picture, caption = part.make(experiment, found) if name == "figure4" else part.make(experiment)
        if picture is None:
            absent[name] = f"Figure {part.number}: the face set has no pictures for it"
        else:
            file = save_picture(folder, name, picture)
            plates.append(Plate(part.number, part.name, caption, file, in_numbers.get(name)))
    return plates, absent
