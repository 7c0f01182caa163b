"""Figures 2 to 8 as pictures, with the paper's rows and columns; an edit that a method cannot make is white."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from leed import gallery
from leed.config import EXPRESSIONS, NEUTRAL
from leed.data.faces import decode, encoded, load_faces, open_picture
from leed.data.readers.registry import guess_reader
from leed.evaluation.edits import ALPHAS, prepare
from leed.evaluation.metrics import spread
from leed.evaluation.paper.imperfect import IMPERFECT
from leed.evaluation.paper.methods import Method, Request
from leed.evaluation.paper.plan import Edits, TrueEdits
from leed.evaluation.sheets import Face, panel, side_by_side
from leed.images import image_files, normalize, resize, to_rgb, to_tensor
from leed.model import LEED
from leed.photo.alignment import align
from leed.photo.detection import find_faces

PROFILE = 30.0  # degrees from which a face counts as turned to the side
FRONTAL = 12.0  # degrees up to which a face counts as frontal
IMPERFECT_SHARE = 0.5  # of the expressive picture that Figure 6 blends into neutral faces
EXPRESSIVE = range(1, len(EXPRESSIONS))  # all but neutral
OTHER_PERSON = 3  # places in the gallery between the person of a photograph and that of its reference


def given(request: Request) -> dict[str, list[Face]]:
    """The first rows of a figure."""
    return {"input": list(request.image), "reference": list(request.reference)}


def truth(edits: Edits | TrueEdits, rows: np.ndarray) -> dict[str, list[Face]]:
    """The last row of a figure: the true edits or, where there are none, the same people's own pictures."""
    truths, known = edits.truths(rows)
    title = "true edit" if isinstance(edits, TrueEdits) else "own picture"
    return {title: [truth if there else None for truth, there in zip(truths, known.tolist(), strict=True)]}


def wanted(request: Request) -> list[str]:
    """The expressions of the references, as titles of columns."""
    return [EXPRESSIONS[i] for i in request.expression.tolist()]


def method_rows(methods: list[Method], request: Request) -> dict[str, list[Face]]:
    """A row of edits for each method; None where it cannot make one."""
    rows = {}
    for method in methods:
        possible = method.understands(request.expression, request.action_units)
        edits = iter(method(request.select(possible))) if bool(possible.any()) else iter(())
        rows[method.name] = [next(edits) if known else None for known in possible.tolist()]
    return rows


# --------------------------------------------------------------------------------------------------------------------
# Choosing edits to show, by what is known before any is made and not by their looks


def choose(
    edits: Edits | TrueEdits,
    count: int,
    allowed: np.ndarray,
    preferred: np.ndarray,
    in_turn: Sequence[int] = EXPRESSIVE,
) -> np.ndarray:
    """Up to `count` of the allowed edits, preferred ones first: these expressions in turn, and people in turn."""
    left = np.flatnonzero(allowed).tolist()
    expressions, persons = edits.expressions.tolist(), edits.persons.tolist()
    chosen: list[int] = []
    while left and len(chosen) < count:
        wanted = in_turn[len(chosen) % len(in_turn)]
        used = [persons[row] for row in chosen]
        best = min(
            left, key=lambda row: (not preferred[row], expressions[row] != wanted, used.count(persons[row]), row)
        )
        left.remove(best)
        chosen.append(best)
    return np.array(chosen, dtype=int)


def choose_frontal(edits: Edits | TrueEdits, count: int) -> np.ndarray:
    """Up to `count` edits after expressive references; frontal pictures after frontal references come first."""
    turned = np.maximum(np.abs(edits.input_yaws), np.abs(edits.reference_yaws)) > FRONTAL
    return choose(edits, count, edits.expressions.numpy() != NEUTRAL, ~turned)


def profile(edits: Edits | TrueEdits) -> np.ndarray:
    """The mask (N,) of edits of faces turned to the side, after references at another angle or on the other side."""
    turned = np.minimum(np.abs(edits.input_yaws), np.abs(edits.reference_yaws)) > PROFILE
    other = np.abs(edits.input_yaws - edits.reference_yaws) > PROFILE / 2
    return turned & other & (edits.expressions.numpy() != NEUTRAL)


# --------------------------------------------------------------------------------------------------------------------
# The figures


def comparison(methods: list[Method], edits: Edits | TrueEdits, count: int = 10) -> Image.Image:
    """Figure 2: input, reference, each method; below, the truth or the same person's own picture."""
    rows = choose_frontal(edits, count)
    request = edits.request(rows)
    return panel(given(request) | method_rows(methods, request) | truth(edits, rows), wanted(request))


def ablation(models: dict[str, Method], edits: Edits | TrueEdits, count: int = 8) -> Image.Image:
    """Figure 3: input, reference, and the edits of each trained variant by its title, which may be of any size."""
    rows = choose_frontal(edits, count)
    request = edits.request(rows)
    side = request.image.shape[-1]
    made = {}
    for name, method in models.items():
        title = name if method.image_size == side else f"{name}, {method.image_size} px"
        made[title] = list(resize(method(request.resized(method.image_size)), side))
    return panel(given(request) | made | truth(edits, rows), wanted(request))


def turned_faces(methods: list[Method], edits: Edits | TrueEdits, count: int = 8) -> Image.Image | None:
    """Figure 5: faces turned to the side; None if there are none."""
    allowed = profile(edits)
    rows = choose(edits, count, allowed, allowed)
    if not len(rows):
        return None
    request = edits.request(rows)
    return panel(given(request) | method_rows(methods, request) | truth(edits, rows), wanted(request))


