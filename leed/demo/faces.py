"""The faces of a photo on their way to an edit: the chosen one, and others that keep what they got before."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

from PIL import Image

from leed.demo.engine import editor
from leed.demo.photos import PREVIEW_SIDE, detect, load_photo
from leed.demo.recipes import Recipe, from_text, gallery_expression
from leed.expression import Expression
from leed.photo.editor import PreparedPhoto
from leed.photo.opening import PhotoError

MAX_KEPT = 12  # faces of a photo that keep an expression while another is chosen


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


@dataclass(frozen=True)
class KeptFace:
    """A face that keeps an expression while another is chosen."""

    face: int
    alpha: float
    recipe: Recipe
    text: str | None = None  # the expression itself, instead of a recipe

    def expression(self) -> Expression:
        """What it keeps. Raises `PhotoError`, `NoFaceError` and `VisitorError`."""
        return self.recipe.expression() if self.text is None else from_text(self.text)


Kept = Sequence[Mapping[str, Any]]
"""Such faces as JSON has them: a face, alpha, and an expression as text or the fields of a recipe.

`components.KeptFaces` checks them.
"""


def others(kept: Kept | None, face: int) -> tuple[KeptFace, ...]:
    """The faces that keep an expression, but for the chosen one."""
    found = []
    for item in kept or ():
        own = dict(item)
        face_and_more = own.pop("face"), own.pop("alpha", 1.0)
        text = own.pop("expression", None)
        found.append(KeptFace(*face_and_more, Recipe(**own), text))
    return tuple(one for one in found if one.face != face)


def with_others(prepared: PreparedPhoto, photo: Image.Image | None) -> PreparedPhoto:
    """A prepared face in a photo in which the others are edited already, if there are any."""
    if photo is None:
        return prepared
    return replace(prepared, photo=photo, cutout=prepared.cutout and prepared.cut_out(photo))


@lru_cache(maxsize=16)
def others_in_preview(path: str, among: tuple[KeptFace, ...]) -> Image.Image | None:
    """A photo of the page's size with what other faces keep; None if none does. Raises as `prepare` and recipes do."""
    return edited(among, partial(prepare_preview, path, False))


def others_in_photo(path: str | None, among: tuple[KeptFace, ...]) -> Image.Image | None:
    """As `others_in_preview`, of the photo's own size."""
    return edited(among, partial(prepare, path, False))


def edited(among: tuple[KeptFace, ...], prepare_face: Callable[[int], PreparedPhoto]) -> Image.Image | None:
    """An RGB photo with these faces edited; None if there are none."""
    photo = None
    for one in among:
        prepared = prepare_face(one.face).with_expression(one.expression())
        _, photo = prepared.pasted(prepared.photo if photo is None else photo, one.alpha)
    return photo
