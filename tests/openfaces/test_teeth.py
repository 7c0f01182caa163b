"""The shade between teeth."""

import numpy as np

from leed.openfaces.teeth import DARKEST, shade_of_teeth

AROUND = 12


def tooth(middle, ahead):
    """A round pillar with a flat face each way, upright; its vertices (n, 3), triangles, and the face's directions."""
    angles = 2 * np.pi * np.arange(AROUND) / AROUND + np.arctan2(ahead[0], ahead[2])
    ring = np.c_[np.sin(angles), np.zeros(AROUND), np.cos(angles)]
    vertices = np.concatenate([ring * 0.4 + [0, y, 0] for y in (0.5, 0, -0.5)]) + middle
    triangles = []
    for row in range(2):
        for k in range(AROUND):
            a, b = row * AROUND + k, row * AROUND + (k + 1) % AROUND
            triangles += [(a, a + AROUND, b), (b, a + AROUND, b + AROUND)]
    return vertices, np.array(triangles), np.tile(ring, (3, 1))


def arch(places):
    """Teeth on a circle about (0, -3, 7), in two jaws; each faces away from its middle."""
    parts = [
        tooth(np.array([3 * np.sin(a), y, 7 + 3 * np.cos(a)]), (np.sin(a), 0, np.cos(a)))
        for y in (-2.0, -4.0)
        for a in places
    ]
    starts = np.cumsum([0, *(len(vertices) for vertices, *_ in parts)])
    vertices, directions = (np.concatenate([part[k] for part in parts]) for k in (0, 2))
    triangles = np.concatenate([part[1] + start for part, start in zip(parts, starts, strict=False)])
    outward = np.repeat([(np.sin(a), 0, np.cos(a)) for _ in range(2) for a in places], AROUND * 3, axis=0)
    return vertices, triangles, (directions * outward).sum(1)


def test_a_tooth_is_light_where_it_faces_and_dark_towards_the_next():
    """Around the whole arch, and as dark as it gets on the side that nobody sees."""
    vertices, triangles, facing = arch(np.linspace(-1.2, 1.2, 7))
    shade = shade_of_teeth(vertices, triangles)
    assert shade.shape == (len(vertices),) and shade.min() == DARKEST and shade.max() == 1
    assert shade[facing > 0.9].min() > 0.95
    assert shade[facing < 0.1].max() < DARKEST + 0.15
    assert np.corrcoef(facing.clip(0), shade)[0, 1] > 0.9


def test_a_tooth_alone_faces_the_viewer():
    vertices, triangles, _ = tooth(np.array([0.0, -2.0, 7.0]), (0, 0, 1))
    shade = shade_of_teeth(vertices, triangles)
    assert shade[vertices[:, 2].argmax()] == 1 and shade[vertices[:, 2].argmin()] == DARKEST
