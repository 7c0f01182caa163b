"""Facial action units: the 17 intensities that OpenFace measures, from its files or from blendshape weights.

A vector of action units has the order of `ACTION_UNITS` and values in [0, 1]: OpenFace's intensity, 0 to 5, over 5.
`docs/action-units.md` gives the reasons for the tables here.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from leed.config import ACTION_UNITS, OPENFACE_MAX_YAW
from leed.data.csv_rows import csv_rows

FULL_WEIGHT = 1.6
"""The blendshape weight that counts as intensity 5: the largest in the open set, so that none is clipped."""


BLENDSHAPES = {
    "AU01": ("browInnerUp",),  # inner brow raiser
    "AU02": ("browOuterUp",),  # outer brow raiser
    "AU04": ("browDown",),  # brow lowerer
    "AU05": ("eyeWide",),  # upper lid raiser
    "AU06": ("cheekSquint",),  # cheek raiser
    "AU07": ("eyeSquint",),  # lid tightener
    "AU09": ("noseSneer",),  # nose wrinkler
    "AU10": ("mouthUpperUp",),  # upper lip raiser
    "AU12": ("mouthSmile",),  # lip corner puller
    "AU14": ("mouthDimple",),  # dimpler
    "AU15": ("mouthFrown",),  # lip corner depressor
    "AU17": ("mouthShrugLower",),  # chin raiser
    "AU20": ("mouthStretch",),  # lip stretcher
    "AU23": ("mouthPress", "mouthRollLower", "mouthRollUpper"),  # lip tightener
    "AU25": ("jawOpen", "mouthLowerDown", "mouthUpperUp"),  # lips part
    "AU26": ("jawOpen",),  # jaw drop
    "AU45": ("eyeBlink",),  # blink
}
"""The blendshapes that perform each action unit; the strongest counts, after averaging the two sides."""


DRAWN_ACTIONS = {
    "AU01": ("brow_inner",),
    "AU02": ("brow_outer",),
    "AU04": ("brow_lower", "brow_squeeze"),
    "AU05": ("eye_wide",),
    "AU06": ("cheek",),
    "AU07": ("eye_squint",),
    "AU09": ("nose_wrinkle",),
    "AU10": ("lip_raise",),
    "AU12": ("smile",),
    "AU15": ("frown",),
    "AU20": ("stretch",),
    "AU23": ("press",),
    "AU25": ("jaw",),
    "AU26": ("jaw",),
}
"""The same for the movements of synthetic faces (`leed.data.drawn.ACTIONS`), which lack dimple, chin and blink."""


SIDES = ("", "_L", "_R", "_left", "_right")
MIN_CONFIDENCE = 0.7
"""Below this confidence, OpenFace's author regards its landmarks as failed (issue 270 of its repository)."""


def from_blendshapes(names: Sequence[str], weights: Tensor | Sequence[Sequence[float]]) -> Tensor:
    """Action units (N, 17) of blendshape weights (N, len(names)), by `BLENDSHAPES`; NaN where a weight is NaN.

    Names are ARKit's with `_L` and `_R`, as the open set's. Raises `ValueError` if one in the table is missing, or if
    there are not as many weights as names.
    """
    return _combined(BLENDSHAPES, names, weights)


def from_drawn_actions(names: Sequence[str], actions: Tensor) -> Tensor:
    """Action units (N, 17) of the movements (N, 15) of synthetic faces, by `DRAWN_ACTIONS`."""
    return _combined(DRAWN_ACTIONS, names, actions)


def _combined(
    table: Mapping[str, Sequence[str]], names: Sequence[str], weights: Tensor | Sequence[Sequence[float]]
) -> Tensor:
    weights = torch.as_tensor(weights, dtype=torch.float32)
    if weights.ndim != 2 or weights.shape[1] != len(names):
        raise ValueError(f"weights must be (N, {len(names)}), one for each name, got {tuple(weights.shape)}")
    columns = {name: column for column, name in enumerate(names)}

    def strength(shape: str) -> Tensor:
        sides = [columns[shape + side] for side in SIDES if shape + side in columns]
        if not sides:
            raise ValueError(f"no weight is named {shape}, {shape}_L or {shape}_R; the names are {list(names)}")
        return weights[:, sides].mean(dim=1)

    units = torch.zeros(len(weights), len(ACTION_UNITS))
    for unit, shapes in table.items():
        units[:, ACTION_UNITS.index(unit)] = torch.stack([strength(shape) for shape in shapes]).amax(dim=0)
    return (units / FULL_WEIGHT).clamp(0, 1)


def read_openface_csv(path: str | Path) -> dict[str, Tensor]:
    """Action units (17,) from OpenFace's output, by the picture's file name without its ending.

    `path` is a folder with a CSV file for each picture, named like it, as `FaceLandmarkImg -fdir` leaves it; or a
    single CSV file, of one picture or of many with a column `file` added. Pictures on which OpenFace failed (success 0
    or confidence below MIN_CONFIDENCE) have no vector; of several faces in a picture the most confident counts. Raises
    `ValueError` for files without intensities of all 17 action units and for pictures of one name.
    """
    path = Path(path)
    files = sorted(path.rglob("*.csv")) if path.is_dir() else [path]
    if not files:
        raise ValueError(
            f"no CSV files in {path}: expected one for each picture, as OpenFace's FaceLandmarkImg writes"
        )
    found: dict[str, tuple[float, Tensor]] = {}
    origin: dict[str, Path] = {}
    for file in files:
        for name, confidence, units in _openface_rows(file):
            if origin.setdefault(name, file) != file:
                raise ValueError(f"{origin[name]} and {file} are of pictures of one name: {name}")
            if name not in found or confidence > found[name][0]:
                found[name] = confidence, units
    return {name: units for name, (_, units) in found.items()}


def _openface_rows(file: Path) -> Iterator[tuple[str, float, Tensor]]:
    """The picture's name, the confidence and the action units of each face that OpenFace found."""
    rows = csv_rows(file)
    columns = [f"{unit}_r" for unit in ACTION_UNITS]
    for row in rows:
        if missing := [column for column in ("confidence", *columns) if row.get(column) is None]:
            raise ValueError(f"{file} has no {missing}: run OpenFace with -aus and leave its CSV files as they are")
    named = bool(rows) and "file" in rows[0]
    if not named and len({row["frame"] for row in rows if "frame" in row}) > 1:
        raise ValueError(
            f"{file} is of a film or a sequence, whose rows do not name their pictures: add a column file, or run "
            "OpenFace's FaceLandmarkImg on the folder"
        )
    for row in rows:
        confidence, units = float(row["confidence"]), [float(row[column]) for column in columns]
        if float(row.get("success", 1)) < 1 or confidence < MIN_CONFIDENCE or not all(map(math.isfinite, units)):
            continue
        if not 0 <= min(units) <= max(units) <= 5:
            raise ValueError(f"{file} has intensities outside 0 to 5: {units}")
        yield Path(row["file"] if named else file).stem, confidence, torch.tensor(units) / 5


def within_openface_range(yaw: Tensor, max_yaw: float = OPENFACE_MAX_YAW) -> Tensor:
    """Whether heads are turned by at most `max_yaw`, so that OpenFace can measure action units: bool, shaped as `yaw`.

    Yaws are in degrees; an unknown yaw, NaN, counts as within the range.
    """
    return ~(yaw.abs() > max_yaw)
