"""A head of a few hundred vertices, shaped after the mean template of the gallery: nobody's, and quickly drawn.

Like the ICT face model it has lips that meet on a contact line and turn inwards, lids with a rim, sockets, gums, teeth
and eyeballs; its layout is its own.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from matplotlib.path import Path as Outline
from scipy.spatial import Delaunay, cKDTree

from leed import gallery
from leed.openfaces import correspondence
from leed.openfaces import templates as t
from leed.openfaces.arrays import Floats, Integers
from leed.openfaces.face_model import FaceModel, Layout
from leed.openfaces.presets import BLENDSHAPES

PORTRAITS = Path(gallery.__file__).parent / "portraits"
SCALE = 21.4  # px per cm
EYE_HEIGHT = 3.45  # [cm]
CORNERS = (-2, -3)
"""Points of the contact line that no template has: within the mouth's corners."""
LIPS = (*t.UPPER_LIP_OUTER, *t.LOWER_LIP_OUTER[-2:0:-1])
CONTACT = (CORNERS[0], *t.UPPER_LIP_INNER[1:-1], CORNERS[1], *t.LOWER_LIP_INNER[-2:0:-1])
EYES = tuple(
    (*u, *w[-2:0:-1]) for u, w in ((t.LEFT_UPPER_LID, t.LEFT_LOWER_LID), (t.RIGHT_UPPER_LID, t.RIGHT_LOWER_LID))
)
"""Points around the openings, clockwise from the image's left corner."""
POINT_OF_LANDMARK = {
    **dict(zip(range(17), (109, 110, 185, 111, *t.JAW, 114, 187, 113, 112), strict=True)),
    **dict(zip(range(17, 27), (*range(71, 76), *range(78, 83)), strict=True)),
    **dict(zip(range(27, 36), (51, 51, 52, 53, 64, 65, 55, 70, 69), strict=True)),
    **{landmark: points[0] for landmark, points in correspondence.LANDMARKS.items()},
    **{60: CORNERS[0], 64: CORNERS[1]},
}
SPACING = 1.1  # of the vertices that no template has [cm]
LONGEST_EDGE = 3.0  # [cm]; longer ones span the air beside the neck


@dataclass
class Mesh:
    """Vertices and triangles that grow."""

    vertices: list[Floats] = field(default_factory=list)
    triangles: list[Sequence[int]] = field(default_factory=list)
    ends: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add(self, points: Iterable[Floats]) -> list[int]:
        """The numbers of new vertices."""
        first = len(self.vertices)
        self.vertices += [np.array(point, np.float64) for point in points]
        return list(range(first, len(self.vertices)))

    def band(self, outer: Sequence[int], inner: Sequence[int]) -> None:
        """Triangles between two rings of as many vertices, both clockwise to a viewer."""
        for a, b, c, d in zip(outer, np.roll(outer, -1), inner, np.roll(inner, -1), strict=True):
            self.triangles += [(a, c, b), (b, c, d)]

    def bowl(self, ring: Sequence[int], depth: float) -> None:
        """A wider ring further back, and its middle."""
        points = np.array([self.vertices[k] for k in ring])
        middle = points.mean(0) - [0, 0, depth]
        back = self.add(middle + (points - points.mean(0)) * 1.2)
        self.band(ring, back)
        self.cap(back, middle)

    def cap(self, ring: Sequence[int], middle: Floats) -> None:
        """Triangles from a ring to its middle."""
        (last,) = self.add([middle])
        self.triangles += [(a, last, b) for a, b in zip(ring, np.roll(ring, -1), strict=True)]

    def end(self, part: str) -> None:
        """Ends a part."""
        self.ends[part] = (len(self.vertices), len(self.triangles))


@dataclass(frozen=True)
class MadeUpHead:
    """A model, the vertex of each point of a template, and what a rig should find in the model."""

    model: FaceModel
    correspondence: Integers  # (189,)
    of_point: dict[int, int]  # likewise, with the mouth's `CORNERS`
    hidden_lips: list[int]
    rims: list[list[int]]  # of the image's left eye and its right one


