"""The work of the demo, from the files that visitors upload to the files that they download.

The page is not known here. A path stands for a picture in the caches below: Gradio names an upload's folder by its
content. Results are put into the folder that the variable GRADIO_TEMP_DIR names, which the page empties of what is
old. The model is that of LEED_MODEL, or `hub/leed-open` of this repository.
"""

import math
import os
from functools import cache, lru_cache
from io import BytesIO
from pathlib import Path
from uuid import uuid4

import torch
from PIL import Image

from leed import gallery
from leed.demo.signing import Signer
from leed.demo.texts import DELETED
from leed.expression import Expression
from leed.gallery import GalleryFace
from leed.photo.detection import Face, find_faces
from leed.photo.editor import FaceEditor, PreparedPhoto
from leed.photo.grid import expression_grid
from leed.photo.live import Track, edit_frame
from leed.photo.opening import PhotoError, open_photo, shown_size
from leed.photo.saving import jpeg_bytes, save_marked, save_marked_sequence, save_plain
from leed.photo.sequence import FPS, sequence_frames
from leed.pretrained import ModelFileError
from leed.runtime import DEFAULT_MODEL, OnnxLEED, load

MODEL = os.environ.get("LEED_MODEL") or str(DEFAULT_MODEL)
OWN = "your reference"  # its name on the sheet of expressions
PREVIEW_SIDE = 900  # longest side of the photos on the page; the download has all pixels [px]
LIVE_PERSON = "comp05"  # of the gallery, whose expressions the live camera takes


# What several requests share.


@cache
def editor() -> FaceEditor:
    """The model, loaded once, in the engine that is fastest here. Raises `ModelFileError`."""
    if MODEL == str(DEFAULT_MODEL) and not DEFAULT_MODEL.is_dir():
        raise ModelFileError(
            "There is no model here: set LEED_MODEL to a model's folder or to its name on the Hub "
            '("organisation/name"), or start the demo in a clone of the repository, where hub/leed-open is.'
        )
    leed = load(MODEL)
    if isinstance(leed, OnnxLEED):  # what it leaves to PyTorch is small, and only waits for a second thread
        torch.set_num_threads(1)
    return FaceEditor(leed)


def warm_up() -> None:
    """Loads the model."""
    editor()


def image_size() -> int:
    """Side of the model's input, in pixels."""
    return editor().leed.config.image_size


@cache
def signer() -> Signer | None:
    """The signer of the results; None if no certificate is configured. Raises `CertificateError`."""
    return Signer.from_environment()


def references() -> tuple[GalleryFace, ...]:
    """The frontal faces of the gallery, by expression, person and strength; their numbers are those of the API."""
    return gallery.faces(gallery.FRONTAL)


@lru_cache(maxsize=512)
def gallery_expression(reference: int) -> Expression:
    """The expression of a face of the gallery."""
    return editor().leed.expression(references()[reference].open())


@lru_cache(maxsize=2)
def load_photo(path: str) -> Image.Image:
    """A photo that several of the functions below are about to need; large ones take long to decode."""
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise PhotoError(DELETED) from None
    return open_photo(BytesIO(data), keep_alpha=True)


@lru_cache(maxsize=512)
def detect(path: str) -> tuple[tuple[int, int], list[Face]]:
    """The (width, height) of a photo and the faces in it, the largest first. Raises `PhotoError`."""
    photo = load_photo(path)
    return photo.size, find_faces(photo)


@lru_cache(maxsize=512)
def shown_side(path: str) -> tuple[int, bool]:
    """The longer side at which the page shows a photo [px], and whether it takes a preview for that.

    It does where browsers do not show the file, or show more pixels than the photo has here. Raises `PhotoError`.
    """
    side = max(detect(path)[0])
    size = shown_size(path)
    if size is None or max(size) != side:
        return min(side, PREVIEW_SIDE), True
    return side, False


@lru_cache(maxsize=32)
def own_expression(path: str, center_crop: bool) -> Expression:
    """The expression of the largest face of a visitor's photo. Raises `PhotoError` and `NoFaceError`."""
    _, faces = detect(path)
    return editor().expression(load_photo(path), center_crop, faces)


@lru_cache(maxsize=16)
def prepare(path: str | None, center_crop: bool, face: int) -> PreparedPhoto:
    """A photo with everything done that depends neither on the expression nor on alpha.

    Raises `PhotoError` and `NoFaceError`.
    """
    if path is None:
        raise PhotoError("Please give a photo first.")
    _, faces = detect(path)
    if faces and not 0 <= face < len(faces):
        raise PhotoError(f"face must be in [0, {len(faces) - 1}] for this photo, got {face}.")
    return editor().prepare(load_photo(path), gallery_expression(0), face, center_crop, faces)


