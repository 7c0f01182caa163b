"""Answers to the page's events."""

import pytest

from leed.demo import actions, callbacks
from leed.demo.texts import DOUBTS


def test_a_doubtful_photo_or_reference_is_reported(no_worker: None, monkeypatch: pytest.MonkeyPatch):
    portrait, other = (str(callbacks.example_people()[number][0]) for number in (0, 1))
    *_, message, _ = callbacks.show(portrait, 0, other, 1.0, False, 0)
    assert not message.visible
    actions.expression_remains.cache_clear()
    monkeypatch.setattr(actions, "SETTLED", 1.1)  # as if nothing were neutral enough
    *_, message, _ = callbacks.show(portrait, 0, other, 1.0, False, 0)
    assert message.visible and DOUBTS["photo"] in message.value and DOUBTS["reference"] in message.value
    *_, message, _ = callbacks.show(portrait, 0, None, 1.0, False, 0)
    assert message.visible and DOUBTS["reference"] not in message.value
    actions.expression_remains.cache_clear()
