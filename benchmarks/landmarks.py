"""What finding a template's points costs in precision, and the fit of what `leed.openfaces.landmarks` learned.

    python benchmarks/landmarks.py measure --portraits webmorphR.stim
    python benchmarks/landmarks.py measure --portraits webmorphR.stim/inst/canada
    python benchmarks/landmarks.py fit --portraits webmorphR.stim

`measure` finds the points of portraits that have templates, and prints how far both lie apart by parts of the face, in
pixels of the working frame, in which a face is 140 px from eyes to mouth. Of the published set's portraits these are
the test people's; the fit uses the others. A template's own points are put by hand, to about 2 px.

`fit` writes `leed/openfaces/landmarks.safetensors`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import safetensors.numpy
from PIL import Image
from scipy.optimize import linear_sum_assignment

from leed.commands import command_line, exit_on, folder
from leed.openfaces import landmarks as lm
from leed.openfaces import templates as t
from leed.openfaces.parts import read_picture
from leed.openfaces.people import is_published_source, own_people, published_people
from leed.openfaces.plan import make_plan
from leed.photo.detection import find_faces

PROGRAM = "python benchmarks/landmarks.py"
COPIES = 3  # of each portrait, misplaced in other ways
RIDGES = (1.0, 4.0, 16.0)  # in units of the mean squared length of the features
FOLDS = 6  # of people: what a stage starts from was found by maps that did not learn from that person
RANK = 24
LOOKED_AT = np.arange(t.POINTS)
PARTS = {
    "eyes": range(34),
    "nose": range(50, 71),
    "brows": t.BROWS,
    "mouth": range(87, 109),
    "jaw": t.JAW,
    "ears": range(109, 125),
    "hairline": t.HAIRLINE,
    "hair and neck": range(145, 158),
}


class Example(NamedTuple):
    """A portrait with its template, and the detector's five points."""

    name: str
    portrait: np.ndarray
    points: np.ndarray  # (189, 2)
    face: np.ndarray  # (5, 2)


def examples(portraits: Path, wanted: str) -> Iterator[Example]:
    """The people of a folder; of the published set's portraits `wanted`, those of training or test."""
    people = published_people(portraits) if is_published_source(portraits) else own_people(portraits)
    if is_published_source(portraits):
        plan = make_plan(people)
        people = [person for person in people if plan.split(person.name) == wanted]
    for person in people:
        portrait = read_picture(person.portrait)
        face = find_faces(Image.fromarray(np.ascontiguousarray(portrait[..., ::-1])))[0]
        yield Example(person.name, portrait, t.read_template(person.template), face.points - 0.5)


def measure(portraits: Path) -> None:
    """Prints a line for each part of the face."""
    distances = []
    for example in examples(portraits, "test"):
        found = lm.find_points(example.portrait, example.face)
        scale = t.scale_of(t.to_working_frame(example.points))
        distances.append(np.linalg.norm(found - example.points, axis=1) * scale)
    apart = np.stack(distances)
    print(f"{len(apart)} portraits; distance of the points found from the template's [px of the working frame]")
    print(f"{'part':14s}  mean  worst portrait")
    for name, points in PARTS.items():
        each = apart[:, list(points)].mean(1)
        print(f"{name:14s} {each.mean():5.2f} {each.max():15.2f}")


def fit(portraits: Path) -> None:
    """Learns the stages one after another, each from where the ones before left the points."""
    people = list(examples(portraits, "train"))
    rng = np.random.default_rng(0)
    framed = np.stack([t.transformed(t.to_working_frame(e.points), e.points) for e in people])
    template, partners = symmetric(framed.mean(0))
    finder = lm.Finder(template, partners, ())
    folds = rng.permutation(len(people)) % FOLDS
    states = [[lm.rough_points(finder, face) for face in misplaced(e, rng)] for e in people]
    views = [[disturbed(e.portrait, rng) if k else e.portrait for k in range(COPIES)] for e in people]
    tensors = {"template": template, "partners": partners.astype(np.int16)}
    for number, spacing in enumerate(lm.SPACINGS):
        stage, states = learn(finder, people, views, states, folds, spacing)
        tensors |= {f"{name}.{number}": stored(array) for name, array in stage._asdict().items()}
    safetensors.numpy.save_file(tensors, lm.FILE)
    print(f"wrote {lm.FILE.name}, {lm.FILE.stat().st_size / 1e6:.1f} MB")


