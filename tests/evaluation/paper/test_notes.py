"""The prose below tables."""

import pytest
from jinja2 import UndefinedError

from leed.evaluation.paper.notes import note

GIVEN = {
    "num_edits": 30,
    "num_people": 3,
    "num_real": 40,
    "extractor": "few features",
    "num_features": 27,
    "subsets": 100,
    "subset_size": 30,
    "num_true_edits": None,
    "num_other": 20,
    "num_half": 20,
    "unable": [],
    "shares": [],
    "action_units": "",
}


def test_a_note_has_no_gaps_and_says_what_holds() -> None:
    plain = note("table1", **GIVEN)
    assert plain.startswith("30 edits of 3 test people") and "  " not in plain and " ." not in plain
    assert "in the same pose. Brackets" in plain and "true edit" not in plain and "far too large" not in plain
    full = note("table1", **GIVEN | {"num_true_edits": 9, "unable": ["A", "B"], "shares": ["0.50 of C's"]})
    assert "in the same pose; and of 9 edits to the true edit, which is in the same pose. Brackets" in full
    assert "SSIM of A, B to the true edit is not measured" in full and "LEED's FID is 0.50 of C's (" in full
    assert "no more pictures than features (30)" in note("table1", **GIVEN | {"num_features": 30})


def test_notes_on_action_units() -> None:
    assert note("action_units", max_yaw=None, explained=None, unread=False) == ""
    found = note("action_units", max_yaw=30.0, explained=0.875, unread=False)
    assert "at most 30 degrees" in found and "(R^2 0.88 on test people)" in found
    assert "takes --evaluator and scikit-learn" in note("action_units", max_yaw=None, explained=None, unread=True)


def test_a_value_that_lacks_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="num_people"):
        note("table1", num_edits=3)
