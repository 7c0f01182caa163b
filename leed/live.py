"""The pictures of a camera, edited one by one."""

from PIL import Image, ImageDraw, ImageFont

from leed.editor import FaceEditor, NoFaceError
from leed.model import Expression

MAX_SIDE = 640  # of a frame [px]


def edit_frame(
    editor: FaceEditor, frame: Image.Image, expression: Expression, alpha: float = 1.0
) -> tuple[Image.Image, bool]:
    """The frame with an expression on its largest face, captioned as altered, and whether it is altered.

    One that shows no face comes back as it is, with a caption that says so.
    """
    frame = frame.copy()
    frame.thumbnail((MAX_SIDE, MAX_SIDE), reducing_gap=2.0)
    try:
        return captioned(editor.edit(frame, expression, alpha).photo, "AI-modified"), True
    except NoFaceError:
        return captioned(frame, "No face found"), False


def captioned(frame: Image.Image, text: str) -> Image.Image:
    """The frame with a line of text in its lower left corner, on a dark field."""
    frame = frame.copy()
    draw = ImageDraw.Draw(frame)
    size = max(10, frame.height // 24)
    font = ImageFont.load_default(size)
    place = (size, frame.height - size)
    left, top, right, bottom = draw.textbbox(place, text, font, anchor="ls")
    draw.rounded_rectangle((left - size / 2, top - size / 2, right + size / 2, bottom + size / 2), size / 3, "#1e293b")
    draw.text(place, text, "white", font, anchor="ls")
    return frame
