"""What the demo does for its visitors, from the files that they gave to files that they get; without the page.

A path stands for a picture in the caches below: Gradio names an upload's folder by its content. Results are put into
the folder that the variable GRADIO_TEMP_DIR names, which the page empties of what is old; the model is that of
LEED_MODEL, or `hub/leed-open` beside this package.
"""

import csv
import os
import shutil
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, lru_cache
from io import BytesIO
from pathlib import Path
from uuid import uuid4

import torch
from PIL import Image

from leed.config import EXPRESSIONS
from leed.demo.signing import Signer
from leed.images import INNER_CROP
from leed.model import SETTLED, Expression
from leed.photo.detection import Face, find_faces
from leed.photo.editor import FaceEditor, PreparedPhoto
from leed.photo.grid import grid
from leed.photo.live import Track, edit_frame
from leed.photo.opening import PhotoError, open_photo
from leed.photo.saving import jpeg, save_marked, save_marked_sequence, save_plain
from leed.photo.sequence import FPS, sequence
from leed.runtime import OnnxLEED, load

ROOT = Path(__file__).parents[2]
GALLERY = ROOT / "leed/gallery"
MODEL = os.environ.get("LEED_MODEL") or str(ROOT / "hub/leed-open")
OWN = "your reference"  # what the sheet of expressions calls it
PREVIEW_SIDE = 900  # longest side of the photos on the page; the download has all pixels [px]
LIVE_PERSON = "comp05"  # of the gallery, whose expressions the live camera takes


@dataclass(frozen=True)
class Reference:
    """A face of the gallery."""

    path: Path
    expression: str
    person: str
    intensity: float

    @property
    def caption(self) -> str:
        strength = "" if self.expression == "neutral" else f", strength {self.intensity:.0%}"
        return f"{self.expression}, person {int(self.person.removeprefix('comp'))}{strength}"


# What several requests share.


