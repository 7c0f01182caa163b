"""The faces of a run: training people's and held-out people's, checked, and on the GPU where they fit."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from datasets import Dataset, concatenate_datasets

from leed.data.faces import FaceDataset, check_images, load_faces, split_sets_by_person, without_fold
from leed.data.fingerprint import fingerprint
from leed.training.config import TrainConfig
from leed.training.faces import IN_MEMORY


class RunData(NamedTuple):
    """The faces of a run, and a digest of their content before they are divided."""

    training: FaceDataset
    held_out: FaceDataset
    digest: str


def load_data(accelerator: Accelerator, config: TrainConfig, size: int) -> RunData:
    """Training faces and held-out people's faces, `size` pixels a side, every picture checked.

    Raises `ValueError` or `OSError` for what cannot be read.
    """
    tables = [
        load_faces(
            name, reader, config.dataset_split, config.max_train_samples, config.seed, config.rafd_cameras.split(",")
        )
        for name, reader in zip(config.datasets, config.readers, strict=True)
    ]
    if accelerator.is_local_main_process:
        for table in tables:
            check_images(table)
    accelerator.wait_for_everyone()
    digest = broadcast_object_list([data_digest(tables, config) if accelerator.is_main_process else ""])[0]
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
    return RunData(training, held_out, digest)


def data_digest(tables: Sequence[Dataset], config: TrainConfig) -> str:
    """The digests of data sets, in their order; built-in faces are known by their name."""
    digests = [
        "drawn" if name == "drawn" else fingerprint(table) for name, table in zip(config.datasets, tables, strict=True)
    ]
    return ",".join(digests)


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
