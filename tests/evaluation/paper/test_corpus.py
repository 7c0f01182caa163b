"""The real pictures."""

from types import SimpleNamespace

import numpy as np
import torch
from samples import FewFaces

from leed.evaluation.paper.corpus import RealPictures


def test_real_pictures_and_those_of_triples() -> None:
    faces = FewFaces(2, [0], [0.0])
    others = {name: torch.full((2, 3, 128, 128), 100 + 10 * i, dtype=torch.uint8) for i, name in enumerate("abc")}
    yaws = {"input_yaws": np.array([-45.0, 22.0]), "reference_yaws": np.array([0.0, 45.0])}
    triples = SimpleNamespace(inputs=others["a"], references=others["b"], targets=others["c"], **yaws)
    pictures = RealPictures(faces, triples)
    assert len(pictures) == 8
    assert pictures.yaws.tolist() == [0, 0, -45, 22, 0, 45, -45, 22]  # a true edit is turned as its input
    assert pictures.take(np.array([0, 1, 3, 5, 6]))[:, 0, 0, 0].tolist() == [0, 1, 100, 110, 120]
    assert pictures.take(np.array([7, 0, 4]))[:, 0, 0, 0].tolist() == [120, 0, 110]
