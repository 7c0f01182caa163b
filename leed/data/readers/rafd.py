"""The Radboud Faces Database."""

import random
import re
import warnings
from collections.abc import Sequence
from pathlib import Path

from datasets import Dataset

from leed.data.readers.files import is_square, named_files, only_train, openface_units
from leed.data.readers.reader import Contents, Reader
from leed.data.table import expression_index, standard_table

RAFD_FILE = re.compile(
    r"Rafd(?P<camera>\d{3})_(?P<person>\d+)_(?P<origin>[A-Za-z]+)_(?P<gender>[a-z]+)_(?P<expression>[a-z]+)_(?P<gaze>[a-z]+)"
    r"\.(jpg|jpeg|png)",
    re.IGNORECASE,
)

RAFD_CROP = (40 / 681, 130 / 1024, 640 / 681, 730 / 1024)
RAFD_CAMERAS = ("045", "090", "135")
"""The cameras that are read by default: in the profiles of 000 and 180 half of the face is hidden."""

ALL_CAMERAS = ("000", *RAFD_CAMERAS, "180")


def read_rafd(folder: Path, split: str = "train", cameras: Sequence[str] = RAFD_CAMERAS) -> Dataset:
    """The Radboud Faces Database as distributed: `Rafd090_01_Caucasian_female_angry_frontal.jpg`, 681x1024.

    Only pictures of `cameras` are read, and a warning says how many are left out. The view of a row is the same shot
    from another of them, chosen by the file's name. There are no true neutral faces: a neutral photo taken at another
    moment differs in pose and light, so it cannot serve as ground truth. `yaw` is the camera's number minus 90, in
    degrees: check its sign against your other sets before mixing them. The crop is a fixed square of 600 pixels about
    the head, as is usual for this set; faces aligned by `python -m leed.photo.align_folder` are better, and square
    pictures are taken whole. The set has no test split: use `split_by_person`. Action units: see `openface_units`.
    """
    found = named_files(only_train(folder, split), RAFD_FILE)
    if unknown := sorted(set(cameras) - set(ALL_CAMERAS)):
        raise ValueError(f"RaFD has no cameras {unknown}: expected some of {list(ALL_CAMERAS)}")
    pictures = [(match.groupdict(), path) for match, path in found if match["camera"] in cameras]
    if not pictures:
        raise ValueError(
            f"no pictures of cameras {cameras} named like Rafd090_01_Caucasian_female_angry_frontal.jpg in {folder}"
        )
    if left_out := len(found) - len(pictures):
        others = sorted({match["camera"] for match, _ in found} - set(cameras))
        warnings.warn(f"{left_out} of {len(found)} pictures in {folder} are left out: cameras {others}", stacklevel=3)
    by_shot: dict[tuple[str, str, str], list[Path]] = {}
    for names, path in pictures:
        by_shot.setdefault(_shot(names), []).append(path)
    views = []
    for names, path in pictures:
        others = [other for other in by_shot[_shot(names)] if other != path]
        views.append(random.Random(path.name).choice(others) if others else None)
    crop = None if is_square(pictures[0][1]) else RAFD_CROP
    return standard_table(
        len(pictures),
        image=[path for _, path in pictures],
        view=views,
        expression=[expression_index(names["expression"]) for names, _ in pictures],
        person=[f"rafd-{int(names['person']):02d}" for names, _ in pictures],
        yaw=[float(names["camera"]) - 90 for names, _ in pictures],
        action_units=openface_units(folder, [path for _, path in pictures]),
        image_crop=[crop] * len(pictures),
        view_crop=[crop] * len(pictures),
    )


def _shot(names: dict[str, str]) -> tuple[str, str, str]:
    """Person, expression and gaze, which name a shot that several cameras took."""
    return names["person"], names["expression"].lower(), names["gaze"].lower()


def recognizes(contents: Contents) -> bool:
    """Whether the pictures are named like the database's."""
    return contents.picture is not None and RAFD_FILE.fullmatch(contents.picture.name) is not None


READER = Reader(read_rafd, recognizes)
