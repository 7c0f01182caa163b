"""Readers that bring every face set into one standard table.

The standard table is a `datasets.Dataset` with the columns of `FEATURES`:

- `image`: the picture;
- `neutral`: the true neutral face of the same person in exactly the same pose, or None;
- `view`, `view_neutral`: the same person and moment from another camera, and the true neutral face there, or None;
- `expression`: index into `EXPRESSIONS`, -1 if unknown;
- `person`: a name; where nothing is known about identity, each row has a name of its own;
- `yaw`: degrees, negative towards the picture's left, NaN if unknown;
- `action_units`: intensities of the 17 of `leed.data.action_units`, in [0, 1], or None;
- `image_crop`, `view_crop`: the part to keep, (left, top, right, bottom), as fractions of the picture's sides, or in
  pixels if any of them is above 1; None keeps all. What remains is cut to its central square.

Pictures stay encoded in the table. `leed.data.faces` decodes, crops and resizes them.
"""

import csv
import io
import json
import math
import random
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from datasets import ClassLabel, Dataset, DatasetInfo, Features, Image, List, Value, load_dataset
from datasets.fingerprint import generate_random_fingerprint
from PIL import Image as PILImage
from torch import Tensor

from leed.config import EXPRESSIONS
from leed.data.action_units import from_blendshapes, from_drawn_actions, read_openface_csv
from leed.data.drawn import ACTIONS, draw_many, drawn_moments
from leed.images import INNER_CROP

PICTURES = ("image", "neutral", "view", "view_neutral")

FEATURES = Features(
    {
        **{name: Image() for name in PICTURES},
        "expression": Value("int64"),
        "person": Value("string"),
        "yaw": Value("float32"),
        "action_units": List(Value("float32")),
        "image_crop": List(Value("float32")),
        "view_crop": List(Value("float32")),
    }
)

UNKNOWN = {"expression": -1, "yaw": math.nan}


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
    # The fingerprint is given because computing it would pickle every picture.
    info = DatasetInfo(features=FEATURES)
    return Dataset(pa.table(arrays), info=info, fingerprint=generate_random_fingerprint())


def _array(name: str, values: Sequence | pa.Array | pa.ChunkedArray | None, num_rows: int) -> pa.Array:
    """The values of one column in the type of `FEATURES`."""
    kind = FEATURES.arrow_schema.field(name).type
    if values is None:
        values = [UNKNOWN.get(name)] * num_rows
    if name in PICTURES and not isinstance(values, pa.Array | pa.ChunkedArray):
        values = [value if value is None or isinstance(value, dict) else _on_disk(value) for value in values]
    if not isinstance(values, pa.Array | pa.ChunkedArray):
        values = pa.array(values, None if name in PICTURES else kind)
    values = values.cast(kind)
    if name in UNKNOWN:
        values = pc.fill_null(values, UNKNOWN[name])
    if name == "person":  # a row whose person is unknown counts as a person of its own
        values = pa.array([value or f"unknown-{row:07d}" for row, value in enumerate(values.to_pylist())], kind)
    return values


def _on_disk(path: str | Path) -> dict:
    return {"bytes": None, "path": str(path)}


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

    Either folder may be absent, and a row may be absent from it: real smiles have neither twin nor view. Action units
    are made of the blendshape weights, which real smiles do not have either; `blendshapes.txt` in the folder names
    them, and without it there are none.
    """
    faces = read_parquet(folder, split, ("image", "file", "expression", "person", "yaw", "blendshapes"))
    files = faces["file"].to_pylist()
    columns = {name: faces[name] for name in ("image", "expression", "person", "yaw")}
    if (folder / "blendshapes.txt").is_file():
        names = (folder / "blendshapes.txt").read_text().split()
        units = from_blendshapes(names, faces["blendshapes"].to_pylist())
        columns["action_units"] = [row if math.isfinite(sum(row)) else None for row in units.tolist()]
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


FER2013_LABELS = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]


def read_fer2013(folder: Path, split: str = "train") -> Dataset:
    """FER-2013 (48x48, grey): who is pictured is unknown, so each row is a person of its own."""
    table = read_parquet(folder, split, ("image", "label"))
    expressions = [expression_index(FER2013_LABELS[label]) for label in table["label"].to_pylist()]
    return standard_table(len(table), image=table["image"], expression=expressions)


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


def _rafd_moment(names: dict[str, str]) -> tuple[str, str, str]:
    return names["person"], names["expression"].lower(), names["gaze"].lower()


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
    photographs are not aligned: the central square is taken; faces aligned by `python -m leed.photo.align_folder`,
    which are square, are better and taken whole. The set has no test split: use `split_by_person`. Action units: see
    `openface_units`.
    """
    found = _named_files(_only_train(folder, split), CFEED_FILE)
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


