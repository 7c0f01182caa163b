"""The gallery: ten composite people (no real persons) with their expressions, and a portrait of each.

`ATTRIBUTION.md` beside this file says where they come from; they may be shown and passed on with it.
"""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image

from leed.config import EXPRESSIONS as POSED
from leed.images import INNER_CROP, image_files

FOLDER = Path(__file__).parent

FRONTAL = "090"
"""The camera in front; 068 and 112 are turned by 22 degrees to either side."""


EXPRESSIONS = (*POSED, "blink", "wink_left", "wink_right", "kiss", "laugh", "ah", "oh", "ee")
"""What the people show: the eight labelled expressions, in several strengths, and free ones; left is the person's."""


def in_words(expression: str) -> str:
    """What an expression is called where people read it: "wink left" for wink_left."""
    return expression.replace("_", " ")


@dataclass(frozen=True)
class GalleryFace:
    """A face of the gallery: a picture of 256 x 256 pixels, in the open face set's own crop.

    `person` is comp01 to comp10, `camera` one of 068, 090 and 112, `intensity` the expression's strength in [0, 1],
    `variant` the number of the picture among those of one person, expression and camera.
    """

    path: Path
    person: str
    expression: str
    variant: int
    camera: str
    intensity: float

    @property
    def is_posed(self) -> bool:
        """Whether it shows one of the eight labelled expressions."""
        return self.expression in POSED

    def open(self) -> Image.Image:
        """The face in the models' crop, of any size: models resize."""
        with Image.open(self.path) as picture:
            left, top, right, bottom = (round(edge * picture.width) for edge in INNER_CROP)
            return picture.convert("RGB").crop((left, top, right, bottom))


@cache
def faces(camera: str | None = None) -> tuple[GalleryFace, ...]:
    """The faces of all cameras or of one, by expression, person and strength."""
    with open(FOLDER / "faces" / "metadata.csv", newline="") as file:
        found = [
            GalleryFace(
                FOLDER / "faces" / row["file_name"],
                row["person"],
                row["expression"],
                int(row["variant"]),
                row["camera"],
                float(row["intensity"]),
            )
            for row in csv.DictReader(file)
            if camera in (None, row["camera"])
        ]
    return tuple(sorted(found, key=lambda face: (EXPRESSIONS.index(face.expression), face.person, face.intensity)))


def portraits() -> list[Path]:
    """A photograph of each person, neutral and from the front, by the person's name."""
    return image_files(FOLDER / "portraits")
