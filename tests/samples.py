"""Data sets written by tests, in the layout of the real ones, and stand-ins for what is large."""

import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from datasets import Dataset, Features
from PIL import Image

from leed.evaluation.paper.methods import Method

CAMERAS = ("045", "068", "090", "112", "135")


def picture(generator: np.random.Generator, size: int) -> dict:
    """A smooth random picture, as parquet files embed them."""
    coarse = Image.fromarray(generator.integers(0, 255, (6, 6, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    coarse.resize((size, size), Image.Resampling.BICUBIC).save(buffer, "PNG")
    return {"bytes": buffer.getvalue(), "path": "drawn.png"}


def plain(colour: tuple[int, int, int] = (200, 100, 50), size: tuple[int, int] = (32, 32)) -> Image.Image:
    """A picture of one colour."""
    return Image.new("RGB", size, colour)


def embedded(image: Image.Image) -> dict:
    """A picture as parquet files embed it."""
    buffer = io.BytesIO()
    image.save(buffer, "png")
    return {"bytes": buffer.getvalue(), "path": None}


def png(colour: tuple[int, int, int] = (200, 100, 50)) -> dict:
    """An embedded picture of one colour."""
    return embedded(plain(colour))


def save(path: Path, colour: tuple[int, int, int] = (200, 100, 50), size: tuple[int, int] = (32, 32)) -> Path:
    """A picture of one colour in a file, whose folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    plain(colour, size).save(path)
    return path


def write_parquet(folder: Path, split: str, columns: dict, features: dict) -> None:
    """A split of a face set as one parquet file with these columns and their `datasets` features."""
    folder.mkdir(parents=True, exist_ok=True)
    dataset = Dataset.from_dict(columns, features=Features(features))
    dataset.to_parquet(folder / f"{split}-00000-of-00001.parquet")


def write_triples(root: Path, count: int) -> Path:
    """`faces-pairs` and `faces-twins` with the columns of the open set's; returns the folder of pairs."""
    generator = np.random.default_rng(0)
    rows = {name: [picture(generator, 256) for _ in range(count)] for name in ("input", "reference", "target")}
    rows |= {
        "input_person": [f"person{i % 3}" for i in range(count)],
        "reference_person": [f"person{(i + 1) % 3}" for i in range(count)],
        "input_expression": [(i + 3) % 8 for i in range(count)],
        "reference_expression": [i % 8 for i in range(count)],
        "input_camera": [CAMERAS[i % 5] for i in range(count)],
        "reference_camera": [CAMERAS[i // 2 % 5] for i in range(count)],
        "landmarks_input": [generator.uniform(0, 256, 136).tolist() for _ in range(count)],
        "landmarks_target": [generator.uniform(0, 256, 136).tolist() for _ in range(count)],
    }
    twins = {
        "file": [f"{i:04d}_{kind}.webp" for i in range(count) for kind in ("input", "ref")],
        "neutral": [picture(generator, 128) for _ in range(2 * count)],
    }
    for folder, file, table in (("faces-pairs", "test-0", rows), ("faces-twins", "pairs-0", twins)):
        (root / folder).mkdir()
        pq.write_table(pa.table(table), root / folder / f"{file}.parquet")
    return root / "faces-pairs"


ALONE = SimpleNamespace(
    process_index=0, num_processes=1, is_main_process=True, device=torch.device("cpu"), wait_for_everyone=lambda: None
)
"""Stands for accelerate's state of a single process."""


class FewFaces:
    """Faces without pictures: labels alone, or pictures of one grey value each."""

    size = 128

    def __init__(self, people: int, expressions: list[int], yaws: list[float]) -> None:
        rows = [(p, e, y) for p in range(people) for e in expressions for y in yaws]
        self.persons = np.array([f"person {p}" for p, _, _ in rows])
        self.expressions = np.array([e for _, e, _ in rows])
        self.yaws = np.array([y for _, _, y in rows], dtype=float)
        self.action_units = torch.full((len(rows), 17), torch.nan)

    def __len__(self) -> int:
        return len(self.persons)

    def take(self, rows: np.ndarray, column: str = "image") -> torch.Tensor:
        return torch.from_numpy(rows % 200).to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, self.size, self.size)


def copying(name: str = "copy") -> Method:
    """A method that gives the reference back."""
    return Method(name, "picture", "digest", 128, torch.device("cpu"), lambda request: request.reference)


def mean_colour(images: torch.Tensor) -> np.ndarray:
    """Stands for a face embedding: (B, 3)."""
    return images.double().mean(dim=(2, 3)).numpy()
