"""Frames of a camera, edited one by one."""

from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from leed.expression import Expression
from leed.photo.alignment import follow, lies_at, search
from leed.photo.detection import find_faces
from leed.photo.editor import FaceEditor
from leed.photo.geometry import Alignment

MAX_SIDE = 640  # of a frame [px]
SEARCH_EVERY = 15  # frames; the largest face may have become another


@dataclass(frozen=True)
class Track:
    """The place of the face in a camera's last frame."""

    alignment: Alignment
    size: tuple[int, int]  # width and height of that frame
    followed: int = 0  # frames since all of one was searched for faces


def edit_frame(
    editor: FaceEditor, frame: Image.Image, expression: Expression, alpha: float = 1.0, last: Track | None = None
) -> tuple[Image.Image, Track | None]:
    """The frame with an expression on its largest face, captioned as altered, and where that face is.

    If `last` says where the face was in the frame before, it is looked for there first. A frame that shows no face
    comes back unaltered with a caption that says so, and None.
    """
    frame = frame.copy()
    frame.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0)
    track = track_face(frame, last)
    if track is None:
        return captioned(frame, "No face found"), None
    prepared = editor.prepare_at(frame, expression, track.alignment)
    return captioned(prepared(alpha).photo, "AI-modified"), track


def track_face(frame: Image.Image, last: Track | None = None) -> Track | None:
    """The place of the largest face of an upright RGB frame; None if there is no face.

    The face is followed from where it was in the frame before. Now and then, and where it is lost, the frame is
    searched; if the largest face is the same, it is still followed, so that it stays where it is.
    """
    if last is not None and last.size != frame.size:
        last = None
    if last is not None and last.followed < SEARCH_EVERY:
        found = follow(frame, last.alignment)
        if found is not None:
            return Track(found, frame.size, last.followed + 1)
    faces = find_faces(frame, fine=False)
    if not faces:
        return None
    same = last is not None and lies_at(faces[0], last.alignment)
    found = follow(frame, last.alignment) if same and last is not None else None
    return Track(found or search(frame, faces[0]), frame.size)


def captioned(frame: Image.Image, text: str) -> Image.Image:
    """The frame with a line of text in its lower left corner, on a dark field."""
    frame = frame.copy()
    caption, (left, above) = caption_of(text, frame.height)
    frame.paste(caption, (left, frame.height - above), caption)
    return frame


@lru_cache(maxsize=16)
def caption_of(text: str, height: int) -> tuple[Image.Image, tuple[int, int]]:
    """A line of text on a dark field (RGBA) for frames of that height, and how far from their lower left corner."""
    size = max(10, height // 24)
    font = ImageFont.load_default(size)
    left, top, right, bottom = font.getbbox(text, anchor="ls")
    pad = size // 2
    caption = Image.new("RGBA", (round(right - left) + 2 * pad + 1, round(bottom - top) + 2 * pad + 1))
    draw = ImageDraw.Draw(caption)
    draw.rounded_rectangle((0, 0, caption.width - 1, caption.height - 1), size / 3, "#1e293b")
    draw.text((pad - left, pad - top), text, "white", font, anchor="ls")
    return caption, (size + round(left) - pad, size + pad - round(top))
