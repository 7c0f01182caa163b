"""Neutral faces that frozen neutralisers give the faces of a set: computed once and kept in files."""

import hashlib
import os
import shutil
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm.auto import tqdm

from leed.data.batch import Batch
from leed.data.faces import FaceDataset, collate, fold_of
from leed.images import denormalize, normalize
from leed.networks.neutralizer import Neutralizer
from leed.pretrained import tensors_digest
from leed.training.hosts import processes_on_host

CHUNK = 64  # faces that are computed, and marked as done, at a time


class LearnedNeutrals(Dataset[Batch]):
    """Faces with the neutral faces `learned_neutral`, `learned_view_neutral` that frozen neutralisers give them.

    One neutraliser serves all people; of several, the i-th serves fold i, the people that its training left out.
    `choose_neutrals` uses the neutral faces. They lie in a folder inside `cache`, named by a digest of the pictures
    and the neutralisers. The processes of a host compute together what is not there yet; `num_workers` processes more
    for each of them decode pictures. Raises `ValueError` if the disk is too small.
    """

    def __init__(self, faces: FaceDataset, *neutralizers: Neutralizer, cache: Path, num_workers: int = 0) -> None:
        self.faces, self.set_names, self.set_ids = faces, faces.set_names, faces.set_ids
        kinds = {"learned_neutral": "image"}
        if faces.has_view.any():
            kinds["learned_view_neutral"] = "view"
        folder = cache / "neutral-faces" / digest_of(faces, neutralizers)
        self.stored = StoredPictures(folder, tuple(kinds), len(faces), faces.image_size)
        fill(self.stored, kinds, faces, neutralizers, num_workers)

    def __len__(self) -> int:
        return len(self.faces)

    def __getitems__(self, indices: list[int]) -> Batch:
        """A batch of the faces, with the learned neutral faces on the device of the pictures."""
        batch = self.faces.__getitems__(indices)
        neutrals = {kind: self.stored.read(kind, indices).to(batch["image"].device) for kind in self.stored.kinds}
        return batch | neutrals  # type: ignore[return-value]  # the kinds are keys of a Batch


