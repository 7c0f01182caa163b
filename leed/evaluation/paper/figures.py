"""Figures 2 to 8 of the paper as pictures. Rows and columns are as there; a method that cannot make an edit leaves it
white."""

import csv
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from leed.config import EXPRESSIONS, NEUTRAL
from leed.data.faces import decode, encoded, load_faces, open_picture
from leed.data.readers.registry import guess_reader
from leed.evaluation import edits as ruler
from leed.evaluation.metrics import spread
from leed.evaluation.paper import imperfect
from leed.evaluation.paper.methods import Method, Request
from leed.evaluation.paper.plan import Edits, TrueEdits
from leed.images import INNER_CROP, image_files, normalize, resize, to_pil, to_rgb, to_tensor
from leed.model import LEED
from leed.photo.alignment import align
from leed.photo.detection import find_faces

ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
PROFILE = 30.0  # degrees from which a face counts as turned to the side
FRONTAL = 12.0
FONT_SIZE, TITLE_HEIGHT, PAD = 18, 26, 10  # of titles [px]; PAD lies between a title and its faces
GAP, GROUP_GAP = 3, 14  # between faces, and more between groups of them [px]
EXPRESSIVE = range(1, len(EXPRESSIONS))  # all but neutral
GALLERY = Path(__file__).parents[2] / "gallery"
Face = Tensor | None


