"""The triples of an evaluation set: input, reference and true edit, with the true neutral faces of the first two."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from leed.data.faces import decode
from leed.data.readers.parquet import parquet_files, read_parquet
from leed.images import INNER_CROP

PICTURES = ("input", "reference", "target")
LABELS = (
    "input_person",
    "reference_person",
    "input_expression",
    "reference_expression",
    "input_camera",
    "reference_camera",
)
LANDMARKS = ("landmarks_input", "landmarks_target")
INNER_LIPS = ((61, 67), (62, 66), (63, 65))  # upper and lower points of 68


@dataclass(frozen=True)
class Triples:
    """N triples. `targets` shows the person and pose of `inputs` with exactly the expression of `references`.

    Pictures are uint8 (N, 3, S, S); the neutrals are true ones, of the same person in the same pose.
    """

    inputs: Tensor
    references: Tensor
    targets: Tensor
    input_neutrals: Tensor
    reference_neutrals: Tensor
    input_expressions: Tensor  # int64 (N,), indices into EXPRESSIONS
    reference_expressions: Tensor
    input_persons: np.ndarray  # names (N,)
    reference_persons: np.ndarray
    input_yaws: np.ndarray  # degrees (N,), negative towards the picture's left
    reference_yaws: np.ndarray
    input_openings: np.ndarray  # distance of the lips (N,), as a fraction of the crop's side
    reference_openings: np.ndarray

    def __len__(self) -> int:
        return len(self.inputs)

    def select(self, rows: np.ndarray) -> "Triples":
        """The triples of these rows."""
        return replace(self, **{name: values[rows] for name, values in vars(self).items()})


def load_triples(
    folder: str | Path,
    twins_folder: str | Path | None = None,
    image_size: int = 128,
    max_triples: int | None = None,
    split: str = "test",
) -> Triples:
    """The triples of `folder`, cropped to the models' crop; with `max_triples` that many, spread over all.

    True neutrals come from `pairs-*.parquet` of `twins_folder`, by default the folder next to `folder` that is called
    `-twins` where that is called `-pairs`. Raises `ValueError` if a file, column or twin is missing.
    """
    folder = Path(folder)
    table = read_parquet(folder, split, (*PICTURES, *LABELS, *LANDMARKS))
    total = len(table)
    rows = np.arange(total)
    if max_triples is not None and max_triples < total:
        rows = np.linspace(0, total - 1, max_triples).round().astype(int)
    labels = {name: table[name].to_numpy()[rows] for name in LABELS}
    pictures = {}
    for name in PICTURES:
        column = table[name]
        pictures[name] = _stack([decode(column[row].as_py(), image_size, INNER_CROP) for row in rows.tolist()])
    twins = _read_twins(twins_folder or _twins_beside(folder))
    openings = {name: _openings(table[name].to_pylist())[rows] for name in LANDMARKS}
    return Triples(
        inputs=pictures["input"],
        references=pictures["reference"],
        targets=pictures["target"],
        input_neutrals=_stack([twins.decode(f"{row:04d}_input.webp", image_size) for row in rows]),
        reference_neutrals=_stack([twins.decode(f"{row:04d}_ref.webp", image_size) for row in rows]),
        input_expressions=torch.from_numpy(labels["input_expression"].astype(np.int64)),
        reference_expressions=torch.from_numpy(labels["reference_expression"].astype(np.int64)),
        input_persons=labels["input_person"].astype(str),
        reference_persons=labels["reference_person"].astype(str),
        input_yaws=camera_yaws(labels["input_camera"]),
        reference_yaws=camera_yaws(labels["reference_camera"]),
        input_openings=openings["landmarks_input"],
        reference_openings=openings["landmarks_target"],  # the true edit wears the reference's expression
    )


def camera_yaws(cameras: np.ndarray) -> np.ndarray:
    """Yaw in degrees of cameras named as in RaFD: "090" is frontal, "045" sees the face turned to the left."""
    return np.array([int(camera) - 90 for camera in cameras])


def lip_opening(landmarks: np.ndarray) -> np.ndarray:
    """Mean distance (N,) between upper and lower inner lip, of 68 landmarks (N, 68, 2), in their unit."""
    upper, lower = zip(*INNER_LIPS, strict=True)
    return np.linalg.norm(landmarks[:, list(upper)] - landmarks[:, list(lower)], axis=2).mean(axis=1)


def _openings(landmarks: list[list[float]]) -> np.ndarray:
    """Lip openings as a fraction of the crop's side; landmarks are pixels of the uncropped 256x256 picture."""
    points = np.asarray(landmarks, dtype=np.float64).reshape(-1, 68, 2)
    return lip_opening(points) / (256 * (INNER_CROP[2] - INNER_CROP[0]))


class _Twins:
    """The encoded true neutrals by file name."""

    def __init__(self, folder: Path, pictures: dict[str, dict]) -> None:
        self.folder, self.pictures = folder, pictures

    def decode(self, file: str, size: int) -> Tensor:
        if file not in self.pictures:
            raise ValueError(f"{self.folder} has no true neutral of {file}; give the twins of these pairs")
        return decode(self.pictures[file], size)


def _twins_beside(folder: Path) -> Path:
    name = folder.resolve().name
    if not name.endswith("-pairs"):
        raise ValueError(f"{folder} does not end in '-pairs', so its true neutrals must be named: give --twins_dir")
    return folder.resolve().with_name(name.removesuffix("-pairs") + "-twins")


def _read_twins(folder: str | Path) -> _Twins:
    folder = Path(folder)
    if not parquet_files(folder, "pairs"):
        raise ValueError(f"no true neutrals: {folder} has no file pairs-*.parquet; give --twins_dir")
    table = read_parquet(folder, "pairs", ("file", "neutral"))
    return _Twins(folder, dict(zip(table["file"].to_pylist(), table["neutral"].to_pylist(), strict=True)))


def _stack(pictures: list[Tensor]) -> Tensor:
    return torch.stack(pictures)