@lru_cache(maxsize=64)
def prepare_preview(path: str, center_crop: bool, face: int) -> PreparedPhoto:
    """As `prepare`, with a photo of the page's size."""
    return prepare(path, center_crop, face).at_most(PREVIEW_SIDE)


@cache
def expressions_of(person: str) -> dict[str, int]:
    """The number of the strongest face of each expression that a person of the gallery shows, neutral aside."""
    faces = {face.expression: i for i, face in enumerate(references()) if face.person == person}
    return {name: i for name, i in faces.items() if name != "neutral"}


def check_reference(reference: int) -> int:
    """The number of a face of the gallery. Raises `PhotoError` if there is none."""
    count = len(references())
    if not 0 <= reference < count:
        raise PhotoError(f"reference must be in [0, {count - 1}], got {reference}.")
    return int(reference)


def chosen_expression(reference: int, own_reference: str | None, center_crop: bool) -> Expression:
    """One's own reference if there is one, else the gallery's. Raises `PhotoError` and `NoFaceError`."""
    if own_reference is not None:
        return own_expression(own_reference, center_crop)
    return gallery_expression(check_reference(reference))


def result_folder() -> Path:
    """A new folder in Gradio's cache, for the files of one request."""
    folder = Path(os.environ["GRADIO_TEMP_DIR"]) / uuid4().hex
    folder.mkdir(parents=True)
    return folder


def sign(path: Path) -> Path:
    """Signs a file in its place if a certificate is configured; the same path."""
    by = signer()
    return path if by is None else by.sign_file(path)


# What the page and the API ask for.


def edit(
    photo: str | None,
    reference: int = 0,
    own_reference: str | None = None,
    alpha: float = 1.0,
    center_crop: bool = False,
    face: int = 0,
    own_center_crop: bool = False,
) -> tuple[Path, Path]:
    """Edits the expression of a face in a photo.

    Args:
        photo: a picture with a face, at most 50 megapixels
        reference: number of a face of the gallery, as /references lists them
        own_reference: a picture with a face that shows the expression, used instead of the gallery's
        alpha: strength of the expression, from 0 (neutral) to 1.5
        center_crop: where no face is found in the photo, take its centre for a face
        face: which face of the photo; 0 is the largest
        own_center_crop: where no face is found in own_reference, take its centre for a face

    Returns:
        the edited face and the whole photo with it, as PNG files that are marked as altered
    """
    expression = chosen_expression(reference, own_reference, own_center_crop)
    result = prepare(photo, center_crop, int(face)).with_expression(expression)(alpha)
    folder = result_folder()
    return (
        sign(save_marked(result.edited, folder / "leed-face.png")),
        sign(save_marked(result.photo, folder / "leed-photo.png")),
    )


def make_sequence(
    photo: str | None,
    reference: int = 0,
    own_reference: str | None = None,
    center_crop: bool = False,
    face: int = 0,
    own_center_crop: bool = False,
) -> tuple[Path, Path, Path]:
    """Makes a two-second loop of a face in a photo: neutral, the full expression, beyond it, and back.

    Args:
        photo: a picture with a face, at most 50 megapixels; the frames are at most 720 pixels wide and high
        reference: number of a face of the gallery, as /references lists them
        own_reference: a picture with a face that shows the expression, used instead of the gallery's
        center_crop: where no face is found in the photo, take its centre for a face
        face: which face of the photo; 0 is the largest
        own_center_crop: where no face is found in own_reference, take its centre for a face

    Returns:
        the loop as MP4, animated WebP and GIF files that are marked as altered
    """
    expression = chosen_expression(reference, own_reference, own_center_crop)
    frames = sequence_frames(prepare(photo, center_crop, int(face)).with_expression(expression))
    folder = result_folder()
    mp4, webp, gif = (
        sign(save_marked_sequence(frames, folder / f"leed-sequence.{suffix}", FPS))
        for suffix in ("mp4", "webp", "gif")
    )
    return mp4, webp, gif


