"""Sheets of faces in rows and columns, with titles: the contact sheets and the paper's figures."""

import math
from collections.abc import Mapping, Sequence

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from leed.images import to_pil

FONT_SIZE, TITLE_HEIGHT, PAD = 18, 26, 10  # of titles [px]; PAD lies between a title and its faces
GAP, GROUP_GAP = 3, 14  # between faces, and more between groups of them [px]

Face = Tensor | None  # (3, S, S) in [-1, 1]; None leaves a white field


def panel(
    rows: Mapping[str, Sequence[Face]] | Sequence[Sequence[Face]],
    columns: Sequence[str] = (),
    group: int | None = None,
) -> Image.Image:
    """Rows of faces with titles of columns above and, for a mapping, its keys at the left as titles of rows.

    After every `group` columns there is a wider gap. Faces narrower than the widest of the columns' titles stand
    further apart. Raises `ValueError` if there is no face.
    """
    titles = list(rows) if isinstance(rows, Mapping) else []
    lines = list(rows.values()) if isinstance(rows, Mapping) else list(rows)
    sides = {face.shape[-1] for line in lines for face in line if face is not None}
    if not sides:
        raise ValueError("a panel needs at least one face, got none")
    side, font = max(sides), ImageFont.load_default(FONT_SIZE)

    margin = round(max(map(font.getlength, titles))) + PAD if titles else 0
    head = TITLE_HEIGHT if columns else 0
    widest = max((math.ceil(font.getlength(title)) + GAP for title in columns), default=0)
    spare = max(widest - side, 0)  # white to the left and right of a face, in its column

    def corner(i: int, j: int) -> tuple[int, int]:
        left = margin + spare // 2 + j * (side + spare + GAP) + (j // group * GROUP_GAP if group else 0)
        return left, head + i * (side + GAP)

    right, bottom = corner(len(lines) - 1, max(map(len, lines)) - 1)
    page = Image.new("RGB", (right + side + spare // 2, bottom + side), "white")
    draw = ImageDraw.Draw(page)
    for j, title in enumerate(columns):
        draw.text((corner(0, j)[0] + side / 2, head / 2), title, fill="black", font=font, anchor="mm")
    for i, title in enumerate(titles):
        draw.text((margin - PAD, corner(i, 0)[1] + side / 2), title, fill="black", font=font, anchor="rm")
    for i, line in enumerate(lines):
        for j, face in enumerate(line):
            if face is not None:
                page.paste(to_pil(face), corner(i, j))
    return page


def side_by_side(*pictures: Tensor | Sequence[Tensor], a_row: int = 1) -> list[list[Face]]:
    """Rows of a panel: the pictures (3, S, S) of each case side by side, `a_row` cases in a row.

    Each argument has one picture of every case: a tensor (N, 3, S, S) or a list.
    """
    faces = [face for case in zip(*pictures, strict=True) for face in case]
    width = a_row * len(pictures)
    return [faces[start : start + width] for start in range(0, len(faces), width)]
