"""One face with many expressions, each at several strengths, on one labelled sheet."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from PIL import Image, ImageDraw, ImageFont

from leed.expression import Expression
from leed.photo.editor import PreparedPhoto
from leed.photo.geometry import Alignment

ALPHAS = (0.5, 1.0, 1.5)
TILE = 208  # side of a picture [px]
CAPTION = 34  # height of the line below it [px]
GAP = 8
FONT_SIZE = 20
INK, PAPER = "#1e293b", "#ffffff"
CLOSE_UP = 1.2  # side of a picture in sides of the model's crop
NOTE = "AI-modified: a model made these expressions; the person did not."


def expression_grid(
    prepared: PreparedPhoto, expressions: Mapping[str, Expression], alphas: Sequence[float] = ALPHAS
) -> Image.Image:
    """A sheet of the photo's face and its neutral face and, below, a row for each of the named expressions.

    >>> expression_grid(FaceEditor(leed).prepare(photo, happy), {"happy": happy, "angry": angry})
    """
    face = close_up(prepared, TILE)
    rows = [[("photo", face.photo), ("neutral", face(0.0).photo)]]
    for name, expression in expressions.items():
        edit = face.with_expression(expression)
        rows.append([(f"{name} {alpha:g}", edit(alpha).photo) for alpha in alphas])
    return sheet(rows, NOTE)


def close_up(prepared: PreparedPhoto, side: int) -> PreparedPhoto:
    """The same face upright in a square picture of its own, (side, side), a little wider than the crop."""
    margin = (CLOSE_UP - 1) / 2
    x, y = prepared.alignment.to_photo([-margin, -margin])
    right, down = prepared.alignment.across
    window = Alignment((x, y), (CLOSE_UP * right, CLOSE_UP * down))
    crop_side = side / CLOSE_UP
    inside = Alignment((margin * crop_side, margin * crop_side), (crop_side, 0.0))
    return replace(prepared, photo=window.crop(prepared.photo, side), alignment=inside, cutout=None)


def sheet(rows: list[list[tuple[str, Image.Image]]], note: str) -> Image.Image:
    """Rows of captioned pictures of side `TILE`, and a note at the foot."""
    across, down = TILE + GAP, TILE + CAPTION
    size = max(len(row) for row in rows) * across + GAP, len(rows) * down + GAP + CAPTION
    picture = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(FONT_SIZE)
    for i, row in enumerate(rows):
        for j, (caption, tile) in enumerate(row):
            left, top = GAP + j * across, GAP + i * down
            picture.paste(tile, (left, top))
            draw.text((left + TILE / 2, top + TILE + CAPTION / 2), caption, INK, font, "mm")
    draw.text((size[0] / 2, size[1] - CAPTION / 2), note, INK, font, "mm")
    return picture
