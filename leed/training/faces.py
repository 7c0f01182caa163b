"""The faces that a stage learns from, and the neutral faces that a neutraliser gives them."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.utils.data import Dataset

from leed.data.batch import Batch
from leed.data.faces import FaceDataset, fold_of
from leed.images import denormalize, normalize
from leed.networks.neutralizer import Neutralizer

IN_MEMORY = "pass --data_in_memory, in Python FaceDataset(..., in_memory=True), with as much memory as they take"
"""The cure for data sets over the size up to which they are decoded once by default."""


class Faces(Protocol):
    """Faces that are taken in batches: a `FaceDataset`, some of its rows, or one with learned neutral faces."""

    @property
    def set_names(self) -> Sequence[str]:
        """The names of the face sets that the rows may be of."""
        ...

    @property
    def set_ids(self) -> Tensor:
        """The place in `set_names` of each row's set, int64 (N,)."""
        ...

    def __len__(self) -> int: ...

    def __getitems__(self, indices: list[int]) -> Batch:
        """The batch of these rows."""
        ...


class FaceSubset(Dataset[Batch]):
    """The rows `indices` of a data set, in their order; a row may come several times."""

    def __init__(self, faces: Faces, indices: Sequence[int]) -> None:
        self.faces, self.indices = faces, indices
        self.set_names = faces.set_names
        self.set_ids = faces.set_ids[torch.as_tensor(indices, dtype=torch.int64)]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitems__(self, indices: list[int]) -> Batch:
        """The batch of these rows of the subset."""
        return self.faces.__getitems__([self.indices[i] for i in indices])


def subset_or_raise(faces: FaceDataset, rows: Tensor, need: str, cure: str, held_out: bool) -> FaceSubset:
    """The faces where `rows`, bool (N,), is true. Raises `ValueError` if there are none.

    Its message says what was needed and the cure, which for `held_out` people is to hold out more.
    """
    kept = rows.nonzero().flatten().tolist()
    if not kept and held_out:
        raise ValueError(f"{need}, and the held-out people have none: raise --validation_fraction")
    if not kept:
        raise ValueError(f"{need}, and this data set has none{cure}")
    return FaceSubset(faces, kept)


def balanced(faces: FaceDataset, rows: Tensor) -> FaceSubset:
    """All the faces, those where `rows` (N,) is true or those where it is false repeated until both are as many.

    A set with few true neutral faces would otherwise drown in one without any.
    """
    kinds = [rows.nonzero().flatten().tolist(), (~rows).nonzero().flatten().tolist()]
    length = max(len(kind) for kind in kinds)
    return FaceSubset(faces, [kind[i % len(kind)] for kind in kinds if kind for i in range(length)])


class LearnedNeutrals(Dataset[Batch]):
    """Faces with the neutral faces `learned_neutral`, `learned_view_neutral` that frozen neutralisers give them.

    One neutraliser serves all people; of several, the i-th serves fold i, the people that its training left out.
    The neutral faces are computed once, and `choose_neutrals` uses them. Needs the faces in memory.
    """

    def __init__(self, faces: FaceDataset, *neutralizers: Neutralizer) -> None:
        if faces.images is None:
            raise ValueError(f"learned neutral faces are computed once, of pictures decoded once: {IN_MEMORY}")
        self.faces, self.set_names, self.set_ids = faces, faces.set_names, faces.set_ids
        folds = torch.tensor([fold_of(person, len(neutralizers)) for person in faces.persons])[faces.person_ids]
        self.neutrals = neutrals_by_fold(neutralizers, faces.images, folds)
        self.view_neutrals = None if faces.views is None else neutrals_by_fold(neutralizers, faces.views, folds)

    def __len__(self) -> int:
        return len(self.faces)

    def __getitems__(self, indices: list[int]) -> Batch:
        """A batch of the faces, with the learned neutral faces."""
        batch = self.faces.__getitems__(indices) | {"learned_neutral": self.neutrals[indices]}
        return batch if self.view_neutrals is None else batch | {"learned_view_neutral": self.view_neutrals[indices]}


def neutrals_by_fold(neutralizers: Sequence[Neutralizer], images: Tensor, folds: Tensor) -> Tensor:
    """Neutral faces of stored pictures, uint8 (N, 3, S, S) to the same, each by the neutraliser of its fold (N,)."""
    neutrals = torch.empty_like(images)
    for fold, neutralizer in enumerate(neutralizers):
        rows = (folds == fold).nonzero().flatten()
        neutrals[rows] = predict_neutrals(neutralizer, images[rows])
    return neutrals


@torch.no_grad()
def predict_neutrals(neutralizer: Neutralizer, images: Tensor, size: int = 64) -> Tensor:
    """Neutral faces of stored pictures, uint8 (N, 3, S, S) to the same, on the pictures' device."""
    device = neutralizer.device
    parts = [denormalize(neutralizer(normalize(part.to(device)))).to(images.device) for part in images.split(size)]
    return torch.cat(parts) if len(images) else images
