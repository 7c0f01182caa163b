"""Face sets as tensors: load, split by person, check, decode. See `leed.data.table` for the table they all share."""

import io
import os
import random
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np
import torch
from datasets import Dataset
from PIL import Image as PILImage
from PIL import ImageOps
from torch import Tensor
from tqdm.auto import tqdm

from leed.config import ACTION_UNITS
from leed.data.batch import Batch, map_tensors
from leed.data.fingerprint import quick_digest
from leed.data.readers.drawn import read_drawn
from leed.data.readers.rafd import RAFD_CAMERAS, read_rafd
from leed.data.readers.registry import READERS, guess_reader
from leed.data.table import PICTURES, encoded
from leed.images import to_uint8
from leed.pretrained import tensors_digest

IN_MEMORY_BYTES = 4 * 2**30
CHUNK = 256  # rows decoded at a time


def load_faces(
    source: str | Path,
    reader: str | None = None,
    split: str = "train",
    max_samples: int | None = None,
    seed: int = 0,
    rafd_cameras: Sequence[str] = RAFD_CAMERAS,
) -> Dataset:
    """The standard table of a face set.

    Args:
        source: a folder (`~` is your own), a set on the Hub ("owner/name"), or "drawn" for synthetic faces.
        reader: one of `READERS`; None guesses it from the contents of the folder.
        split: "train", "test" or "validation", as far as the set has it.
        max_samples: keep that many rows at most, drawn by `seed`, in their order.
        seed: of that draw.
        rafd_cameras: those of RaFD to read, of "000", "045", "090", "135", "180".
    """
    if reader is not None and reader not in READERS:
        raise ValueError(f"reader must be one of {sorted(READERS)}, got {reader!r}")
    _check_count(max_samples)
    chosen = reader or guess_reader(source)
    folder = Path(os.path.abspath(Path(source).expanduser()))  # absolute: readers look for siblings by its name
    place = Path(source) if chosen == "table" and not folder.exists() else folder
    try:
        if chosen == "drawn":
            dataset = read_drawn(split=split, max_samples=max_samples)
        elif chosen == "rafd":
            dataset = read_rafd(place, split, rafd_cameras)
        else:
            dataset = READERS[chosen].read(place, split)
    except ValueError as error:
        if reader is not None:
            raise
        hint = f"{source} was taken for {chosen!r} by its content; choose with reader=, one of {sorted(READERS)}"
        raise ValueError(f"{error} ({hint})") from error
    if len(dataset) == 0:
        raise ValueError(f"split {split!r} of {source} (reader {chosen!r}) is empty")
    return at_most(dataset, max_samples, seed)


def at_most(dataset: Dataset, max_samples: int | None, seed: int = 0) -> Dataset:
    """So many rows of a table at most, drawn by `seed`, in their order; with None all of them."""
    _check_count(max_samples)
    if max_samples is None or max_samples >= len(dataset):
        return dataset
    return dataset.select(sorted(random.Random(seed).sample(range(len(dataset)), max_samples)))


def _check_count(max_samples: int | None) -> None:
    if max_samples is not None and max_samples < 1:
        raise ValueError(f"max_samples must be at least 1, got {max_samples}")


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


def split_sets_by_person(
    datasets: Sequence[Dataset], fraction: float = 0.1, seed: int = 0
) -> list[tuple[Dataset, Dataset]]:
    """`(train, held_out)` of each of several sets, with every person on the same side in all of them.

    People of an earlier set stay on their side, and about `fraction` of those that a later set adds are held out. So
    the people held out of the first set do not depend on the others. Either side of a later set may be empty. Raises
    `ValueError` for a first set of fewer than two people.
    """
    parts = [split_by_person(datasets[0], fraction, seed)]
    training, held_out = (set(part["person"]) for part in parts[0])
    for dataset in datasets[1:]:
        names = np.asarray(dataset["person"])
        new = dataset.select(np.flatnonzero(~np.isin(names, list(training | held_out))))
        if len(set(new["person"])) > 1:
            new_training, new_held_out = split_by_person(new, fraction, seed)
            training |= set(new_training["person"])
            held_out |= set(new_held_out["person"])
        else:
            training |= set(new["person"])
        out = np.isin(names, list(held_out))
        parts.append((dataset.select(np.flatnonzero(~out)), dataset.select(np.flatnonzero(out))))
    return parts


def fold_of(person: str, num_folds: int) -> int:
    """The part, from 0 to `num_folds` - 1, that a person belongs to: by the name alone."""
    return zlib.crc32(person.encode()) % num_folds


def without_fold(dataset: Dataset, fold: int, num_folds: int) -> Dataset:
    """The rows of the people outside one fold. Raises `ValueError` if there are none."""
    rows = [row for row, person in enumerate(dataset["person"]) if fold_of(person, num_folds) != fold]
    if not rows:
        raise ValueError(f"no one is left without fold {fold} of {num_folds}: use fewer folds or more people")
    return dataset.select(rows)


