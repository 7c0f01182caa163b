"""Help for readers of image folders: file names, splits, and OpenFace's action units beside a folder."""

import re
import warnings
from collections.abc import Sequence
from pathlib import Path

from PIL import Image as PILImage

from leed.data.action_units import read_openface_csv
from leed.files import is_hidden
from leed.images import image_files

DESCRIPTIONS = ("metadata.csv", "metadata.jsonl")
"""Names of the file that describes the pictures of a folder."""


def openface_units(folder: Path, files: Sequence[Path]) -> list[list[float] | None]:
    """Action units of these pictures where OpenFace's files lie beside their folder, else None for each.

    They are the folder `<folder>-openface` or the file `<folder>-openface.csv`; see `read_openface_csv`.
    """
    beside = (folder.with_name(f"{folder.name}-openface{ending}") for ending in ("", ".csv"))
    path = next((path for path in beside if path.exists()), None)
    found = {} if path is None else read_openface_csv(path)
    if path is not None and not any(file.stem in found for file in files):
        raise ValueError(f"{path} has no row for any picture in {folder}; files there are named like {files[0].stem}")
    return [found[file.stem].tolist() if file.stem in found else None for file in files]


def named_files(folder: Path, pattern: re.Pattern[str]) -> list[tuple[re.Match[str], Path]]:
    """The pictures below a folder whose names match, each with its match; warns of the others."""
    found = [(pattern.fullmatch(path.name), path) for path in image_files(folder)]
    if others := [path.name for match, path in found if match is None]:
        warnings.warn(
            f"{len(others)} pictures in {folder} have other names and are left out: {others[:5]}", stacklevel=3
        )
    return [(match, path) for match, path in found if match is not None]


def only_train(folder: Path, split: str) -> Path:
    """The folder itself. Raises `ValueError` for any split but "train", the only one that such a set has."""
    if split != "train":
        raise ValueError(f"{folder} has no split {split!r}; read 'train' and divide it with split_by_person")
    return folder


def shallow(folder: Path, name: str) -> Path | None:
    """The file or folder of this name at most two levels down; large trees are not searched."""
    return next(iter(all_shallow(folder, (name,))), None)


def all_shallow(folder: Path, names: Sequence[str]) -> list[Path]:
    """All files or folders of these names at the least depth where there are any, at most two levels down."""
    for depth in range(3):
        found = [path for name in names for path in folder.glob("*/" * depth + name) if not is_hidden(path, folder)]
        if found:
            return sorted(found)
    return []


def is_square(path: Path) -> bool:
    """Whether a picture is square; False for one that cannot be read."""
    try:
        with PILImage.open(path) as image:
            return image.width == image.height
    except OSError:
        return False  # check_images names it
