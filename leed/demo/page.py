"""The layout of the page, and which event calls what."""

from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
from gradio.events import Dependency

from leed.config import EXPRESSIONS
from leed.demo import actions, backend, callbacks
from leed.demo.components import Photo, WhichFace, strength
from leed.demo.live_tab import live_tab
from leed.demo.long_work import grid_tab, sequence_tab
from leed.demo.texts import ABOUT, CAPTION, TITLE
from leed.web.checked import CheckedBlocks
from leed.web.theme import page_theme

CSS = Path(__file__).with_name("style.css")
SCRIPT = Path(__file__).with_name("page.js")
WORDS = {"audio.record": "Start", "audio.stop": "Stop", "audio.waiting": "Waiting"}  # nothing is recorded

THEME = page_theme(
    background_fill_primary="*neutral_50",
    block_background_fill="white",
    block_label_background_fill="*block_background_fill",
    block_label_text_color="*body_text_color_subdued",
    block_label_text_size="*text_xs",
    block_title_background_fill="transparent",
    block_title_text_color="*body_text_color",
    block_title_padding="0",
    # Dark enough, as the buttons are: see `page_theme`.
    color_accent="*primary_700",
    slider_color="*primary_600",
    checkbox_label_background_fill_selected="*primary_700",
    block_info_text_color="*neutral_500",
)

FIRST_PERSON, FIRST_EXPRESSION = 4, "happy"  # example shown on first load


class PhotoColumn(NamedTuple):
    """The photo, the choice among its faces, and messages about them."""

    photo: Photo
    drawing: gr.HTML  # boxes around the faces, over the photo
    face: WhichFace
    message: gr.Markdown
    center_crop: gr.Checkbox
    people: gr.Gallery
    preview: gr.Image  # what is shown of a photo that browsers do not show; hidden


class ExpressionColumn(NamedTuple):
    """The reference: a face of the gallery or of one's own."""

    expression: gr.Radio
    faces: gr.Gallery
    reference: gr.Number  # of the gallery; hidden
    own_reference: Photo
    message: gr.Markdown  # about one's own reference
    own_center_crop: gr.Checkbox
    preview: gr.Image  # as of the photo


Preview = tuple[tuple[Path, Path], Path, Path]  # the files that `actions.render_preview` writes


class ResultColumn(NamedTuple):
    """The strength, and the pictures that come out."""

    alpha: gr.Slider
    comparison: gr.ImageSlider
    crop: gr.Image
    edited: gr.Image


def build(cache_seconds: int, sweep_seconds: int) -> CheckedBlocks:
    """The page, from which Gradio removes files after `cache_seconds`; it looks for them every `sweep_seconds`."""
    with CheckedBlocks(title="LEED", delete_cache=(sweep_seconds, cache_seconds), analytics_enabled=False) as page:
        gr.Markdown(TITLE, elem_id="header")
        with gr.Tabs():
            with gr.Tab("Photo"):
                photo_tab()
            with gr.Tab("Live camera"):
                live_tab()
        gr.Markdown(ABOUT.format(size=backend.call(actions.image_size)), elem_id="about")
        gr.api(callbacks.list_references, api_name="references")
    return page


def photo_tab() -> None:
    """A photo, a reference and the result; on first load those of an example."""
    person, reference = str(callbacks.example_people()[FIRST_PERSON][0]), callbacks.first_of(FIRST_EXPRESSION)
    shown = backend.call(actions.render_preview, person, reference)
    with gr.Row():
        photo = photo_column(person)
        expression = expression_column(reference)
        result = result_column(photo, expression, shown)
    connect(photo, expression, result)


def photo_column(person: str) -> PhotoColumn:
    """The first column, with the photo of an example person in it."""
    with gr.Column(min_width=300):
        gr.Markdown("### 1. Photo")
        with gr.Column(min_width=0, elem_id="photo-and-outlines"):
            photo = Photo(
                person,
                label="Photo with a face",
                show_label=False,
                sources=["upload", "webcam", "clipboard"],
                height=360,
                elem_id="photo",
                alt_text="The photo to edit",
                placeholder="Drop a photo here, click to choose one, or use the camera or the clipboard below",
            )
            drawing = gr.HTML(callbacks.outline_face(person, 0), elem_id="outlines")
        gr.Markdown("JPEG, PNG, WebP and others, up to 40 MB and 50 megapixels.", elem_classes="label")
        face = WhichFace(
            [("1, the largest", 0)],
            value=0,
            label="Face to edit",
            info="Numbered in the photo; a click on the photo chooses one, too.",
            visible=False,
            elem_id="which-face",
        )
        message = gr.Markdown(visible=False, elem_id="message", elem_classes="message")
        center_crop = use_centre("center-crop")
        gr.Markdown("Or one of these people, who do not exist:")
        people = picker(callbacks.example_people(), "Example people", elem_id="people")
    return PhotoColumn(photo, drawing, face, message, center_crop, people, hidden_preview())


