"""The faces that a stage learns from, and the neutral faces that a neutraliser gives them."""

import torch
from torch import Tensor
from torch.utils.data import Dataset, Subset

from leed.data.faces import FaceDataset, fold_of
from leed.images import denormalize, normalize
from leed.networks.neutralizer import Neutralizer
from leed.training.stage import Batch, device_of

IN_MEMORY = "pass --data_in_memory, in Python FaceDataset(..., in_memory=True), with as much memory as they take"
"""The cure for data sets over the size up to which they are decoded once by default."""


def only(faces: FaceDataset, rows: Tensor, lack: str) -> Subset:
    """The faces where `rows` (N,) is true. Raises `ValueError` saying what they lack if there are none."""
    kept = rows.nonzero().flatten().tolist()
    if not kept:
        raise ValueError(lack)
    return Subset(faces, kept)


def balanced(faces: FaceDataset, rows: Tensor) -> Subset:
    """All the faces, those where `rows` (N,) is true or those where it is false repeated until both are as many.

    A set with few true neutral faces would otherwise drown in one without any.
    """
    kinds = [rows.nonzero().flatten().tolist(), (~rows).nonzero().flatten().tolist()]
    length = max(len(kind) for kind in kinds)
    return Subset(faces, [kind[i % len(kind)] for kind in kinds if kind for i in range(length)])


def keep_on_device(faces: FaceDataset, device: torch.device) -> None:
    """Moves the pictures of a data set, so that batches need no copies between host and device."""
    if not faces.in_memory:
        raise ValueError(f"pictures kept on the device are decoded once: {IN_MEMORY}")
    for name in ("images", "neutrals", "views", "view_neutrals"):
        pictures = getattr(faces, name)
        setattr(faces, name, None if pictures is None else pictures.to(device))


class LearnedNeutrals(Dataset):
    """Faces with the neutral faces `learned_neutral`, `learned_view_neutral` that frozen neutralisers give them.

    One neutraliser serves everyone; of several, the i-th those of fold i, the people whom its training left out.
    The neutral faces are computed once, and `choose_neutrals` uses them. Needs the faces in memory.
    """

    def __init__(self, faces: FaceDataset, *neutralizers: Neutralizer) -> None:
        if not faces.in_memory:
            raise ValueError(f"learned neutral faces are computed once, of pictures decoded once: {IN_MEMORY}")
        self.faces = faces
        folds = torch.tensor([fold_of(person, len(neutralizers)) for person in faces.persons])[faces.person_ids]
        self.learned = {"learned_neutral": torch.empty_like(faces.images)}
        if faces.views is not None:
            self.learned["learned_view_neutral"] = torch.empty_like(faces.views)
        for fold, neutralizer in enumerate(neutralizers):
            rows = (folds == fold).nonzero().flatten()
            for learned, pictures in zip(self.learned.values(), (faces.images, faces.views), strict=False):
                learned[rows] = predict_neutrals(neutralizer, pictures[rows])

    def __len__(self) -> int:
        return len(self.faces)

    def __getitems__(self, indices: list[int]) -> Batch:
        """A batch of the faces, with the learned neutral faces."""
        return self.faces.__getitems__(indices) | {name: faces[indices] for name, faces in self.learned.items()}


@torch.no_grad()
def predict_neutrals(neutralizer: Neutralizer, images: Tensor, size: int = 64) -> Tensor:
    """Neutral faces of stored pictures, uint8 (N, 3, S, S) to the same, on the pictures' device."""
    device = device_of(neutralizer)
    parts = [denormalize(neutralizer(normalize(part.to(device)))).to(images.device) for part in images.split(size)]
    return torch.cat(parts) if len(images) else images
