"""Tables 1 and 2 of the paper, and Figures 3 and 6 in numbers. Every process computes; the first gets the table."""

import argparse

import numpy as np
import torch

from leed.evaluation.identity import identity_embedding
from leed.evaluation.metrics import Estimate
from leed.evaluation.pairs import Triples, load_triples
from leed.evaluation.paper import imperfect
from leed.evaluation.paper.classification import Accuracies, KeptLabelled, Labelled, Recipe, Spread, classify
from leed.evaluation.paper.corpus import Faces, RealPictures, pairs_folder
from leed.evaluation.paper.distances import SUBSETS
from leed.evaluation.paper.experiment import Experiment, editable, names, num_people, sample
from leed.evaluation.paper.fidelity import Distances, Measuring, contents, likeness, remembered_distances
from leed.evaluation.paper.methods import Method, copying_method
from leed.evaluation.paper.notes import note
from leed.evaluation.paper.plan import TrueEdits, plan_edits
from leed.evaluation.paper.report import Table, best_of
from leed.evaluation.paper.variants import PLAIN, Variant, ablation_table, measure_variants
from leed.evaluation.tables import as_json, show, show_estimate

OURS = "LEED"

Column = dict[str, Estimate]
"""A column of Table 1: SSIM by the name of the row."""

# --------------------------------------------------------------------------------------------------------------------
# Table 1


def table1(experiment: Experiment, measuring: Measuring) -> Table | None:
    """Frechet and kernel distance, and SSIM; None on all processes but the first."""
    options, corpus, edits = experiment.options, experiment.corpus, experiment.edits
    pictures = RealPictures(corpus.test, corpus.triples)
    rows, other_rows = (experiment.within_yaw(faces.yaws) for faces in (pictures, corpus.train))
    real = measuring.real(pictures, rows[sample(len(rows), options.num_real)], "test")
    others = measuring.real(corpus.train, other_rows[sample(len(other_rows), len(edits))], "training")
    able, true_edits = comparable(experiment)
    nothing = copying_method(experiment.methods[-1])
    made = {method.name: measuring.edits(method, edits, "edits") for method in (*experiment.methods, nothing)}
    compared = {}
    if true_edits is not None:
        compared = {m.name: measuring.edits(m, true_edits, "true-edits", features=False) for m in (*able, nothing)}
    found = remembered_distances(made | {OTHERS: others}, real, HALVES, measuring)
    if not experiment.state.is_main_process:
        return None
    ssim = {"SSIM ↑": {name: likeness(made.get(name), edits.persons) for name in found}}
    if true_edits is not None:
        ssim["SSIM, true edit ↑"] = {name: likeness(compared.get(name), true_edits.persons) for name in found}
    methods = names(experiment.methods)
    text = note(
        "table1",
        num_edits=len(edits),
        num_people=num_people(edits.persons),
        num_real=len(real.content),
        extractor=measuring.extractor.name,
        num_features=measuring.extractor.num_features,
        subsets=SUBSETS,
        subset_size=found[OURS].kernel.subset_size,
        num_true_edits=None if true_edits is None else len(true_edits),
        num_other=found[OTHERS].count,
        num_half=found[HALVES].count,
        unable=[method.name for method in experiment.methods if method not in able],
        shares=[f"{found[OURS].frechet / found[name].frechet:.2f} of {name}'s" for name in methods if name != OURS],
        action_units=action_units_note(experiment),
    )
    return fidelity_table(found, ssim, methods, text)


def action_units_note(experiment: Experiment) -> str:
    """The note on action units; empty if no method needs them."""
    references = experiment.references
    return note("action_units", max_yaw=experiment.max_yaw, explained=references.explained, unread=references.unread)


OTHERS, HALVES = "real, other people", "real, half to half"


def comparable(experiment: Experiment) -> tuple[list[Method], TrueEdits | None]:
    """The methods that can make true edits, and true edits that each of these methods can make."""
    if (edits := experiment.true_edits) is None:
        return experiment.methods, None
    possible = {m.name: m.understands(edits.expressions, edits.action_units) for m in experiment.methods}
    able = [method for method in experiment.methods if bool(possible[method.name].any())]
    common = torch.stack([possible[method.name] for method in able]).all(dim=0)
    rows = np.intersect1d(np.flatnonzero(common.numpy()), experiment.within_yaw(edits.input_yaws))
    return able, edits.select(rows[sample(len(rows), experiment.options.max_triples)])


def fidelity_table(found: dict[str, Distances], ssim: dict[str, Column], methods: list[str], text: str) -> Table:
    """Table 1, with the best of the methods in each column marked; `text` is its note.

    `ssim` has by the title of a column that of each row of `found`; rows that are not `methods` are for reference.
    """
    rows = [
        [name, show(row.frechet, 2), f"{show(1000 * row.kernel.mean, 2)} ± {show(1000 * row.kernel.deviation, 2)}"]
        + [show_estimate(column[name], 3) for column in ssim.values()]
        for name, row in found.items()
    ]
    columns = [
        ([found[name].frechet for name in methods], True),
        ([found[name].kernel.mean for name in methods], True),
        *(([column[name].value for name in methods], False) for column in ssim.values()),
    ]
    best = [(place, i) for i, column in enumerate(columns, 1) if (place := best_of(*column)) is not None]
    values = {
        name: {"fid": row.frechet, "kid": row.kernel._asdict()}
        | {key: column[name]._asdict() for key, column in zip(("ssim", "ssim_true"), ssim.values(), strict=False)}
        for name, row in found.items()
    }
    header = ["", "FID ↓", "KID x 1000 ↓", *ssim]
    return Table("Table 1: distance to real pictures and likeness", header, rows, text, values, best)