def made_up_head() -> MadeUpHead:
    """The head; the same each time."""
    places, mesh = _places(), Mesh()
    of_point = dict(zip(places, mesh.add(_raised(np.array(list(places.values())))), strict=True))
    narrow = _add_skin(mesh, places)
    contact, *openings = ([of_point[point] for point in ring] for ring in (CONTACT, *EYES))
    mesh.band([of_point[point] for point in LIPS], contact)
    hidden = _turned_in(mesh, contact, depth=0.9, rise=np.sign([0, *[1] * 5, 0, *[-1] * 5]) * 0.15)
    rims = [_turned_in(mesh, ring, depth=0.4, rise=np.zeros(len(ring))) for ring in openings]
    mesh.end("face")
    _add_inner_parts(mesh, hidden, rims)
    vertices, is_used = np.array(mesh.vertices), correspondence.load() >= 0
    model = FaceModel(
        vertices=vertices,
        triangles=np.array(mesh.triangles, np.int32),
        polygon=np.arange(len(mesh.triangles)),
        expressions=_expressions(mesh, of_point, rims),
        identities=_identities(vertices),
        landmarks=np.array([of_point[POINT_OF_LANDMARK[k]] for k in range(68)]),
        names=BLENDSHAPES,
        layout=Layout(mesh.ends, narrow_face=narrow),
    )
    vertex_of = np.array([of_point[k] if used else -1 for k, used in enumerate(is_used)])
    return MadeUpHead(model, vertex_of, of_point, hidden, rims)


def _places() -> dict[int, Floats]:
    """x and y [cm] of the template's points that have a vertex, and of the mouth's inner corners."""
    templates = [t.read_template(path) for path in sorted(PORTRAITS.glob("*.tem"))]
    mean = np.mean([t.transformed(t.to_working_frame(points), points) for points in templates], 0)
    centimetres = (mean - t.EYES) / SCALE * [1, -1] + [0, EYE_HEIGHT]
    places = {int(k): centimetres[k] for k in np.where(correspondence.load() >= 0)[0]}
    inwards = ((CORNERS[0], t.MOUTH_LEFT, 0.3), (CORNERS[1], t.MOUTH_RIGHT, -0.3))
    return places | {corner: places[point] + [shift, 0] for corner, point, shift in inwards}


def _raised(places: Floats) -> Floats:
    """Places (n, 2) with their depth on a smooth face: higher at the nose, further back at the sides and the neck."""
    x, y = places.T
    nose = 1.8 * np.exp(-((x / 1.1) ** 2) - ((y - 0.4) / 1.6) ** 2)
    depth = 11 - 0.13 * x**2 + nose - 0.05 * np.clip(y - 4, 0, None) ** 2 - 1.5 * np.clip(-7.8 - y, 0, None)
    return np.c_[places, depth]


def _add_skin(mesh: Mesh, places: dict[int, Floats]) -> int:
    """Adds a net over all of the face but its openings; returns how many triangles come before ears and neck."""
    points = np.array([vertex[:2] for vertex in mesh.vertices])
    x, y = (axis.ravel() for axis in np.meshgrid(np.arange(-8.8, 9, SPACING), np.arange(-12, 10, SPACING)))
    on_face = (np.hypot(x / 9.2, (y - 1.5) / 9.5) < 1) | ((np.abs(x) < 5.3) & (y < -5))
    openings = [np.array([places[point] for point in ring]) for ring in (LIPS, *EYES)]
    free = cKDTree(points).query(np.c_[x, y])[0] > 0.6 * SPACING
    free &= ~np.logical_or.reduce([Outline(ring).contains_points(np.c_[x, y]) for ring in openings])
    mesh.add(_raised(np.c_[x, y][on_face & free]))
    points = np.array([vertex[:2] for vertex in mesh.vertices])
    outer = np.array([k for k, point in enumerate(places) if point not in CONTACT])
    outer = np.r_[outer, len(places) : len(points)]
    net = outer[Delaunay(points[outer]).simplices]
    net = net[np.linalg.norm(points[net] - points[np.roll(net, 1, 1)], axis=2).max(1) < LONGEST_EDGE]
    middles = points[net].mean(1)
    net = net[~np.logical_or.reduce([Outline(ring).contains_points(middles) for ring in openings])]
    first, second = points[net[:, 1]] - points[net[:, 0]], points[net[:, 2]] - points[net[:, 0]]
    clockwise = first[:, 0] * second[:, 1] < first[:, 1] * second[:, 0]
    net[clockwise] = net[clockwise][:, ::-1]
    middles = points[net].mean(1)
    narrow = (np.abs(middles[:, 0]) < 7) & (middles[:, 1] > -7.8)
    mesh.triangles += [tuple(triangle) for triangle in np.r_[net[narrow], net[~narrow]].tolist()]
    return int(narrow.sum())


