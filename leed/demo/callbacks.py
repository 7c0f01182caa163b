"""Answers to the page's events: functions that give Gradio's components their new values."""

from collections.abc import Set
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
from gradio.processing_utils import save_file_to_cache
from gradio.utils import get_upload_folder

from leed import gallery
from leed.demo import actions, backend, clip_faces, photos, recipes
from leed.demo.actions import Choice
from leed.demo.faces import Kept
from leed.demo.recipes import ExpressionFileError
from leed.demo.texts import doubt
from leed.gallery import GalleryFace
from leed.photo.detection import Face
from leed.photo.editor import NoFaceError
from leed.photo.opening import PhotoError
from leed.web.checked import check_whole, is_number, mistake

NO_PHOTO = (1, 1)  # the size of a photo that is not there, for a drawing without faces


@backend.errors_shown()
def show(*values: Any) -> tuple:
    """The page's results of a `Choice`: comparison, crop, edited face; then messages about a saved expression, the
    photo, with the offer of a centre crop, and one's own reference, likewise."""
    choice = Choice(*values)
    center_crop, own_center_crop = choice.center_crop, choice.own_center_crop
    nothing, about_saved = (None, None, None), gr.Markdown("", visible=False)
    about_photo, about_reference = said("", center_crop), said("", own_center_crop)
    try:
        if choice.own_reference is not None:
            backend.call(actions.read_reference, choice.own_reference, own_center_crop)
    except (PhotoError, NoFaceError) as error:
        return *nothing, about_saved, *about_photo, *failed(error, own_center_crop)
    try:
        if choice.photo is None:
            return *nothing, about_saved, *about_photo, *about_reference
        pictures = backend.call(actions.render_preview, choice)
        doubts = backend.call(actions.list_doubts, choice)
    except ExpressionFileError as error:
        return *nothing, gr.Markdown(str(error), visible=True), *about_photo, *about_reference
    except (PhotoError, NoFaceError) as error:
        return *nothing, about_saved, *failed(error, center_crop), *about_reference
    about_photo = said(doubt("photo", doubts["photo"]), center_crop)
    about_reference = said(doubt("reference", doubts["reference"]), own_center_crop)
    return *pictures, about_saved, *about_photo, *about_reference


def said(message: str, center_crop: bool) -> tuple[gr.Markdown, gr.Checkbox]:
    """A message about a picture, if there is one, and the offer of a centre crop, if it is taken."""
    return gr.Markdown(message, visible=bool(message)), gr.Checkbox(visible=center_crop)


def failed(error: Exception, center_crop: bool) -> tuple[gr.Markdown, gr.Checkbox]:
    """A message that a picture is of no use, and the offer of a centre crop where no face was found."""
    return gr.Markdown(str(error), visible=True), gr.Checkbox(visible=center_crop or isinstance(error, NoFaceError))


def faces_of(photo: str | None) -> tuple[tuple[int, int], list[Face]]:
    """The (width, height) of a photo and its faces; no face in a photo that cannot be read, as `show` explains."""
    if photo is None:
        return NO_PHOTO, []
    try:
        return backend.call(photos.detect, photo)
    except PhotoError:
        return NO_PHOTO, []


class Offered(NamedTuple):
    """The photo whose faces are on offer, and the last one that there was: the kept faces are that one's."""

    photo: str | None = None
    last: str | None = None


@backend.errors_shown()
def offer_faces(photo: str | None, offered: Offered, kept: Kept | None = None) -> tuple:
    """For a new photo: the choice among its faces, if several; its faces outlined; the centre crop switched off;
    `preview`; no face kept: the column of kept faces and `no_faces_kept`; and what is now `offered`.

    Gradio asks again for the same photo where two events come close together. That changes nothing, as a visitor may
    have chosen a face since. A photo that is given again, as one that was deleted after an hour has to be, has its
    kept faces still.
    """
    if photo is not None and photo == offered.photo:
        return (gr.skip(),) * 8
    size, faces = faces_of(photo)
    again = photo is None or photo == offered.last
    ticked = {one["face"] for one in kept or ()} if again else set()
    face = next((i for i in range(len(faces)) if i not in ticked), 0)
    shown = faces_to_choose(len(faces), face), outlines(size, faces, face, ticked), gr.Checkbox(False, visible=False)
    keeping = (gr.skip(), gr.skip()) if again else no_faces_kept()
    offered = Offered(photo, photo or offered.last)
    return *shown, preview(photo), gr.Column(visible=len(faces) > 1), *keeping, offered


