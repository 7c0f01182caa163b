"""The faces of a run: training people's and held-out people's, checked, and on the GPU where they fit."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from datasets import Dataset, concatenate_datasets

from leed.data.faces import (
    FaceDataset,
    broken_images,
    load_faces,
    raise_broken,
    split_sets_by_person,
    without_fold,
)
from leed.data.fingerprint import content_digest, quick_digest
from leed.files import atomic_write
from leed.training.config import TrainConfig
from leed.training.faces import IN_MEMORY
from leed.training.hosts import agreed, processes_on_host, together


class RunData(NamedTuple):
    """The faces of a run, and a digest of their content before they are divided."""

    training: FaceDataset
    held_out: FaceDataset
    digest: str


def load_data(accelerator: Accelerator, config: TrainConfig, size: int) -> RunData:
    """Training faces and held-out people's faces, `size` pixels a side, every picture checked.

    Raises `ValueError` or `OSError` for what cannot be read.
    """
    with together():
        tables = [
            load_faces(
                name,
                reader,
                config.dataset_split,
                config.max_train_samples,
                config.seed,
                config.rafd_cameras.split(","),
            )
            for name, reader in zip(config.datasets, config.readers, strict=True)
        ]
    digests = [
        "drawn" if name == "drawn" else known_digest(table, accelerator, config)
        for name, table in zip(config.datasets, tables, strict=True)
    ]
    parts = split_sets_by_person(tables, config.validation_fraction)
    if config.fold:
        parts = [(without_fold(training, *config.fold), held_out) for training, held_out in parts]
    titles = set_titles(config.datasets)
    training, held_out = (
        FaceDataset(
            concatenate_datasets(part),
            size,
            config.data_in_memory,
            sets=dict(zip(titles, map(len, part), strict=True)),
        )
        for part in zip(*parts, strict=True)
    )
    if fits_device((training, held_out), config, accelerator.device):
        keep_on_device(training, accelerator.device)
        keep_on_device(held_out, accelerator.device)
    return RunData(training, held_out, ",".join(digests))


def known_digest(table: Dataset, accelerator: Accelerator, config: TrainConfig) -> str:
    """The digest of a table's content, whose pictures are all opened, unless they were and have not changed.

    The processes of a host divide the opening. `config.cache` keeps the digest of what was found sound. All processes
    raise the same `ValueError` for pictures that cannot be read, and for hosts that have other data than each other.
    """
    record = config.cache / "checked-pictures" / quick_digest(table)
    first = accelerator.is_local_main_process
    rows = range(accelerator.local_process_index, len(table), processes_on_host(accelerator.num_processes))
    if record.exists() or not config.check_pictures:
        rows = range(0)
    raise_broken(gather_object(broken_images(table, rows, quiet=None if first and rows else True)))
    digest = None
    if first:
        digest = record.read_text() if record.exists() else content_digest(table)
        if rows:
            record.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(record, lambda path: path.write_text(digest))
    cure = "give each host the same files"
    return agreed({"the content of a data set": digest}, cure)["the content of a data set"]


def set_titles(names: Sequence[str]) -> list[str]:
    """The names of data sets in figures: those of their folders, with a number where two are alike."""
    titles = [Path(name).name for name in names]
    return [f"{title}-{i + 1}" if titles.count(title) > 1 else title for i, title in enumerate(titles)]


def fits_device(data: tuple[FaceDataset, ...], config: TrainConfig, device: torch.device) -> bool:
    """Whether to keep the pictures on the device: as told, else on a GPU with twice the memory that they take."""
    if config.data_on_device is not None:
        return config.data_on_device
    if device.type != "cuda" or config.dataloader_num_workers or not all(faces.in_memory for faces in data):
        return False
    stored = [(faces.images, faces.neutrals, faces.views, faces.view_neutrals) for faces in data]
    num_bytes = sum(pictures.nbytes for four in stored for pictures in four if pictures is not None)
    return 2 * num_bytes < torch.cuda.mem_get_info(device)[0]


def keep_on_device(faces: FaceDataset, device: torch.device) -> None:
    """Moves the pictures of a data set, so that batches need no copies between host and device."""
    if not faces.in_memory:
        raise ValueError(f"pictures kept on the device are decoded once: {IN_MEMORY}")
    for name in ("images", "neutrals", "views", "view_neutrals"):
        pictures = getattr(faces, name)
        setattr(faces, name, None if pictures is None else pictures.to(device))
