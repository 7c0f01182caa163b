"""Face sets: readers that bring each of them into one standard table, and the tensors made of it.

The standard table is a `datasets.Dataset` with the columns of `FEATURES`:

- `image`: the picture;
- `neutral`: the true neutral face of the same person in exactly the same pose, or None;
- `view`, `view_neutral`: the same person and moment from another camera, and the true neutral face there, or None;
- `expression`: index into `EXPRESSIONS`, -1 if unknown;
- `person`: a name; where nothing is known about identity, each row has a name of its own;
- `yaw`: degrees, negative towards the picture's left, NaN if unknown;
- `image_crop`, `view_crop`: the part to keep, (left, top, right, bottom) as fractions of the picture's sides, or None.

Pictures stay encoded in the table. `FaceDataset` decodes, crops and resizes them.
"""

import io
import os
import random
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from datasets import Dataset, DatasetInfo, Features, Image, List, Value
from PIL import Image as PILImage
from PIL import ImageOps
from torch import Tensor

from leed.config import EXPRESSIONS
from leed.images import to_uint8

PICTURES = ("image", "neutral", "view", "view_neutral")

FEATURES = Features(
    {
        **{name: Image() for name in PICTURES},
        "expression": Value("int64"),
        "person": Value("string"),
        "yaw": Value("float32"),
        "image_crop": List(Value("float32")),
        "view_crop": List(Value("float32")),
    }
)

INNER_CROP = (28 / 256, 40 / 256, 228 / 256, 240 / 256)
"""Inner crop of the open face set's pictures; its twins and views are stored in this crop."""

IN_MEMORY_BYTES = 4 * 2**30
CHUNK = 256  # rows decoded at a time


# --------------------------------------------------------------------------------------------------------------------
# The standard table


def standard_table(num_rows: int, **columns: Sequence | pa.Array | pa.ChunkedArray) -> Dataset:
    """A standard table of the given columns; those left out are unknown. Pictures: paths or structs of bytes and path.

    Raises `ValueError` for unknown columns, other lengths and expressions outside -1..7.
    """
    if unknown := sorted(set(columns) - set(FEATURES)):
        raise ValueError(f"unknown columns {unknown}; the standard table has {list(FEATURES)}")
    arrays = {name: _array(name, columns.get(name), num_rows) for name in FEATURES}
    if wrong := {name: len(array) for name, array in arrays.items() if len(array) != num_rows}:
        raise ValueError(f"every column must have {num_rows} rows, got {wrong}")
    expressions = arrays["expression"].to_numpy()
    if num_rows and not (-1 <= expressions.min() and expressions.max() < len(EXPRESSIONS)):
        raise ValueError(
            f"expression must be in -1..{len(EXPRESSIONS) - 1}, got values from {expressions.min()} to "
            f"{expressions.max()}; see leed.config.EXPRESSIONS for the order"
        )
    return Dataset(pa.table(arrays), info=DatasetInfo(features=FEATURES))


def _array(name: str, values: Sequence | pa.Array | pa.ChunkedArray | None, num_rows: int) -> pa.ChunkedArray:
    """The values of one column in the type of `FEATURES`."""
    kind = FEATURES.arrow_schema.field(name).type
    if values is None:
        unknown = {"expression": -1, "yaw": float("nan")}.get(name)
        # A row whose person is unknown counts as a person of its own.
        values = [f"unknown-{row:07d}" for row in range(num_rows)] if name == "person" else [unknown] * num_rows
    if name in PICTURES and not isinstance(values, (pa.Array, pa.ChunkedArray)):
        values = [None if value is None else {"bytes": None, "path": str(value)} for value in values]
    array = (
        values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([pa.array(values)], pa.array(values).type)
    )
    return array.cast(kind)


