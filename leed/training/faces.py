"""The faces that a stage learns from."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.utils.data import Dataset

from leed.data.batch import Batch
from leed.data.faces import FaceDataset

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
