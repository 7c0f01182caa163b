"""The rasteriser against answers known by hand."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="the rasteriser needs numba")

from leed.openfaces.rasteriser import NOWHERE, Canvas, Mesh, draw, draw_depth

RED, BLUE = (0, 0, 200), (200, 0, 0)
TRIANGLE = np.array([[0, 1, 2]], np.int32)


def picture_of(*corners, z=0.0):
    """Vertices (3, 3) at a depth."""
    return np.array([(*corner, z) for corner in corners], np.float32)


def textures(*colours, alpha=255):
    """Layers of one colour each, 8 x 8."""
    layers = np.zeros((len(colours), 8, 8, 4), np.uint8)
    for layer, colour in zip(layers, colours, strict=True):
        layer[...] = (*colour, alpha)
    return layers


def drawn(positions, mesh=None, *, places=None, layers=None, canvas=None, **options):
    """A canvas of 8 x 8 with a mesh, red if nothing else is said."""
    canvas = Canvas.empty(8) if canvas is None else canvas
    mesh = Mesh.of_layer(np.arange(len(positions), dtype=np.int32).reshape(-1, 3), 0) if mesh is None else mesh
    places = np.zeros((len(positions), 2), np.float32) if places is None else places
    layers = textures(RED) if layers is None else layers
    draw(canvas, mesh, positions, places, layers, **{"smallest_alpha": 0.1, **options})
    return canvas


def test_a_triangle_covers_the_pixels_whose_centres_lie_in_it():
    canvas = drawn(picture_of((1, 1), (5, 1), (1, 5)))
    rows, columns = np.mgrid[:8, :8]
    inside = (rows >= 1) & (columns >= 1) & (rows + columns <= 6)
    assert np.array_equal(canvas.alpha > 0, inside)
    assert (canvas.picture[inside] == RED).all() and not canvas.picture[~inside].any()


def test_a_triangle_that_turns_its_back_is_drawn_too_and_one_without_area_is_not():
    assert (
        drawn(picture_of((1, 1), (1, 5), (5, 1))).alpha.sum() == drawn(picture_of((1, 1), (5, 1), (1, 5))).alpha.sum()
    )
    assert not drawn(picture_of((1, 1), (3, 3), (5, 5))).alpha.any()


def test_what_lies_beyond_the_picture_is_cut_off():
    assert drawn(picture_of((-50, -50), (100, -50), (-50, 100))).alpha.all()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_nearer_triangle_hides_the_farther_in_either_order(order):
    far, near = picture_of((0, 0), (7, 0), (0, 7), z=1), picture_of((0, 0), (3, 0), (0, 3), z=2)
    pair = [(far, 0), (near, 1)]
    mesh = Mesh(np.arange(6, dtype=np.int32).reshape(2, 3), np.array(order, np.int32), np.zeros(2, np.uint8))
    canvas = drawn(np.concatenate([pair[k][0] for k in order]), mesh, layers=textures(RED, BLUE))
    assert tuple(canvas.picture[1, 1]) == BLUE and tuple(canvas.picture[5, 1]) == RED
    assert canvas.depth[1, 1] == 2 and canvas.depth[5, 1] == 1 and canvas.depth[7, 7] == np.float32(NOWHERE)


def test_depth_is_linear_across_a_triangle():
    positions = np.array([(0, 0, 0), (4, 0, 4), (0, 4, 8)], np.float32)
    depth = draw_depth(TRIANGLE, positions, (8, 8))
    assert np.allclose([depth[0, 0], depth[0, 2], depth[1, 1], depth[4, 0]], [0, 2, 3, 8])
    assert depth[7, 7] == np.float32(NOWHERE)


def test_a_texture_is_sampled_between_its_pixels():
    layers = textures((0, 0, 0))
    layers[0, ..., 0] = 10 * np.arange(8)  # blue grows to the right
    layers[0, ..., 1] = 20 * np.arange(8)[:, None]  # green grows down
    corners = np.array([(0, 0), (6, 0), (0, 6)], np.float32)
    canvas = drawn(picture_of(*corners), places=corners / 2 + 0.25, layers=layers)
    assert np.allclose(canvas.picture[2, 1], [7.5, 25, 0], atol=1e-4)  # at (0.75, 1.25) in the texture


def test_vertex_colours_mix_where_there_is_no_texture():
    mesh = Mesh(TRIANGLE, np.array([-1], np.int32), np.zeros(1, np.uint8))
    colours = np.array([(0, 0, 0), (80, 0, 0), (0, 0, 40)], np.float32)
    canvas = drawn(picture_of((0, 0), (4, 0), (0, 4)), mesh, colours=colours)
    assert np.allclose(canvas.picture[1, 1], [20, 0, 10], atol=1e-4)


def test_light_scales_and_shadows_of_skin_are_warm():
    for factor, expected in ((1.1, [110, 110, 110]), (0.5, [44, 49, 64])):
        light = np.full(3, factor, np.float32)
        canvas = drawn(picture_of((0, 0), (7, 0), (0, 7)), layers=textures((100, 100, 100)), light=light)
        assert np.allclose(canvas.picture[1, 1], expected, atol=1e-3)


def test_too_little_alpha_is_not_drawn_and_leaves_what_is_behind():
    canvas = drawn(picture_of((0, 0), (7, 0), (0, 7), z=1))
    drawn(picture_of((0, 0), (7, 0), (0, 7), z=2), layers=textures(BLUE, alpha=20), canvas=canvas)
    assert tuple(canvas.picture[1, 1]) == RED and canvas.depth[1, 1] == 1
    drawn(picture_of((0, 0), (7, 0), (0, 7), z=2), layers=textures(BLUE, alpha=51), canvas=canvas)
    assert tuple(canvas.picture[1, 1]) == BLUE and np.isclose(canvas.alpha[1, 1], 0.2)
    assert np.allclose(canvas.over(np.full((8, 8, 3), 100.0))[1, 1], [120, 80, 80])


def test_a_stencil_says_where_a_triangle_may_be_seen():
    stencil = np.zeros((8, 8), np.uint8)
    stencil[:2], stencil[2:] = 1, 2
    mesh = Mesh(TRIANGLE, np.array([0], np.int32), np.array([2], np.uint8))
    canvas = drawn(picture_of((0, 0), (7, 0), (0, 7)), mesh, stencil=stencil)
    assert not canvas.alpha[:2].any() and canvas.alpha[2:].any()