# 8 "none" and 9 "uncertain" are unknown expressions; 10 is "no face".
AFFECTNET_EXPRESSIONS = ("neutral", "happy", "sad", "surprised", "fearful", "disgusted", "angry", "contemptuous")
AFFECTNET_NO_FACE = 10


def read_affectnet(folder: Path, split: str = "train") -> Dataset:
    """AffectNet in either of its layouts; `split` "test" or "validation" is its validation set.

    - `training.csv` and `validation.csv` (also within `Manually_Annotated_file_lists/`) beside
      `Manually_Annotated_Images/`: photographs, cut to the annotated face with a margin of 15 % on each side;
    - `train_set/images/*.jpg` with `train_set/annotations/*_exp.npy`, and `val_set/`: faces already cut.

    Labels "none" and "uncertain" become -1; rows without a face are left out. Nothing is known about identity.
    """
    training = split == "train"
    lists = _shallow(folder, "training.csv" if training else "validation.csv")
    if lists is not None:
        return _affectnet_list(folder, lists)
    labelled = folder / ("train_set" if training else "val_set")
    if (labelled / "annotations").is_dir():
        return _affectnet_arrays(labelled)
    raise ValueError(
        f"no AffectNet {split!r} split in {folder}: expected {'training' if training else 'validation'}.csv or "
        f"{labelled.name}/annotations"
    )


def _affectnet_list(folder: Path, lists: Path) -> Dataset:
    with open(lists, newline="", encoding="utf-8-sig") as file:  # as Excel writes it, or without the mark
        rows = list(csv.DictReader(file))
    needed = {"subDirectory_filePath", "face_x", "face_y", "face_width", "face_height", "expression"}
    if missing := sorted(needed - set(rows[0] if rows else ())):
        raise ValueError(f"{lists} has no columns {missing}")
    pictures = _shallow(folder, "Manually_Annotated_Images") or folder
    rows = [row for row in rows if int(row["expression"]) != AFFECTNET_NO_FACE]
    return standard_table(
        len(rows),
        image=[pictures / row["subDirectory_filePath"] for row in rows],
        expression=[_affectnet_expression(row["expression"]) for row in rows],
        image_crop=[_square_about(*(float(row[f"face_{k}"]) for k in ("x", "y", "width", "height"))) for row in rows],
    )


def _affectnet_arrays(folder: Path) -> Dataset:
    annotations = sorted((folder / "annotations").glob("*_exp.npy"))
    with ThreadPoolExecutor() as pool:
        labels = list(pool.map(lambda path: int(np.load(path)), annotations))
    kept = [(path, label) for path, label in zip(annotations, labels, strict=True) if label != AFFECTNET_NO_FACE]
    return standard_table(
        len(kept),
        image=[folder / "images" / f"{path.name.removesuffix('_exp.npy')}.jpg" for path, _ in kept],
        expression=[_affectnet_expression(label) for _, label in kept],
    )


def _affectnet_expression(label: str | int) -> int:
    label = int(label)
    if not 0 <= label < AFFECTNET_NO_FACE:
        raise ValueError(f"AffectNet expressions are 0..10, got {label}")
    return EXPRESSIONS.index(AFFECTNET_EXPRESSIONS[label]) if label < len(AFFECTNET_EXPRESSIONS) else -1


def _square_about(left: float, top: float, width: float, height: float, margin: float = 0.15) -> list[float]:
    """The square about a box in pixels, wider by `margin` of its side on each side."""
    half = max(width, height) * (0.5 + margin)
    x, y = left + width / 2, top + height / 2
    return [x - half, y - half, x + half, y + half]


def read_folder(folder: Path, split: str = "train") -> Dataset:
    """Your own pictures, in `<folder>/<split>` or, for "train", in the folder itself. In this order:

    - `metadata.csv` or `metadata.jsonl` with `file_name` and, as far as known, `expression` (or `label`; a name or an
      index into `EXPRESSIONS`), `person`, `yaw`, `neutral_file_name`, `view_file_name`, `view_neutral_file_name`;
    - class folders named after expressions: `happy/*.jpg`, `neutral/*.jpg`;
    - pictures alone.
    """
    root = folder / split if (folder / split).is_dir() else _only_train(folder, split)
    metadata = next((root / name for name in ("metadata.csv", "metadata.jsonl") if (root / name).is_file()), None)
    if metadata is not None:
        return _folder_metadata(metadata)
    files = image_files(root)
    if not files:
        raise ValueError(f"no pictures in {root}: expected files ending in {IMAGE_SUFFIXES}")
    names = [file.parent.relative_to(root).parts for file in files]
    if not any(names):
        return standard_table(len(files), image=files)
    return standard_table(
        len(files), image=files, expression=[expression_index(parts[0]) if parts else -1 for parts in names]
    )