def expression_column(reference: int) -> ExpressionColumn:
    """The second column, with a face of the gallery chosen that shows `FIRST_EXPRESSION`."""
    with gr.Column(min_width=300):
        gr.Markdown("### 2. Expression")
        expression = gr.Radio(
            [name.capitalize() for name in EXPRESSIONS if name != "neutral"],
            value=FIRST_EXPRESSION.capitalize(),
            label="Expression",
            info="Which faces to choose from.",
            elem_id="expression",
        )
        gr.Markdown("Click the face whose expression you want; each person shows it in several strengths.")
        faces = picker(callbacks.thumbnails(FIRST_EXPRESSION), "Reference faces", elem_id="gallery", selected_index=0)
        number = gr.Number(reference, precision=0, label="reference", visible="hidden")
        with gr.Accordion("Or a reference of your own", open=False):
            own_reference = Photo(
                label="Photo of a face with the expression",
                show_label=False,
                placeholder="Drop a photo of a face with the expression here, or click to choose one",
                sources=["upload", "webcam", "clipboard"],
                height=240,
                elem_id="own-reference",
                alt_text="Your own reference",
            )
            message = gr.Markdown(visible=False, elem_id="reference-message", elem_classes="message")
            own_center_crop = use_centre("reference-center-crop")
    return ExpressionColumn(expression, faces, number, own_reference, message, own_center_crop, hidden_preview())


def hidden_preview() -> gr.Image:
    """A place for a picture on its way to the photo that shows it."""
    return gr.Image(visible="hidden", show_label=False, interactive=False)


def use_centre(elem_id: str) -> gr.Checkbox:
    """The offer, hidden at first, to take the centre of a picture for a face."""
    return gr.Checkbox(
        label="Use the centre of the picture",
        info="If no face is found, the central square is taken for one.",
        visible=False,
        elem_id=elem_id,
    )


def result_column(photo: PhotoColumn, expression: ExpressionColumn, shown: Preview) -> ResultColumn:
    """The third column, with the pictures `shown` in it."""
    inputs = [
        photo.photo,
        expression.reference,
        expression.own_reference,
        photo.center_crop,
        photo.face,
        expression.own_center_crop,
    ]
    own_reference = (expression.own_reference, expression.own_center_crop)
    changed = (photo.photo, photo.center_crop, photo.face, expression.expression, *own_reference)
    changes = [item.input for item in changed]
    changes += [item.select for item in (photo.photo, photo.people, expression.faces)]
    gr.on(changes, None, js="() => { leed.choose() }", api_visibility="private")
    with gr.Column(min_width=300, elem_id="result"):
        gr.Markdown("### 3. Result")
        marks = "XMP" if actions.signer() is None else "XMP, signed C2PA"
        gr.Markdown(CAPTION.format(marks=marks), elem_id="caption")
        with gr.Tabs():
            with gr.Tab("Picture"):
                result = picture_tab(photo, expression, shown)
            with gr.Tab("Sequence"):
                sequence_tab(inputs, changes)
            with gr.Tab("All expressions"):
                grid_tab(inputs, changes)
    return result


def picture_tab(photo: PhotoColumn, expression: ExpressionColumn, shown: Preview) -> ResultColumn:
    """The edited picture at the strength of a slider, and a button that saves it."""
    (before, after), face, edited_face = shown
    alpha = strength("alpha")
    gr.Markdown("Before and after: drag the divider.", elem_classes="label")
    comparison = gr.ImageSlider(
        (str(before), str(after)),
        label="Before and after",
        show_label=False,
        slider_position=20,
        buttons=["fullscreen"],
        elem_id="comparison",
    )
    save = gr.Button("Download photo (PNG)", variant="primary", elem_id="save")
    file = gr.DownloadButton(visible="hidden", elem_id="file")
    saved_face = gr.Image(label="Edited face", visible="hidden")  # what the API gives; `edited` is of the last choice
    gr.Markdown("The face before and after the edit:", elem_classes="label")
    look: dict[str, Any] = {"show_label": False, "min_width": 120, "height": 240, "elem_classes": "face"}
    with gr.Row():
        crop = gr.Image(
            str(face),
            label="Face",
            buttons=["fullscreen"],
            elem_id="crop",
            alt_text="The aligned face before the edit",
            **look,
        )
        edited = gr.Image(
            str(edited_face),
            label="Edited face",
            buttons=["fullscreen", "download"],
            elem_id="edited",
            alt_text="The aligned face with the chosen expression",
            **look,
        )
    result = ResultColumn(alpha, comparison, crop, edited)
    inputs = choice(photo, expression, result)
    save.click(None, js="() => { leed.begin('edit') }", api_visibility="private")
    save.click(backend.edit, inputs, [saved_face, file], concurrency_id="model", api_name="edit").success(
        None, js="() => { if (leed.fresh('edit')) document.querySelector('#file').click() }", api_visibility="private"
    )
    return result


