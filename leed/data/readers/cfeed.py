"""Compound Facial Expressions of Emotion."""

import re
from pathlib import Path

from datasets import Dataset

from leed.config import EXPRESSIONS
from leed.data.readers.files import named_files, only_train, openface_units
from leed.data.readers.reader import Contents, Reader
from leed.data.table import standard_table

CFEED_FILE = re.compile(r"(?P<category>\d{2})_(?P<person>\d{3})(_\d+)?\.(jpg|jpeg|png)", re.IGNORECASE)

# The first eight of the 26 categories are basic (sadness twice: 3 and 4); from 9 on they are compound.
CFEED_BASIC = {
    1: "neutral",
    2: "happy",
    3: "sad",
    4: "sad",
    5: "angry",
    6: "surprised",
    7: "disgusted",
    8: "fearful",
}


def read_cfeed(folder: Path, split: str = "train") -> Dataset:
    """Compound Facial Expressions of Emotion as distributed: `CFEE_Database_230/01-04/Images1/01_126_3963.jpg`.

    A file is named by category (01 to 26), person and shot. Categories from 9 on are compound: expression -1. The
    photographs are not aligned: the central square is taken. Faces aligned by `python -m leed.photo.align_folder` are
    better; they are square and taken whole. The set has no test split: use `split_by_person`. Action units: see
    `openface_units`.
    """
    found = named_files(only_train(folder, split), CFEED_FILE)
    shots = [(int(match["category"]), match["person"], path) for match, path in found]
    if not shots:
        raise ValueError(f"no pictures named like 01_126_3963.jpg (category, person, shot) in {folder}")
    if unknown := sorted({category for category, _, _ in shots if not 1 <= category <= 26}):
        raise ValueError(f"categories must be in 1..26, got {unknown} in {folder}")
    expressions = [EXPRESSIONS.index(CFEED_BASIC[c]) if c in CFEED_BASIC else -1 for c, _, _ in shots]
    return standard_table(
        len(shots),
        image=[path for _, _, path in shots],
        expression=expressions,
        person=[f"cfeed-{person}" for _, person, _ in shots],
        yaw=[0.0] * len(shots),
        action_units=openface_units(folder, [path for _, _, path in shots]),
    )


def recognizes(contents: Contents) -> bool:
    """Whether the pictures are named by category, person and shot."""
    return contents.picture is not None and CFEED_FILE.fullmatch(contents.picture.name) is not None


READER = Reader(read_cfeed, recognizes)
