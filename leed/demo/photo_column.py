"""The first column of the page: the photo, and which of its faces."""

from typing import NamedTuple

import gradio as gr

from leed.demo import callbacks
from leed.demo.components import Photo, WhichFace, hidden_preview, picker, use_centre


class PhotoColumn(NamedTuple):
    """The photo, the choice among its faces, and messages about them."""

    photo: Photo
    drawing: gr.HTML  # boxes around the faces, over the photo
    face: WhichFace
    message: gr.Markdown
    center_crop: gr.Checkbox
    people: gr.Gallery
    preview: gr.Image  # what is shown of a photo that browsers do not show; hidden


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