def panel(
    rows: dict[str, list[Face]], columns: list[str] | None = None, group: int | None = None, titled: bool = True
) -> Image.Image:
    """Rows of faces (3, S, S) in [-1, 1], with their titles at the left if `titled`, and titles of columns above.

    None leaves a white field; after every `group` columns there is a wider gap. Faces narrower than the widest of the
    columns' titles stand further apart.
    """
    side = next(face.shape[-1] for row in rows.values() for face in row if face is not None)
    style = {"fill": "black", "font": ImageFont.load_default(FONT_SIZE)}
    margin = round(max(style["font"].getlength(title) for title in rows)) + PAD if titled else 0
    head = TITLE_HEIGHT if columns else 0
    widest = max((math.ceil(style["font"].getlength(title)) + GAP for title in columns or []), default=0)
    spare = max(widest - side, 0)  # beside a face, in its column

    def corner(i: int, j: int) -> tuple[int, int]:
        left = margin + spare // 2 + j * (side + spare + GAP) + (j // group * GROUP_GAP if group else 0)
        return left, head + i * (side + GAP)

    last = corner(len(rows) - 1, max(map(len, rows.values())) - 1)
    page = Image.new("RGB", (last[0] + side + spare // 2, last[1] + side), "white")
    draw = ImageDraw.Draw(page)
    for j, title in enumerate(columns or []):
        draw.text((corner(0, j)[0] + side / 2, head / 2), title, anchor="mm", **style)
    for i, (title, row) in enumerate(rows.items()):
        if titled:
            draw.text((margin - PAD, corner(i, 0)[1] + side / 2), title, anchor="rm", **style)
        for j, face in enumerate(row):
            if face is not None:
                page.paste(to_pil(face), corner(i, j))
    return page


def given(request: Request) -> dict[str, list[Face]]:
    """The rows that figures begin with."""
    return {"input": list(request.image), "reference": list(request.reference)}


def truth(edits: Edits | TrueEdits, rows: np.ndarray) -> dict[str, list[Face]]:
    """The row that figures end with: the true edits or, where there are none, the same people's own pictures."""
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
# Choosing edits to show: not by their looks, but by what is known before any is made


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
    """Edits after expressive references, those of frontal pictures after frontal ones first."""
    turned = np.maximum(np.abs(edits.input_yaws), np.abs(edits.reference_yaws)) > FRONTAL
    return choose(edits, count, edits.expressions.numpy() != NEUTRAL, ~turned)


def profile(edits: Edits | TrueEdits) -> np.ndarray:
    """Edits of faces turned to the side after references turned there by another angle, or to the other side."""
    turned = np.minimum(np.abs(edits.input_yaws), np.abs(edits.reference_yaws)) > PROFILE
    other = np.abs(edits.input_yaws - edits.reference_yaws) > PROFILE / 2
    return turned & other & (edits.expressions.numpy() != NEUTRAL)


# --------------------------------------------------------------------------------------------------------------------
# The figures


def side_by_side(methods: list[Method], edits: Edits | TrueEdits, count: int = 10) -> Image.Image:
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
    """Figure 6: input and reference, the learned neutral faces of both and the edit; then both neutral faces spoilt,
    and the edits made with one or both of these."""
    rows = choose_frontal(edits, count)
    request = edits.request(rows).to(leed.device)
    pictures = {"input": request.image, "reference": request.reference}
    learned = {name: leed.neutralize(picture) for name, picture in pictures.items()}

    def neutral(name: str, share: float) -> list[Face]:
        return list(torch.lerp(learned[name], pictures[name], share))

    def edited(names: tuple[str, ...]) -> list[Face]:
        spoilt = dict.fromkeys(names, SPOILT_SHARE)
        return list(ruler.prepare(leed, request.image, request.reference, {}, "learned", spoilt)[0](1.0))

    faces = given(request)
    faces |= {f"neutral of {name}": neutral(name, 0.0) for name in pictures}
    faces["edit"] = edited(())
    faces |= {f"neutral of {name}, spoilt": neutral(name, SPOILT_SHARE) for name in pictures}
    faces |= {f"edit, {title} spoilt": edited(names) for title, names in imperfect.SPOILT.items() if names}
    return panel(faces | truth(edits, rows), wanted(request))


SPOILT_SHARE = 0.5  # of the expressive picture that Figure 6 blends into neutral faces


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
    triplets = [list(triplet) for triplet in zip(inputs, references, leed.edit(inputs, references), strict=True)]
    lines = [sum(triplets[i : i + a_row], []) for i in range(0, len(triplets), a_row)]
    rows = {f"row {i}": line for i, line in enumerate(lines, start=1)}
    return panel(rows, ["input", "reference", "edit"] * min(a_row, len(triplets)), group=3, titled=False)


def gallery_photographs(size: int, count: int = 9) -> Photographs:
    """Portraits of the composite people of the gallery, found and aligned, and expressive faces of others of them.

    Raises `FileNotFoundError` where there is no gallery: it is part of a clone, not of the package.
    """
    with open(GALLERY / "faces" / "metadata.csv") as file:
        rows = [row for row in csv.DictReader(file) if row["camera"] == "090" and row["variant"] == "0"]
    faces = {(row["person"], row["expression"]): GALLERY / "faces" / row["file_name"] for row in rows}
    portraits = image_files(GALLERY / "portraits")[:count]
    people = sorted({row["person"] for row in rows})
    inputs, references = [], []
    for i, portrait in enumerate(portraits):
        other = people[(people.index(portrait.stem) + 3) % len(people)]
        with Image.open(faces[other, EXPRESSIONS[1 + i % (len(EXPRESSIONS) - 1)]]) as picture:
            crop = tuple(part * picture.width for part in INNER_CROP)
            references.append(to_tensor(picture.crop(tuple(round(edge) for edge in crop)), size))
        inputs.append(_aligned(portrait, size))
    return Photographs(torch.cat(inputs), torch.cat(references))


def folder_photographs(folder: str, size: int, count: int = 9) -> Photographs:
    """Photographs of a folder of pictures, found and aligned, or of aligned everyday photographs (reader "wild").

    References are other photographs of the same folder, expressive ones where labels are known. Raises `ValueError`
    if there are fewer than two faces.
    """
    if guess_reader(folder) == "wild":
        table = load_faces(folder, "wild", "test")
        labels = np.asarray(list(table["expression"]))
        inputs, references = (spread(np.flatnonzero(marks), count) for marks in (labels == NEUTRAL, labels > NEUTRAL))
        count = min(len(inputs), len(references))
        pictures = encoded(table)
        faces = [
            torch.stack([normalize(decode(pictures[int(row)]["image"], size)) for row in rows[:count]])
            for rows in (inputs, references)
        ]
        return Photographs(*faces)
    found = []
    for path in image_files(Path(folder)):
        if (face := _aligned(path, size)) is not None:
            found.append(face)
        if len(found) == count + 1:
            break
    if len(found) < 2:
        raise ValueError(f"{folder} must hold at least two photographs with faces that can be found, got {len(found)}")
    return Photographs(torch.cat(found[:-1]), torch.cat(found[1:]))


def _aligned(path: Path, size: int) -> Tensor | None:
    """The largest face of a photograph, (1, 3, size, size); None, with a warning, if none is found."""
    photo = to_rgb(open_picture({"path": str(path), "bytes": None}))
    faces = find_faces(photo)
    if not faces:
        warnings.warn(f"no face found in {path}", stacklevel=2)
        return None
    return to_tensor(align(photo, faces[0], size)[0], size)
