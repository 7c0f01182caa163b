"""What a face is to show: a face of the gallery, a reference or a file of one's own, limited to a region or mixed."""

from dataclasses import dataclass
from functools import cache, lru_cache

from leed import gallery
from leed.config import EXPRESSIONS
from leed.demo.engine import editor
from leed.demo.photos import detect, load_photo
from leed.expression import Expression
from leed.gallery import GalleryFace
from leed.photo.opening import PhotoError
from leed.regions import REGIONS

WHOLE, NOTHING = "whole", "none"
PLACES = (WHOLE, *REGIONS)
"""Where an expression goes."""

SECONDS = (NOTHING, *EXPRESSIONS[1:])  # without neutral
"""What can be mixed in: averages over the gallery's people."""


def references() -> tuple[GalleryFace, ...]:
    """The frontal faces of the gallery, by expression, person and strength; their numbers are those of the API."""
    return gallery.faces(gallery.FRONTAL)


@cache
def expressions_of(person: str) -> dict[str, int]:
    """The number of the strongest face of each expression that a person of the gallery shows, neutral aside."""
    faces = {face.expression: i for i, face in enumerate(references()) if face.person == person}
    return {name: i for name, i in faces.items() if name != "neutral"}


@lru_cache(maxsize=512)
def gallery_expression(reference: int) -> Expression:
    """The expression of a face of the gallery."""
    return editor().leed.expression(references()[reference].open())


def check_reference(reference: int) -> int:
    """The number of a face of the gallery. Raises `PhotoError` if there is none."""
    count = len(references())
    if not 0 <= reference < count:
        raise PhotoError(f"reference must be in [0, {count - 1}], got {reference}.")
    return int(reference)


@lru_cache(maxsize=32)
def own_expression(path: str, center_crop: bool) -> Expression:
    """The expression of the largest face of a visitor's photo. Raises `PhotoError` and `NoFaceError`."""
    _, faces = detect(path)
    return editor().expression(load_photo(path), center_crop, faces)


@dataclass(frozen=True)
class Recipe:
    """An expression as it is chosen on the page; the fields are arguments of `leed.demo.actions.edit`."""

    reference: int = 0
    own_reference: str | None = None
    own_center_crop: bool = False
    region: str = WHOLE
    second: str = NOTHING
    second_region: str = WHOLE
    share: float = 0.5

    def first(self) -> Expression:
        """One's own reference if there is one, else the gallery's. Raises `PhotoError` and `NoFaceError`."""
        if self.own_reference is not None:
            return own_expression(self.own_reference, self.own_center_crop)
        return gallery_expression(check_reference(self.reference))

    @property
    def is_mixed(self) -> bool:
        """Whether it is more than a whole face's one expression."""
        return self.region != WHOLE or self.second != NOTHING

    def expression(self) -> Expression:
        """The first expression in its region, mixed with the second in the second's. Raises as `first`.

        There the second has the share `share`, and the first, or the neutral face, has the rest.
        """
        expression = at(self.first(), self.region)
        if self.second == NOTHING:
            return expression
        other = editor().leed.expressions[self.second]
        return expression + self.share * at(other - expression, self.second_region)


def at(expression: Expression, place: str) -> Expression:
    """The expression in one of PLACES and none elsewhere."""
    return expression if place == WHOLE else expression.at(place)
