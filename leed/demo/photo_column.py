"""The first column of the page: the photo, and which of its faces."""

from typing import NamedTuple

import gradio as gr

from leed.demo import callbacks
from leed.demo.components import KeptFaces, Photo, WhichFace, hidden_preview, picker, use_centre, which_face


class PhotoColumn(NamedTuple):
    """The photo, the choice among its faces, and messages about them."""

    photo: Photo
    drawing: gr.HTML  # boxes around the faces, over the photo
    face: WhichFace
    message: gr.Markdown
    center_crop: gr.Checkbox
    people: gr.Gallery
    preview: gr.Image  # what is shown of a photo that browsers do not show; hidden
    others: "OtherFaces"


class OtherFaces(NamedTuple):
    """What keeps one face as it is while another is chosen; shown where a photo has several."""

    several: gr.Column
    keep: gr.Button
    kept: KeptFaces  # hidden (style.css): Gradio shows JSON even where it is told not to
    row: gr.Row  # with the next two, once there are some
    note: gr.Markdown
    start_over: gr.Button


def photo_column(person: str) -> PhotoColumn:
    """The first column, with the photo of an example person in it."""
    with gr.Column(min_width=300):
        gr.Markdown("### 1. Photo")
        with gr.Column(min_width=0, elem_classes="outlined"):
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
            drawing = gr.HTML(callbacks.outline_face(person, 0), elem_id="outlines", elem_classes="outlines")
        gr.Markdown("JPEG, PNG, WebP and others, up to 40 MB and 50 megapixels.", elem_classes="label")
        face = which_face("Face to edit", "photo", "which-face")
        others = other_faces()
        message = gr.Markdown(visible=False, elem_id="message", elem_classes="message")
        center_crop = use_centre("center-crop")
        gr.Markdown("Or one of these people, who do not exist:")
        people = picker(callbacks.example_people(), "Example people", elem_id="people")
    return PhotoColumn(photo, drawing, face, message, center_crop, people, hidden_preview(), others)


def other_faces() -> OtherFaces:
    """A button that keeps a face, hidden at first, and what is kept."""
    with gr.Column(visible=False, min_width=0) as several:
        keep = gr.Button("Keep this and choose another face", elem_id="keep-face")
        kept = KeptFaces([], elem_id="kept")
        with gr.Row(visible=False, elem_id="kept-faces") as row:
            note = gr.Markdown(elem_classes="label")
            start_over = gr.Button("Start over", size="sm", min_width=100, scale=0, elem_id="start-over")
    return OtherFaces(several, keep, kept, row, note, start_over)
