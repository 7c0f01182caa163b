"""Tables 1 and 2 of the paper, and Figure 6 in figures. Every process computes; the first gets the table."""

import numpy as np
import torch

from leed.evaluation import imperfect
from leed.evaluation.cache import Shards
from leed.evaluation.classification import Accuracies, Labelled, Recipe, Spread, classify
from leed.evaluation.corpus import Faces, RealPictures
from leed.evaluation.distances import SUBSETS
from leed.evaluation.experiment import Experiment, num_people, references, sample
from leed.evaluation.fidelity import Fidelity, Measuring, contents, fidelity
from leed.evaluation.methods import Method
from leed.evaluation.plan import TrueEdits, plan_edits
from leed.evaluation.report import Table, best_of
from leed.evaluation.tables import show, show_estimate

OURS = "LEED"


# --------------------------------------------------------------------------------------------------------------------
# Table 1


def table1(experiment: Experiment, measuring: Measuring) -> Table | None:
    """Frechet and kernel distance, and SSIM; None on all processes but the first."""
    pictures = RealPictures(experiment.corpus.test, experiment.corpus.triples)
    real = measuring.real(pictures, sample(len(pictures), experiment.options.num_real))
    able, true_edits = comparable(experiment)
    kept = {}
    for method in experiment.methods:
        made = compared = measuring.edits(method, experiment.edits, "edits")
        persons = experiment.edits.persons
        if true_edits is not None:
            compared = measuring.edits(method, true_edits, "true-edits", features=False) if method in able else None
            persons = true_edits.persons
        kept[method.name] = made, compared, persons
    if not experiment.state.is_main_process:
        return None
    found = {name: fidelity(*parts, real, measuring.extractor.num_features) for name, parts in kept.items()}
    num_compared = len(true_edits if true_edits is not None else experiment.edits)
    truth = "the true edit" if true_edits is not None else "the same person's own picture of the expression"
    note = (
        f"{len(experiment.edits)} edits of {num_people(experiment.edits.persons)} test people, the same for every "
        f"method; {len(real.content)} real pictures of these people; features of {measuring.extractor.name}: never "
        f"compare with distances in other features. KID: mean and deviation over {SUBSETS} subsets of "
        f"{found[OURS].kernel.subset_size} pictures. SSIM: of "
        f"{num_compared} edits to {truth}, 95 % interval over people."
    )
    if min(len(experiment.edits), len(real.content)) <= (features := measuring.extractor.num_features):
        note += f" With no more pictures than features ({features}) the FID is far too large: read the KID."
    if missing := [method.name for method in experiment.methods if method not in able]:
        note += f" SSIM of {', '.join(missing)} is not measured: the references of the true edits lack what it needs."
    note += experiment.note
    return fidelity_table(found, note)


def comparable(experiment: Experiment) -> tuple[list[Method], TrueEdits | None]:
    """The methods that can make true edits, and true edits that each of these methods can make."""
    if (edits := experiment.true_edits) is None:
        return experiment.methods, None
    possible = {m.name: m.understands(edits.expressions, edits.action_units) for m in experiment.methods}
    able = [method for method in experiment.methods if bool(possible[method.name].any())]
    common = torch.stack([possible[method.name] for method in able]).all(dim=0)
    rows = np.flatnonzero(common.numpy())
    return able, edits.select(rows[sample(len(rows), experiment.options.max_triples)])


def fidelity_table(found: dict[str, Fidelity], note: str) -> Table:
    """Table 1, the best of each column marked, with LEED's distance as a share of the others'."""
    rows = [
        [name, show(row.frechet), f"{show(row.kernel.mean, 5)} ± {show(row.kernel.deviation, 5)}"]
        + [show_estimate(row.ssim, 4)]
        for name, row in found.items()
    ]
    columns = (
        ([row.frechet for row in found.values()], True),
        ([row.kernel.mean for row in found.values()], True),
        ([row.ssim.value for row in found.values()], False),
    )
    best = [(place, i) for i, column in enumerate(columns, 1) if (place := best_of(*column)) is not None]
    shares = [f"{found[OURS].frechet / row.frechet:.2f} of {name}'s" for name, row in found.items() if name != OURS]
    if shares:
        note += (
            f" LEED's FID is {' and '.join(shares)} (the paper's on RaFD: 0.61 of StarGAN's, 0.84 of GANimation's)."
        )
    values = {
        name: {"fid": row.frechet, "kid": row.kernel._asdict(), "ssim": row.ssim._asdict()}
        for name, row in found.items()
    }
    return Table(
        "Table 1: distance to real pictures and likeness", ["", "FID ↓", "KID ↓", "SSIM ↑"], rows, note, values, best
    )


