"""A rasteriser: textured triangles into a picture with depth, on one processor core, compiled by numba.

Pixel (x, y) is drawn where its centre, at whole numbers, lies in a triangle. Greater z is nearer.
"""

from dataclasses import dataclass

import numba as nb
import numpy as np

from leed.openfaces.arrays import Bytes, Floats, Integers

# Functions that numba compiles have no annotations: it infers the types.

NOWHERE = -1e9
"""The depth of a pixel on which nothing is drawn."""
EDGE = -1e-4
"""The least barycentric coordinate that counts as within a triangle: neighbours leave no gap."""


@dataclass(frozen=True)
class Mesh:
    """Triangles with what each is painted with."""

    triangles: Integers  # (T, 3)
    layers: Integers  # (T,) the texture of each triangle; -1 for its vertices' colours
    stencils: Bytes  # (T,) where a triangle may be seen: pixels of the stencil that share a bit with it; 0: anywhere

    @classmethod
    def of_layer(cls, triangles: Integers, layer: int) -> "Mesh":
        """Triangles that are all painted with one texture."""
        return cls(triangles, np.full(len(triangles), layer, np.int32), np.zeros(len(triangles), np.uint8))


@dataclass(frozen=True)
class Canvas:
    """What is drawn: BGR, premultiplied by nothing, in [0, 255]; alpha in [0, 1]; depth."""

    picture: Floats  # (H, W, 3) float32
    alpha: Floats  # (H, W) float32
    depth: Floats  # (H, W) float32

    @classmethod
    def empty(cls, side: int) -> "Canvas":
        """Nothing, on a square."""
        shape = (side, side)
        depth = np.full(shape, NOWHERE, np.float32)
        return cls(np.zeros((*shape, 3), np.float32), np.zeros(shape, np.float32), depth)

    def over(self, background: Floats) -> Floats:
        """The drawn picture over another (H, W, 3)."""
        result = background.copy()
        _composite(result, self.picture, self.alpha)
        return result


def draw(
    canvas: Canvas,
    mesh: Mesh,
    positions: Floats,
    places: Floats,
    textures: Bytes,
    *,
    light: Floats | None = None,
    colours: Floats | None = None,
    stencil: Bytes | None = None,
    smallest_alpha: float,
) -> None:
    """Draws a mesh on a canvas.

    Args:
        positions: (N, 3) float32 of the vertices: x and y in pixels, y down, and z.
        places: (N, 2) float32 of the vertices in their textures, in pixels.
        textures: (layers, H, W, 4), BGR and alpha.
        light: (N,) float32 factor of the colours, 1 if not given; below 1 skin becomes warmer.
        colours: (N, 3) float32 of the vertices that no texture paints.
        stencil: (H, W) bits that say where triangles with a stencil may be seen.
        smallest_alpha: Where a texture has less nothing is drawn; above 0.45 the rest is drawn opaque.
    """
    count = len(positions)
    _draw(
        mesh.triangles,
        mesh.layers,
        mesh.stencils,
        positions,
        places,
        np.ones(count, np.float32) if light is None else light,
        np.zeros((count, 3), np.float32) if colours is None else colours,
        textures,
        np.zeros((1, 1), np.uint8) if stencil is None else stencil,
        smallest_alpha,
        canvas.picture,
        canvas.alpha,
        canvas.depth,
    )


def draw_depth(triangles: Integers, positions: Floats, shape: tuple[int, int]) -> Floats:
    """The greatest z (H, W) float32 of triangles (T, 3) of vertices (N, 3) [px]; `NOWHERE` where there is none."""
    depth = np.full(shape, NOWHERE, np.float32)
    _draw_depth(triangles, positions.astype(np.float32), depth)
    return depth


@nb.njit(cache=True, fastmath=True, inline="always")
def _corners(u, v):
    """The pixel above and to the left of a place between pixels, and the shares of the four pixels around it."""
    x, y = int(u), int(v)
    right, down = u - x, v - y
    return x, y, (1 - right) * (1 - down), right * (1 - down), (1 - right) * down, right * down


@nb.njit(cache=True, fastmath=True, inline="always")
def _sample(textures, layer, channel, corners):
    """A channel of a layer of the textures between pixels, bilinear."""
    x, y, upper_left, upper_right, lower_left, lower_right = corners
    return (
        upper_left * textures[layer, y, x, channel]
        + upper_right * textures[layer, y, x + 1, channel]
        + lower_left * textures[layer, y + 1, x, channel]
        + lower_right * textures[layer, y + 1, x + 1, channel]
    )


@nb.njit(cache=True, inline="always")
def _shares(x, y, x1, y1, x2, y2, inverse):
    """Barycentric coordinates of a place, all relative to a triangle's first corner; `inverse` of twice its area."""
    second = (x * y2 - x2 * y) * inverse
    third = (x1 * y - x * y1) * inverse
    return 1.0 - second - third, second, third