def faces_to_choose(count: int, chosen: int) -> gr.Radio:
    """The choice among so many faces, shown if there are several."""
    names = [("1, the largest", 0), *((str(i + 1), i) for i in range(1, count))]
    return gr.Radio(names, value=chosen, visible=count > 1)


def no_faces_kept() -> tuple[list, gr.Row]:
    """The kept faces, and the row that says so, where there are none."""
    return [], gr.Row(visible=False)


@backend.errors_shown()
def keep_face(*values: Any) -> tuple[list[dict], gr.Row, str, int]:
    """The kept faces with that of a `Choice`, the row with them, what it says, and the next face to choose."""
    choice = Choice(*values)
    kept = backend.call(actions.keep, choice)
    numbers = sorted(one["face"] for one in kept)
    left = [i for i in range(len(faces_of(choice.photo)[1])) if i not in numbers]
    note = f"Kept: {', '.join(str(number + 1) for number in numbers)}. Choose one again to change it."
    return kept, gr.Row(visible=True), note, left[0] if left else choice.face


@backend.errors_shown()
def preview(photo: str | None) -> Path | None:
    """A picture to show in a photo's place, if browsers do not show its file as it was opened here."""
    if photo is None:
        return None
    try:
        return backend.call(photos.preview_photo, photo)
    except PhotoError:
        return None


@backend.errors_shown()
def outline_face(photo: str | None, face: int, kept: Kept | None = None) -> str:
    """The faces of a photo outlined, `face` as the chosen one, and the kept ones ticked."""
    return outlines(*faces_of(photo), face, {one["face"] for one in kept or ()})


@backend.errors_shown()
def click_face(photo: str | None, event: gr.SelectData) -> int:
    """The face whose centre is nearest to a click on the photo."""
    place = place_of(event)
    try:
        return 0 if photo is None else backend.call(photos.face_at, photo, place)
    except PhotoError:
        return 0


def place_of(event: gr.SelectData) -> tuple[float, float]:
    """Where a picture was clicked. Raises `gr.Error` if a request says something else."""
    place = event.index
    if not isinstance(place, (list, tuple)) or len(place) != 2 or not all(map(is_number, place)):
        raise mistake("A click on the photo must be at two numbers.")
    return place[0], place[1]


@backend.errors_shown()
def offer_photo_face(photo: str | None) -> tuple[gr.Radio, str]:
    """The choice among a photo's faces, and these outlined; nothing of both where it has one."""
    size, faces = faces_of(photo)
    return faces_to_choose(len(faces), 0), outlines(size, faces, 0) if len(faces) > 1 else ""


@backend.errors_shown()
def offer_clip_face(clip: str | None) -> tuple[gr.Column, Path | None, str, gr.Radio]:
    """Where a clip shows several faces: a column, shown, with the frame in which they are counted, the faces outlined,
    and the choice among them."""
    if clip is None:
        return gr.Column(visible=False), None, "", faces_to_choose(1, 0)
    size, faces = backend.call(clip_faces.faces_of, clip)
    frame, count = backend.call(clip_faces.first_frame, clip), len(faces)
    return gr.Column(visible=count > 1), frame, outlines(size, faces, 0), faces_to_choose(count, 0)


@backend.errors_shown()
def outline_clip_face(clip: str | None, face: int) -> str:
    """The faces of a clip outlined, `face` as the chosen one."""
    return "" if clip is None else outlines(*backend.call(clip_faces.faces_of, clip), face)


@backend.errors_shown()
def click_clip_face(clip: str | None, event: gr.SelectData) -> int:
    """The face whose centre is nearest to a click on the clip's frame."""
    return 0 if clip is None else backend.call(clip_faces.face_at, clip, place_of(event))