def split_by_person(dataset: Dataset, fraction: float = 0.1, seed: int = 0) -> tuple[Dataset, Dataset]:
    """`(train, held_out)`: about `fraction` of the people, drawn by `seed`, are held out with all their pictures.

    Each side gets at least one person. Raises `ValueError` for fewer than two people.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"fraction must be between 0 and 1, got {fraction}")
    names = np.asarray(dataset["person"])
    people = sorted(set(names.tolist()))
    if len(people) < 2:
        raise ValueError(f"splitting by person needs at least two people, got {len(people)}: {people}")
    random.Random(seed).shuffle(people)
    count = min(max(round(fraction * len(people)), 1), len(people) - 1)
    held_out = np.isin(names, people[:count])
    return dataset.select(np.flatnonzero(~held_out)), dataset.select(np.flatnonzero(held_out))


# --------------------------------------------------------------------------------------------------------------------
# Readers


def parquet_files(folder: Path, split: str) -> list[Path]:
    """The parquet files of a split, `<split>-*.parquet` or `<split>.parquet`, sorted."""
    return sorted(path for path in folder.rglob("*.parquet") if path.name.startswith((f"{split}-", f"{split}.")))


def read_parquet(folder: Path, split: str, columns: Iterable[str]) -> pa.Table:
    """These columns of a split. Raises `ValueError` if there is no file for it or a column is missing."""
    files = parquet_files(folder, split)
    if not files:
        found = sorted(path.name for path in folder.rglob("*.parquet"))
        raise ValueError(f"no parquet file of split {split!r} in {folder}: expected {split}-*.parquet, found {found}")
    columns = list(columns)
    if missing := sorted(set(columns) - set(pq.read_schema(files[0]).names)):
        raise ValueError(f"{files[0]} has no columns {missing}, only {pq.read_schema(files[0]).names}")
    return pa.concat_tables(pq.read_table(path, columns=columns) for path in files).replace_schema_metadata()


def read_openfaces(folder: Path, split: str = "train") -> Dataset:
    """The open face set, with the neutral twins and second views of the folders `<folder>-twins` and `<folder>-views`.

    Either folder may be absent, and a row may be absent from it: real smiles have neither twin nor view.
    """
    faces = read_parquet(folder, split, ("image", "file", "expression", "person", "yaw"))
    files = faces["file"].to_pylist()
    columns = {name: faces[name] for name in ("image", "expression", "person", "yaw")}
    columns["image_crop"] = [INNER_CROP] * len(files)
    twins, views = (folder.with_name(f"{folder.name}-{kind}") for kind in ("twins", "views"))
    if parquet_files(twins, split):
        columns["neutral"] = _join(files, read_parquet(twins, split, ("file", "neutral")))["neutral"]
    if parquet_files(views, split):
        joined = _join(files, read_parquet(views, split, ("file", "view", "neutral")))
        columns |= {"view": joined["view"], "view_neutral": joined["neutral"]}
    return standard_table(len(files), **columns)


def _join(files: list[str], table: pa.Table) -> pa.Table:
    """The rows of `table` for these files, null where it has none."""
    rows = {file: row for row, file in enumerate(table["file"].to_pylist())}
    return table.take(pa.array([rows.get(file) for file in files], pa.int64()))


def read_wild(folder: Path, split: str = "train") -> Dataset:
    """The everyday photographs: aligned, in the models' crop, without neutrals."""
    table = read_parquet(folder, split, ("image", "expression", "person"))
    return standard_table(len(table), **{name: table[name] for name in table.column_names})


FER2013_EXPRESSIONS = ("angry", "disgusted", "fearful", "happy", "neutral", "sad", "surprised")


def read_fer2013(folder: Path, split: str = "train") -> Dataset:
    """FER-2013 (48x48, grey): who is pictured is unknown, so each row is a person of its own."""
    table = read_parquet(folder, split, ("image", "label"))
    expressions = [EXPRESSIONS.index(FER2013_EXPRESSIONS[label]) for label in table["label"].to_pylist()]
    return standard_table(len(table), image=table["image"], expression=expressions)


READERS: dict[str, Callable[[Path, str], Dataset]] = {
    "openfaces": read_openfaces,
    "wild": read_wild,
    "fer2013": read_fer2013,
}


