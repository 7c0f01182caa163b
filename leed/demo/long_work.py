"""The tabs whose results take seconds: a button starts the work, and is busy until it is done."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from leed.demo import backend
from leed.demo.components import settled

QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
"""Gradio's options for events that only show or hide something."""


def sequence_tab(inputs: list[gr.components.Component], changes: list[Callable]) -> None:
    """A loop of what is chosen; the events `changes`, at which something else is chosen, remove it."""
    gr.Markdown("The face goes from neutral to the chosen expression, beyond it, and back.")
    make = gr.Button("Make the sequence", variant="primary", elem_id="make-sequence")
    film = gr.Video(
        label="Sequence",
        show_label=False,
        autoplay=True,
        loop=True,
        interactive=False,
        visible=False,
        buttons=[],
        elem_id="sequence",
    )
    with gr.Row(visible=False, elem_id="sequence-files") as row:
        files = [gr.DownloadButton(name, min_width=80) for name in ("MP4", "WebP", "GIF")]
    run_on_click(make, backend.make_sequence, inputs, files, api_name="sequence", show=(film, row))
    hide_when(changes, film, row)


def grid_tab(inputs: list[gr.components.Component], changes: list[Callable]) -> None:
    """A sheet of all expressions; the events `changes`, at which something else is chosen, remove it."""
    gr.Markdown(
        "Every expression of the gallery's person that is chosen, at three strengths each; "
        "above them your own reference or your mix, if there is one."
    )
    make = gr.Button("Make the sheet", variant="primary", elem_id="make-grid")
    sheet = gr.Image(
        label="All expressions",
        show_label=False,
        visible=False,
        buttons=["fullscreen"],
        elem_id="grid",
        alt_text="The face with all expressions, at three strengths each",
    )
    with gr.Row(visible=False) as row:
        file = gr.DownloadButton("Download sheet (PNG)", elem_id="grid-file")
    run_on_click(make, backend.make_grid, inputs, [file], api_name="grid", show=(sheet, row))
    hide_when(changes, sheet, row)


def run_on_click(
    button: gr.Button,
    work: Callable,
    inputs: list[gr.components.Component],
    files: list[gr.DownloadButton],
    api_name: str,
    show: tuple[gr.components.Component, gr.Row],
) -> None:
    """Has a button start what takes seconds; until it is done, the button says so and cannot be clicked again.

    The first of `files` is then displayed by the component of `show`, whose row holds the files; both stay away if
    something else was chosen meanwhile (`page.js`). The browser hands the file on: were it an input of the server's, a
    request could name any file there.
    """
    button.click(None, js=f"() => {{ leed.begin('{api_name}') }}", api_visibility="private")
    busy = button.click(lambda: gr.Button("One moment ...", interactive=False), None, button, **QUIET)
    ready = busy.then(None, js=settled(api_name), api_visibility="private")
    done = ready.then(work, inputs, files, concurrency_id="long", show_progress="hidden", api_name=api_name)
    done.success(None, files[0], list(show), js=f"file => {SHOWN.replace('NAME', api_name)}", api_visibility="private")
    for ended in (done.success, done.failure):  # `then` does not follow a failure of what itself follows something
        ended(lambda: gr.Button(button.value, interactive=True), None, button, **QUIET)


SHOWN = """leed.fresh('NAME')
    ? [{__type__: 'update', value: file, visible: true}, {__type__: 'update', visible: true}]
    : [{__type__: 'update', value: null, visible: false}, {__type__: 'update', visible: false}]"""


def hide_when(changes: list[Callable], display: gr.components.Component, row: gr.Row) -> None:
    """Hides results, in the browser and so at once, at events after which they belong to something else."""
    hidden = "() => [{__type__: 'update', value: null, visible: false}, {__type__: 'update', visible: false}]"
    gr.on(changes, None, None, [display, row], js=hidden, api_visibility="private")
