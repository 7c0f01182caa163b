"""The grids around a head: where hair, shoulders and the back of the hair are in depth."""

import cv2
import numpy as np
from scipy.spatial import cKDTree

from leed.openfaces import templates as t
from leed.openfaces.arrays import Bytes, Floats, Integers
from leed.openfaces.heads import Followers, Sheet
from leed.openfaces.masks import blurred, fill, square
from leed.openfaces.posing import DEPTH_KEPT
from leed.openfaces.rasteriser import NOWHERE
from leed.openfaces.regions import ROWS, Regions

GRID = 8  # between the points of the grid [px]
DEEPEST = 190 * DEPTH_KEPT  # of the back of the hair behind its outline [px]


def grid_points() -> tuple[Floats, Integers]:
    """The points (G, 2) of a grid over the working frame, and its triangles (T, 3)."""
    x, y = np.meshgrid(np.arange(0, t.WIDTH + GRID, GRID), np.arange(0, t.HEIGHT + GRID, GRID))
    x, y = np.minimum(x, t.WIDTH - 1), np.minimum(y, t.HEIGHT - 1)
    index = np.arange(x.size).reshape(x.shape)
    upper = np.stack([index[:-1, :-1], index[1:, :-1], index[:-1, 1:]], -1).reshape(-1, 3)
    lower = np.stack([index[1:, :-1], index[1:, 1:], index[:-1, 1:]], -1).reshape(-1, 3)
    return np.stack([x.ravel(), y.ravel()], -1), np.concatenate([upper, lower]).astype(np.int32)


def sheet_of(depth: Floats, alpha: Bytes) -> Sheet:
    """A sheet of some depth (H, W), where its texture has any alpha (H, W)."""
    points, triangles = grid_points()
    near = cv2.dilate(alpha, square(2 * GRID + 1))
    first = points[triangles[:, 0]]
    seen = near[first[:, 1], first[:, 0]] > 8
    raised = np.c_[points, depth[points[:, 1], points[:, 0]]]
    return Sheet(triangles[seen], raised.astype(np.float32))


def sheet_depth(regions: Regions, ear_depth: float) -> Floats:
    """Depth (H, W) of hair and shoulders: a little behind the head, and at the ears' depth or less from them down."""
    limit = ear_depth + np.clip((regions.ears - 40 - ROWS) / 140, 0, 1) * 400
    on_head = cv2.erode((regions.head_depth > NOWHERE).astype(np.uint8), square(5)).astype(np.float32)
    depth = np.where(on_head > 0, np.minimum(regions.head_depth, limit), 0)
    return blurred(fill(depth, on_head), 4) - 4


def hull_depth(regions: Regions, sheet: Floats) -> Floats:
    """Depth (H, W) of the back of the hair: bulging back from the outline of the head's sheet."""
    head = ((regions.alpha > 0.5) & (ROWS < regions.chin + 20)).astype(np.uint8)
    within = cv2.distanceTransform(np.pad(head, 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    across = np.clip(within / 150.0, 0, 1)
    bulge = DEEPEST * np.sqrt(1 - (1 - across) ** 2)
    outline = (head > 0) & (within < 14) & (cv2.erode(regions.on_face, square(5)) == 0)
    edge = blurred(fill(sheet, outline.astype(np.float32)), 10)
    return edge + 6 - blurred(bulge.astype(np.float32), 6)


def followers_of(points: Floats, vertices: Floats, visible: Integers) -> Followers:
    """How points (G, 2) follow the four nearest of the `visible` vertices; 45 px away hardly."""
    distance, nearest = cKDTree(vertices[visible, :2]).query(points, 4)
    weights = 1 / (distance + 2.0)
    weights = weights / weights.sum(1, keepdims=True) * np.exp(-((distance[:, :1] / 45.0) ** 2))
    return Followers(visible[nearest].astype(np.int32), weights.astype(np.float32))