METADATA_COLUMNS = {
    "image": "file_name",
    "neutral": "neutral_file_name",
    "view": "view_file_name",
    "view_neutral": "view_neutral_file_name",
}


def _folder_metadata(metadata: Path) -> Dataset:
    with open(metadata, newline="", encoding="utf-8-sig") as file:  # as Excel writes it, or without the mark
        rows = (
            list(csv.DictReader(file))
            if metadata.suffix == ".csv"
            else [json.loads(line) for line in file if line.strip()]
        )
    if not rows or "file_name" not in rows[0]:
        raise ValueError(f"{metadata} must have a row for each picture, with a column file_name")
    if unknown := [name for name in rows[0] if name.endswith("file_name") and name not in METADATA_COLUMNS.values()]:
        raise ValueError(
            f"{metadata} has columns {unknown}; columns of pictures are {list(METADATA_COLUMNS.values())}"
        )

    def path(name: str | None) -> Path | None:
        return metadata.parent / name if name else None

    pictures = {name: [path(row.get(column)) for row in rows] for name, column in METADATA_COLUMNS.items()}
    labels = [row.get("expression", row.get("label")) for row in rows]
    return standard_table(
        len(rows),
        **pictures,
        expression=[expression_index(label) for label in labels],
        person=[str(row["person"]) if row.get("person") not in (None, "") else None for row in rows],
        yaw=[float(row["yaw"]) if row.get("yaw") not in (None, "") else math.nan for row in rows],
    )


def read_table(source: str | Path, split: str = "train") -> Dataset:
    """A folder of parquet files or a set on the Hub with a column `image` and any other standard columns.

    `expression` (or `label`) holds names, a `ClassLabel` whose names are expressions, or indices into `EXPRESSIONS`.
    """
    try:
        dataset = load_dataset(str(source), split=split)
    except (OSError, ValueError) as error:  # missing sets, splits and networks all end here
        raise ValueError(f"cannot load split {split!r} of {source}: {error}") from error
    if not isinstance(dataset.features.get("image"), Image):
        raise ValueError(f"{source} needs a column image of pictures, got {dict(dataset.features)}")
    columns = {name: dataset.data[name] for name in FEATURES if name in dataset.features}
    label = next((name for name in ("expression", "label") if name in dataset.features), None)
    if label is not None:
        feature, values = dataset.features[label], dataset[label]
        if isinstance(feature, ClassLabel):
            values = [None if value is None or value < 0 else feature.int2str(value) for value in values]
        columns["expression"] = [expression_index(value) for value in values]
    return standard_table(len(dataset), **columns)


def drawn_faces(num_people: int = 48, per_person: int = 16, size: int = 128, seed: int = 0, first: int = 0) -> Dataset:
    """Drawn faces of people `first` and up, with neutral twins and second views, for trying things without any data.

    See `leed.data.drawn`, whose `drawn_triples` are the matching pairs with true edits.
    """
    moments = drawn_moments(num_people, per_person, seed, first)
    people, actions = moments["identity"], torch.stack(moments["actions"])
    yaw, view_yaw = (torch.tensor(moments[name]) for name in ("yaw", "view_yaw"))
    rest = torch.zeros_like(actions)
    shots = {
        "image": (actions, yaw),
        "neutral": (rest, yaw),
        "view": (actions, view_yaw),
        "view_neutral": (rest, view_yaw),
    }
    pictures = {name: [png(face) for face in draw_many(people, *shot, size)] for name, shot in shots.items()}
    return standard_table(
        len(people),
        **pictures,
        expression=moments["expression"],
        person=[f"drawn-{person}" for person in people],
        yaw=moments["yaw"],
        action_units=from_drawn_actions(ACTIONS, actions).tolist(),
    )


def png(face: Tensor) -> dict:
    """A face, uint8 (3, H, W), as a picture of the standard table."""
    buffer = io.BytesIO()
    PILImage.fromarray(face.permute(1, 2, 0).numpy()).save(buffer, "png", compress_level=1)
    return {"bytes": buffer.getvalue(), "path": None}


def read_drawn(source: str | Path = "drawn", split: str = "train", max_samples: int | None = None) -> Dataset:
    """`drawn_faces`: 16 pictures each of 48 people for "train", of 10 others for any other split.

    With `max_samples`, no more are drawn (it takes 15 ms a picture), of two people at least.
    """
    num_people, first = (48, 0) if split == "train" else (10, 40_000)
    if max_samples is None or max_samples >= 16 * num_people:
        return drawn_faces(num_people, first=first)
    num_people = max(2, math.ceil(max_samples / 16))
    return drawn_faces(num_people, math.ceil(max_samples / num_people), first=first)


