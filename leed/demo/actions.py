"""What the page and its API ask for, from the files that visitors upload to the files that they download.

The page is not known here.
"""

import inspect
import re
from collections.abc import Callable
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import NamedTuple, TypeVar

from leed.demo.engine import VisitorError, editor, result_folder, sign, sign_bytes
from leed.demo.faces import (
    MAX_KEPT,
    Kept,
    others,
    others_in_photo,
    others_in_preview,
    prepare,
    prepare_preview,
    with_others,
)
from leed.demo.photos import remaining_parts
from leed.demo.recipes import (
    MAX_TEXT,
    NOTHING,
    WHOLE,
    Recipe,
    as_text,
    check_reference,
    expressions_of,
    from_text,
    gallery_expression,
    own_expression,
    references,
)
from leed.photo.grid import expression_grid
from leed.photo.live import Track, edit_frame
from leed.photo.opening import open_photo
from leed.photo.saving import jpeg_bytes, save_marked, save_marked_sequence, save_plain
from leed.photo.sequence import FPS, sequence_frames

LIVE_PERSON = "comp05"  # of the gallery, whose expressions the live camera takes

F = TypeVar("F", bound=Callable)

EXPLAINED = {
    "reference": "number of a face of the gallery, as /references lists them",
    "own_reference": "a picture with a face that shows the expression, used instead of the gallery's",
    "center_crop": "where no face is found in the photo, take its centre for a face",
    "face": "which face of the photo; 0 is the largest",
    "own_center_crop": "where no face is found in own_reference, take its centre for a face",
    "region": "where the face gets the expression: whole, eyes (with brows), mouth (with cheeks and chin), or left or "
    "right, the person's own",
    "second": "an expression to mix in, the average over the gallery's people; or none",
    "second_region": "where the second expression goes, as region",
    "share": "of the second expression there, from 0 to 1; the rest is the first's",
    "saved_expression": "a file that /expression or Expression.save wrote, used instead of a reference",
    "kept": 'other faces of the photo with what each gets, as [{"face": 1, "reference": 40, "alpha": 0.8}]; all of '
    "the arguments that choose an expression may stand there, or expression: the base64 of a file that /expression "
    "wrote",
}
"""What the arguments mean that choose a face and its expression; one line each, as the API shows them."""


def explained(function: F) -> F:
    """The same function, whose docstring explains the arguments that are EXPLAINED."""
    known = [name for name in inspect.signature(function).parameters if name in EXPLAINED]
    lines = "".join(f"\n    {name}: {EXPLAINED[name]}" for name in known)
    function.__doc__ = (inspect.getdoc(function) or "").replace("\n\nReturns:", f"{lines}\n\nReturns:")
    return function


class Choice(NamedTuple):
    """What is chosen on the page: the arguments of `edit`, in its order."""

    photo: str | None
    reference: int = 0
    own_reference: str | None = None
    alpha: float = 1.0
    center_crop: bool = False
    face: int = 0
    own_center_crop: bool = False
    region: str = WHOLE
    second: str = NOTHING
    second_region: str = WHOLE
    share: float = 0.5
    saved_expression: str | None = None
    kept: Kept | None = None

    @property
    def recipe(self) -> Recipe:
        """The expression that is chosen."""
        return Recipe(
            self.reference, self.own_reference, self.own_center_crop, self.region, self.second, self.second_region,
            self.share, self.saved_expression,
        )  # fmt: skip


# What the page and the API ask for.


@explained
def edit(
    photo: str | None,
    reference: int = 0,
    own_reference: str | None = None,
    alpha: float = 1.0,
    center_crop: bool = False,
    face: int = 0,
    own_center_crop: bool = False,
    region: str = WHOLE,
    second: str = NOTHING,
    second_region: str = WHOLE,
    share: float = 0.5,
    saved_expression: str | None = None,
    kept: Kept | None = None,
) -> tuple[Path, Path]:
    """Edits the expression of a face in a photo.

    Args:
        photo: a picture with a face, at most 50 megapixels
        alpha: strength of the expression, from 0 (neutral) to 1.5

    Returns:
        the edited face and the whole photo with it, as PNG files that are marked as altered
    """
    recipe = Recipe(reference, own_reference, own_center_crop, region, second, second_region, share, saved_expression)
    prepared = with_others(prepare(photo, center_crop, int(face)), others_in_photo(photo, others(kept, face)))
    result = prepared.with_expression(recipe.expression())(alpha)
    folder = result_folder()
    return (
        sign(save_marked(result.edited, folder / "leed-face.png")),
        sign(save_marked(result.photo, folder / "leed-photo.png")),
    )


@explained
def make_sequence(
    photo: str | None,
    reference: int = 0,
    own_reference: str | None = None,
    center_crop: bool = False,
    face: int = 0,
    own_center_crop: bool = False,
    region: str = WHOLE,
    second: str = NOTHING,
    second_region: str = WHOLE,
    share: float = 0.5,
    saved_expression: str | None = None,
    kept: Kept | None = None,
) -> tuple[Path, Path, Path]:
    """Makes a two-second loop of a face in a photo: neutral, the full expression, beyond it, and back.

    Args:
        photo: a picture with a face, at most 50 megapixels; the frames are at most 720 pixels wide and high

    Returns:
        the loop as MP4, animated WebP and GIF files that are marked as altered
    """
    recipe = Recipe(reference, own_reference, own_center_crop, region, second, second_region, share, saved_expression)
    prepared = with_others(prepare(photo, center_crop, int(face)), others_in_photo(photo, others(kept, face)))
    frames = sequence_frames(prepared.with_expression(recipe.expression()))
    folder = result_folder()
    mp4, webp, gif = (
        sign(save_marked_sequence(frames, folder / f"leed-sequence.{suffix}", FPS))
        for suffix in ("mp4", "webp", "gif")
    )
    return mp4, webp, gif