@nb.njit(cache=True, fastmath=True, inline="always")
def _bounds(a, b, c, size):
    """The first and last pixel between three coordinates, within a picture of this size."""
    first = int(np.ceil(max(0.0, min(a, min(b, c))) - 0.001))
    last = int(np.floor(min(size - 1.0, max(a, max(b, c))) + 0.001))
    return first, last


@nb.njit(cache=True, fastmath=True, inline="always")
def _put(picture, y, x, blue, green, red, light, warm):
    """Paints a pixel; shadows of skin are warm: they darken red less than green and blue."""
    if warm and light < 1.0:
        shade = 1.0 - light
        picture[y, x, 0] = blue * (1.0 - 1.12 * shade)
        picture[y, x, 1] = green * (1.0 - 1.02 * shade)
        picture[y, x, 2] = red * (1.0 - 0.72 * shade)
    else:
        picture[y, x, 0] = blue * light
        picture[y, x, 1] = green * light
        picture[y, x, 2] = red * light


@nb.njit(cache=True, fastmath=True)
def _draw(
    triangles,
    layers,
    stencils,
    positions,
    places,
    light,
    colours,
    textures,
    stencil,
    smallest_alpha,
    picture,
    alpha,
    depth,
):
    height, width = depth.shape
    texture_height, texture_width = textures.shape[1], textures.shape[2]
    for m in range(triangles.shape[0]):
        i, j, k = triangles[m, 0], triangles[m, 1], triangles[m, 2]
        x0, y0, x1, y1 = positions[i, 0], positions[i, 1], positions[j, 0], positions[j, 1]
        x2, y2 = positions[k, 0], positions[k, 1]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if abs(area) < 1e-9:
            continue
        left, right = _bounds(x0, x1, x2, width)
        top, bottom = _bounds(y0, y1, y2, height)
        inverse, layer, needed = 1.0 / area, layers[m], stencils[m]
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                a, b, c = _shares(x - x0, y - y0, x1 - x0, y1 - y0, x2 - x0, y2 - y0, inverse)
                if a < EDGE or b < EDGE or c < EDGE:
                    continue
                if needed > 0 and (stencil[y, x] & needed) == 0:
                    continue
                z = a * positions[i, 2] + b * positions[j, 2] + c * positions[k, 2]
                if z <= depth[y, x]:
                    continue
                lit = a * light[i] + b * light[j] + c * light[k]
                if layer < 0:
                    opacity = 1.0
                    blue = a * colours[i, 0] + b * colours[j, 0] + c * colours[k, 0]
                    green = a * colours[i, 1] + b * colours[j, 1] + c * colours[k, 1]
                    red = a * colours[i, 2] + b * colours[j, 2] + c * colours[k, 2]
                else:
                    u = a * places[i, 0] + b * places[j, 0] + c * places[k, 0]
                    v = a * places[i, 1] + b * places[j, 1] + c * places[k, 1]
                    u, v = min(max(u, 0.0), texture_width - 1.01), min(max(v, 0.0), texture_height - 1.01)
                    corners = _corners(u, v)
                    opacity = _sample(textures, layer, 3, corners) / 255.0
                    if opacity < smallest_alpha:
                        continue
                    if smallest_alpha > 0.45:
                        opacity = 1.0
                    blue = _sample(textures, layer, 0, corners)
                    green = _sample(textures, layer, 1, corners)
                    red = _sample(textures, layer, 2, corners)
                depth[y, x] = z
                alpha[y, x] = opacity
                _put(picture, y, x, blue, green, red, lit, layer >= 0)


@nb.njit(cache=True)
def _composite(background, picture, alpha):
    height, width = alpha.shape
    for y in range(height):
        for x in range(width):
            share = alpha[y, x]
            if share > 0:
                for channel in range(3):
                    rest = background[y, x, channel] * (np.float32(1) - share)
                    background[y, x, channel] = rest + picture[y, x, channel] * share


@nb.njit(cache=True)
def _draw_depth(triangles, positions, depth):
    height, width = depth.shape
    for m in range(triangles.shape[0]):
        i, j, k = triangles[m, 0], triangles[m, 1], triangles[m, 2]
        x0, y0, x1, y1 = positions[i, 0], positions[i, 1], positions[j, 0], positions[j, 1]
        x2, y2 = positions[k, 0], positions[k, 1]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if abs(area) < 1e-9:
            continue
        left, right = int(max(0, np.ceil(min(x0, x1, x2)))), int(min(width - 1, np.floor(max(x0, x1, x2))))
        top, bottom = int(max(0, np.ceil(min(y0, y1, y2)))), int(min(height - 1, np.floor(max(y0, y1, y2))))
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                a, b, c = _shares(x - x0, y - y0, x1 - x0, y1 - y0, x2 - x0, y2 - y0, 1.0 / area)
                if a < EDGE or b < EDGE or c < EDGE:
                    continue
                z = a * positions[i, 2] + b * positions[j, 2] + c * positions[k, 2]
                if z > depth[y, x]:
                    depth[y, x] = z