@torch.no_grad()
def imperfect_neutrals(leed: LEED, edits: Edits | TrueEdits, count: int = 8) -> Image.Image:
    """Figure 6: input, reference, their learned neutral faces and the edit; then both neutral faces imperfect, and the
    edits made with one or both of these."""
    rows = choose_frontal(edits, count)
    request = edits.request(rows).to(leed.device)
    pictures = {"input": request.image, "reference": request.reference}
    learned = {name: leed.neutralize(picture) for name, picture in pictures.items()}

    def neutral(name: str, share: float) -> list[Face]:
        return list(torch.lerp(learned[name], pictures[name], share))

    def edited(names: tuple[str, ...]) -> list[Face]:
        blended = dict.fromkeys(names, IMPERFECT_SHARE)
        return list(prepare(leed, request.image, request.reference, {}, "learned", blended)[0](1.0))

    faces = given(request)
    faces |= {f"neutral of {name}": neutral(name, 0.0) for name in pictures}
    faces["edit"] = edited(())
    faces |= {f"neutral of {name}, imperfect": neutral(name, IMPERFECT_SHARE) for name in pictures}
    faces |= {f"edit, {title} imperfect": edited(names) for title, names in IMPERFECT.items() if names}
    return panel(faces | truth(edits, rows), wanted(request))


@torch.no_grad()
def strengths(leed: LEED, edits: Edits | TrueEdits, count: int = 7) -> Image.Image:
    """Figure 7: each row an input, its edits at ALPHAS (beyond 1: extrapolated), and the reference."""
    rows = choose_frontal(edits, count)
    request = edits.request(rows).to(leed.device)
    prepared = leed.prepare(request.image, request.reference)
    made = [prepared(alpha) for alpha in ALPHAS]
    faces = {
        f"{i + 1}: {name}": [request.image[i], *(edit[i] for edit in made), request.reference[i]]
        for i, name in enumerate(wanted(request))
    }
    return panel(faces, ["input", *(f"alpha {alpha:g}" for alpha in ALPHAS), "reference"])


@dataclass(frozen=True)
class Photographs:
    """Aligned faces (N, 3, S, S) in [-1, 1] of photographs, and of references."""

    inputs: Tensor
    references: Tensor


@torch.no_grad()
def wild(leed: LEED, photographs: Photographs, a_row: int = 3) -> Image.Image:
    """Figure 8: triplets of input, reference and edit."""
    inputs, references = photographs.inputs.to(leed.device), photographs.references.to(leed.device)
    rows = side_by_side(inputs, references, leed.edit(inputs, references), a_row=a_row)
    return panel(rows, ["input", "reference", "edit"] * min(a_row, len(inputs)), group=3)


def gallery_photographs(size: int, count: int = 9) -> Photographs:
    """Portraits of the composite people of the gallery, found and aligned, and expressive faces of others of them.

    Raises `ValueError` if a portrait shows no face that is found.
    """
    faces = {(f.person, f.expression): f for f in gallery.faces(gallery.FRONTAL) if f.variant == 0}
    people = sorted({person for person, _ in faces})
    inputs, references = [], []
    for i, portrait in enumerate(gallery.portraits()[:count]):
        other = people[(people.index(portrait.stem) + OTHER_PERSON) % len(people)]
        expression = EXPRESSIONS[EXPRESSIVE[i % len(EXPRESSIVE)]]
        if (face := _aligned(portrait, size)) is None:
            raise ValueError(f"no face found in the gallery's {portrait.name}")
        inputs.append(face)
        references.append(to_tensor(faces[other, expression].open(), size))
    return Photographs(torch.cat(inputs), torch.cat(references))


def folder_photographs(folder: str, size: int, count: int = 9) -> Photographs:
    """Photographs of a folder of pictures, found and aligned, or of aligned everyday photographs (reader "wild").

    References are other photographs of the same folder, expressive ones where labels are known. Raises `ValueError`
    if there are fewer than two faces.
    """
    if guess_reader(folder) == "wild":
        return _everyday_photographs(folder, size, count)
    found = []
    for path in image_files(Path(folder)):
        if (face := _aligned(path, size)) is not None:
            found.append(face)
        if len(found) == count + 1:
            break
    if len(found) < 2:
        raise ValueError(f"{folder} must hold at least two photographs with faces that can be found, got {len(found)}")
    return Photographs(torch.cat(found[:-1]), torch.cat(found[1:]))


def _everyday_photographs(folder: str, size: int, count: int) -> Photographs:
    """Aligned everyday photographs: neutral ones, with expressive ones as references."""
    table = load_faces(folder, "wild", "test")
    labels = np.asarray(list(table["expression"]))
    pictures = encoded(table)

    def faces(marks: np.ndarray) -> list[Tensor]:
        rows = spread(np.flatnonzero(marks), count).tolist()
        return [normalize(decode(pictures[row]["image"], size)) for row in rows]

    pairs = list(zip(faces(labels == NEUTRAL), faces(labels > NEUTRAL), strict=False))
    return Photographs(*(torch.stack(column) for column in zip(*pairs, strict=True)))


def _aligned(path: Path, size: int) -> Tensor | None:
    """The largest face of a photograph, (1, 3, size, size); None, with a warning, if none is found."""
    photo = to_rgb(open_picture({"path": str(path), "bytes": None}))
    faces = find_faces(photo)
    if not faces:
        warnings.warn(f"no face found in {path}", stacklevel=2)
        return None
    return to_tensor(align(photo, faces[0], size)[0], size)
