"""What a rig finds in a mesh: lips, lids, neck; on a head that is made up."""

import numpy as np
import pytest
from made_up_head import CORNERS, made_up_head

from leed.openfaces import templates as t
from leed.openfaces.rig import DRAWN, IN_EYE, IN_MOUTH, build_rig


@pytest.fixture(scope="module")
def head():
    return made_up_head()


@pytest.fixture(scope="module")
def rig(head):
    return build_rig(head.model)


def test_a_layout_tells_parts_apart(head):
    layout, triangles = head.model.layout, head.model.triangles
    assert layout.vertices_of("face") == slice(0, layout.face_vertices)
    assert layout.vertices_of("head").start == layout.face_vertices
    teeth = triangles[head.model.of_part("teeth")]
    assert np.unique(teeth).tolist() == list(range(*layout.vertices_of("teeth").indices(10**6)))
    assert head.model.of_part(*layout.ends).all()
    assert head.model.of_part("face", "teeth").sum() == layout.ends["face"][1] + len(teeth)


def test_lips_meet_on_their_contact_lines_and_hide_what_turns_inwards(head, rig):
    for lip, outer, inner in (
        (rig.upper_lip, t.UPPER_LIP_OUTER, t.UPPER_LIP_INNER),
        (rig.lower_lip, t.LOWER_LIP_OUTER, t.LOWER_LIP_INNER),
    ):
        contact = (t.MOUTH_LEFT, CORNERS[0], *inner[1:-1], CORNERS[1], t.MOUTH_RIGHT)
        assert lip.outer.tolist() == [head.of_point[point] for point in outer]
        assert lip.contact.tolist() == [head.of_point[point] for point in contact]
    assert rig.hidden_lips.tolist() == sorted(head.hidden_lips)
    assert set(head.hidden_lips[2:5]) <= set(rig.upper_lip.vertices[rig.upper_lip.inside])
    assert set(head.hidden_lips[8:11]) <= set(rig.lower_lip.vertices[rig.lower_lip.inside])


def test_each_eye_has_the_rim_between_its_lids_and_its_socket(head, rig):
    assert [lids.rim.tolist() for lids in rig.eyes] == [sorted(rim) for rim in head.rims]
    assert rig.right_lids.upper.tolist() == [head.of_point[point] for point in t.LEFT_UPPER_LID]


def test_the_neck_lies_below_the_jaw(head, rig):
    x, y, _ = head.model.vertices[: len(rig.neck)].T
    assert rig.neck[(y < -9.5) & (abs(x) < 4)].min() > 0.9 and rig.neck[y > -2].max() == 0


def test_openings_limit_where_eyes_and_the_mouth_are_seen(rig):
    stencil = {part: set(rig.stencils[rig.drawn_part == DRAWN.index(part)]) for part in DRAWN}
    assert stencil["face"] == {0} and stencil["teeth"] == {IN_MOUTH} and stencil["left eyeball"] == {IN_EYE}
