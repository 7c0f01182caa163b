"""The built-in synthetic faces."""

import torch

from leed.data.faces import FaceDataset, load_faces
from leed.data.readers.drawn import drawn_faces


def test_drawn_faces_are_a_standard_table():
    faces = FaceDataset(drawn_faces(num_people=2, per_person=8, size=32), 32)
    assert len(faces) == 16 and faces.has_neutral.all() and faces.has_view.all() and len(faces.persons) == 2
    assert torch.equal(faces.expressions[:8], torch.arange(8))
    neutral = faces.expressions == 0
    assert torch.equal(faces.images[neutral], faces.neutrals[neutral])
    assert faces.has_action_units.all() and not faces.action_units[neutral].any()
    change = (faces.images[~neutral].float() - faces.neutrals[~neutral].float()).abs().flatten(1).mean(1)
    assert (change > 0.5).all()


def test_drawn_source_draws_no_more_than_asked():
    train, test = (load_faces("drawn", split=split, max_samples=7) for split in ("train", "test"))
    assert len(train) == len(test) == 7 and len(set(train["person"])) == 2
    assert not set(train["person"]) & set(test["person"])
