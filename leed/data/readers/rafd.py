"""The Radboud Faces Database."""

import random
import re
from collections.abc import Sequence
from pathlib import Path

from datasets import Dataset

from leed.data.readers.files import _is_square, _named_files, _only_train, openface_units
from leed.data.table import expression_index, standard_table

RAFD_FILE = re.compile(
    r"Rafd(?P<camera>\d{3})_(?P<person>\d+)_(?P<origin>[A-Za-z]+)_(?P<gender>[a-z]+)_(?P<expression>[a-z]+)_(?P<gaze>[a-z]+)"
    r"\.(jpg|jpeg|png)",
    re.IGNORECASE,
)

RAFD_CROP = (40 / 681, 130 / 1024, 640 / 681, 730 / 1024)
RAFD_CAMERAS = ("045", "090", "135")


def read_rafd(folder: Path, split: str = "train", cameras: Sequence[str] = RAFD_CAMERAS) -> Dataset:
    """The Radboud Faces Database as distributed: `Rafd090_01_Caucasian_female_angry_frontal.jpg`, 681x1024.

    Only pictures of `cameras` are read. The view of a row is the same moment from another of them, chosen by the
    file's name; there is no true neutral, as a neutral face was posed at another moment. `yaw` is the camera's number
    minus 90: check its sign against your other sets before mixing them. The crop is a fixed square of 600 pixels about
    the head, as is usual for this set; faces aligned by `python -m leed.photo.align_folder` are better, and square
    pictures are taken whole. The set has no test split: use `split_by_person`. Action units: see `openface_units`.
    """
    found = _named_files(_only_train(folder, split), RAFD_FILE)
    shots = [(match.groupdict(), path) for match, path in found if match["camera"] in cameras]
    if not shots:
        raise ValueError(
            f"no pictures of cameras {cameras} named like Rafd090_01_Caucasian_female_angry_frontal.jpg in {folder}"
        )
    moments: dict[tuple, list[Path]] = {}
    for names, path in shots:
        moments.setdefault(_rafd_moment(names), []).append(path)
    views = []
    for names, path in shots:
        others = [other for other in moments[_rafd_moment(names)] if other != path]
        views.append(random.Random(path.name).choice(others) if others else None)
    crop = None if _is_square(shots[0][1]) else RAFD_CROP
    return standard_table(
        len(shots),
        image=[path for _, path in shots],
        view=views,
        expression=[expression_index(names["expression"]) for names, _ in shots],
        person=[f"rafd-{int(names['person']):02d}" for names, _ in shots],
        yaw=[float(names["camera"]) - 90 for names, _ in shots],
        action_units=openface_units(folder, [path for _, path in shots]),
        image_crop=[crop] * len(shots),
        view_crop=[crop] * len(shots),
    )


def _rafd_moment(names: dict[str, str]) -> tuple[str, str, str]:
    return names["person"], names["expression"].lower(), names["gaze"].lower()