def make_grid(
    photo: str | None,
    reference: int = 0,
    own_reference: str | None = None,
    center_crop: bool = False,
    face: int = 0,
    own_center_crop: bool = False,
) -> Path:
    """Gives a face in a photo all expressions of a person of the gallery, each at three strengths.

    Args:
        photo: a picture with a face, at most 50 megapixels
        reference: number of a face of the gallery, as /references lists them; its person's expressions are used
        own_reference: a picture with a face whose expression is added to them
        center_crop: where no face is found in the photo, take its centre for a face
        face: which face of the photo; 0 is the largest
        own_center_crop: where no face is found in own_reference, take its centre for a face

    Returns:
        a labelled sheet of all the edited faces, as a PNG file that is marked as altered
    """
    expressions = {} if own_reference is None else {OWN: own_expression(own_reference, own_center_crop)}
    numbers = expressions_of(references()[check_reference(reference)].person)
    expressions |= {name: gallery_expression(i) for name, i in numbers.items()}
    picture = expression_grid(prepare(photo, center_crop, int(face)), expressions)
    return sign(save_marked(picture, result_folder() / "leed-expressions.png"))


def preview_photo(path: str) -> Path | None:
    """A file that every browser shows, of what was opened; None where browsers show the upload itself.

    Raises `PhotoError`.
    """
    side, needed = shown_side(path)
    if not needed:
        return None
    picture = load_photo(path).copy()
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    suffix = "png" if picture.mode == "RGBA" else "jpg"
    return save_plain(picture, result_folder() / f"preview.{suffix}")


def face_at(path: str, place: tuple[float, float]) -> int:
    """The face of a photo whose centre is nearest to a place (x, y) in the picture that the page shows [px].

    0 in a photo without faces. Raises `PhotoError`.
    """
    size, faces = detect(path)
    scale = max(size) / shown_side(path)[0]
    x, y = place
    return min(range(len(faces)), key=lambda i: math.dist(faces[i].centre, (scale * x, scale * y)), default=0)


def read_reference(own_reference: str, own_center_crop: bool) -> None:
    """Finds out whether one's own reference is of use. Raises `PhotoError` and `NoFaceError`."""
    own_expression(own_reference, own_center_crop)


def render_preview(
    photo: str,
    reference: int,
    own_reference: str | None = None,
    alpha: float = 1.0,
    center_crop: bool = False,
    face: int = 0,
    own_center_crop: bool = False,
) -> tuple[tuple[Path, Path], Path, Path]:
    """The page's pictures, in preview size: the photo before and after, the face before, and after.

    Raises `PhotoError` and `NoFaceError`.
    """
    expression = chosen_expression(reference, own_reference, own_center_crop)
    prepared = prepare_preview(photo, center_crop, face).with_expression(expression)
    result = prepared(alpha)
    folder = result_folder()
    return (
        (
            save_plain(prepared.photo, folder / "photo.jpg"),
            sign(save_marked(result.photo, folder / "edited.jpg")),
        ),
        save_plain(result.crop, folder / "face.png"),
        sign(save_marked(result.edited, folder / "leed-face.png")),
    )


def list_doubts(
    photo: str, own_reference: str | None, center_crop: bool, face: int, own_center_crop: bool = False
) -> dict[str, tuple[str, ...]]:
    """Where the neutraliser visibly left something of an expression: parts ("mouth", "eyes") of "photo", "reference".

    An input in which nothing can be seen has no parts.
    """
    found = {"photo": remaining_parts(photo, center_crop, face), "reference": ()}
    if own_reference is not None:
        found["reference"] = remaining_parts(own_reference, own_center_crop)
    return found


@lru_cache(maxsize=64)
def remaining_parts(path: str, center_crop: bool, face: int = 0) -> tuple[str, ...]:
    """The parts of a face that visibly keep some of its expression; none if the model cannot tell."""
    _, faces = detect(path)
    crop, _ = editor().align(load_photo(path), face, center_crop, faces=faces)
    remains = editor().leed.remains(crop)
    return () if remains is None else remains.visible_in()


def edit_live(
    frame: bytes | None, expression: str, alpha: float, last: Track | None
) -> tuple[bytes | None, Track | None]:
    """A camera's frame with an expression on its largest face, and where that face is.

    `frame` and the result are JPEG files; `last` is where the face was in the frame before.
    """
    if frame is None:
        return None, None
    reference = expressions_of(LIVE_PERSON)[expression.lower()]
    picture, track = edit_frame(editor(), open_photo(BytesIO(frame)), gallery_expression(reference), alpha, last)
    data, by = jpeg_bytes(picture, marked=track is not None), signer()
    return by.sign(data, ".jpg") if track is not None and by is not None else data, track
