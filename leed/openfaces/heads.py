"""A person ready to be drawn: the fitted head, its textures, and sheets of hair and neck around it."""

from dataclasses import dataclass

from leed.openfaces.arrays import Bytes, Floats, Integers
from leed.openfaces.posing import Pivot
from leed.openfaces.rasteriser import Mesh
from leed.openfaces.wrinkles import Wrinkles

SKIN, SHEET, HULL, EYE, NECK, SHEET_TURNED, NECK_IN_JAW, SKIN_TURNED = range(8)
"""The layers of a head's textures; heads turned by more than `drawing.NEARLY_FRONTAL` use those named so."""


@dataclass(frozen=True)
class Sheet:
    """A grid over the working frame with depth: hair and shoulders, or the back of the hair."""

    triangles: Integers  # (T, 3)
    points: Floats  # (G, 3) float32 [px]


@dataclass(frozen=True)
class Followers:
    """How the points of the grid follow the face: each its four nearest vertices, less with distance."""

    vertices: Integers  # (G, 4)
    weights: Floats  # (G, 4) float32


@dataclass(frozen=True)
class Head:
    """A person in the working frame [px, y down], all blendshape weights zero."""

    vertices: Floats  # (N, 3) float32, flattened behind the temples
    shape: Floats  # (N, 3) float32, as fitted: what light falls on
    scale: float  # px per cm
    expressions: Floats  # (53, N, 3) float32 [px]
    pivot: Pivot
    textures: Bytes  # (8, HEIGHT, WIDTH, 4), BGR and alpha; see the layers above
    places: Floats  # (N, 2) float32 of the vertices in the textures
    frontal: Mesh  # face, eyes and mouth
    turned: Mesh
    background: Floats  # (HEIGHT, WIDTH, 3) float32
    grid: Floats  # (G, 2) float32, places of the grid's points in the textures
    sheet: Sheet
    hull: Sheet
    followers: Followers  # of the sheet
    normals: Floats  # (n, 3) of the face
    cavity: Floats  # (n,) of the face [px]
    white: Floats  # (3,) BGR, of what is white in this light
    lid_travel: dict[str, float]  # how far the lids go in a blink, by the name of the blink; 1 is the model's
    wrinkles: list[Wrinkles]
    portrait: Bytes  # (HEIGHT, WIDTH, 3)
    errors: Floats  # of the fit [px]