@cache
def gallery() -> list[Reference]:
    """The frontal faces of the gallery, by expression, person and strength."""
    with open(GALLERY / "faces/metadata.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["camera"] == "090"]
    references = [
        Reference(GALLERY / "faces" / row["file_name"], row["expression"], row["person"], float(row["intensity"]))
        for row in rows
    ]
    return sorted(references, key=lambda item: (EXPRESSIONS.index(item.expression), item.person, item.intensity))


@cache
def editor() -> FaceEditor:
    """The model, loaded once, in the engine that is fastest here."""
    leed = load(MODEL)
    if isinstance(leed, OnnxLEED):  # what it leaves to PyTorch is small, and only waits for a second thread
        torch.set_num_threads(1)
    return FaceEditor(leed)


def warm_up() -> None:
    """Loads the model, and goes on to load, in a thread, what only `doubts` need."""
    size = image_size()
    threading.Thread(target=editor().leed.neutrality, args=(Image.new("RGB", (size, size)),), daemon=True).start()


def image_size() -> int:
    """Of the faces that the model takes: their side in pixels."""
    return editor().leed.config.image_size


@cache
def signer() -> Signer | None:
    """What signs the results, where a certificate is configured. Raises `CertificateError`."""
    return Signer.from_environment()


@lru_cache(maxsize=512)
def gallery_expression(index: int) -> Expression:
    """The expression of a face of the gallery; its crop is known."""
    face = open_photo(gallery()[index].path)
    left, top, right, bottom = (round(part * face.width) for part in INNER_CROP)
    return editor().leed.expression(face.crop((left, top, right, bottom)))


@lru_cache(maxsize=2)
def opened(path: str) -> Image.Image:
    """A photo that several of the functions below are about to need; large ones take long to decode."""
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise PhotoError("Your picture was deleted after an hour: please give it again.") from None
    return open_photo(BytesIO(data))


@lru_cache(maxsize=512)
def found(path: str) -> tuple[tuple[int, int], list[Face]]:
    """The size of a photo and the faces in it, the largest first. Raises `PhotoError`."""
    photo = opened(path)
    return photo.size, find_faces(photo)


@lru_cache(maxsize=32)
def own_expression(path: str, center_crop: bool) -> Expression:
    faces = found(path)[1]
    return editor().expression(opened(path), center_crop, faces)


@lru_cache(maxsize=16)
def prepare(path: str | None, center_crop: bool, face: int) -> PreparedPhoto:
    """A photo with everything done that depends neither on the expression nor on alpha.

    Raises `PhotoError` and `NoFaceError`.
    """
    if path is None:
        raise PhotoError("Please give a photo first.")
    faces = found(path)[1]
    if faces and not 0 <= face < len(faces):
        raise PhotoError(f"face must be in [0, {len(faces) - 1}] for this photo, got {face}.")
    return editor().prepare(opened(path), gallery_expression(0), face, center_crop, faces)


@lru_cache(maxsize=64)
def preview(path: str, center_crop: bool, face: int) -> PreparedPhoto:
    """The same with a photo of the page's size."""
    return prepare(path, center_crop, face).at_most(PREVIEW_SIDE)


@cache
def expressions_of(person: str) -> dict[str, int]:
    """The number of the strongest face of each expression that a person of the gallery shows, neutral aside."""
    faces = {item.expression: i for i, item in enumerate(gallery()) if item.person == person}
    return {name: i for name, i in faces.items() if name != "neutral"}


def checked(reference: int) -> int:
    """The number of a face of the gallery. Raises `PhotoError` if there is none."""
    if not 0 <= reference < len(gallery()):
        raise PhotoError(f"reference must be in [0, {len(gallery()) - 1}], got {reference}.")
    return int(reference)


def chosen_expression(reference: int, own_reference: str | None, center_crop: bool) -> Expression:
    """One's own reference if there is one, else the gallery's. Raises `PhotoError` and `NoFaceError`."""
    if own_reference is not None:
        return own_expression(own_reference, center_crop)
    return gallery_expression(checked(reference))


def result_folder() -> Path:
    """A new folder in Gradio's cache, for the files of one request."""
    folder = Path(os.environ["GRADIO_TEMP_DIR"]) / uuid4().hex
    folder.mkdir(parents=True)
    return folder


def remove_old(folder: Path, seconds: float) -> None:
    """Removes from a folder the files, and the folders with all in them, in which nothing changed for that long."""
    for path in folder.glob("*"):
        with suppress(OSError):  # Gradio was quicker
            changed = max(part.lstat().st_ctime for part in (path, *path.rglob("*")))
            if time.time() - changed > seconds:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def signed(path: Path) -> Path:
    """The file, signed if a certificate is configured."""
    return path if signer() is None else signer().sign_file(path)


# What is asked for.


def edit(
    photo: str | None,
    reference: int = 0,
    own_reference: str | None = None,
    alpha: float = 1.0,
    center_crop: bool = False,
    face: int = 0,
) -> tuple[Path, Path]:
    """Edits the expression of a face in a photo.

    Args:
        photo: a picture with a face, at most 16 megapixels
        reference: number of a face of the gallery, as /references lists them
        own_reference: a picture with a face that shows the expression, used instead of the gallery's
        alpha: strength of the expression, from 0 (neutral) to 1.5
        center_crop: where no face is found, take the centre of the picture for a face
        face: which face of the photo; 0 is the largest

    Returns:
        the edited face and the whole photo with it, as PNG files that are marked as altered
    """
    expression = chosen_expression(reference, own_reference, center_crop)
    result = prepare(photo, center_crop, int(face)).with_expression(expression)(alpha)
    folder = result_folder()
    return (
        signed(save_marked(result.edited, folder / "leed-face.png")),
        signed(save_marked(result.photo, folder / "leed-photo.png")),
    )


def make_sequence(
    photo: str | None,
    reference: int = 0,
    own_reference: str | None = None,
    center_crop: bool = False,
    face: int = 0,
) -> tuple[Path, Path, Path]:
    """Makes a two-second loop of a face in a photo: neutral, the full expression, beyond it, and back.

    Args:
        photo: a picture with a face, at most 16 megapixels; the frames are at most 720 pixels wide and high
        reference: number of a face of the gallery, as /references lists them
        own_reference: a picture with a face that shows the expression, used instead of the gallery's
        center_crop: where no face is found, take the centre of the picture for a face
        face: which face of the photo; 0 is the largest

    Returns:
        the loop as MP4, animated WebP and GIF files that are marked as altered
    """
    expression = chosen_expression(reference, own_reference, center_crop)
    frames = sequence(prepare(photo, center_crop, int(face)).with_expression(expression))
    folder = result_folder()
    mp4, webp, gif = (
        signed(save_marked_sequence(frames, folder / f"leed-sequence.{suffix}", FPS))
        for suffix in ("mp4", "webp", "gif")
    )
    return mp4, webp, gif


def make_grid(
    photo: str | None,
    reference: int = 0,
    own_reference: str | None = None,
    center_crop: bool = False,
    face: int = 0,
) -> Path:
    """Gives a face in a photo all expressions of a person of the gallery, each at three strengths.

    Args:
        photo: a picture with a face, at most 16 megapixels
        reference: number of a face of the gallery, as /references lists them; its person's expressions are used
        own_reference: a picture with a face whose expression is added to them
        center_crop: where no face is found, take the centre of the picture for a face
        face: which face of the photo; 0 is the largest

    Returns:
        a labelled sheet of all the edited faces, as a PNG file that is marked as altered
    """
    expressions = {} if own_reference is None else {OWN: own_expression(own_reference, center_crop)}
    numbers = expressions_of(gallery()[checked(reference)].person)
    expressions |= {name: gallery_expression(i) for name, i in numbers.items()}
    picture = grid(prepare(photo, center_crop, int(face)), expressions)
    return signed(save_marked(picture, result_folder() / "leed-expressions.png"))


def results(
    photo: str, reference: int, own_reference: str | None, alpha: float, center_crop: bool, face: int
) -> tuple[tuple[Path, Path], Path, Path]:
    """The page's pictures, in preview size: the photo before and after, the face before, and after.

    Raises `PhotoError` and `NoFaceError`.
    """
    expression = chosen_expression(reference, own_reference, center_crop)
    prepared = preview(photo, center_crop, face).with_expression(expression)
    result = prepared(alpha)
    folder = result_folder()
    return (
        (
            save_plain(prepared.photo, folder / "photo.jpg"),
            signed(save_marked(result.photo, folder / "edited.jpg")),
        ),
        save_plain(result.crop, folder / "face.png"),
        signed(save_marked(result.edited, folder / "leed-face.png")),
    )


def doubts(photo: str, own_reference: str | None, center_crop: bool, face: int) -> list[str]:
    """Which of "photo" and "reference" show an expression that could not be told from the person's face."""
    names = ["photo"] if rest_left(photo, center_crop, face) else []
    if own_reference is not None and rest_left(own_reference, center_crop):
        names.append("reference")
    return names


@lru_cache(maxsize=64)
def rest_left(path: str, center_crop: bool, face: int = 0) -> bool:
    """Whether a rest of a face's expression stays in what should be its neutral face."""
    faces = found(path)[1]
    crop, _ = editor().align(opened(path), face, center_crop, faces=faces)
    return float(editor().leed.neutrality(crop)) < SETTLED


def live(frame: bytes | None, expression: str, alpha: float, last: Track | None) -> tuple[bytes | None, Track | None]:
    """A camera's picture with an expression on its largest face, and where that is; `last`: where it was before."""
    if frame is None:
        return None, None
    number = expressions_of(LIVE_PERSON)[expression.lower()]
    picture, track = edit_frame(editor(), open_photo(BytesIO(frame)), gallery_expression(number), alpha, last)
    data = jpeg(picture, marked=track is not None)
    return signer().sign(data, ".jpg") if track is not None and signer() is not None else data, track
