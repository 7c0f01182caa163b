"""Action units that are read off pictures."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from samples import ALONE, FewFaces

from leed.evaluation.paper import observed


def test_action_units_are_read_off_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures whose grey value says all, and an evaluator that sees it."""
    pytest.importorskip("sklearn")
    greys = torch.linspace(0, 1, 17)

    def faces(values: torch.Tensor) -> FewFaces:
        made = FewFaces(len(values), [0], [0.0])
        made.action_units = values[:, None] * greys / 200
        made.has_neutral = np.ones(len(values), dtype=bool)
        made.take = lambda rows, column="image": values[rows].to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 8, 8)
        return made

    pictures = torch.tensor([20, 100, 180], dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 8, 8)
    triples = type("Triples", (), {"references": pictures, "reference_neutrals": pictures, "__len__": lambda _: 3})
    train, test = faces(torch.arange(0.0, 200.0, 4)), faces(torch.arange(1.0, 200.0, 20))
    corpus = SimpleNamespace(train=train, test=test)
    evaluator = SimpleNamespace(features=lambda image, neutral: image.mean(dim=(2, 3)))
    evaluator.to = evaluator.eval = lambda *_: evaluator
    monkeypatch.setattr(observed.ExpressionClassifier, "from_pretrained", lambda path: evaluator)
    monkeypatch.setattr(observed, "find_folder", Path)
    monkeypatch.setattr(observed, "read_digest", str)
    found = observed.observe_references(corpus, triples(), "evaluator", ("data",), tmp_path, ALONE)
    expected = torch.tensor([20.0, 100.0, 180.0])[:, None] * greys / 200
    assert torch.allclose(found.action_units, expected, atol=0.01) and found.explained > 0.99
    corpus.train.action_units[:] = torch.nan
    assert observed.observe_references(corpus, triples(), "evaluator", ("data",), tmp_path, ALONE) is None