# --------------------------------------------------------------------------------------------------------------------
# Table 2


def table2(experiment: Experiment, measuring: Measuring) -> Table | None:
    """Accuracies of expression classifiers; None on all processes but the first."""
    options, corpus, edits = experiment.options, experiment.corpus, experiment.edits
    train, test = (
        real_pictures(measuring, faces, name) for faces, name in ((corpus.train, "training"), (corpus.test, "test"))
    )
    added = edits
    if options.generated == "train":
        added = plan_edits(corpus.train, options.num_edits, editable(corpus.train, experiment.methods))
    generated, additions = {}, {}
    digests: dict[str, list] = {"real": [measuring.fingerprint]}
    for method in experiment.methods:
        made = measuring.edits(method, edits, "edits")
        generated[method.name] = KeptLabelled(made, edits.expressions)
        if options.generated == "train":
            made = measuring.edits(method, added, "train-edits", features=False)
        additions[method.name] = KeptLabelled(made, added.expressions)
        digests[method.name] = [method.digest, *(contents(method, e).tolist() for e in (edits, added))]
    recipe = Recipe(options.steps, options.classifier_batch_size, bf16=options.mixed_precision == "bf16")
    found = classify(
        train, test, generated, additions, digests, options.seeds, recipe, experiment.cache, experiment.state
    )
    if not experiment.state.is_main_process:
        return None
    text = note(
        "table2",
        seeds=options.seeds,
        num_train=len(train),
        train_people=num_people(corpus.train.persons),
        num_test=len(test),
        test_people=num_people(corpus.test.persons),
        num_edits=len(edits),
        num_added=min(len(added), len(train)),
        recipe=recipe.describe(),
        generated=options.generated,
        lead=lead(found),
        gain=100 * (found.both[OURS].mean - found.real.mean),
    )
    return accuracy_table(found, text)


def lead(found: Accuracies) -> float | None:
    """The points by which LEED's G is above the best of the others, if there are others."""
    others = [spread.mean for name, spread in found.generated.items() if name != OURS]
    return 100 * (found.generated[OURS].mean - max(others)) if others else None


def real_pictures(measuring: Measuring, faces: Faces, title: str) -> Labelled:
    """The pictures with known expressions."""
    everything = KeptLabelled(measuring.small(faces, title), torch.from_numpy(faces.expressions)).first(len(faces))
    known = everything.expressions >= 0
    return Labelled(everything.pictures[known], everything.expressions[known])


def accuracy_table(found: Accuracies, text: str) -> Table:
    """Table 2, with the best of each column marked; `text` is its note."""

    def percent(value: Spread) -> str:
        return f"{show(100 * value.mean, 2)} ± {show(100 * value.deviation, 2)}"

    methods = list(found.generated)
    rows = [[name, percent(found.real), percent(found.generated[name]), percent(found.both[name])] for name in methods]
    columns = ([found.generated[name].mean for name in methods], [found.both[name].mean for name in methods])
    best = [
        (place, i) for i, column in enumerate(columns, 2) if (place := best_of(column, smallest=False)) is not None
    ]
    values = {"R": vars(found.real)} | {
        name: {"G": vars(found.generated[name]), "R+G": vars(found.both[name])} for name in methods
    }
    return Table("Table 2: expression classification", ["", "R ↑", "G ↑", "R + G ↑"], rows, text, values, best)


# --------------------------------------------------------------------------------------------------------------------
# Figures 3 and 6 in numbers

FINAL = "final"


def variants(options: argparse.Namespace) -> list[Variant]:
    """The models of Figure 3, the trained one first."""
    folders = {"without Q": options.without_q, "without S": options.without_s}
    others = [Variant(name, folder) for name, folder in folders.items() if folder]
    return [Variant(FINAL, options.leed), *others, Variant(PLAIN, options.leed, plain=True)]


def variants_table(experiment: Experiment) -> Table:
    """Figure 3 in numbers."""
    options, triples = experiment.options, experiment.triples
    rows = sample(len(triples), options.num_imperfect)
    folder = pairs_folder(options.data_dir, options.pairs_dir)
    assert folder is not None

    def load(size: int) -> Triples:
        same = size == experiment.methods[-1].image_size
        return (triples if same else load_triples(folder, image_size=size)).select(rows)

    chosen = variants(options)
    found = measure_variants(
        chosen,
        options.evaluator,
        load,
        str((experiment.corpus.fingerprint, rows.tolist())),
        experiment.cache,
        experiment.state,
        identity_embedding(None),
        batch_size=options.batch_size,
    )
    return ablation_table("Figure 3 in numbers", chosen, found, triples.input_persons[rows], "learned")


def imperfect_table(experiment: Experiment) -> Table:
    """Figure 6 in numbers."""
    options, triples = experiment.options, experiment.triples
    rows = sample(len(triples), options.num_imperfect)
    found = imperfect.measure_imperfect(
        options.leed,
        options.evaluator,
        triples.select(rows),
        str((experiment.fingerprint, rows.tolist())),
        experiment.cache,
        experiment.state,
        options.batch_size,
        options.imperfect_shares,
    )
    lines = [
        [f"{name}, {share:.0%}" if share else "nothing", *map(show_estimate, estimates.values())]
        for (name, share), estimates in found.items()
    ]
    values = {f"{name} {share:g}": as_json(estimates) for (name, share), estimates in found.items()}
    header = ["imperfect", *imperfect.METRICS.values()]
    return Table("Figure 6 in numbers", header, lines, note("imperfect", num_triples=len(rows)), values)