class StoredPictures:
    """Pictures of several kinds, each uint8 (N, 3, S, S), in files of a folder.

    Several processes may fill them, CHUNK rows at a time. A chunk counts as done once it is written through to the
    disk, so that an interrupted start goes on. Raises `ValueError` if the disk has no room for them.
    """

    def __init__(self, folder: Path, kinds: tuple[str, ...], num_rows: int, size: int) -> None:
        self.folder, self.kinds, self.shape = folder, kinds, (num_rows, 3, size, size)
        self.marks = folder / "done"
        folder.mkdir(parents=True, exist_ok=True)
        if not self.marks.exists():
            self._check_room()
        lengths = {self.file(kind): int(np.prod(self.shape)) for kind in kinds} | {self.marks: -(-num_rows // CHUNK)}
        for file, length in lengths.items():
            with open(file, "ab") as opened:
                opened.truncate(length)  # zeros that take no room yet; nothing happens where another process did so

    def file(self, kind: str) -> Path:
        """The file of one kind of pictures."""
        return self.folder / f"{kind}.uint8"

    def missing(self) -> list[int]:
        """The numbers of the chunks that are not done."""
        return np.flatnonzero(np.fromfile(self.marks, np.uint8) == 0).tolist()

    def rows(self, chunk: int) -> list[int]:
        """The rows of a chunk."""
        return list(range(chunk * CHUNK, min((chunk + 1) * CHUNK, self.shape[0])))

    def write(self, chunk: int, pictures: dict[str, Tensor]) -> None:
        """Writes the pictures of a chunk, uint8 (n, 3, S, S) by kind, and marks it as done."""
        for kind in self.kinds:
            offset = chunk * CHUNK * int(np.prod(self.shape[1:]))
            write_at(self.file(kind), offset, pictures[kind].contiguous().numpy().tobytes())
        write_at(self.marks, chunk, b"\1")

    def read(self, kind: str, rows: Sequence[int]) -> Tensor:
        """Some pictures of a kind, uint8 (n, 3, S, S)."""
        return torch.from_numpy(self._mapped[kind][np.asarray(rows, dtype=np.int64)])

    @cached_property
    def _mapped(self) -> dict[str, np.ndarray]:
        return {kind: np.memmap(self.file(kind), np.uint8, "r", shape=self.shape) for kind in self.kinds}

    def __getstate__(self) -> dict:
        """Without the mapped files: pickled, they would be read as a whole."""
        return {name: value for name, value in self.__dict__.items() if name != "_mapped"}

    def _check_room(self) -> None:
        needed, free = len(self.kinds) * int(np.prod(self.shape)), shutil.disk_usage(self.folder).free
        if needed > free:
            raise ValueError(
                f"learned neutral faces of {self.shape[0]:,} pictures take {needed / 1e9:.1f} GB, and {self.folder} "
                f"has {free / 1e9:.1f} GB free: give another --cache_dir"
            )


def write_at(file: Path, offset: int, content: bytes) -> None:
    """Writes bytes into a file at an offset, through to the disk."""
    with open(file, "r+b") as opened:
        opened.seek(offset)
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())


def fill(
    stored: StoredPictures,
    kinds: dict[str, str],
    faces: FaceDataset,
    neutralizers: Sequence[Neutralizer],
    num_workers: int,
) -> None:
    """Computes what is missing: `kinds` says of which pictures of a batch. Each process of a host does its part."""
    state = PartialState()
    on_host = processes_on_host(state.num_processes)
    chunks = [chunk for chunk in stored.missing() if chunk % on_host == state.local_process_index]
    folds = torch.tensor([fold_of(person, len(neutralizers)) for person in faces.persons])[faces.person_ids]
    rows = [stored.rows(chunk) for chunk in chunks]
    workers = 0 if faces.in_memory else num_workers
    loader = DataLoader(faces, batch_sampler=rows, collate_fn=collate, num_workers=workers)
    quiet = None if state.is_local_main_process and chunks else True
    progress = tqdm(zip(chunks, loader, strict=True), "neutral faces", len(chunks), unit="chunk", disable=quiet)
    for chunk, batch in progress:
        fold = folds[batch["index"]]
        stored.write(chunk, {kind: neutrals_by_fold(neutralizers, batch[name], fold) for kind, name in kinds.items()})
    state.wait_for_everyone()


def neutrals_by_fold(neutralizers: Sequence[Neutralizer], images: Tensor, folds: Tensor) -> Tensor:
    """Neutral faces of stored pictures, uint8 (N, 3, S, S) to the same on the CPU, each by its fold's neutraliser."""
    neutrals = torch.empty(images.shape, dtype=torch.uint8)
    for fold, neutralizer in enumerate(neutralizers):
        rows = folds == fold
        neutrals[rows] = predict_neutrals(neutralizer, images[rows]).cpu()
    return neutrals


@torch.no_grad()
def predict_neutrals(neutralizer: Neutralizer, images: Tensor) -> Tensor:
    """Neutral faces of stored pictures, uint8 (N, 3, S, S) to the same, on the neutraliser's device."""
    return denormalize(neutralizer(normalize(images.to(neutralizer.device)))) if len(images) else images


def digest_of(faces: FaceDataset, neutralizers: Sequence[Neutralizer]) -> str:
    """The digest of everything that decides on the learned neutral faces of a data set."""
    digest = hashlib.sha256(f"{faces.digest} {faces.image_size} {len(faces)}".encode())
    for neutralizer in neutralizers:
        digest.update(tensors_digest(neutralizer.state_dict(), neutralizer.config.to_dict()).encode())
    return digest.hexdigest()[:32]
