"""Answers to the page's events."""

from pathlib import Path
from types import ModuleType, SimpleNamespace

import gradio as gr
import pytest
from PIL import Image

from leed import gallery
from leed.demo import callbacks, engine, photos, recipes
from leed.demo.texts import doubt
from leed.images import to_tensor
from leed.networks import remains


def test_what_remains_in_a_photo_or_reference_is_said(no_worker: None, monkeypatch: pytest.MonkeyPatch):
    portrait, other = (str(callbacks.example_people()[number][0]) for number in (0, 1))

    def messages(own_reference: str | None) -> tuple[gr.Markdown, gr.Markdown]:
        *_, of_photo, _, of_reference, _ = callbacks.show(portrait, 0, own_reference, 1.0, False, 0)
        return of_photo, of_reference

    assert not any(message.visible for message in messages(other))  # calm faces
    photos.remaining_parts.cache_clear()
    monkeypatch.setattr(remains, "VISIBLE", 0.0)  # as if everything could be seen
    of_photo, of_reference = messages(other)
    assert of_photo.value.startswith("Mouth and eyes in your photo keep an expression of their own")
    assert "a closed mouth and open, calm eyes" in of_photo.value and "in your reference" in of_reference.value
    of_photo, of_reference = messages(None)
    assert of_photo.visible and not of_reference.visible
    photos.remaining_parts.cache_clear()


def test_a_model_that_cannot_tell_says_nothing(no_worker: None, tiny_actions: ModuleType):
    assert engine.editor().leed.estimator is None
    assert photos.remaining_parts(str(callbacks.example_people()[0][0]), False) == ()


def test_a_mouth_that_stays_open_is_named():
    """The surprised face of a gallery person, by a neutraliser that leaves everything as it is."""
    face = next(f for f in reversed(gallery.faces(gallery.FRONTAL)) if f.expression == "surprised")
    estimator = engine.editor().leed.estimator
    with face.open() as picture:
        parts = estimator.remains(to_tensor(picture, 128)).visible_in()
    assert "mouth" in parts
    assert doubt("photo", ("mouth",)).endswith("choose a photo with a closed, calm mouth.")
    assert doubt("photo", ()) == ""


def test_messages_stand_beside_what_they_are_about(no_worker: None, tiny_actions: ModuleType, tmp_path: Path):
    portrait, wall = str(callbacks.example_people()[0][0]), str(tmp_path / "wall.png")
    Image.new("RGB", (300, 200), (120, 140, 160)).save(wall)
    *_, of_photo, centre, of_reference, own_centre = callbacks.show(portrait, 0, wall, 1.0, False, 0)
    assert "in the reference" in of_reference.value and own_centre.visible
    assert not of_photo.visible and not centre.visible
    *_, of_photo, centre, of_reference, own_centre = callbacks.show(wall, 0, None, 1.0, False, 0)
    assert "in the photo" in of_photo.value and centre.visible
    assert not of_reference.visible and not own_centre.visible
    comparison, *_ = callbacks.show(portrait, 0, wall, 1.0, False, 0, True)  # each has its own box
    assert comparison is not None


def test_a_new_photo_is_not_cut_by_an_old_choice(no_worker: None):
    assert callbacks.offer_faces(str(callbacks.example_people()[0][0]), callbacks.Offered())[2].value is False


def test_an_event_that_comes_twice_takes_no_choice_back(no_worker: None, two_people: Path):
    """Gradio sends `offer_faces` and `pick_expression` again, after what a visitor has chosen since."""
    photo = str(two_people)
    face, drawing, *_, offered = callbacks.offer_faces(photo, callbacks.Offered())
    assert len(face.choices) == 2 and drawing.count("<rect") == 2
    assert callbacks.offer_faces(photo, offered) == (gr.skip(),) * 8
    _, drawing, *_, offered = callbacks.offer_faces(None, offered)
    assert drawing == "" and offered.photo is None

    sad = callbacks.first_of("sad")
    angry, own_reference, saved = callbacks.pick_expression("angry", sad + 1)
    assert recipes.references()[angry].expression == "angry" and own_reference is saved is None
    assert callbacks.pick_expression("angry", angry + 1) == (gr.skip(),) * 3


