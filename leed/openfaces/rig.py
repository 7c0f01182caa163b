"""The face model with what drawing needs to know of its mesh: lips, lids, neck, and smoothed expressions."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix
from scipy.spatial import cKDTree

from leed.openfaces.arrays import Bytes, Flags, Floats, Integers
from leed.openfaces.face_model import FaceModel
from leed.openfaces.teeth import shade_of_teeth
from leed.openfaces.topology import adjacency, averaging, contours, enclosed

EYE_PARTS = ("left eyeball", "right eyeball")
IN_MOUTH, IN_EYE = 1, 2
"""Bits of the stencil: where parts inside the mouth, and eyeballs with their sockets, may be seen."""
STENCILS = {
    **dict.fromkeys(("mouth socket", "gums", "teeth"), IN_MOUTH),
    **dict.fromkeys((*EYE_PARTS, "left eye socket", "right eye socket"), IN_EYE),
}
DRAWN = ("face", "mouth socket", "left eye socket", "right eye socket", "gums", "teeth", *EYE_PARTS)
"""Parts in the order in which they are drawn."""

CREASED = ("cheekSquint", "mouthSmile", "noseSneer", "eyeSquint", "mouthUpperUp", "mouthDimple", "mouthStretch")
"""Expressions that the scans give a crease at the edge of what moves, at the outer cheek and the temple."""


@dataclass(frozen=True)
class Lip:
    """Vertices of a lip, from its outer contour over the contact line to the mouth's inside."""

    contact: Integers  # the contour on which the lips meet
    outer: Integers  # the contour between lip and skin
    vertices: Integers
    inside: Flags  # of `vertices`: whether a closed mouth hides it


@dataclass(frozen=True)
class Lids:
    """The opening of an eye."""

    upper: Integers  # contours
    lower: Integers
    rim: Integers  # vertices between the contours and the socket


@dataclass(frozen=True)
class Rig:
    """A face model ready to be posed and drawn."""

    model: FaceModel
    expressions: Floats  # (53, N, 3) float32, smoothed [cm]
    averaging: csr_matrix  # values at the face's vertices to means over their neighbours
    face: Integers  # triangles (T, 3) of the face alone
    head: Integers  # of face and head
    narrow: Integers  # of the face without ears and neck
    drawn: Integers  # of all parts in `DRAWN`
    drawn_part: Integers  # (T,) which part in `DRAWN`
    stencils: Bytes  # (T,)
    upper_lip: Lip
    lower_lip: Lip
    right_lids: Lids  # of the person's right eye, in the image's left
    left_lids: Lids
    neck: Floats  # (n,) of the face's vertices: 1 on the neck, 0 on face and skull
    folds: Floats  # (n,) how much folds darken, around nose and mouth alone
    teeth: Floats  # of the teeth's vertices: the share of light, less between two teeth

    @property
    def landmarks(self) -> Integers:
        """68 vertices in Multi-PIE's order."""
        return self.model.landmarks

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the 53 expressions."""
        return self.model.names

    @property
    def hidden_lips(self) -> Integers:
        """Vertices of both lips that a closed mouth hides."""
        return np.union1d(*(lip.vertices[lip.inside] for lip in (self.upper_lip, self.lower_lip)))

    @property
    def mouth(self) -> Integers:
        """The contour of the mouth's opening, around."""
        return np.r_[self.upper_lip.contact, self.lower_lip.contact[::-1]]

    @property
    def eyes(self) -> tuple[Lids, Lids]:
        """The image's left eye, then its right one."""
        return self.right_lids, self.left_lids


def opening(lids: Lids) -> Integers:
    """The contour of an eye's opening, around."""
    return np.r_[lids.upper, lids.lower[::-1]]


def build_rig(model: FaceModel) -> Rig:
    """The rig of a face model; takes seconds."""
    lines = contours(model)
    neighbours = adjacency(model.triangles[model.of_part("face")], model.layout.face_vertices)
    means = averaging(neighbours)
    narrow = model.triangles[model.polygon < model.layout.narrow_face].astype(np.int32)
    upper, lower = _lips(model, neighbours, lines)
    right, left = (_lids(model, neighbours, lines, side) for side in ("right", "left"))
    drawn_part = np.concatenate([np.full(model.of_part(part).sum(), k) for k, part in enumerate(DRAWN)])
    bits = np.array([STENCILS.get(part, 0) for part in DRAWN], np.uint8)
    hidden = np.union1d(upper.vertices[upper.inside], lower.vertices[lower.inside])
    nostrils = model.landmarks[31:36]
    fine = np.unique(np.r_[(*lines.values(), hidden, right.rim, left.rim, nostrils)])
    return Rig(
        model=model,
        expressions=_smoothed(model, means, fine, lines["upper lip, outer"]),
        averaging=means,
        face=model.triangles[model.of_part("face")].astype(np.int32),
        head=model.triangles[model.of_part("face", "head")].astype(np.int32),
        narrow=narrow,
        drawn=np.concatenate([model.triangles[model.of_part(part)] for part in DRAWN]).astype(np.int32),
        drawn_part=drawn_part,
        stencils=bits[drawn_part],
        upper_lip=upper,
        lower_lip=lower,
        right_lids=right,
        left_lids=left,
        neck=_neck(model, means, narrow),
        folds=_folds(model),
        teeth=_teeth(model),
    )


def _shared_with(model: FaceModel, part: str) -> set[int]:
    """The face's vertices that another part's triangles use, too."""
    face, other = (set(model.triangles[model.of_part(name)].ravel().tolist()) for name in ("face", part))
    return face & other


