"""The second column of the page: the expression, what it is mixed with, and where it goes."""

from typing import NamedTuple

import gradio as gr

from leed.demo import backend, callbacks
from leed.demo.components import ExpressionFile, Photo, choices, hidden_preview, picker, settled, use_centre
from leed.demo.recipes import EXPRESSIONS, NOTHING, PLACES, SECONDS, WHOLE
from leed.expression import SUFFIX

FIRST_EXPRESSION = "happy"  # chosen on first load
PLACE_NAMES = {WHOLE: "Whole face", "left": "Left half", "right": "Right half"}  # the others are called as they are


class Mix(NamedTuple):
    """Where the expression goes, and a second one mixed in; as in `leed.demo.actions.Choice`."""

    region: gr.Radio
    second: gr.Radio
    second_region: gr.Radio
    share: gr.Slider


class ExpressionColumn(NamedTuple):
    """The reference: a face of the gallery or of one's own."""

    expression: gr.Radio
    faces: gr.Gallery
    reference: gr.Number  # of the gallery; hidden
    own_reference: Photo
    message: gr.Markdown  # about one's own reference
    own_center_crop: gr.Checkbox
    preview: gr.Image  # as of the photo
    mix: Mix
    saved: ExpressionFile
    saved_message: gr.Markdown


def expression_column(reference: int) -> ExpressionColumn:
    """The second column, with a face of the gallery chosen that shows `FIRST_EXPRESSION`."""
    with gr.Column(min_width=300):
        gr.Markdown("### 2. Expression")
        expression = gr.Radio(
            choices(EXPRESSIONS),
            value=FIRST_EXPRESSION,
            label="Expression",
            info="Which faces to choose from.",
            elem_id="expression",
        )
        gr.Markdown("Click the face whose expression you want; the first seven come in several strengths.")
        faces = picker(callbacks.thumbnails(FIRST_EXPRESSION), "Reference faces", elem_id="gallery", selected_index=0)
        number = gr.Number(reference, precision=0, label="reference", visible="hidden")
        mix = mix_accordion()
        own_reference, message, own_center_crop = own_accordion()
        saved, saved_message = saved_accordion([number, own_reference, own_center_crop, *mix])
    own = own_reference, message, own_center_crop, hidden_preview()
    return ExpressionColumn(expression, faces, number, *own, mix, saved, saved_message)


def own_accordion() -> tuple[Photo, gr.Markdown, gr.Checkbox]:
    """A photo of one's own as the reference, a message about it, and the offer of a centre crop."""
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
        return own_reference, message, use_centre("reference-center-crop")


def saved_accordion(inputs: list[gr.components.Component]) -> tuple[ExpressionFile, gr.Markdown]:
    """The expression as a file to download, a saved one to use, and a message about that.

    `inputs` are those of `leed.demo.actions.save_expression` before the saved one.
    """
    with gr.Accordion("Save the expression, or use a saved one", open=False, elem_id="saving"):
        gr.Markdown(
            "The expression, with its mix, is a small file without any picture: for other photos, here and with "
            "`leed` in Python.",
            elem_classes="label",
        )
        save = gr.Button("Download expression", elem_id="save-expression")
        file = gr.DownloadButton(visible="hidden", elem_id="expression-file")
        saved = ExpressionFile(
            file_types=[SUFFIX], label="A saved expression (.safetensors)", height=120, elem_id="saved-expression"
        )
        message = gr.Markdown(visible=False, elem_id="saved-message", elem_classes="message")
    save.click(None, js="() => { leed.begin('expression') }", api_visibility="private")
    ready = save.click(None, js=settled("expression"), api_visibility="private")
    ready.then(backend.save_expression, [*inputs, saved], file, concurrency_id="model", api_name="expression").success(
        None,
        js="() => { if (leed.fresh('expression')) document.querySelector('#expression-file').click() }",
        api_visibility="private",
    )
    return saved, message


def mix_accordion() -> Mix:
    """What is made of the expression; the title of the closed accordion says what is set in it (`page.js`)."""
    with gr.Accordion("Mix or limit", open=False, elem_id="mix") as accordion:
        region = gr.Radio(
            places(),
            value=WHOLE,
            label="Where the face gets the expression",
            info="Eyes come with brows, the mouth with cheeks and chin. Left and right are the person's own.",
            elem_id="region",
        )
        second = gr.Radio(
            choices(SECONDS),
            value=NOTHING,
            label="A second expression",
            info="The average of the example people, mixed in.",
            elem_id="second",
        )
        second_region = gr.Radio(
            places(), value=WHOLE, label="Where the second goes", visible=False, elem_id="second-region"
        )
        share = gr.Slider(
            0,
            1,
            value=0.5,
            step=0.05,
            label="Share of the second",
            info="There, 0 keeps the first expression, 1 gives the second alone.",
            visible=False,
            min_width=300,
            elem_id="share",
        )
    mix = Mix(region, second, second_region, share)
    updates = {"outputs": [accordion, second_region, share], "js": "(...mix) => leed.mixture(...mix)"}
    gr.on([item.change for item in mix], None, list(mix), api_visibility="private", **updates)
    return mix


def places() -> list[tuple[str, str]]:
    """The places of a face that a visitor chooses from, each with its name on the page."""
    return [(PLACE_NAMES.get(place, place.capitalize()), place) for place in PLACES]
