"""The third column of the page: the strength, and what comes out."""

from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from leed.demo import backend, engine
from leed.demo.components import settled, strength
from leed.demo.expression_column import ExpressionColumn
from leed.demo.long_work import grid_tab, sequence_tab
from leed.demo.photo_column import PhotoColumn
from leed.demo.texts import CAPTION

Preview = tuple[tuple[Path, Path], Path, Path]  # the files that `actions.render_preview` writes


class ResultColumn(NamedTuple):
    """The strength, and the pictures that come out."""

    alpha: gr.Slider
    comparison: gr.ImageSlider
    crop: gr.Image
    edited: gr.Image


def choice(
    photo: PhotoColumn, expression: ExpressionColumn, alpha: gr.Slider | None = None
) -> list[gr.components.Component]:
    """The inputs of `actions.edit`, in its order; without alpha those of what takes many strengths."""
    reference = [expression.reference, expression.own_reference]
    face = [photo.center_crop, photo.face, expression.own_center_crop]
    return [
        photo.photo,
        *reference,
        *([] if alpha is None else [alpha]),
        *face,
        *expression.mix,
        expression.saved,
        photo.others.kept,
    ]


def result_column(photo: PhotoColumn, expression: ExpressionColumn, shown: Preview) -> ResultColumn:
    """The third column, with the pictures `shown` in it."""
    inputs = choice(photo, expression)
    mix, own_reference = expression.mix, (expression.own_reference, expression.own_center_crop)
    changed = (photo.photo, photo.center_crop, photo.face, expression.expression, *own_reference, *mix[:-1])
    changes = [item.input for item in changed]
    changes += [mix.share.change, expression.saved.upload, expression.saved.clear]
    changes += [photo.others.keep.click, photo.others.start_over.click]
    changes += [item.select for item in (photo.photo, photo.people, expression.faces)]
    gr.on(changes, None, js="() => { leed.choose() }", api_visibility="private")
    with gr.Column(min_width=300, elem_id="result"):
        gr.Markdown("### 3. Result")
        marks = "XMP" if engine.signer() is None else "XMP, signed C2PA"
        gr.Markdown(CAPTION.format(marks=marks), elem_id="caption")
        with gr.Tabs():
            with gr.Tab("Picture"):
                result = picture_tab(photo, expression, shown)
            with gr.Tab("Sequence"):
                sequence_tab(inputs, changes)
            with gr.Tab("All expressions"):
                grid_tab(inputs[:-1], changes)  # of the one face
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
    inputs = choice(photo, expression, alpha)
    save.click(None, js="() => { leed.begin('edit') }", api_visibility="private")
    ready = save.click(None, js=settled("edit"), api_visibility="private")
    ready.then(backend.edit, inputs, [saved_face, file], concurrency_id="model", api_name="edit").success(
        None, js="() => { if (leed.fresh('edit')) document.querySelector('#file').click() }", api_visibility="private"
    )
    return result
