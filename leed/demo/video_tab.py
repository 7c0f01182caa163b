"""The tab in which a face gets an expression throughout a clip, or a photo follows one."""

from collections.abc import Callable
from typing import Any, NamedTuple

import gradio as gr

from leed.demo import backend, callbacks, clips, recipes
from leed.demo.components import (
    Clip,
    ExpressionFile,
    Photo,
    WhichFace,
    begin,
    choices,
    hidden_preview,
    show_preview,
    strength,
    which_face,
)
from leed.expression import SUFFIX

SIZE = "x".join(map(str, clips.MAX_SIZE))
LIMITS = (
    f"Up to 40 MB, {clips.MAX_SECONDS} seconds ({clips.MAX_FRAMES} frames) and {SIZE} pixels: MP4, MOV, WebM. "
    "The work takes about five times as long as the clip. Its sound stays. The files are deleted like those of photos."
)
MISSING = "This server cannot edit clips: the package PyAV is missing (`pip install '.[video]'` in a clone)."
QUIETLY: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
HIDDEN, SHOWN = ("{__type__: 'update', visible: VALUE}".replace("VALUE", value) for value in ("false", "true"))
TASK_NAMES = {
    clips.GIVE: "Give an expression",
    clips.NEUTRALIZE: "Take the expression away",
    clips.FOLLOW: "My photo follows this clip",
}


class Wish(NamedTuple):
    """What is to be done with a clip: the inputs of `leed.demo.backend.make_clip`."""

    clip: Clip
    task: gr.Radio
    expression: gr.Radio
    alpha: gr.Slider
    saved: ExpressionFile
    photo: Photo
    face: WhichFace
    clip_face: WhichFace


class ClipPart(NamedTuple):
    """The clip and, in a column that is shown where it has several faces, a frame of it and the choice among them."""

    clip: Clip
    several: gr.Column
    frame: gr.Image
    drawing: gr.HTML  # boxes around the faces, over the frame
    face: WhichFace


class PhotoPart(NamedTuple):
    """The photo that follows the clip and the choice among its faces, in a column that is shown for that task."""

    column: gr.Column
    photo: Photo
    drawing: gr.HTML
    face: WhichFace
    preview: gr.Image  # of what browsers do not show themselves; hidden


def video_tab() -> None:
    """A clip, what to do with it, and the result; one sentence where the package for clips is missing."""
    if not clips.is_available():
        gr.Markdown(MISSING, elem_id="no-clips")
        return
    gr.Markdown("A face of a clip gets an expression or loses its own throughout, or a photo of yours follows it.")
    with gr.Row():
        with gr.Column(min_width=300):
            clip = clip_part()
            wish, photo = wish_column(clip)
        with gr.Column(min_width=300, elem_id="clip-result"):
            result_of(wish, [clip.frame.select, photo.photo.select])
    # The last: a page waits for each answer to an event before it does what else the event asks for.
    connect_clip(clip)
    connect_photo(photo)


def clip_part() -> ClipPart:
    """The place of a clip."""
    clip = Clip(label="Clip", show_label=False, sources=["upload"], height=320, elem_id="clip", buttons=[])
    gr.Markdown(LIMITS, elem_classes="label")
    with gr.Column(visible=False, min_width=0) as several:
        with gr.Column(min_width=0, elem_classes="outlined"):
            frame = gr.Image(
                show_label=False, interactive=False, height=240, buttons=[], elem_id="clip-frame",
                label="The first frame with faces",
            )  # fmt: skip
            drawing = gr.HTML(elem_id="clip-outlines", elem_classes="outlines")
        face = which_face("Face of the clip", "frame", "clip-face")
    return ClipPart(clip, several, frame, drawing, face)


def connect_clip(part: ClipPart) -> None:
    """Offers the faces of a clip."""
    clip, *offered = part
    given = [clip.upload, clip.clear]
    none = f"() => [{HIDDEN}, null, '', 0]"  # at once: the clip before may have had others
    gr.on(given, None, None, offered, js=none, api_visibility="private")
    gr.on(given, callbacks.offer_clip_face, clip, offered, trigger_mode="always_last", **QUIETLY)
    outline = {"fn": callbacks.outline_clip_face, "inputs": [clip, part.face], "outputs": part.drawing, **QUIETLY}
    clicked = part.frame.select(callbacks.click_clip_face, clip, part.face, trigger_mode="multiple", **QUIETLY)
    clicked.then(**outline)
    part.face.input(**outline)


