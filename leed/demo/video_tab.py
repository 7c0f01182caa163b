"""The tab in which a face gets an expression throughout a clip, or a photo follows one."""

from typing import NamedTuple

import gradio as gr

from leed.demo import backend, callbacks, clips, recipes
from leed.demo.components import Clip, ExpressionFile, Photo, begin, choices, hidden_preview, show_preview, strength
from leed.expression import SUFFIX

SIZE = "x".join(map(str, clips.MAX_SIZE))
LIMITS = (
    f"Up to 40 MB, {clips.MAX_SECONDS} seconds ({clips.MAX_FRAMES} frames) and {SIZE} pixels: MP4, MOV, WebM. "
    "The work takes about five times as long as the clip. Its sound stays. The files are deleted like those of photos."
)
MISSING = "This server cannot edit clips: the package PyAV is missing (`pip install '.[video]'` in a clone)."
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
    face: gr.Number  # hidden, as the next: the API's
    clip_face: gr.Number


def video_tab() -> None:
    """A clip, what to do with it, and the result; one sentence where the package for clips is missing."""
    if not clips.is_available():
        gr.Markdown(MISSING, elem_id="no-clips")
        return
    gr.Markdown("The largest face of a clip gets an expression or loses its own, or a photo of yours follows it.")
    with gr.Row():
        with gr.Column(min_width=300):
            wish = wish_column()
        with gr.Column(min_width=300, elem_id="clip-result"):
            result_of(wish)


def wish_column() -> Wish:
    """What a visitor gives and chooses."""
    clip = Clip(label="Clip", show_label=False, sources=["upload"], height=320, elem_id="clip", buttons=[])
    gr.Markdown(LIMITS, elem_classes="label")
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
    photo = Photo(
        label="Photo that follows the clip", sources=["upload", "webcam", "clipboard"], height=240, visible=False,
        elem_id="clip-photo", alt_text="The photo that follows the clip",
        placeholder="Drop the photo that is to follow the clip here, or click to choose one",
    )  # fmt: skip
    # As in the photo tab, of what browsers do not show themselves.
    preview = hidden_preview()
    made = photo.input(
        callbacks.preview, photo, preview, js=begin("clip photo"), show_progress="hidden", api_visibility="private"
    )
    show_preview(made, photo, preview, "clip photo")
    alpha = strength("clip-alpha")
    face, clip_face = (gr.Number(0, precision=0, label=name, visible="hidden") for name in ("face", "clip_face"))
    shown = f"task => [task === '{clips.GIVE}', task === '{clips.FOLLOW}', task !== '{clips.NEUTRALIZE}']"
    js = f"task => ({shown})(task).map(visible => ({{__type__: 'update', visible}}))"
    task.change(None, task, [giving, photo, alpha], js=js, api_visibility="private")
    return Wish(clip, task, expression, alpha, saved, photo, face, clip_face)


def result_of(wish: Wish) -> None:
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
    changes = [item.input for item in (wish.task, wish.expression, wish.photo)] + [wish.alpha.change]
    changes += [wish.clip.upload, wish.clip.clear, wish.saved.upload, wish.saved.clear, stop.click]
    gr.on(changes, None, cancels=[work], api_visibility="private")
    gr.on(changes, None, None, [*controls, *display], js="() => leed.clip('idle')", api_visibility="private")