def _lips(model: FaceModel, neighbours: csr_matrix, lines: dict[str, Integers]) -> tuple[Lip, Lip]:
    """Both lips; what a closed mouth hides is reached from the mouth's inside without crossing a contact line."""
    contacts = lines["upper lip, inner"], lines["lower lip, inner"]
    hidden = enclosed(neighbours, _shared_with(model, "mouth socket"), set(np.concatenate(contacts).tolist()))
    to_upper, to_lower = (cKDTree(model.vertices[line[3:-3]]).query(model.vertices[hidden])[0] for line in contacts)
    of_upper = to_upper < to_lower
    upper = _lip(model, lines["upper lip, outer"], contacts[0], hidden, hidden[of_upper], side=1)
    lower = _lip(model, lines["lower lip, outer"], contacts[1], hidden, hidden[~of_upper], side=-1)
    return upper, lower


def _lip(model: FaceModel, outer: Integers, contact: Integers, hidden: Integers, inside: Integers, side: int) -> Lip:
    """A lip: what is visible lies between its contours; `side` is 1 for the upper and -1 for the lower lip."""
    x, y, z = model.vertices[: model.layout.face_vertices].T

    def row(line: Integers) -> Floats:
        order = np.argsort(x[line])
        return np.interp(x, x[line[order]], y[line[order]])

    within = (np.abs(x) < x[contact].max()) & (z > 9.5)
    visible = within & ((y - row(contact)) * side > -0.02) & ((y - row(outer)) * side < 0.01)
    visible[hidden] = False
    vertices = np.unique(np.r_[np.where(visible)[0], contact, outer, inside])
    return Lip(contact, outer, vertices, np.isin(vertices, inside))


def _lids(model: FaceModel, neighbours: csr_matrix, lines: dict[str, Integers], side: str) -> Lids:
    """The lids of the person's right or left eye."""
    upper, lower = lines[f"{side} upper lid"], lines[f"{side} lower lid"]
    border = set(np.concatenate([upper, lower]).tolist())
    return Lids(upper, lower, enclosed(neighbours, _shared_with(model, f"{side} eye socket"), border))


def _neck(model: FaceModel, means: csr_matrix, narrow: Integers) -> Floats:
    """How much each of the face's vertices belongs to the neck, from 0 to 1, with a soft edge."""
    x, y = _aside_and_up(model)
    in_narrow = np.zeros(len(x), bool)
    in_narrow[np.unique(narrow)] = True
    ear = (x > 7.6) & (y > -3.3)
    neck, free = ~in_narrow & (y < -2.5) & ~ear, ~in_narrow & (y < -2.0)
    weights = neck.astype(float)
    for _ in range(12):
        weights = np.where(free, np.where(neck, 0.5 * weights + 0.5 * (means @ weights), 0), 0)
    return np.clip(weights * 1.6, 0, 1)


def _folds(model: FaceModel) -> Floats:
    """How much folds darken (n,), around nose and mouth alone."""
    x, y = _aside_and_up(model)
    middle = np.clip((3.5 - x) / 0.7, 0, 1)
    return 0.22 * middle * np.clip((y + 4.2) / 0.8, 0, 1) * np.clip((1.2 - y) / 0.8, 0, 1)


def _teeth(model: FaceModel) -> Floats:
    """The share of light on each of the teeth's vertices."""
    teeth = model.layout.vertices_of("teeth")
    return shade_of_teeth(model.vertices[teeth], model.triangles[model.of_part("teeth")] - teeth.start)


def _aside_and_up(model: FaceModel) -> tuple[Floats, Floats]:
    """How far the face's vertices (n,) lie from the middle, and their heights [cm]."""
    vertices = model.vertices[: model.layout.face_vertices]
    return np.abs(vertices[:, 0]), vertices[:, 1]


def _smoothed(model: FaceModel, means: csr_matrix, fine: Integers, outer_lip: Integers) -> Floats:
    """The expressions, smoothed away from what is finely shaped: `fine` vertices stay as they are."""
    count = model.layout.face_vertices
    vertices = model.vertices[:count]
    moves = model.expressions[:, :count].astype(np.float64)
    distance = cKDTree(model.vertices[fine]).query(vertices)[0]
    coarse = np.clip((distance - 0.5) / 0.8, 0, 1)[None, :, None]
    for _ in range(3):
        moves = moves + coarse * (np.stack([means @ move for move in moves]) - moves)
    from_lips = cKDTree(model.vertices[outer_lip]).query(vertices)[0]
    beyond_lips = np.clip((from_lips - 0.5) / 1.2, 0, 1)[:, None]
    for name in ("mouthDimple_L", "mouthDimple_R"):
        _smooth(moves, model.names.index(name), means, beyond_lips, rounds=60)
    x, y = _aside_and_up(model)
    temples = np.clip(y / 0.8, 0, 1) * np.clip((x - 2.6) / 1.0, 0, 1) * np.clip((2.6 - y) / 0.6, 0, 1)
    temples = (temples * np.clip((distance - 0.35) / 0.8, 0, 1))[:, None]
    for k, name in enumerate(model.names):
        if name.partition("_")[0] in CREASED:
            _smooth(moves, k, means, temples, rounds=40)
    expressions = model.expressions.copy()
    expressions[:, :count] = moves
    return expressions


def _smooth(moves: Floats, k: int, means: csr_matrix, where: Floats, rounds: int) -> None:
    """Smooths one expression's moves in place, by weights (N, 1)."""
    for _ in range(rounds):
        moves[k] = moves[k] + where * (means @ moves[k] - moves[k])