def choice(photo: PhotoColumn, expression: ExpressionColumn, result: ResultColumn) -> list[gr.components.Component]:
    """The inputs of `actions.edit`, in its order."""
    reference = [expression.reference, expression.own_reference]
    return [photo.photo, *reference, result.alpha, photo.center_crop, photo.face, expression.own_center_crop]


def connect(photo: PhotoColumn, expression: ExpressionColumn, result: ResultColumn) -> None:
    """Makes the page react to its visitor.

    It reacts to the visitor's actions and not to Gradio's `change`, which comes again and again when answers overlap.
    While an answer is under way, the last action counts; but every click is sent, since Gradio would send a late one
    with the place of one before.
    """
    # event                                  first                           then
    # photo.input                            offer_faces                     show
    # people.select                          example_photo and offer_faces   show
    # photo.select                           click_face and outline_face     show
    # face.input                             outline_face                    show
    # faces.select                           pick                            show
    # own_reference.input                    thumbnails_with_choice | preview | show
    # expression.input                       pick_expression and thumbnails_with_choice | show
    # alpha.change, *center_crop.input       show
    column, drawing, face, message, center_crop, people, preview = photo
    kind, faces, reference, own_reference, own_message, own_center_crop, own_preview = expression
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    offered = gr.State()  # the photo whose faces are on offer
    clicked, last = quiet | {"trigger_mode": "multiple"}, quiet | {"trigger_mode": "always_last"}
    offer = {
        "fn": callbacks.offer_faces, "inputs": [column, offered],
        "outputs": [face, drawing, center_crop, preview, offered], "js": begin("photo"), **last,
    }  # fmt: skip
    outline = {"fn": callbacks.outline_face, "inputs": [column, face], "outputs": drawing, **last}
    framed = {
        "fn": callbacks.thumbnails_with_choice, "inputs": [kind, reference, own_reference], "outputs": faces, **last
    }  # fmt: skip
    draw = {
        "fn": callbacks.show,
        "inputs": choice(photo, expression, result),
        "outputs": [*result[1:], message, center_crop, own_message, own_center_crop],
        "concurrency_id": "model",
        **last,
    }
    names = (f"draw {number}" for number in count())

    def draws(event: Callable) -> None:
        """Has an event draw the pictures. Until those of the last choice are there, they look outdated."""
        name = next(names)
        drawn = event(js=begin(name), **draw)
        drawn.success(None, js=f"() => {{ leed.drawn('{name}') }}", api_visibility="private")
        drawn.failure(None, None, list(result[1:]), js="() => [null, null, null]", api_visibility="private")

    column.input(lambda: gr.Gallery(selected_index=None), None, people, queue=False, **quiet)  # none of them is shown
    draws(show_preview(column.input(**offer), column, preview, "photo").then)
    draws(people.select(callbacks.example_photo, None, column, **clicked).then(**offer).then)
    draws(column.select(callbacks.click_face, column, face, **clicked).then(**outline).then)
    draws(face.input(**outline).then)
    draws(faces.select(callbacks.pick, kind, [reference, own_reference], **clicked).then)
    picked = kind.input(callbacks.pick_expression, [kind, reference], [reference, own_reference], **last)
    picked.then(**framed)
    draws(picked.then)
    own_reference.input(None, None, own_center_crop, js="() => false", api_visibility="private")
    other = [own_reference.input, result.alpha.change, center_crop.input, own_center_crop.input]
    draws(partial(gr.on, other))  # the slider's reset is no `input`
    own_reference.input(**framed)
    own = own_reference.input(callbacks.preview, own_reference, own_preview, js=begin("reference"), **last)
    show_preview(own, own_reference, own_preview, "reference")


def begin(name: str) -> str:
    """JavaScript that notes what is chosen when an event begins, and hands its inputs on."""
    return f"(...inputs) => {{ leed.begin('{name}'); return inputs }}"


def show_preview(made: Dependency, photo: Photo, preview: gr.Image, name: str) -> Dependency:
    """Has a photo show the preview that an event made; what it hands to the server stays the upload. The event."""
    js = "(photo, preview) => leed.fresh('NAME') && photo && preview ? {...photo, url: preview.url} : photo"
    made.success(None, [photo, preview], photo, js=js.replace("NAME", name), api_visibility="private")
    return made


def picker(
    pictures: list[tuple[Path, str]], label: str, elem_id: str, selected_index: int | None = None
) -> gr.Gallery:
    """Captioned pictures of which a click chooses one."""
    return gr.Gallery(
        pictures,
        label=label,
        show_label=False,
        columns=5,
        allow_preview=False,
        selected_index=selected_index,
        object_fit="cover",
        buttons=[],
        elem_id=elem_id,
        elem_classes="faces",
    )