READERS: dict[str, Callable[[Path, str], Dataset]] = {
    "openfaces": read_openfaces,
    "wild": read_wild,
    "fer2013": read_fer2013,
    "rafd": read_rafd,
    "cfeed": read_cfeed,
    "affectnet": read_affectnet,
    "folder": read_folder,
    "table": read_table,
    "drawn": read_drawn,
}


def guess_reader(source: str | Path) -> str:
    """The reader for what lies at `source`. Raises `ValueError` if nothing there is known."""
    folder = Path(source).expanduser()
    if str(source) == "drawn":
        return "drawn"
    if not folder.exists():
        if re.fullmatch(r"[\w.-]+/[\w.-]+", str(source)):
            return "table"
        raise ValueError(f"{source} does not exist; expected a folder, a set on the Hub (owner/name) or 'drawn'")
    if (folder / "train_set" / "annotations").is_dir() or _shallow(folder, "training.csv"):
        return "affectnet"
    if _shallow(folder, "metadata.csv") or _shallow(folder, "metadata.jsonl"):
        return "folder"
    if parquet := _first(folder.rglob("*.parquet")):
        return _guess_parquet(parquet)
    picture = _first(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    if picture is None:
        raise ValueError(f"{source} holds neither parquet files nor pictures; readers are {sorted(READERS)}")
    if RAFD_FILE.fullmatch(picture.name):
        return "rafd"
    return "cfeed" if CFEED_FILE.fullmatch(picture.name) else "folder"


def _guess_parquet(file: Path) -> str:
    schema = pq.read_schema(file)
    columns = set(schema.names)
    if {"file", "camera", "landmarks", "blendshapes"} <= columns:
        return "openfaces"
    if {"grey", "coverage", "points5"} <= columns:
        return "wild"
    label = Features.from_arrow_schema(schema).get("label")
    if columns == {"image", "label"} and isinstance(label, ClassLabel) and label.names == FER2013_LABELS:
        return "fer2013"
    return "table"


# --------------------------------------------------------------------------------------------------------------------
# Helpers of the readers

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")

EXPRESSION_NAMES = {
    "neutral": "neutral calm",
    "happy": "happy happiness joy smile",
    "sad": "sad sadness",
    "angry": "angry anger",
    "fearful": "fearful fear afraid scared",
    "disgusted": "disgusted disgust",
    "surprised": "surprised surprise",
    "contemptuous": "contemptuous contempt",
}
EXPRESSION_INDEX = {
    word: EXPRESSIONS.index(name) for name, words in EXPRESSION_NAMES.items() for word in words.split()
}
UNKNOWN_NAMES = ("", "unknown", "none", "nan", "-1", "uncertain", "other")


def expression_index(label: str | int | float | None) -> int:
    """Index into `EXPRESSIONS` of a name ("happy", "Happiness") or index; -1 for None, "unknown" and the like."""
    if label is None or str(label).strip().lower() in UNKNOWN_NAMES:
        return -1
    word = str(label).strip().lower()
    if word in EXPRESSION_INDEX:
        return EXPRESSION_INDEX[word]
    if re.fullmatch(r"\d+(\.0)?", word) and int(float(word)) < len(EXPRESSIONS):
        return int(float(word))
    raise ValueError(
        f"unknown expression {label!r}: expected an index below {len(EXPRESSIONS)}, 'unknown', or one of "
        f"{sorted(EXPRESSION_INDEX)}"
    )


def image_files(folder: Path) -> list[Path]:
    """All pictures below a folder, sorted. Raises `ValueError` if it is not a folder."""
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder")
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())


def _named_files(folder: Path, pattern: re.Pattern) -> list[tuple[re.Match, Path]]:
    """The pictures whose names match; warns of the others."""
    found = [(pattern.fullmatch(path.name), path) for path in image_files(folder)]
    if others := [path.name for match, path in found if match is None]:
        warnings.warn(
            f"{len(others)} pictures in {folder} bear other names and are left out: {others[:5]}", stacklevel=3
        )
    return [(match, path) for match, path in found if match is not None]


def _only_train(folder: Path, split: str) -> Path:
    if split != "train":
        raise ValueError(f"{folder} has no split {split!r}; read 'train' and divide it with split_by_person")
    return folder


def _first(paths: Iterable[Path]) -> Path | None:
    return next(iter(paths), None)


def _shallow(folder: Path, name: str) -> Path | None:
    """The file or folder of this name at most two levels down; large trees are not searched."""
    return _first(path for depth in range(3) for path in folder.glob("*/" * depth + name))


def _is_square(path: Path) -> bool:
    try:
        with PILImage.open(path) as image:
            return image.width == image.height
    except OSError:
        return False  # check_images names it
