"""Lips: small gaps close, wide ones stay, and lips do not pass through each other."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("numba", reason="heads have meshes of the rasteriser")

from leed.openfaces.deformation import SEALED, deformed, parting
from leed.openfaces.rig import Lip

COUNT, SCALE = 9, 20.0


def lip(first):
    """A lip of nine vertices on the contact line and nine on the outer contour."""
    contact, outer = np.arange(first, first + COUNT), np.arange(first + COUNT, first + 2 * COUNT)
    return Lip(contact, outer, np.r_[contact, outer], np.zeros(2 * COUNT, bool))


@pytest.fixture
def mouth():
    """A rig of two lips that meet, and a head with expressions that open and close them."""
    x = np.linspace(400, 500, COUNT)
    rows = [np.full(COUNT, y) for y in (500.0, 485.0, 500.0, 515.0)]
    vertices = np.concatenate([np.c_[x, row, np.zeros(COUNT)] for row in rows]).astype(np.float32)
    opening = np.zeros((2, 4 * COUNT, 3), np.float32)
    opening[0, 2 * COUNT :, 1] = SCALE  # by a centimetre
    rig = SimpleNamespace(names=("jawOpen", "eyeBlink_L"), upper_lip=lip(0), lower_lip=lip(2 * COUNT))
    return rig, SimpleNamespace(vertices=vertices, expressions=opening, scale=SCALE, lid_travel={"eyeBlink_L": 0.5})


def gap_of(rig, head, weight):
    return parting(rig, head, deformed(rig, head, np.array([weight, 0], np.float32))) / SCALE


def test_the_neutral_face_stays_as_it_is(mouth):
    rig, head = mouth
    assert np.array_equal(deformed(rig, head, np.zeros(2, np.float32)), head.vertices)


def test_small_gaps_close_and_wide_ones_stay(mouth):
    assert np.abs(gap_of(*mouth, SEALED * 0.9)).max() < 1e-3
    assert np.allclose(gap_of(*mouth, 4 * SEALED), 4 * SEALED, atol=1e-3)
    assert 0 < gap_of(*mouth, 2 * SEALED).max() < 2 * SEALED


def test_lips_that_would_pass_through_each_other_meet(mouth):
    rig, head = mouth
    vertices = deformed(rig, head, np.array([-0.5, 0], np.float32))
    upper, lower = (vertices[lip.contact, 1] for lip in (rig.upper_lip, rig.lower_lip))
    assert np.allclose(upper, lower, atol=1e-3)


def test_a_blink_goes_as_far_as_the_persons_lids_are_apart(mouth):
    rig, head = mouth
    head.expressions[1, 0, 2] = 10
    assert np.isclose(deformed(rig, head, np.array([0, 1], np.float32))[0, 2], 5)