def test_a_photo_that_is_given_again_has_its_kept_faces_and_another_has_none(no_worker: None, two_people: Path):
    """As after an hour, when the photo was deleted from the server's disk."""
    photo, kept = str(two_people), [{"face": 0, "alpha": 1.0, "reference": 40}]
    *_, offered = callbacks.offer_faces(photo, callbacks.Offered(), [])
    face, *_, several, kept_now, row, offered = callbacks.offer_faces(None, offered, kept)
    assert not several.visible and kept_now == row == gr.skip()
    face, drawing, *_, several, kept_now, row, again = callbacks.offer_faces(photo, offered, kept)
    assert face.value == 1 and drawing.count("✓") == 1 and several.visible and kept_now == row == gr.skip()
    assert again.photo == photo
    other = str(callbacks.example_people()[0][0])
    face, drawing, *_, kept_now, row, _ = callbacks.offer_faces(other, offered, kept)
    assert face.value == 0 and "✓" not in drawing and kept_now == [] and not row.visible


def test_the_photo_that_follows_a_clip_offers_its_faces_if_it_has_several(no_worker: None, two_people: Path):
    choice, drawing = callbacks.offer_photo_face(str(two_people))
    assert choice.visible and len(choice.choices) == 2 and drawing.count("<rect") == 2
    for photo in (str(callbacks.example_people()[0][0]), None):
        choice, drawing = callbacks.offer_photo_face(photo)
        assert not choice.visible and choice.value == 0 and drawing == ""


def test_a_preview_is_made_of_what_browsers_do_not_show(
    no_worker: None, tiny_actions: ModuleType, two_people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A click on it is found in the photo."""
    with Image.open(two_people) as photo:
        photo.save(tmp_path / "photo.tif")
        cutout = photo.convert("RGBA")
        cutout.paste((0, 0, 0, 0), (0, 0, 60, 760))
        cutout.save(tmp_path / "cut.tif")
    assert callbacks.preview(None) is None and callbacks.preview(str(two_people)) is None
    with Image.open(callbacks.preview(str(tmp_path / "photo.tif"))) as shown:
        assert shown.format == "JPEG" and shown.size == (900, 489)
    with Image.open(callbacks.preview(str(tmp_path / "cut.tif"))) as shown:
        assert shown.format == "PNG" and shown.getpixel((20, 20))[3] == 0
    smaller = SimpleNamespace(index=[300 * 900 / 1400, 400 * 900 / 1400])  # in the left half
    assert callbacks.click_face(str(tmp_path / "photo.tif"), smaller) == 1
    assert callbacks.click_face(str(two_people), SimpleNamespace(index=[300, 400])) == 1
    (tmp_path / "page.tif").write_text("<html>")
    assert callbacks.preview(str(tmp_path / "page.tif")) is None  # `show` says why


def test_clicks_on_photos_that_are_reduced_on_arrival_meet_their_faces(
    no_worker: None, tiny_actions: ModuleType, two_people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The browser would show more pixels than the faces are found in."""
    monkeypatch.setattr("leed.photo.opening.WORKING_MEGAPIXELS", 0.5)
    path = str(tmp_path / "large.jpg")
    Image.open(two_people).convert("RGB").save(path)
    (width, _), faces = photos.detect(path)
    assert width == 700 and len(faces) == 2
    with Image.open(callbacks.preview(path)) as shown:
        assert shown.width == 700
    for number, face in enumerate(faces):
        assert callbacks.click_face(path, SimpleNamespace(index=list(face.centre))) == number


def test_an_expression_is_that_of_the_same_person():
    faces = recipes.references()
    number = next(i for i, face in enumerate(faces) if (face.person, face.expression) == ("comp07", "happy"))
    picked, own_reference, saved = callbacks.pick_expression("surprised", number)
    assert (faces[picked].person, faces[picked].expression) == (
        "comp07",
        "surprised",
    ) and own_reference is saved is None
    assert faces[picked - 1].person != "comp07" or faces[picked - 1].expression != "surprised"  # the first


@pytest.mark.parametrize("index", [99, -1, 10**12, "x", None, [0, 0], {}])
def test_clicks_beside_the_pictures_are_refused(index: object):
    event = SimpleNamespace(index=index)
    for call in (lambda: callbacks.example_photo(event), lambda: callbacks.pick("contemptuous", event)):
        with pytest.raises(gr.Error, match="A click must be") as raised:
            call()
        assert not raised.value.print_exception
