"""The faces of a clip, of which a visitor chooses one: those of its first frame that shows any."""

from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from leed.demo.clips import check_clip, readable
from leed.demo.engine import VisitorError, result_folder
from leed.demo.photos import nearest
from leed.photo.detection import Face
from leed.photo.saving import save_plain

SHOWN_SIDE = 720  # longer side of the frame on the page [px]
MAX_LOOKS = 100  # frames at the beginning in which faces are looked for: some 10 s of work at 1920x1080


class ClipFaces(NamedTuple):
    """The size (width, height) of a clip's frames and its faces, the largest first."""

    size: tuple[int, int]
    faces: list[Face]


@lru_cache(maxsize=32)
def look(path: str) -> tuple[ClipFaces, Image.Image | None]:
    """The faces of a clip, and the frame that shows them, in SHOWN_SIDE; no frame and no face where there is none.

    None, too, in a clip that `leed.demo.clips.begin` refuses: it says why.
    """
    from leed.video.reading import look_into, read_frames
    from leed.video.tracking import first_faces
    from leed.video.writing import H264

    try:
        with readable():
            check_clip(Path(path))
            found = first_faces(islice(read_frames(look_into(path), H264.pixel_format), MAX_LOOKS))
    except VisitorError:
        found = None
    if found is None:
        return ClipFaces((1, 1), []), None
    picture, faces = found
    scale = SHOWN_SIDE / max(picture.size)
    shown = picture.resize((round(scale * picture.width), round(scale * picture.height)), Image.Resampling.LANCZOS)
    return ClipFaces(picture.size, faces), shown


def faces_of(path: str) -> ClipFaces:
    """The faces of a clip."""
    return look(path)[0]


def first_frame(path: str) -> Path | None:
    """A picture of the frame that shows a clip's faces, if it shows several."""
    (_, faces), shown = look(path)
    return None if shown is None or len(faces) < 2 else save_plain(shown, result_folder() / "frame.jpg")


def face_at(path: str, place: tuple[float, float]) -> int:
    """The face whose centre is nearest to a place (x, y) in that picture [px]; 0 where there are no faces."""
    size, faces = faces_of(path)
    scale = max(size) / SHOWN_SIDE
    return nearest(faces, place, scale)
