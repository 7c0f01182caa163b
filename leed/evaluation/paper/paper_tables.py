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
from leed.evaluation.paper.plan import TrueEdits, plan_edits
from leed.evaluation.paper.report import Table, best_of
from leed.evaluation.paper.variants import PLAIN, Variant, ablation_table, measure_variants
from leed.evaluation.tables import show, show_estimate

OURS = "LEED"


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
    made, compared = {}, {}
    for method in (*experiment.methods, nothing):
        made[method.name] = measuring.edits(method, edits, "edits")
        if true_edits is not None and method in (*able, nothing):
            compared[method.name] = measuring.edits(method, true_edits, "true-edits", features=False)
    found = remembered_distances(made | {OTHERS: others}, real, HALVES, measuring)
    if not experiment.state.is_main_process:
        return None
    num_features = measuring.extractor.num_features
    ssim = {"SSIM ↑": {name: likeness(made.get(name), edits.persons) for name in found}}
    note = (
        f"{len(edits)} edits of {num_people(edits.persons)} test people, the same for every method; "
        f"{len(real.content)} real pictures of these people; features of {measuring.extractor.name}: never compare "
        f"with distances in other features. KID: mean ± deviation over {SUBSETS} subsets of "
        f"{found[OURS].kernel.subset_size} pictures. SSIM: as in the paper, of an edit to the same person's own "
        "picture of the expression, taken at the nearest yaw but not in the same pose"
    )
    if true_edits is not None:
        ssim["SSIM, true edit ↑"] = {name: likeness(compared.get(name), true_edits.persons) for name in found}
        note += f"; and of {len(true_edits)} edits to the true edit, which is in the same pose"
    note += (
        ". Brackets: 95 % interval over people. To read the rest by: the inputs themselves, whose FID and KID show "
        f"that neither asks for the expression; {found[OTHERS].count} real pictures of the training people; and "
        f"{found[HALVES].count} of the real pictures against the others, drawn at random: of so few the FID is too "
        "large, the KID is not."
    )
    if min(len(edits), len(real.content)) <= num_features:
        note += f" With no more pictures than features ({num_features}) the FID is far too large: read the KID."
    if missing := [method.name for method in experiment.methods if method not in able]:
        note += f" SSIM of {', '.join(missing)} to the true edit is not measured: the references lack what it needs."
    note += experiment.note
    return fidelity_table(found, ssim, names(experiment.methods), note)


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