def symmetric(mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A template (189, 2) made symmetric, and the point that each becomes in a mirror."""
    flipped = mean * [-1, 1] + [2 * t.EYES[0], 0]
    _, partners = linear_sum_assignment(np.linalg.norm(mean[:, None] - flipped[None], axis=2))
    assert np.array_equal(partners[partners], np.arange(t.POINTS))
    return (mean + flipped[partners]) / 2, partners


def misplaced(example: Example, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """The detector's five points, and others near them."""
    side = np.linalg.norm(example.face[1] - example.face[0])
    yield example.face
    for _ in range(COPIES - 1):
        yield example.face + rng.normal(0, 0.03, 2) * side + rng.normal(0, 0.03, (5, 2)) * side


def disturbed(portrait: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A portrait in other light, by another camera: brighter, tinted, coarser."""
    levels = np.linspace(0, 1, 256)[:, None] ** rng.uniform(0.7, 1.5) * rng.uniform(0.85, 1.15, 3)
    picture = cv2.LUT(portrait, (np.clip(levels, 0, 1) * 255).astype(np.uint8)[None])
    if rng.random() < 0.5:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 3) * len(portrait) / 1350)
    return picture


def learn(
    finder: lm.Finder,
    people: list[Example],
    views: list[list[np.ndarray]],
    states: list[list[np.ndarray]],
    folds: np.ndarray,
    spacing: float,
) -> tuple[lm.Stage, list[list[np.ndarray]]]:
    """A stage, and the points after it, each moved by a map that did not learn from that person."""
    seen, wanted = [], []
    for example, pictures, starts in zip(people, views, states, strict=True):
        for picture, points in zip(pictures, starts, strict=True):
            to_frame = t.to_working_frame(points)
            features, framed = lm.look(finder, picture, to_frame, points, LOOKED_AT, spacing)
            truth = t.transformed(to_frame, example.points)
            seen.append(features.astype(np.float32))
            wanted.append(np.stack([truth, lm.mirrored(finder.partners, truth)]) - framed)
    x, y = np.concatenate(seen), np.concatenate(wanted).reshape(-1, 2 * t.POINTS)
    mean, bias = x.mean(0), y.mean(0)
    x -= mean
    gram = (x @ x.T).astype(np.float64)
    of_fold = np.repeat(folds, 2 * COPIES)
    ridge, moved = min((crossed(gram, y, of_fold, r) for r in RIDGES), key=lambda found: error(y - found[1]))
    print(f"spacing {spacing}: ridge {ridge}, {error(y):.2f} px before, {error(y - moved):.2f} after", flush=True)
    basis, moves = low_rank(x, gram, y - bias, ridge)
    steps = iter(moved.reshape(-1, 2, t.POINTS, 2))
    after = [[_after(finder, points, next(steps)) for points in starts] for starts in states]
    return lm.Stage(LOOKED_AT, mean, basis, moves, bias), after


def _after(finder: lm.Finder, points: np.ndarray, step: np.ndarray) -> np.ndarray:
    to_frame = t.to_working_frame(points)
    moved = t.transformed(to_frame, points) + (step[0] + step[1][finder.partners] * [-1, 1]) / 2
    return t.transformed(cv2.invertAffineTransform(to_frame), moved)


def crossed(gram: np.ndarray, y: np.ndarray, folds: np.ndarray, ridge: float) -> tuple[float, np.ndarray]:
    """The ridge, and what a regression predicts of each fold that learned from the others."""
    predicted = np.empty_like(y)
    for fold in range(FOLDS):
        own, rest = folds == fold, folds != fold
        middle = y[rest].mean(0)
        predicted[own] = gram[np.ix_(own, rest)] @ solved(gram[np.ix_(rest, rest)], y[rest] - middle, ridge) + middle
    return ridge, predicted


def solved(gram: np.ndarray, y: np.ndarray, ridge: float) -> np.ndarray:
    """The dual coefficients of a ridge regression."""
    return np.linalg.solve(gram + ridge * np.trace(gram) / len(gram) * np.eye(len(gram)), y)


def low_rank(x: np.ndarray, gram: np.ndarray, y: np.ndarray, ridge: float) -> tuple[np.ndarray, np.ndarray]:
    """The map (F, 378) as a product (F, R) (R, 378), exact where its predictions vary most."""
    dual = solved(gram, y, ridge)
    _, _, directions = np.linalg.svd(gram @ dual, full_matrices=False)
    moves = directions[:RANK]
    return x.T @ (dual @ moves.T).astype(np.float32), moves


def stored(array: np.ndarray) -> np.ndarray:
    """An array in half precision, or as small integers."""
    return array.astype(np.int16 if array.dtype.kind == "i" else np.float16)


def error(rest: np.ndarray) -> float:
    """The mean distance [px]."""
    return float(np.linalg.norm(rest.reshape(len(rest), t.POINTS, 2), axis=2).mean())


@exit_on(PROGRAM)
def main() -> None:
    parser = command_line(PROGRAM, __doc__)
    parser.add_argument("task", choices=("measure", "fit"))
    parser.add_argument(
        "--portraits", type=folder, required=True, help="clone of webmorphR.stim, or your own portraits"
    )
    arguments = parser.parse_args()
    {"measure": measure, "fit": fit}[arguments.task](arguments.portraits)


if __name__ == "__main__":
    main()