def photo_part() -> PhotoPart:
    """The place of the photo that follows the clip."""
    with gr.Column(visible=False, min_width=0) as column:
        with gr.Column(min_width=0, elem_classes="outlined"):
            photo = Photo(
                label="Photo that follows the clip", sources=["upload", "webcam", "clipboard"], height=240,
                show_label=False, elem_id="clip-photo", alt_text="The photo that follows the clip",
                placeholder="Drop the photo that is to follow the clip here, or click to choose one",
            )  # fmt: skip
            drawing = gr.HTML(elem_id="clip-photo-outlines", elem_classes="outlines")
        face = which_face("Face of the photo", "photo", "clip-photo-face")
    return PhotoPart(column, photo, drawing, face, hidden_preview())


def connect_photo(part: PhotoPart) -> None:
    """Shows the photo that follows a clip, and offers its faces."""
    photo, face, drawing = part.photo, part.face, part.drawing
    photo.input(None, None, [face, drawing], js="() => [0, '']", api_visibility="private")  # at once, as of a clip
    made = photo.input(callbacks.preview, photo, part.preview, js=begin("clip photo"), **QUIETLY)
    show_preview(made, photo, part.preview, "clip photo")
    photo.input(callbacks.offer_photo_face, photo, [face, drawing], trigger_mode="always_last", **QUIETLY)
    outline = {"fn": callbacks.outline_face, "inputs": [photo, face], "outputs": drawing, **QUIETLY}
    photo.select(callbacks.click_face, photo, face, trigger_mode="multiple", **QUIETLY).then(**outline)
    face.input(**outline)


def wish_column(clip: ClipPart) -> tuple[Wish, PhotoPart]:
    """What a visitor chooses, and the photo that may follow."""
    task = gr.Radio(
        [(name, task) for task, name in TASK_NAMES.items()],
        value=clips.GIVE, label="What to do", elem_id="clip-task",
    )  # fmt: skip
    with gr.Column(min_width=0) as giving:
        expression = gr.Radio(
            choices(recipes.EXPRESSIONS), value="happy", label="Expression", elem_id="clip-expression"
        )
        with gr.Accordion("Or a saved expression", open=False, elem_id="clip-saving"):
            saved = ExpressionFile(
                file_types=[SUFFIX], label="A saved expression (.safetensors)", height=120, elem_id="clip-saved"
            )
    for event, given in ((saved.upload, True), (saved.clear, False)):  # then the names are of no use
        event(None, None, expression, js=f"() => ({HIDDEN if given else SHOWN})", api_visibility="private")
    photo = photo_part()
    alpha = strength("clip-alpha")
    shown = f"task => [task === '{clips.GIVE}', task === '{clips.FOLLOW}', task !== '{clips.NEUTRALIZE}']"
    js = f"task => ({shown})(task).map(visible => ({{__type__: 'update', visible}}))"
    task.change(None, task, [giving, photo.column, alpha], js=js, api_visibility="private")
    return Wish(clip.clip, task, expression, alpha, saved, photo.photo, photo.face, clip.face), photo


def result_of(wish: Wish, clicks: list[Callable]) -> None:
    """The button that starts the work, the one that stops it, and the edited clip.

    When something else is chosen, the work stops, and its result goes.
    """
    make = gr.Button("Edit the clip", variant="primary", elem_id="make-clip")
    stop = gr.Button("Stop", visible=False, elem_id="stop-clip")
    progress = gr.HTML(visible=False, elem_id="clip-progress")
    film = gr.Video(
        label="Edited clip", show_label=False, interactive=False, visible=False, buttons=[], elem_id="edited-clip"
    )
    note = gr.Markdown(visible="hidden", elem_id="clip-note")
    with gr.Column(visible=False, min_width=0) as row:
        gr.Markdown("**AI-modified clip:** a model made the expression. The file carries a mark that says so.")
        file = gr.DownloadButton("Download clip (MP4)", variant="primary", elem_id="clip-file")
    controls, display = [make, stop, progress], [film, row, note]
    make.click(None, None, [*controls, *display], js="() => leed.clip('busy')", api_visibility="private")
    work = make.click(
        backend.make_clip, list(wish), [file, note], api_name="video", concurrency_id="video", concurrency_limit=1,
        show_progress="full", show_progress_on=progress,
    )  # fmt: skip
    done = "(file, note) => leed.clip('done', file, note)"
    work.success(None, [file, note], [*controls, *display], js=done, api_visibility="private")
    work.failure(None, None, [*controls, *display], js="() => leed.clip('idle')", api_visibility="private")
    changes = [item.input for item in (wish.task, wish.expression, wish.photo, wish.face, wish.clip_face)]
    changes += [wish.clip.upload, wish.clip.clear, wish.saved.upload, wish.saved.clear, stop.click]
    changes += [wish.alpha.change, *clicks]
    gr.on(changes, None, cancels=[work], api_visibility="private")
    gr.on(changes, None, None, [*controls, *display], js="() => leed.clip('idle')", api_visibility="private")