# --------------------------------------------------------------------------------------------------------------------
# Table 2


def table2(experiment: Experiment, measuring: Measuring) -> Table | None:
    """Accuracies of expression classifiers; None on all processes but the first."""
    options, corpus, edits = experiment.options, experiment.corpus, experiment.edits
    train, test = (
        real_pictures(measuring, faces, name) for faces, name in ((corpus.train, "train"), (corpus.test, "test"))
    )
    added = edits
    if options.generated == "train":
        added = plan_edits(corpus.train, options.num_edits, references(corpus.train, experiment.methods))
    generated, additions, digests = {}, {}, {"real": [measuring.fingerprint]}
    for method in experiment.methods:
        made = measuring.edits(method, edits, "edits")
        generated[method.name] = labelled(made, edits.expressions)
        if options.generated == "train":
            made = measuring.edits(method, added, "train-edits", features=False)
        additions[method.name] = labelled(made, added.expressions).first(len(train))
        digests[method.name] = [method.digest, *(contents(method, e).tolist() for e in (edits, added))]
    recipe = Recipe(options.steps, options.classifier_batch_size)
    found = classify(
        train, test, generated, additions, digests, options.seeds, recipe, experiment.cache, experiment.state
    )
    note = (
        f"Accuracy in %, mean ± deviation over {options.seeds} seeds, of classifiers trained on {len(train)} real "
        f"pictures of {num_people(corpus.train.persons)} people (R), tested on {len(test)} real pictures of "
        f"{num_people(corpus.test.persons)} others (R) and on {len(edits)} edits of these (G), and of classifiers "
        f"trained on real pictures and {len(additions[OURS])} edits, tested as R (R + G). An edit's expression is "
        f"that of its reference. The paper leaves open the classifier, chosen here: {recipe.describe()}, the same for "
        f"R + G. It divides the pictures at random; here the people are divided. "
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
    known = torch.from_numpy(faces.expressions >= 0)
    everything = labelled(measuring.small(faces, title), torch.from_numpy(faces.expressions))
    return Labelled(everything.pictures[known], everything.expressions[known])


def labelled(shards: Shards, expressions: torch.Tensor) -> Labelled:
    """The small copies of kept pictures, with their expressions (N,)."""
    return Labelled(torch.cat(list(shards.read("small"))), expressions)


def accuracy_table(found: Accuracies, note: str) -> Table:
    """Table 2, the best of each column marked, with LEED's lead and the gain of R + G over R."""

    def percent(value: Spread) -> str:
        return f"{show(100 * value.mean, 2)} ± {show(100 * value.deviation, 2)}"

    names = list(found.generated)
    rows = [[name, percent(found.real), percent(found.generated[name]), percent(found.both[name])] for name in names]
    columns = ([found.generated[name].mean for name in names], [found.both[name].mean for name in names])
    best = [
        (place, i) for i, column in enumerate(columns, 2) if (place := best_of(column, smallest=False)) is not None
    ]
    others = [found.generated[name].mean for name in names if name != OURS]
    if others:
        lead = 100 * (found.generated[OURS].mean - max(others))
        note += f" LEED's G is {lead:+.2f} points from the better of the others (the paper's on RaFD: +4.31)."
    gain = 100 * (found.both[OURS].mean - found.real.mean)
    note += f" LEED's R + G is {gain:+.2f} points from R (the paper's on RaFD: +1.04)."
    values = {"R": vars(found.real)} | {
        name: {"G": vars(found.generated[name]), "R+G": vars(found.both[name])} for name in names
    }
    return Table("Table 2: expression classification", ["", "R ↑", "G ↑", "R + G ↑"], rows, note, values, best)


# --------------------------------------------------------------------------------------------------------------------
# Figure 6 in figures


def spoilt_table(experiment: Experiment) -> Table | None:
    """Figure 6 in figures."""
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
    )
    lines = [
        [f"{name}, {share:.0%}" if share else "nothing", *(show_estimate(values[figure]) for figure in values)]
        for (name, share), values in found.items()
    ]
    note = (
        f"{len(rows)} triples with a true edit; 95 % intervals over people. A share of the expressive picture is "
        "blended into the learned neutral face of the input, of the reference, or of both."
    )
    values = {f"{n} {s:g}": {k: v._asdict() for k, v in figures.items()} for (n, s), figures in found.items()}
    header = ["spoilt", *imperfect.FIGURES.values()]
    return Table("Figure 6 in figures: imperfect neutral faces", header, lines, note, values)
