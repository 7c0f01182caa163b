"""Names of the pictures of the user studies; test_paper.py writes them."""

from types import SimpleNamespace

import numpy as np
import torch

from leed.evaluation.paper.study_pictures import picture_names


def test_names_of_pictures_are_names_of_files() -> None:
    edits = SimpleNamespace(persons=np.array(["../a b", "Zoë"]), expressions=torch.tensor([1, 0]))
    assert picture_names(edits) == ["0000_-a-b_happy", "0001_Zo-_neutral"]
