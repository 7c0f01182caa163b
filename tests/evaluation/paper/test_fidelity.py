"""Edits that are measured and dropped."""

from pathlib import Path

import psutil
import pytest
import torch
from samples import ALONE, FewFaces, copying

from leed.evaluation.paper import fidelity
from leed.evaluation.paper.fidelity import Measuring
from leed.evaluation.paper.plan import plan_edits


def test_many_edits_do_not_fill_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """2,000 edits at 128 pixels would take 98 MB as pictures and 393 MB as tensors; what is held does not grow."""
    faces = FewFaces(20, list(range(8)), [-45.0, -20.0, 0.0, 20.0, 45.0])
    held = []

    def no_ssim(image: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        held.append(psutil.Process().memory_info().rss)
        return torch.zeros(len(image))

    class Nothing(torch.nn.Module):
        name, num_features = "one feature", 1

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return image[:, :1, 0, 0]

    monkeypatch.setattr(fidelity, "ssim", no_ssim)
    measuring = Measuring(Nothing(), tmp_path, ALONE, ("data",))
    shards = measuring.edits(copying(), plan_edits(faces, 2000), "edits")
    assert sum(len(part) for part in shards.read("features")) == 2000
    assert len(held) == 32 and min(held[-8:]) - held[3] < 50e6  # the least: what else goes on makes it waver