def open_picture(picture: dict) -> PILImage.Image:
    """A picture of the table, upright."""
    source = picture["path"] if picture["bytes"] is None else io.BytesIO(picture["bytes"])
    with PILImage.open(source) as image:
        image.load()
    ImageOps.exif_transpose(image, in_place=True)
    return image


def decode(picture: dict, size: int, crop: Sequence[float] | None = None) -> Tensor:
    """A picture of the table, cropped, cut to its central square and resized: uint8 (3, size, size)."""
    image = open_picture(picture)
    left, top, right, bottom = crop or (0, 0, 1, 1)
    if max(left, top, right, bottom) <= 1:
        left, right, top, bottom = left * image.width, right * image.width, top * image.height, bottom * image.height
    side = min(right - left, bottom - top)
    left, top = (left + right - side) / 2, (top + bottom - side) / 2
    box = round(left), round(top), round(left + side), round(top + side)
    return to_uint8(image if box == (0, 0, *image.size) else image.crop(box), size)


def check_images(dataset: Dataset, num_threads: int | None = None) -> None:
    """Opens every picture of the table. Raises `ValueError` listing those that cannot be read."""
    raise_broken(broken_images(dataset, range(len(dataset)), num_threads))


def broken_images(
    dataset: Dataset, rows: Sequence[int], num_threads: int | None = None, quiet: bool | None = True
) -> list[tuple[int, str]]:
    """Opens the pictures in some rows of the table. Returns the row and a description of each that cannot be read.

    `quiet` is tqdm's `disable`: None shows a progress bar on a terminal.
    """
    table = encoded(dataset)

    def check(place: tuple[int, str, dict]) -> tuple[int, str] | None:
        row, name, picture = place
        try:
            open_picture(picture)
        except (OSError, ValueError, SyntaxError) as error:
            return row, f"row {row}, {name}, {picture['path'] or 'embedded'}: {error}"
        return None

    broken: list[tuple[int, str]] = []
    with (
        ThreadPoolExecutor(num_threads or os.cpu_count()) as pool,
        tqdm(None, "checking pictures", len(rows), unit="row", disable=quiet) as progress,
    ):
        for start in range(0, len(rows), CHUNK):
            part = rows[start : start + CHUNK]
            chunk = table[part]
            places = [(row, name, p) for name in PICTURES for row, p in zip(part, chunk[name], strict=True) if p]
            broken += [found for found in pool.map(check, places) if found]
            progress.update(len(part))
    return broken


def raise_broken(broken: list[tuple[int, str]]) -> None:
    """Raises `ValueError` if there are broken pictures, listing the first of them in the order of their rows."""
    if broken:
        listed = "\n  ".join(text for _, text in sorted(broken)[:20])
        more = f"\n  and {len(broken) - 20} more" if len(broken) > 20 else ""
        raise ValueError(
            f"{len(broken)} pictures cannot be read; replace them, or remove their rows with `dataset.select`:\n"
            f"  {listed}{more}"
        )