def _turned_in(mesh: Mesh, ring: Sequence[int], depth: float, rise: Floats) -> list[int]:
    """A ring behind another one, joined to it: of each point by `depth` behind and by `rise` above [cm]."""
    points = np.array([mesh.vertices[k] for k in ring])
    points[:, 0] = points[:, 0].mean() + (points[:, 0] - points[:, 0].mean()) * 0.95
    turned = mesh.add(points + np.c_[np.zeros(len(ring)), rise, np.full(len(ring), -depth)])
    mesh.band(ring, turned)
    return turned


def _add_inner_parts(mesh: Mesh, hidden: Sequence[int], rims: Sequence[Sequence[int]]) -> None:
    """Adds the other parts: skull, sockets, gums, teeth, eyeballs; "left" is the person's."""
    right, left = rims
    mesh.cap(mesh.add(_ellipse((0, 1.5, -3), 10.5, 12.5, 16)), np.array([0, 1.5, -8]))
    mesh.end("head")
    for part, ring, depth in (
        ("mouth socket", hidden, 5),
        ("left eye socket", left, 2),
        ("right eye socket", right, 2),
    ):
        mesh.bowl(ring, depth)
        mesh.end(part)
    for part, rows in (("gums", ((-2, -2.7), (-4.3, -5))), ("teeth", ((-2.7, -3.5), (-3.55, -4.3)))):
        for top, bottom in rows:
            x = np.linspace(-1.8, 1.8, 7)
            upper, lower = (mesh.add(np.c_[x, np.full(7, y), 9.8 - 0.13 * x**2]) for y in (top, bottom))
            for k in range(6):
                mesh.triangles += [(upper[k], lower[k], upper[k + 1]), (upper[k + 1], lower[k], lower[k + 1])]
        mesh.end(part)
    for part, rim in (("left eyeball", left), ("right eyeball", right)):
        middle = np.mean([mesh.vertices[k] for k in rim], 0)
        mesh.cap(mesh.add(_ellipse((*middle[:2], 8.4), 1.4, 1.3, 12)), np.array([*middle[:2], 9.3]))
        mesh.end(part)


def _ellipse(middle: Sequence[float], width: float, height: float, count: int) -> Floats:
    """Points (count, 3) on an ellipse by its half axes, clockwise."""
    angles = -np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.c_[width * np.cos(angles), height * np.sin(angles), np.zeros(count)] + middle


def _expressions(mesh: Mesh, of_point: dict[int, int], rims: Sequence[Sequence[int]]) -> Floats:
    """Moves (53, N, 3) [cm]: the jaw opens by 2 cm, lids close, mouth's corners rise; the others do nothing."""
    vertices = np.array(mesh.vertices)
    moves = np.zeros((len(BLENDSHAPES), len(vertices), 3), np.float32)
    x, y, z = vertices.T
    below = np.clip((-3.4 - y) / 0.8, 0, 1) * np.clip((y + 11) / 2, 0, 1) * (z > 0)
    below[[of_point[k] for k in t.LOWER_LIP_INNER[1:-1]]] = 1
    below[[of_point[k] for k in t.LOWER_LIP_OUTER[1:-1]]] = 1
    hidden = slice(mesh.ends["face"][0] - 2 * 8 - 12, mesh.ends["face"][0] - 2 * 8)
    below[hidden] = [0, *[0] * 5, 0, *[1] * 5]
    moves[BLENDSHAPES.index("jawOpen"), :, 1] = -2 * below
    for name, ring, rim in zip(("eyeBlink_R", "eyeBlink_L"), EYES, rims, strict=True):
        for upper, lower in ((1, 7), (2, 6), (3, 5)):
            down = y[of_point[ring[lower]]] - y[of_point[ring[upper]]]
            moves[BLENDSHAPES.index(name), [of_point[ring[upper]], rim[upper]], 1] = down
    for name, point in (("mouthSmile_R", t.MOUTH_LEFT), ("mouthSmile_L", t.MOUTH_RIGHT)):
        corner = vertices[of_point[point]]
        share = np.exp(-(((vertices - corner) / 1.2) ** 2).sum(1))
        moves[BLENDSHAPES.index(name)] = share[:, None] * [0.4 * np.sign(corner[0]), 0.6, 0]
    return moves


def _identities(vertices: Floats, count: int = 6) -> Floats:
    """Smooth changes of shape (count, N, 3) [cm]."""
    rng = np.random.default_rng(3)
    waves = [np.sin(vertices @ rng.normal(0, 0.15, (3, 3)) + rng.uniform(0, 6, 3)) for _ in range(count)]
    return 0.1 * np.stack(waves).astype(np.float32)
