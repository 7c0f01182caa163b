"""Drawing a head: background, back of the hair, sheet of hair and neck, then face, eyes and mouth."""

from typing import NamedTuple

import cv2
import numpy as np

from leed.openfaces import heads, wrinkles
from leed.openfaces.arrays import Bytes, Floats
from leed.openfaces.deformation import deformed, lip_places, parting
from leed.openfaces.heads import Head, Sheet
from leed.openfaces.masks import polygon, square
from leed.openfaces.posing import CROP, EYE_ROW, Pose, crop_corner, posed
from leed.openfaces.rasteriser import Canvas, Mesh, draw
from leed.openfaces.rig import EYE_PARTS, IN_EYE, IN_MOUTH, Rig, opening
from leed.openfaces.shading import mouth_colours, skin_light
from leed.openfaces.templates import EYES

SIZE, LARGE_SIZE = 256, 512
"""Sides of the pictures; both show the same crop. Each is drawn twice as large, and averaged."""
NEARLY_FRONTAL = 0.15  # yaw [rad]


class Drawing(NamedTuple):
    """A picture (size, size, 3) in BGR, and the 68 landmarks (x, y) in pixels of a picture of 256."""

    picture: Bytes
    landmarks: Floats


class View(NamedTuple):
    """From where a picture is taken, and how large it is drawn."""

    pose: Pose
    corner: Floats  # (2,) of the crop, in the working frame
    zoom: int  # pixels of the canvas per pixel of the working frame

    @property
    def side(self) -> int:
        """The canvas's side."""
        return CROP * self.zoom

    @property
    def is_turned(self) -> bool:
        """Whether the sides of the head are seen."""
        return abs(self.pose.radians[0]) >= NEARLY_FRONTAL

    def place(self, head: Head, points: Floats) -> Floats:
        """Points (N, 3) of the working frame, posed, on the canvas; float32."""
        placed = posed(head.pivot, points.astype(np.float64), self.pose)
        placed[:, :2] *= self.zoom
        placed[:, :2] -= self.corner * self.zoom
        return placed


def draw_head(
    rig: Rig, head: Head, weights: Floats, pose: Pose, size: int = SIZE, shaded_teeth: bool = False
) -> Drawing:
    """Draws a head with blendshape weights (53,) at a pose, as a picture of `SIZE` or `LARGE_SIZE`.

    Without `shaded_teeth` a row of teeth is one white bar, as in all pictures of the published set.
    """
    vertices = deformed(rig, head, weights)
    moves = vertices - head.vertices
    view = View(pose, crop_corner(head.pivot, head.vertices[rig.landmarks], pose), size // SIZE)
    out = _background(head, view)
    if view.is_turned:
        dark = np.full(len(head.grid), 0.92, np.float32)
        out = _sheet(head, view, head.hull, heads.HULL, smallest_alpha=0.5, light=dark).over(out)
    followed = np.einsum("nk,nkc->nc", head.followers.weights, moves[head.followers.vertices])
    sheet = Sheet(head.sheet.triangles, head.sheet.points + followed)
    layer = heads.SHEET_TURNED if view.is_turned else heads.SHEET
    out = _sheet(head, view, sheet, layer, smallest_alpha=0.06).over(out)
    strengths = wrinkles.amounts(rig.names, weights)
    with wrinkles.wrinkled(head.textures[heads.SKIN], head.wrinkles, strengths):
        out = _face(rig, head, view, vertices, moves, shaded_teeth).over(out)
    picture = cv2.resize(out, (size, size), interpolation=cv2.INTER_AREA)
    landmarks = (posed(head.pivot, vertices[rig.landmarks].astype(np.float64), pose)[:, :2] - view.corner) / 2
    return Drawing(np.clip(picture + 0.5, 0, 255).astype(np.uint8), landmarks)


def _background(head: Head, view: View) -> Floats:
    """The background, which does not move with the head."""
    zoom = view.zoom
    shift = [-(EYES[0] - CROP / 2) * zoom, -(EYES[1] - CROP * EYE_ROW) * zoom]
    transform = np.array([[zoom, 0, shift[0]], [0, zoom, shift[1]]], np.float32)
    size = (view.side, view.side)
    return cv2.warpAffine(head.background, transform, size, borderMode=cv2.BORDER_REPLICATE)


def _sheet(
    head: Head, view: View, sheet: Sheet, layer: int, smallest_alpha: float, light: Floats | None = None
) -> Canvas:
    """A sheet, painted with one layer of the textures."""
    canvas = Canvas.empty(view.side)
    draw(
        canvas,
        Mesh.of_layer(sheet.triangles, layer),
        view.place(head, sheet.points),
        head.grid,
        head.textures,
        light=light,
        smallest_alpha=smallest_alpha,
    )
    return canvas


def _face(rig: Rig, head: Head, view: View, vertices: Floats, moves: Floats, shaded_teeth: bool) -> Canvas:
    """Face, eyes and the mouth's inside."""
    canvas = Canvas.empty(view.side)
    gap = parting(rig, head, vertices)
    placed = view.place(head, vertices)
    stencil = _stencil(rig, view, placed)
    first, last = map(rig.model.layout.vertices_of, EYE_PARTS)
    eyes = slice(first.start, last.stop)
    placed[eyes, 2] -= 0.6  # behind the lids, also where these are thin
    draw(
        canvas,
        head.turned if view.is_turned else head.frontal,
        placed,
        lip_places(rig, head, gap),
        head.textures,
        light=skin_light(rig, head, moves),
        colours=mouth_colours(rig, head, vertices, gap, shaded_teeth),
        stencil=stencil,
        smallest_alpha=0.12 if view.is_turned else 0.3,
    )
    return canvas


def _stencil(rig: Rig, view: View, placed: Floats) -> Bytes:
    """Where on the canvas the mouth's inside and the eyeballs may be seen: their openings, a little wider."""
    stencil = np.zeros((view.side, view.side), np.uint8)
    for contour, bit in ((rig.mouth, IN_MOUTH), *((opening(lids), IN_EYE) for lids in rig.eyes)):
        mask = polygon(placed[contour, :2], stencil.shape)
        stencil[cv2.dilate(mask, square(5 * view.zoom)) > 0] |= bit
    return stencil
