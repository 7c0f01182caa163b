"""The triples of an evaluation set: input, reference and true edit, with the true neutral faces of the first two."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from leed.data.readers.parquet import column_names, parquet_files, read_parquet
from leed.evaluation.metrics import spread
from leed.evaluation.pictures import camera_yaws, check_rows, expression_labels, stored_picture
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
NUM_LANDMARKS = 68
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
    `-twins` where that is called `-pairs`. Raises `ValueError` if a file, column or twin is missing, and for labels
    and pictures that make no sense.
    """
    folder = Path(folder)
    table, numbers = read_triples(folder, (*PICTURES, *LABELS, *LANDMARKS), split)
    twins = _read_twins(Path(twins_folder or _twins_beside(folder)))
    rows = np.arange(len(table)) if max_triples is None else spread(np.arange(len(table)), max_triples)

    def stacked(name: str) -> Tensor:
        return torch.stack([stored_picture(table, name, row, folder, image_size, INNER_CROP) for row in rows.tolist()])

    def neutrals(kind: str) -> Tensor:
        return torch.stack([twins.decode(f"{number:04d}_{kind}.webp", image_size) for number in numbers[rows]])

    def labels(name: str) -> np.ndarray:
        return np.array(table[name].to_pylist())[rows]

    def expressions(name: str) -> Tensor:
        return torch.from_numpy(expression_labels(table, name, folder)[rows])

    return Triples(
        inputs=stacked("input"),
        references=stacked("reference"),
        targets=stacked("target"),
        input_neutrals=neutrals("input"),
        reference_neutrals=neutrals("ref"),
        input_expressions=expressions("input_expression"),
        reference_expressions=expressions("reference_expression"),
        input_persons=labels("input_person").astype(str),
        reference_persons=labels("reference_person").astype(str),
        input_yaws=camera_yaws(labels("input_camera")),
        reference_yaws=camera_yaws(labels("reference_camera")),
        input_openings=_openings(table, "landmarks_input", folder)[rows],
        # the true edit wears the reference's expression
        reference_openings=_openings(table, "landmarks_target", folder)[rows],
    )


def read_triples(folder: Path, columns: Iterable[str], split: str = "test") -> tuple[pa.Table, np.ndarray]:
    """These columns of the triples, and the number (N,) of each: by it other files name their pictures.

    It is in the column `triple`; in a set without that, which has all triples, it is the row. Raises `ValueError` if
    there are none, or numbers twice.
    """
    files = parquet_files(folder, split) if folder.is_dir() else []
    has_numbers = bool(files) and "triple" in column_names(files[0])
    table = read_parquet(folder, split, [*columns, *(["triple"] if has_numbers else [])])
    check_rows(table, folder, "triples")
    numbers = np.asarray(table["triple"]) if has_numbers else np.arange(len(table))
    if len(np.unique(numbers)) < len(numbers):
        raise ValueError(f"{folder}: the column triple has {len(np.unique(numbers))} numbers in {len(numbers)} rows")
    return table, numbers


def lip_opening(landmarks: np.ndarray) -> np.ndarray:
    """Mean distance (N,) between upper and lower inner lip, of 68 landmarks (N, 68, 2), in their unit."""
    upper, lower = zip(*INNER_LIPS, strict=True)
    return np.linalg.norm(landmarks[:, list(upper)] - landmarks[:, list(lower)], axis=2).mean(axis=1)


def _openings(table: pa.Table, column: str, folder: Path) -> np.ndarray:
    """Lip openings as a fraction of the crop's side; landmarks are pixels of the uncropped 256x256 picture."""
    landmarks = table[column].to_pylist()
    if wrong := [points for points in landmarks if points is None or np.size(points) != 2 * NUM_LANDMARKS]:
        raise ValueError(
            f"{folder}: {column} must be x and y of {NUM_LANDMARKS} landmarks, {2 * NUM_LANDMARKS} numbers in each "
            f"row; {len(wrong)} of {len(landmarks)} rows have others"
        )
    points = np.asarray(landmarks, dtype=np.float64).reshape(-1, NUM_LANDMARKS, 2)
    return lip_opening(points) / (256 * (INNER_CROP[2] - INNER_CROP[0]))


@dataclass(frozen=True)
class _Twins:
    """The true neutrals: in which row of the table each file name stands."""

    folder: Path
    table: pa.Table
    rows: dict[str, int]

    def decode(self, file: str, size: int) -> Tensor:
        if file not in self.rows:
            raise ValueError(f"{self.folder} has no true neutral of {file}; give the twins of these pairs")
        return stored_picture(self.table, "neutral", self.rows[file], self.folder, size)


def _twins_beside(folder: Path) -> Path:
    name = folder.resolve().name
    if not name.endswith("-pairs"):
        raise ValueError(f"{folder} does not end in '-pairs', so its true neutrals must be named: give --twins_dir")
    return folder.resolve().with_name(name.removesuffix("-pairs") + "-twins")


def _read_twins(folder: Path) -> _Twins:
    try:
        table = read_parquet(folder, "pairs", ("file", "neutral"))
    except ValueError as error:
        raise ValueError(f"no true neutrals: {error}; give --twins_dir") from error
    return _Twins(folder, table, {file: row for row, file in enumerate(table["file"].to_pylist())})