class FaceDataset(torch.utils.data.Dataset):
    """The pictures and labels of a standard table as tensors.

    In memory (by default if they fit into 4 GiB) all pictures are decoded once: `images` uint8 (N, 3, S, S), and
    `neutrals`, `views`, `view_neutrals` likewise or None where the table has none. Otherwise these four are None and
    pictures are decoded as they are asked for.

    `expressions` int64 (N,), `person_ids` int64 (N,) into the sorted names `persons`, `yaws` float32 (N,),
    `action_units` float32 (N, 17), NaN where unknown, `has_neutral`, `has_view` and `has_action_units` bool (N,) are
    there in both cases.

    `sets` tells a table of several face sets, one after the other: the number of rows of each by its name. Then
    `set_names` holds the names, and `set_ids` int64 (N,) the place among them of each row's set. Otherwise all rows
    are of one set, "".
    """

    def __init__(
        self,
        dataset: Dataset,
        image_size: int,
        in_memory: bool | None = None,
        num_threads: int | None = None,
        sets: Mapping[str, int] | None = None,
    ) -> None:
        table = encoded(dataset)
        self.image_size = image_size
        self.num_threads = num_threads or os.cpu_count() or 1
        self.expressions = torch.tensor(list(table["expression"]), dtype=torch.int64)
        self.yaws = torch.tensor(list(table["yaw"]), dtype=torch.float32)
        self.action_units, self.has_action_units = stack_action_units(table["action_units"])
        persons, ids = np.unique(np.asarray(list(table["person"]), dtype=str), return_inverse=True)
        self.persons: list[str] = persons.tolist()
        self.person_ids = torch.from_numpy(ids).long()
        counts = {"": len(table)} if sets is None else dict(sets)
        if sum(counts.values()) != len(table):
            raise ValueError(f"the table has {len(table)} rows, and its sets have {sum(counts.values())}: {counts}")
        self.set_names = tuple(counts)
        self.set_ids = torch.arange(len(counts)).repeat_interleave(torch.tensor(list(counts.values())))
        present = _present(table)
        self.has_neutral, self.has_view = present["neutral"], present["view"]
        self.has_view_neutral = present["view_neutral"]
        kinds = [name for name in PICTURES if present[name].any()]
        size_bytes = len(kinds) * len(table) * 3 * image_size**2
        self.in_memory = size_bytes <= IN_MEMORY_BYTES if in_memory is None else in_memory
        stored = self._decode_all(table, kinds) if self.in_memory else {}
        self.table = None if self.in_memory else table
        self.images, self.neutrals, self.views, self.view_neutrals = (stored.get(name) for name in PICTURES)

    @cached_property
    def digest(self) -> str:
        """The digest of the pictures: of the decoded ones where they are in memory, else of the table's."""
        if self.table is not None:
            return quick_digest(self.table)
        stored = zip(PICTURES, (self.images, self.neutrals, self.views, self.view_neutrals), strict=True)
        return tensors_digest({name: pictures for name, pictures in stored if pictures is not None})

    def __len__(self) -> int:
        return len(self.expressions)

    def __getitem__(self, index: int) -> Batch:
        """One row of the batch that `__getitems__` gives."""
        return map_tensors(self.__getitems__([index]), lambda values: values[0])

    def __getitems__(self, indices: list[int]) -> Batch:
        """A collated batch."""
        rows = torch.as_tensor(indices, dtype=torch.int64)
        pictures = self._take(rows) if self.table is None else self._decode_rows(self.table, rows)
        return {
            "image": pictures["image"],
            "neutral": pictures["neutral"],
            "view": pictures["view"],
            "view_neutral": pictures["view_neutral"],
            "has_neutral": self.has_neutral[rows],
            "has_view": self.has_view[rows],
            "has_view_neutral": self.has_view_neutral[rows],
            "expression": self.expressions[rows],
            "person": self.person_ids[rows],
            "yaw": self.yaws[rows],
            "action_units": self.action_units[rows],
            "has_action_units": self.has_action_units[rows],
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

    def _decode_rows(self, table: Dataset, rows: Tensor) -> dict[str, Tensor]:
        chunk = table[rows.tolist()]
        pictures = {name: self._zeros(len(rows)) for name in PICTURES}
        for name, target in pictures.items():
            self._decode_into(target, chunk, name, rows.tolist(), map)
        return pictures

    def _decode_all(self, table: Dataset, kinds: list[str]) -> dict[str, Tensor]:
        """All pictures of these columns, decoded by threads (Pillow frees the interpreter while it decodes)."""
        stored = {name: self._zeros(len(table)) for name in kinds}
        with ThreadPoolExecutor(self.num_threads) as pool:
            for start in range(0, len(table), CHUNK):
                chunk = table[start : start + CHUNK]
                rows = range(start, start + len(chunk["person"]))
                for name in kinds:
                    self._decode_into(stored[name][rows.start : rows.stop], chunk, name, rows, pool.map)
        return stored

    def _decode_into(self, target: Tensor, chunk: dict, name: str, rows: Sequence[int], each: Callable) -> None:
        """Decodes one column of a chunk into target (len(rows), 3, S, S). Raises `ValueError` naming the row."""
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
                    f"row {rows[i]}, {name}, {path}: {error}; leed.data.faces.check_images lists all such pictures"
                ) from error

        for _ in each(fill, range(len(rows))):
            pass


def stack_action_units(rows: Iterable[Sequence[float] | None]) -> tuple[Tensor, Tensor]:
    """Action units, float32 (N, 17), NaN where unknown, and the rows where they are known, bool (N,)."""
    rows = list(rows)
    if wrong := {len(row) for row in rows if row is not None} - {len(ACTION_UNITS)}:
        raise ValueError(f"action_units must be {len(ACTION_UNITS)} numbers or None, got rows of {sorted(wrong)}")
    unknown = [torch.nan] * len(ACTION_UNITS)
    units = torch.tensor([unknown if row is None else row for row in rows], dtype=torch.float32)
    return units.reshape(-1, len(ACTION_UNITS)), torch.tensor([row is not None for row in rows], dtype=torch.bool)


def _present(table: Dataset) -> dict[str, Tensor]:
    """For each column of pictures the rows that have one: bool (N,)."""
    found: dict[str, list[np.ndarray]] = {name: [] for name in PICTURES}
    for chunk in table.select_columns(list(PICTURES)).with_format("arrow").iter(CHUNK):  # all at once would be copied
        for name, valid in found.items():
            valid.append(np.array(chunk[name].is_valid()))
    return {name: torch.from_numpy(np.concatenate([np.zeros(0, bool), *valid])) for name, valid in found.items()}


def collate(batch: Batch | list[Batch]) -> Batch:
    """For `DataLoader(collate_fn=)`: `FaceDataset` gives collated batches; lists of single rows are stacked."""
    if not isinstance(batch, list):
        return batch
    rows = cast(list[dict[str, Tensor]], batch)
    return cast(Batch, {name: torch.stack([row[name] for row in rows]) for name in rows[0]})