@explained
def make_grid(
    photo: str | None,
    reference: int = 0,
    own_reference: str | None = None,
    center_crop: bool = False,
    face: int = 0,
    own_center_crop: bool = False,
    region: str = WHOLE,
    second: str = NOTHING,
    second_region: str = WHOLE,
    share: float = 0.5,
    saved_expression: str | None = None,
) -> Path:
    """Gives a face in a photo all expressions of the chosen person of the gallery, each at three strengths.

    A reference or a file of one's own, or a mix, has a row above them.

    Args:
        photo: a picture with a face, at most 50 megapixels

    Returns:
        a labelled sheet of all the edited faces, as a PNG file that is marked as altered
    """
    recipe = Recipe(reference, own_reference, own_center_crop, region, second, second_region, share, saved_expression)
    expressions = {}
    if recipe.is_mixed:
        expressions["your mix"] = recipe.expression()
    elif own_reference is not None or saved_expression is not None:
        expressions["your reference" if saved_expression is None else "your file"] = recipe.expression()
    numbers = expressions_of(references()[check_reference(reference)].person)
    expressions |= {name: gallery_expression(i) for name, i in numbers.items()}
    picture = expression_grid(prepare(photo, center_crop, int(face)), expressions)
    return sign(save_marked(picture, result_folder() / "leed-expressions.png"))


@explained
def save_expression(
    reference: int = 0,
    own_reference: str | None = None,
    own_center_crop: bool = False,
    region: str = WHOLE,
    second: str = NOTHING,
    second_region: str = WHOLE,
    share: float = 0.5,
    saved_expression: str | None = None,
) -> Path:
    """Saves an expression, with its mix, for other photos and for `leed` in Python and on the command line.

    It works with this model alone.

    Args:

    Returns:
        a safetensors file without any picture
    """
    recipe = Recipe(reference, own_reference, own_center_crop, region, second, second_region, share, saved_expression)
    file = f"leed-{re.sub('[^a-z0-9]+', '-', recipe.name.lower()).strip('-')}.safetensors"
    return recipe.expression().save(result_folder() / file, recipe.name)


def read_reference(own_reference: str, own_center_crop: bool) -> None:
    """Finds out whether one's own reference is of use. Raises `PhotoError` and `NoFaceError`."""
    own_expression(own_reference, own_center_crop)


def render_preview(choice: Choice) -> tuple[tuple[Path, Path], Path, Path]:
    """The page's pictures, in preview size: the photo before and after, the face before, and after.

    Raises `PhotoError` and `NoFaceError`.
    """
    before = prepare_preview(choice.photo, choice.center_crop, choice.face)
    prepared = with_others(before, others_in_preview(choice.photo, others(choice.kept, choice.face)))
    result = prepared.with_expression(choice.recipe.expression())(choice.alpha)
    folder = result_folder()
    return (
        (
            save_plain(before.photo, folder / "photo.jpg"),
            sign(save_marked(result.photo, folder / "edited.jpg")),
        ),
        save_plain(result.crop, folder / "face.png"),
        sign(save_marked(result.edited, folder / "leed-face.png")),
    )


def keep(choice: Choice) -> list[dict]:
    """The faces that keep an expression, with the chosen one among them. Raises as `edit` if it cannot be edited.

    An expression is kept itself, since files that it was taken from are deleted in time; a large one, of a model whose
    expressions are maps, by how it was chosen.
    """
    prepare(choice.photo, choice.center_crop, choice.face)
    text = as_text(choice.recipe.expression())
    from_text(text)  # now, not when it is of use
    kept = [dict(one) for one in choice.kept or () if one["face"] != choice.face]
    if len(kept) >= MAX_KEPT:
        raise VisitorError(f"At most {MAX_KEPT} faces of a photo can keep an expression.")
    what = {"expression": text} if len(text) <= MAX_TEXT else asdict(choice.recipe)
    return [*kept, {"face": choice.face, "alpha": choice.alpha, **what}]


def list_doubts(choice: Choice) -> dict[str, tuple[str, ...]]:
    """Where the neutraliser visibly left something of an expression: parts ("mouth", "eyes") of "photo", "reference".

    An input in which nothing can be seen has no parts.
    """
    found = {"photo": remaining_parts(choice.photo, choice.center_crop, choice.face), "reference": ()}
    if choice.own_reference is not None:
        found["reference"] = remaining_parts(choice.own_reference, choice.own_center_crop)
    return found


def edit_live(
    frame: bytes | None, expression: str, alpha: float, last: Track | None
) -> tuple[bytes | None, Track | None]:
    """A camera's frame with an expression on its largest face, and where that face is.

    `frame` and the result are JPEG files; `last` is where the face was in the frame before.
    """
    if frame is None:
        return None, None
    reference = expressions_of(LIVE_PERSON)[expression]
    picture, track = edit_frame(editor(), open_photo(BytesIO(frame)), gallery_expression(reference), alpha, last)
    data = jpeg_bytes(picture, marked=track is not None)
    return data if track is None else sign_bytes(data, ".jpg"), track