def load_faces(
    source: str | Path,
    reader: str | None = None,
    split: str = "train",
    max_samples: int | None = None,
    seed: int = 0,
) -> Dataset:
    """The standard table of a face set; with `max_samples` that many rows at most, drawn by `seed`, in their order."""
    folder = Path(source)
    if reader is None:
        reader = next((name for name in READERS if folder.name.lower().startswith(name)), None)
    if reader not in READERS:
        raise ValueError(f"no reader for {source} (reader={reader!r}); name one of {sorted(READERS)}")
    dataset = READERS[reader](folder, split)
    if max_samples is not None and max_samples < len(dataset):
        dataset = dataset.select(sorted(random.Random(seed).sample(range(len(dataset)), max_samples)))
    return dataset


# --------------------------------------------------------------------------------------------------------------------
# Pictures


def encoded(dataset: Dataset) -> Dataset:
    """The same table, whose pictures are read as structs of bytes and path instead of being decoded."""
    for name in PICTURES:
        dataset = dataset.cast_column(name, Image(decode=False))
    return dataset


def open_picture(picture: dict) -> PILImage.Image:
    """A picture of the table, upright."""
    source = picture["path"] if picture["bytes"] is None else io.BytesIO(picture["bytes"])
    with PILImage.open(source) as image:
        return ImageOps.exif_transpose(image)


def decode(picture: dict, size: int, crop: Sequence[float] | None = None) -> Tensor:
    """A picture of the table, cropped and resized: uint8 (3, size, size)."""
    image = open_picture(picture)
    if crop is not None:
        left, top, right, bottom = crop
        box = (left * image.width, top * image.height, right * image.width, bottom * image.height)
        image = image.crop(tuple(round(edge) for edge in box))
    return to_uint8(image, size)


def check_images(dataset: Dataset, num_threads: int | None = None) -> None:
    """Open every picture of the table. Raises `ValueError` listing those that cannot be read."""
    rows = encoded(dataset)
    broken = []

    def check(place: tuple[int, str, dict]) -> str | None:
        row, name, picture = place
        try:
            open_picture(picture).load()
        except (OSError, ValueError, SyntaxError) as error:
            return f"row {row}, {name}, {picture['path'] or 'embedded'}: {error}"
        return None

    with ThreadPoolExecutor(num_threads or os.cpu_count()) as pool:
        for start in range(0, len(rows), CHUNK):
            chunk = rows[start : start + CHUNK]
            places = [(start + i, name, p) for name in PICTURES for i, p in enumerate(chunk[name]) if p is not None]
            broken += [line for line in pool.map(check, places) if line]
    if broken:
        listed = "\n  ".join(broken[:20])
        more = f"\n  and {len(broken) - 20} more" if len(broken) > 20 else ""
        raise ValueError(
            f"{len(broken)} pictures cannot be read; replace them, or remove their rows with `dataset.select`:\n"
            f"  {listed}{more}"
        )


# --------------------------------------------------------------------------------------------------------------------
# Tensors


