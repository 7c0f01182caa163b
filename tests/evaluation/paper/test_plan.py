"""The edits that are made."""

import numpy as np
import pytest
from samples import FewFaces

from leed.evaluation.paper.plan import Edits, plan_edits


def test_planned_edits() -> None:
    faces = FewFaces(3, [0, 1, 2, -1], [-45.0, 0.0])
    edits = plan_edits(faces, 10_000)
    pairs = list(zip(edits.inputs.tolist(), edits.references.tolist(), strict=True))
    # Each of 18 labelled pictures, with either other expression, after either of two others' two pictures.
    assert len(pairs) == len(set(pairs)) == 18 * 2 * 4
    assert (faces.persons[edits.inputs] != faces.persons[edits.references]).all()
    assert (faces.expressions[edits.inputs] != faces.expressions[edits.references]).all()
    assert (faces.expressions[edits.inputs] >= 0).all() and (edits.expressions.numpy() >= 0).all()
    first = {(i, int(e)) for i, e in zip(edits.inputs[:36], edits.expressions[:36], strict=True)}
    assert len(first) == 36  # every picture with every expression, before any anew
    fewer = plan_edits(faces, 20)
    assert fewer.content.tolist() == edits.content[:20].tolist()
    frontal = plan_edits(faces, 50, faces.yaws == 0)
    assert (frontal.reference_yaws == 0).all() and (frontal.input_yaws == 0).all()
    with pytest.raises(ValueError, match="no edit can be made of 2 labelled pictures of 1 people"):
        plan_edits(FewFaces(1, [0, 1], [0.0]), 5)


def test_own_pictures_are_the_nearest_in_pose() -> None:
    faces = FewFaces(2, [0, 1], [-45.0, 0.0, 45.0])  # rows: person * 6 + expression * 3 + yaw
    edits = Edits(faces, inputs=np.array([0, 1, 2]), references=np.array([9, 9, 9]))
    assert edits.own.tolist() == [3, 4, 5]
    faces.expressions[3:6] = 2
    assert Edits(faces, np.array([0]), np.array([9])).own.tolist() == [-1]