def fidelity_table(
    found: dict[str, Distances], ssim: dict[str, dict[str, Estimate]], methods: list[str], note: str
) -> Table:
    """Table 1, of each column the best of the methods marked, with LEED's distance as a share of the others'.

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
    shares = [f"{found[OURS].frechet / found[name].frechet:.2f} of {name}'s" for name in methods if name != OURS]
    if shares:
        note += (
            f" LEED's FID is {' and '.join(shares)} (the paper's on RaFD: 0.61 of StarGAN's, 0.84 of GANimation's)."
        )
    values = {
        name: {"fid": row.frechet, "kid": row.kernel._asdict()}
        | {key: column[name]._asdict() for key, column in zip(("ssim", "ssim_true"), ssim.values(), strict=False)}
        for name, row in found.items()
    }
    header = ["", "FID ↓", "KID x 1000 ↓", *ssim]
    return Table("Table 1: distance to real pictures and likeness", header, rows, note, values, best)


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
    generated, additions, digests = {}, {}, {"real": [measuring.fingerprint]}
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
    note = (
        f"Accuracy in %, mean ± deviation over {options.seeds} seeds, of classifiers trained on {len(train)} real "
        f"pictures of {num_people(corpus.train.persons)} people (R), tested on {len(test)} real pictures of "
        f"{num_people(corpus.test.persons)} others (R) and on {len(edits)} edits of these (G), and of classifiers "
        f"trained on real pictures and {min(len(added), len(train))} edits, tested as R (R + G). An edit's expression "
        f"is that of its reference. The paper leaves open the classifier, chosen here: {recipe.describe()}, the same "
        f"for R + G. It divides the pictures at random; here the people are divided. "
    )
    note += GENERATED[options.generated]
    return accuracy_table(found, note) if experiment.state.is_main_process else None


GENERATED = {
    "test": "As the paper has it, the edits that R + G adds are those of the test people's pictures, so that it sees "
    "these people in training; --generated train adds edits of the training people.",
    "train": "The edits that R + G adds are of the training people, so that the test people are unseen; the paper's "
    "are of the test pictures, the default of --generated.",
}


def real_pictures(measuring: Measuring, faces: Faces, title: str) -> Labelled:
    """The pictures with known expressions."""
    everything = KeptLabelled(measuring.small(faces, title), torch.from_numpy(faces.expressions)).first(len(faces))
    known = everything.expressions >= 0
    return Labelled(everything.pictures[known], everything.expressions[known])


def accuracy_table(found: Accuracies, note: str) -> Table:
    """Table 2, the best of each column marked, with LEED's lead and the gain of R + G over R."""

    def percent(value: Spread) -> str:
        return f"{show(100 * value.mean, 2)} ± {show(100 * value.deviation, 2)}"

    methods = list(found.generated)
    rows = [[name, percent(found.real), percent(found.generated[name]), percent(found.both[name])] for name in methods]
    columns = ([found.generated[name].mean for name in methods], [found.both[name].mean for name in methods])
    best = [
        (place, i) for i, column in enumerate(columns, 2) if (place := best_of(column, smallest=False)) is not None
    ]
    others = [found.generated[name].mean for name in methods if name != OURS]
    if others:
        lead = 100 * (found.generated[OURS].mean - max(others))
        note += f" LEED's G is {lead:+.2f} points from the better of the others (the paper's on RaFD: +4.31)."
    gain = 100 * (found.both[OURS].mean - found.real.mean)
    note += f" LEED's R + G is {gain:+.2f} points from R (the paper's on RaFD: +1.04)."
    values = {"R": vars(found.real)} | {
        name: {"G": vars(found.generated[name]), "R+G": vars(found.both[name])} for name in methods
    }
    return Table("Table 2: expression classification", ["", "R ↑", "G ↑", "R + G ↑"], rows, note, values, best)


# --------------------------------------------------------------------------------------------------------------------
# Figures 3 and 6 in numbers


def variants(options: argparse.Namespace) -> list[Variant]:
    """The models of Figure 3, the trained one first."""
    folders = {"without Q": options.without_q, "without S": options.without_s}
    others = [Variant(name, folder) for name, folder in folders.items() if folder]
    return [Variant(FINAL, options.leed), *others, Variant(PLAIN, options.leed, plain=True)]


FINAL = "final"


def variants_table(experiment: Experiment) -> Table | None:
    """Figure 3 in numbers."""
    options, triples = experiment.options, experiment.corpus.triples
    rows = sample(len(triples), options.num_imperfect)
    folder = pairs_folder(options.data_dir, options.pairs_dir)

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
    note = ", learned neutral faces"
    return ablation_table("Figure 3 in numbers", chosen, found, triples.input_persons[rows], note)


def spoilt_table(experiment: Experiment) -> Table | None:
    """Figure 6 in numbers."""
    options, triples = experiment.options, experiment.corpus.triples
    rows = sample(len(triples), options.num_imperfect)
    found = imperfect.measure_spoilt(
        options.leed,
        options.evaluator,
        triples.select(rows),
        str((experiment.fingerprint, rows.tolist())),
        experiment.cache,
        experiment.state,
        options.batch_size,
        options.spoilt_shares,
    )
    lines = [
        [f"{name}, {share:.0%}" if share else "nothing", *(show_estimate(values[figure]) for figure in values)]
        for (name, share), values in found.items()
    ]
    note = (
        f"{len(rows)} triples with a true edit. A share of the expressive picture is blended into the learned neutral "
        "face of the input, of the reference, or of both. SSIM is to the true edit; accuracy is the evaluator's, "
        "distance that of its features to the true edit's, relative to input-to-truth; strength is the way towards "
        "the truth in these features (the truth: 1). Brackets: 95 % interval over people."
    )
    values = {f"{n} {s:g}": {k: v._asdict() for k, v in figures.items()} for (n, s), figures in found.items()}
    header = ["spoilt", *imperfect.FIGURES.values()]
    return Table("Figure 6 in numbers", header, lines, note, values)
