"""Contact sheets go to whichever tracker there is."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from accelerate import Accelerator
from PIL import Image

from leed.training.validation import log_picture

SHEET = Image.new("RGB", (3, 2), "red")

pytestmark = pytest.mark.usefixtures("fresh_accelerator")


def sent(tracker: str) -> tuple[dict, dict]:
    """What `log_picture` sends to a tracker: its values and its options."""
    calls = []

    def record(values: dict, **options: object) -> None:
        calls.append((values, options))

    accelerator = Accelerator()
    accelerator.trackers = [SimpleNamespace(name=tracker, log_images=record, log=record)]
    log_picture(accelerator, "leed/validation/sheet", SHEET, 7)
    assert len(calls) == 1 and calls[0][1]["step"] == 7
    return calls[0]


def test_tensorboard_gets_an_array() -> None:
    values, options = sent("tensorboard")
    assert options["dataformats"] == "NHWC"
    assert np.array_equal(values["leed/validation/sheet"], np.asarray(SHEET)[None])


def test_wandb_gets_a_list_of_pictures() -> None:
    assert sent("wandb")[0] == {"leed/validation/sheet": [SHEET]}


def test_trackio_gets_a_picture_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trackio", SimpleNamespace(Image=lambda picture: ("wrapped", picture)))
    assert sent("trackio")[0] == {"leed/validation/sheet": ("wrapped", SHEET)}
