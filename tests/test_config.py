"""Settings: choices and ranges beside the fields; sizes that fit together."""

import math
from dataclasses import dataclass, fields
from typing import Literal

import pytest

from leed.config import TINY, ModelConfig, check_settings, replace, setting


@dataclass(frozen=True)
class Example:
    count: int = setting(3, "how many", least=1)
    rate: float = setting(0.5, "how fast", above=0, below=1, resume=True)
    decay: float = setting(0.5, "how slow", least=0, below=1)
    share: float = setting(0.5, "how much", least=0, most=1)
    limit: int | None = setting(None, "at most so many", least=1)
    kind: Literal["a", "b"] = setting("a", "which")
    other: Literal["a", "b"] | None = setting(None, "which, if any")
    plain: bool = True


def test_a_setting_carries_its_meaning() -> None:
    metadata = {field.name: field.metadata for field in fields(Example)}
    assert metadata["count"]["help"] == "how many" and metadata["count"]["least"] == 1
    assert metadata["rate"]["resume"] and not metadata["count"]["resume"]
    assert Example.count == 3


@pytest.mark.parametrize(
    "value", [{}, {"count": 1}, {"decay": 0}, {"share": 1}, {"limit": 1}, {"kind": "b"}, {"other": "b"}]
)
def test_settings_within_their_range_pass(value: dict) -> None:
    check_settings(Example(**value))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"count": 0}, "count must be at least 1, got 0"),
        ({"count": None}, "count must have a value"),
        ({"rate": 0.0}, r"rate must be in \(0, 1\), got 0"),
        ({"rate": math.nan}, "rate must be in"),
        ({"decay": 1.0}, r"decay must be in \[0, 1\), got 1"),
        ({"share": 1.5}, r"share must be in \[0, 1\], got 1.5"),
        ({"limit": 0}, "limit must be at least 1, got 0"),
        ({"kind": "c"}, r"kind must be one of \('a', 'b'\), got 'c'"),
        ({"kind": None}, "kind must have a value"),
        ({"other": "c"}, r"other must be one of \('a', 'b'\), got 'c'"),
    ],
)
def test_settings_outside_their_range_are_refused(value: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_settings(Example(**value))


def test_files_from_before_a_setting_stand_for_its_value_then() -> None:
    """They stay valid to the last byte of their digest, and a model with that value writes such a file."""
    values = TINY.to_dict()
    assert "flow_cells" not in values and ModelConfig.from_dict(values) == TINY
    finer = replace(TINY, flow_cells=4)
    assert finer.to_dict() == values | {"flow_cells": 4} and ModelConfig.from_dict(finer.to_dict()) == finer
    with pytest.raises(ValueError, match="missing keys \\['flow'\\]"):
        ModelConfig.from_dict({name: value for name, value in values.items() if name != "flow"})
    with pytest.raises(ValueError, match="flow_cells must be at most patch_size = 4, got 8"):
        replace(TINY, flow_cells=8)
