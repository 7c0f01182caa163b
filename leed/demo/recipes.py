"""What a face is to show: a face of the gallery, a reference or a file of one's own, limited to a region or mixed."""

import base64
import binascii
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from safetensors import SafetensorError

from leed import gallery
from leed.demo.engine import VisitorError, editor
from leed.demo.photos import detect, load_photo
from leed.demo.texts import DELETED
from leed.expression import SUFFIX, Expression
from leed.gallery import GalleryFace
from leed.regions import REGIONS
from leed.web.units import MIB

WHOLE, NOTHING = "whole", "none"
PLACES = (WHOLE, *REGIONS)
"""Where an expression goes."""

EXPRESSIONS = gallery.EXPRESSIONS[1:]
"""The gallery's, without the neutral one."""

SECONDS = (NOTHING, *EXPRESSIONS)
"""What can be mixed in: averages over the gallery's people."""

MAX_FILE_BYTES = 8 * MIB  # of a saved expression; most have a few kB
MAX_TEXT = 12_000  # characters of an expression that is kept by value; those of vectors have up to 3,000
MAX_NAME = 80  # characters
MAX_REASON = 300  # characters of what is wrong with a file, which may repeat names that it holds


class ExpressionFileError(VisitorError):
    """A file of a visitor's holds no expression that can be used here."""


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
    """The number of a face of the gallery. Raises `VisitorError` if there is none."""
    count = len(references())
    if not 0 <= reference < count:
        raise VisitorError(f"reference must be in [0, {count - 1}], got {reference}.")
    return int(reference)


@lru_cache(maxsize=32)
def own_expression(path: str, center_crop: bool) -> Expression:
    """The expression of the largest face of a visitor's photo. Raises `PhotoError` and `NoFaceError`."""
    _, faces = detect(path)
    return editor().expression(load_photo(path), center_crop, faces)


@lru_cache(maxsize=32)
def saved_expression(path: str) -> Expression:
    """The expression in a file that a visitor kept. Raises `ExpressionFileError`.

    It is read as safetensors, whatever it is: no pickle is ever loaded.
    """
    file = Path(path)
    if not file.is_file():
        raise ExpressionFileError(DELETED.format(what="saved expression"))
    if file.stat().st_size > MAX_FILE_BYTES:
        raise ExpressionFileError(
            f"A saved expression has at most {MAX_FILE_BYTES // MIB} MB: please give another file."
        )
    return read_expression(file)


def as_text(expression: Expression) -> str:
    """An expression's file as text, to be kept by value: uploads are deleted after an hour."""
    with TemporaryDirectory() as folder:
        return base64.b64encode(expression.save(Path(folder, f"kept{SUFFIX}")).read_bytes()).decode()


@lru_cache(maxsize=64)
def from_text(text: str) -> Expression:
    """Inverse of `as_text`. Raises `ExpressionFileError`."""
    with TemporaryDirectory() as folder:
        file = Path(folder, f"kept{SUFFIX}")
        try:
            file.write_bytes(base64.b64decode(text, validate=True))
        except (binascii.Error, ValueError):
            raise ExpressionFileError("A kept expression must be the base64 text of a saved expression.") from None
        return read_expression(file)


def read_expression(file: Path) -> Expression:
    """The expression in a file, if it is of use here. Raises `ExpressionFileError`."""
    leed = editor().leed
    try:
        expression = Expression.load(file)
        leed.check_expression(expression)
        leed.expressions.check_strength(expression)
    except ValueError as error:  # ModelFileError is one
        reason = str(error).replace(str(file), "it")
        if isinstance(error.__cause__, (SafetensorError, OSError)):  # whose words are for programmers
            reason = "it is damaged, or of another kind"
        reason = reason if len(reason) <= MAX_REASON else f"{reason[:MAX_REASON]} ..."
        raise ExpressionFileError(f"This file cannot be used: {reason}") from None
    return expression


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
    saved_expression: str | None = None

    def first(self) -> Expression:
        """A saved expression or one's own reference if there is one, else the gallery's.

        Raises `PhotoError`, `NoFaceError` and `VisitorError`.
        """
        if self.saved_expression is not None:
            if self.own_reference is not None:
                raise VisitorError("own_reference and saved_expression were both given: please give one of them.")
            return saved_expression(self.saved_expression)
        if self.own_reference is not None:
            return own_expression(self.own_reference, self.own_center_crop)
        return gallery_expression(check_reference(self.reference))

    @property
    def name(self) -> str:
        """What the expression is called in a file."""
        if self.saved_expression is not None:
            name = str(saved_expression(self.saved_expression).name)
        elif self.own_reference is not None:
            name = "own reference"
        else:
            name = references()[check_reference(self.reference)].expression
        name += "" if self.region == WHOLE else f" at {self.region}"
        if self.second != NOTHING:
            place = "" if self.second_region == WHOLE else f" at {self.second_region}"
            name += f" with {self.share:.2g} {self.second}{place}"
        return name[:MAX_NAME]

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