def outlines(size: tuple[int, int], faces: list[Face], chosen: int, kept: Set[int] = frozenset()) -> str:
    """A drawing to be laid over a photo of (width, height) `size`: a box around each face, numbered if several.

    The numbers of kept faces have a tick.
    """
    if not faces:
        return ""
    boxes = []
    for i, face in enumerate(faces):
        left, top, right, bottom = face.box
        above = top > max(size) / 16  # where it covers no face
        place = f'x="{left:.0f}" y="{top:.0f}" dx="{0 if above else 0.25}em" dy="{-0.2 if above else 0.95}em"'
        number = f"<text {place}>{i + 1}{' ✓' if i in kept else ''}</text>" if len(faces) > 1 else ""
        boxes.append(
            f'<g class="{"chosen" if i == chosen else "other"}">'
            f'<rect x="{left:.0f}" y="{top:.0f}" width="{right - left:.0f}" height="{bottom - top:.0f}"/>{number}</g>'
        )
    text = "1 face found" if len(faces) == 1 else f"{len(faces)} faces found; face {chosen + 1} is chosen"
    return (
        f'<svg viewBox="0 0 {size[0]} {size[1]}" font-size="{max(size) / 16:.0f}" role="img" aria-label="{text}">'
        f"{''.join(boxes)}</svg>"
    )


def list_references() -> list[dict]:
    """The faces of the gallery: number, expression, person and strength."""
    return [
        {"reference": i, "expression": face.expression, "person": face.person, "strength": face.intensity}
        for i, face in enumerate(recipes.references())
    ]


def caption(face: GalleryFace) -> str:
    """The expression of a face of the gallery, its person and, where there are several, its strength."""
    strength = f", strength {face.intensity:.0%}" if face.is_posed and face.expression != "neutral" else ""
    return f"{gallery.in_words(face.expression)}, person {int(face.person.removeprefix('comp'))}{strength}"


def example_people() -> list[tuple[Path, str]]:
    """The photos of the example people and what they are called."""
    return [(path, f"example person {number}") for number, path in enumerate(gallery.portraits(), 1)]


@backend.errors_shown()
def example_photo(event: gr.SelectData) -> Path:
    """The photo of the example person that was clicked."""
    people = example_people()
    return served(people[clicked(event, len(people))][0])


def served(path: Path) -> Path:
    """A copy of a file of the package, for a page that runs: Gradio serves none of other folders than the current."""
    return Path(save_file_to_cache(path, get_upload_folder()))


def thumbnails(expression: str) -> list[tuple[Path, str]]:
    """The faces of the gallery that show an expression, with their captions."""
    return [(face.path, caption(face)) for face in recipes.references() if face.expression == expression]


def first_of(expression: str) -> int:
    """The number of the first face of the gallery that shows an expression."""
    return [face.expression for face in recipes.references()].index(expression)


@backend.errors_shown()
def pick(expression: str, event: gr.SelectData) -> tuple[int, None, None]:
    """The number of the thumbnail that was clicked, and no reference and no file of one's own any more."""
    return first_of(expression) + clicked(event, len(thumbnails(expression))), None, None


def clicked(event: gr.SelectData, count: int) -> int:
    """The number of the picture that was clicked, of `count`. Raises `gr.Error` if a request names another."""
    number = check_whole("A click", event.index)
    if not 0 <= number < count:
        raise mistake(f"A click must be on one of {count} pictures, got {number}.")
    return number


@backend.errors_shown()
def pick_expression(expression: str, reference: int) -> tuple:
    """The number of the first face that shows an expression, of the same person as the reference; as `pick`.

    A reference that shows the expression stays, for the reason that `offer_faces` gives.
    """
    faces = recipes.references()
    now = faces[recipes.check_reference(reference)]
    if now.expression == expression:
        return (gr.skip(),) * 3
    wanted = (now.person, expression)
    return next(i for i, face in enumerate(faces) if (face.person, face.expression) == wanted), None, None


@backend.errors_shown()
def thumbnails_with_choice(
    expression: str, reference: int, own_reference: str | None, saved_expression: str | None
) -> gr.Gallery:
    """The faces that show an expression; the chosen one is framed if it is among them."""
    faces = [(served(path), name) for path, name in thumbnails(expression)]
    place = reference - first_of(expression)
    chosen = own_reference is None and saved_expression is None and 0 <= place < len(faces)
    return gr.Gallery(faces, selected_index=place if chosen else None)
