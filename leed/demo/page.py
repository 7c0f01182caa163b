"""The layout of the page, and which event calls what."""

from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import gradio as gr

from leed.demo import actions, backend, callbacks, engine
from leed.demo.actions import Choice
from leed.demo.components import begin, show_preview
from leed.demo.expression_column import FIRST_EXPRESSION, ExpressionColumn, expression_column
from leed.demo.live_tab import live_tab
from leed.demo.photo_column import PhotoColumn, photo_column
from leed.demo.recipes import NOTHING, WHOLE
from leed.demo.result_column import ResultColumn, choice, result_column
from leed.demo.texts import ABOUT, TITLE
from leed.demo.video_tab import video_tab
from leed.web.checked import CheckedBlocks
from leed.web.theme import page_theme

CSS = Path(__file__).with_name("style.css")
SCRIPT = Path(__file__).with_name("page.js")
WORDS = {
    **{"audio.record": "Start", "audio.stop": "Stop", "audio.waiting": "Waiting"},  # nothing is recorded
    "upload_text.drop_video": "Drop a clip here",
    "upload_text.drop_file": "Drop a saved expression here",
    "common.or": "or",
    "upload_text.click_to_upload": "click to choose one",
}
"""Words in the place of Gradio's own."""

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

UNMIXED = f"() => [null, '{WHOLE}', '{NOTHING}', '{WHOLE}', 0.5]"  # no reference of one's own, and no mix
FIRST_PERSON = 4  # of the example people, shown on first load


def build(cache_seconds: int, sweep_seconds: int) -> CheckedBlocks:
    """The page, from which Gradio removes files after `cache_seconds`; it looks for them every `sweep_seconds`."""
    with CheckedBlocks(title="LEED", delete_cache=(sweep_seconds, cache_seconds), analytics_enabled=False) as page:
        gr.Markdown(TITLE, elem_id="header")
        with gr.Tabs():
            with gr.Tab("Photo"):
                photo_tab()
            with gr.Tab("Video"):
                video_tab()
            with gr.Tab("Live camera"):
                live_tab()
        gr.Markdown(ABOUT.format(size=backend.call(engine.image_size)), elem_id="about")
        gr.api(callbacks.list_references, api_name="references")
    return page


def photo_tab() -> None:
    """A photo, a reference and the result; on first load those of an example."""
    person, reference = str(callbacks.example_people()[FIRST_PERSON][0]), callbacks.first_of(FIRST_EXPRESSION)
    shown = backend.call(actions.render_preview, Choice(person, reference))
    with gr.Row():
        photo = photo_column(person)
        expression = expression_column(reference)
        result = result_column(photo, expression, shown)
    connect(photo, expression, result)


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
    # others.keep.click                      keep_face and outline_face      show
    # others.start_over.click                no_faces_kept, outline_face     show
    # faces.select                           pick                            show
    # own_reference.input                    thumbnails_with_choice | preview | show
    # expression.input                       pick_expression and thumbnails_with_choice | show
    # alpha.change, *center_crop.input       show
    # mix: *.input, share.change             show
    # saved.upload, saved.clear              thumbnails_with_choice | show
    column, drawing, face, message, center_crop, people, preview, others = photo
    kind, faces, reference, own_reference, own_message, own_center_crop, own_preview, mix, saved, saved_message = (
        expression
    )
    picks = [reference, own_reference, saved]
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    offered = gr.State(callbacks.Offered())
    clicked, last = quiet | {"trigger_mode": "multiple"}, quiet | {"trigger_mode": "always_last"}
    offer = {
        "fn": callbacks.offer_faces, "inputs": [column, offered, others.kept], "js": begin("photo"), **last,
        "outputs": [face, drawing, center_crop, preview, others.several, others.kept, others.row, offered],
    }  # fmt: skip
    outline = {"fn": callbacks.outline_face, "inputs": [column, face, others.kept], "outputs": drawing, **last}
    framed = {
        "fn": callbacks.thumbnails_with_choice, "inputs": [kind, *picks], "outputs": faces, **last
    }  # fmt: skip
    draw = {
        "fn": callbacks.show,
        "inputs": choice(photo, expression, result.alpha),
        "outputs": [*result[1:], saved_message, message, center_crop, own_message, own_center_crop],
        "concurrency_id": "model",
        **last,
    }
    names = (f"draw {number}" for number in count())

    def draws(event: Callable) -> None:
        """Has an event draw the pictures. Until those of the last choice are there, they look outdated."""
        name = next(names)
        drawn = event(js=begin(name), **draw)
        drawn.success(None, js=f"() => {{ leed.drawn('{name}') }}", api_visibility="private")
        failed = f"() => {{ leed.drawn('{name}'); return [null, null, null] }}"
        drawn.failure(None, None, list(result[1:]), js=failed, api_visibility="private")

    column.input(lambda: gr.Gallery(selected_index=None), None, people, queue=False, **quiet)  # none of them is shown
    draws(show_preview(column.input(**offer), column, preview, "photo").then)
    draws(people.select(callbacks.example_photo, None, column, **clicked).then(**offer).then)
    draws(column.select(callbacks.click_face, column, face, **clicked).then(**outline).then)
    draws(face.input(**outline).then)
    after = [others.kept, others.row, others.note, face]
    kept = others.keep.click(callbacks.keep_face, choice(photo, expression, result.alpha), after, **last)
    draws(kept.then(**outline).then)
    forgotten = others.start_over.click(callbacks.no_faces_kept, None, after[:2], **last)
    draws(forgotten.then(**outline).then)
    draws(faces.select(callbacks.pick, kind, picks, **clicked).then)
    picked = kind.input(callbacks.pick_expression, [kind, reference], picks, **last)
    picked.then(**framed)
    draws(picked.then)
    own_reference.input(None, None, [own_center_crop, saved], js="() => [false, null]", api_visibility="private")
    saved.upload(None, None, [own_reference, *mix], js=UNMIXED, api_visibility="private")  # it holds its own mix
    other = [saved.upload, saved.clear]
    other += [own_reference.input, result.alpha.change, center_crop.input, own_center_crop.input]
    other += [item.input for item in mix[:-1]] + [mix.share.change]
    draws(partial(gr.on, other))  # the slider's reset is no `input`
    gr.on([own_reference.input, saved.upload, saved.clear], **framed)
    own = own_reference.input(callbacks.preview, own_reference, own_preview, js=begin("reference"), **last)
    show_preview(own, own_reference, own_preview, "reference")
