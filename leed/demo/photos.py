"""Photos that visitors upload, and what the page shows of them.

A path stands for a picture in the caches below: Gradio names an upload's folder by its content.
"""

import math
from functools import lru_cache
from io import BytesIO
from pathlib import Path

from PIL import Image

from leed.demo.engine import editor, result_folder
from leed.demo.texts import DELETED
from leed.photo.detection import Face, find_faces
from leed.photo.opening import PhotoError, open_photo, shown_size
from leed.photo.saving import save_plain

PREVIEW_SIDE = 900  # longest side of the photos on the page; the download has all pixels [px]


@lru_cache(maxsize=2)
def load_photo(path: str) -> Image.Image:
    """A photo that several of the functions below are about to need; large ones take long to decode."""
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise PhotoError(DELETED.format(what="picture")) from None
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
    return nearest(faces, place, max(size) / shown_side(path)[0])


def nearest(faces: list[Face], place: tuple[float, float], scale: float) -> int:
    """The face whose centre is nearest to a place (x, y) in a picture smaller by `scale`; 0 if there is none."""
    x, y = place
    return min(range(len(faces)), key=lambda i: math.dist(faces[i].centre, (scale * x, scale * y)), default=0)


@lru_cache(maxsize=64)
def remaining_parts(path: str, center_crop: bool, face: int = 0) -> tuple[str, ...]:
    """The parts of a face that visibly keep some of its expression; none if the model cannot tell."""
    _, faces = detect(path)
    crop, _ = editor().align(load_photo(path), face, center_crop, faces=faces)
    remains = editor().leed.remains(crop)
    return () if remains is None else remains.visible_in()
