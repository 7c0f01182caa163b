"""The pictures of the figures; test_paper.py makes all of them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from leed import gallery
from leed.evaluation.paper import figures


def test_photographs_of_a_folder(two_people: Path, tmp_path: Path) -> None:
    """Pictures without a face are left out with a warning; two faces are needed."""
    Image.new("RGB", (200, 200), "grey").save(two_people.parent / "a wall.png")
    with pytest.warns(UserWarning, match="no face found in .*a wall.png"), pytest.raises(ValueError, match="got 1"):
        figures.folder_photographs(str(two_people.parent), 32)


def test_photographs_of_the_gallery() -> None:
    """References are of other people, each with another expression."""
    found = figures.gallery_photographs(32, count=2)
    assert found.inputs.shape == found.references.shape == (2, 3, 32, 32)
    faces = {face.person: face for face in gallery.faces(gallery.FRONTAL) if face.expression == "happy"}
    third = sorted(faces)[figures.OTHER_PERSON]
    expected = torch.from_numpy(np.array(faces[third].open().resize((32, 32)))).permute(2, 0, 1) / 127.5 - 1
    assert (found.references[0] - expected).abs().mean() < 0.1