class FaceDataset(torch.utils.data.Dataset):
    """The pictures and labels of a standard table as tensors.

    In memory (by default if they fit into 4 GiB) all pictures are decoded once: `images` uint8 (N, 3, S, S), and
    `neutrals`, `views`, `view_neutrals` likewise or None where the table has none. Otherwise these four are None and
    pictures are decoded as they are asked for.

    `expressions` int64 (N,), `person_ids` int64 (N,) into the sorted names `persons`, `yaws` float32 (N,),
    `has_neutral` and `has_view` bool (N,) are there in both cases.
    """

    def __init__(
        self, dataset: Dataset, image_size: int, in_memory: bool | None = None, num_threads: int | None = None
    ) -> None:
        self.table = encoded(dataset)
        self.image_size = image_size
        self.num_threads = num_threads or os.cpu_count() or 1
        self.expressions = torch.tensor(list(dataset["expression"]), dtype=torch.int64)
        self.yaws = torch.tensor(list(dataset["yaw"]), dtype=torch.float32)
        self.persons, ids = np.unique(np.asarray(list(dataset["person"]), dtype=str), return_inverse=True)
        self.persons, self.person_ids = self.persons.tolist(), torch.from_numpy(ids).long()
        present = _present(self.table)
        self.has_neutral, self.has_view = present["neutral"], present["view"]
        self.has_view_neutral = present["view_neutral"]
        kinds = [name for name in PICTURES if present[name].any()]
        size_bytes = len(kinds) * len(dataset) * 3 * image_size**2
        self.in_memory = size_bytes <= IN_MEMORY_BYTES if in_memory is None else in_memory
        stored = self._decode_all(kinds) if self.in_memory else {}
        self.images, self.neutrals, self.views, self.view_neutrals = (stored.get(name) for name in PICTURES)

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """One row of the batch that `__getitems__` gives."""
        return {name: values[0] for name, values in self.__getitems__([index]).items()}

    def __getitems__(self, indices: list[int]) -> dict[str, Tensor]:
        """A collated batch: pictures uint8 (B, 3, S, S), zeros where there is none, and labels (B,)."""
        rows = torch.as_tensor(indices, dtype=torch.int64)
        pictures = self._take(rows) if self.in_memory else self._decode_rows(rows)
        return pictures | {
            "has_neutral": self.has_neutral[rows],
            "has_view": self.has_view[rows],
            "has_view_neutral": self.has_view_neutral[rows],
            "expression": self.expressions[rows],
            "person": self.person_ids[rows],
            "yaw": self.yaws[rows],
            "index": rows,
        }

    def _take(self, rows: Tensor) -> dict[str, Tensor]:
        stored = (self.images, self.neutrals, self.views, self.view_neutrals)
        return {
            name: self._zeros(len(rows)) if pictures is None else pictures[rows]
            for name, pictures in zip(PICTURES, stored, strict=True)
        }

    def _zeros(self, count: int) -> Tensor:
        return torch.zeros(count, 3, self.image_size, self.image_size, dtype=torch.uint8)

    def _decode_rows(self, rows: Tensor) -> dict[str, Tensor]:
        chunk = self.table[rows.tolist()]
        pictures = {name: self._zeros(len(rows)) for name in PICTURES}
        for name, target in pictures.items():
            self._decode_into(target, chunk, name, rows.tolist(), map)
        return pictures

    def _decode_all(self, kinds: list[str]) -> dict[str, Tensor]:
        """All pictures of these columns, decoded by threads (Pillow frees the interpreter while it decodes)."""
        stored = {name: self._zeros(len(self.table)) for name in kinds}
        with ThreadPoolExecutor(self.num_threads) as pool:
            for start in range(0, len(self.table), CHUNK):
                chunk = self.table[start : start + CHUNK]
                rows = range(start, start + len(chunk["person"]))
                for name in kinds:
                    self._decode_into(stored[name][rows.start : rows.stop], chunk, name, rows, pool.map)
        return stored

    def _decode_into(self, target: Tensor, chunk: dict, name: str, rows: Sequence[int], each: Callable) -> None:
        """Decode one column of a chunk into target (len(rows), 3, S, S). Raises `ValueError` naming the row."""
        crops = chunk.get(f"{name}_crop", [None] * len(rows))

        def fill(i: int) -> None:
            picture = chunk[name][i]
            if picture is None:
                return
            try:
                target[i] = decode(picture, self.image_size, crops[i])
            except (OSError, ValueError, SyntaxError) as error:
                path = picture["path"] or "embedded"
                raise ValueError(
                    f"row {rows[i]}, {name}, {path}: {error}; leed.data.check_images lists all such pictures"
                ) from error

        for _ in each(fill, range(len(rows))):
            pass


def _present(table: Dataset) -> dict[str, Tensor]:
    """For each picture column, which rows have one: bool (N,)."""
    columns = {name: table.select_columns(name).with_format("arrow")[:][name] for name in PICTURES}
    return {name: torch.from_numpy(np.array(column.is_valid())) for name, column in columns.items()}


def collate(batch: dict[str, Tensor] | list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """For `DataLoader(collate_fn=)`: `FaceDataset` gives collated batches; lists of single rows are stacked."""
    if isinstance(batch, dict):
        return batch
    return {name: torch.stack([row[name] for row in batch]) for name in batch[0]}
