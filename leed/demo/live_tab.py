"""The tab in which a camera's pictures get an expression while they come."""

import gradio as gr

from leed.demo import actions, backend, recipes
from leed.demo.components import Camera, choices, strength

LIVE_SECONDS = 120  # of work for one visitor's camera, which then stops for the next visitor's sake
LIVE_INTERVAL = 0.1  # between two frames that the page sends; those that come during an edit are dropped [s]
LIVE_VISITORS = 2  # at the same time


def live_tab() -> None:
    """The camera's frames and their edits. Of the frames that come during an edit, Gradio keeps only the last."""
    gr.Markdown(
        "Give access to your camera, press *Start* and move: each picture gets the expression that you choose. "
        "No picture is kept, and the camera stops by itself after a few minutes."
    )
    gr.Markdown(
        f"{LIVE_VISITORS} other visitors use the live camera now, which is as many as this server can serve at once. "
        f"Each has at most {LIVE_SECONDS // 60} minutes: yours starts by itself when one of them is done.",
        elem_id="live-wait",
        elem_classes="message",
    )
    with gr.Row():
        with gr.Column(min_width=300):
            gr.Markdown("Your camera:", elem_classes="label")
            camera = Camera(
                label="Your camera",
                show_label=False,
                sources=["webcam"],
                streaming=True,
                webcam_options=gr.WebcamOptions(constraints={"video": {"width": 640, "height": 480}}),
                height=420,
                elem_id="camera",
                alt_text="Your camera",
            )
        with gr.Column(min_width=300):
            gr.Markdown("With the expression, an AI-modified picture:", elem_classes="label")
            screen = Camera(
                label="With the expression: AI-modified",
                show_label=False,
                interactive=False,
                buttons=["fullscreen"],
                height=420,
                elem_id="screen",
                alt_text="The camera's picture with the chosen expression",
            )
    with gr.Row():
        expression = gr.Radio(
            choices(recipes.expressions_of(actions.LIVE_PERSON)),
            value="happy",
            label="Expression",
            info="Can be changed while the camera runs.",
            min_width=300,
            elem_id="live-expression",
        )
        alpha = strength("live-alpha")
    track = gr.State()  # where each visitor's own face was
    camera.stream(
        backend.edit_live,
        [camera, expression, alpha, track],
        [screen, track],
        stream_every=LIVE_INTERVAL,
        time_limit=LIVE_SECONDS,
        concurrency_limit=LIVE_VISITORS,
        concurrency_id="live",
        show_progress="hidden",
        api_visibility="private",
    )
