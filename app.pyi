"""The demo: a photo, an expression, a strength; the same person with that expression.

    python app.py

loads `hub/leed-open`, or the folder or Hub repository that the variable LEED_MODEL names. Results are signed with the
certificate that LEED_C2PA_CERTIFICATE and LEED_C2PA_KEY give, if they do (`leed/signing.py`).

The page's process only serves: the model works in another (`leed/worker.py`), whose death the page survives.
"""

import base64
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path

# Before torch is loaded: its threads would wait busily after each call and take the cores from ONNX Runtime's.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import gradio as gr
from gradio.data_classes import ImageData
from gradio.utils import get_upload_folder

from leed import EXPRESSIONS
from leed.demo import actions as demo
from leed.demo.signing import CertificateError
from leed.demo.worker import Worker, WorkerError, give_back_memory
from leed.model import MAX_SHOWN_ALPHA
from leed.photo.detection import Face
from leed.photo.editor import NoFaceError
from leed.photo.opening import PhotoError
from leed.web.no_downloads import refuse_addresses

ZERO_GPU = os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")  # as `spaces` reads it
if ZERO_GPU:
    import spaces  # before anything asks for CUDA: it stands in for that while no GPU is lent

# The page's own, as it removes what is old there; the work puts its results there, too.
os.environ["GRADIO_TEMP_DIR"] = str(Path(get_upload_folder(), "leed"))
worker = Worker(demo.warm_up, {"CUDA_VISIBLE_DEVICES": ""} if ZERO_GPU else None)
FIRST_PERSON, FIRST_EXPRESSION = 4, "happy"  # of the examples, shown to who comes to the page
LIVE_SECONDS = 120  # of work for one visitor's camera; then it stops, for the next one's sake
LIVE_INTERVAL = 0.1  # between two pictures that the page sends; what comes while one is worked on is dropped [s]
LIVE_VISITORS = 2  # at the same time
MAX_WAITING = 32  # requests; who comes then is told that the page is busy
GPU_SECONDS = 30  # that a request may take of what ZeroGPU lends, the start included
CACHE_SECONDS = 3600  # uploads and results are deleted when they are that old
SWEEP_SECONDS = 600  # between two looks for what is old

TITLE = """
# LEED
**Your face, another expression.** Give a photo and a face that shows an expression, choose how strong: the same person
comes out with that expression.
"""

CAPTION = (
    "**AI-modified picture:** a model made the expression, not the person. "
    "Saved files carry a mark that says so ({marks})."
)

DOUBTS = {
    "photo": "The expression in your photo could not be taken away entirely, and a rest of it may stay in the result: "
    "a photo with a calm face and a closed mouth works better.",
    "reference": "Your reference's expression could not be read well, and may come out weak or wrong: "
    "a sharper picture, more from the front, works better.",
}

ABOUT = """
**What it is for.** Research, teaching and play with your own face, or with the face of someone who agreed to it.

**What it is not for.** Do not use pictures of people without their consent, do not present a result as something a
person did or felt, and do not judge anyone by it. It edits expressions; it does not recognise people or read emotions.

**What happens to your picture.** It is used for your edits only and is not logged. Its files are deleted after about
an hour; it leaves the memory when newer pictures come.

The example people and all faces of the gallery do not exist: each is an average of three to five people, with rendered
expressions; modified from the Face Research Lab London Set (DeBruine and Jones, 2017,
[doi 10.6084/m9.figshare.5047666.v5](https://doi.org/10.6084/m9.figshare.5047666.v5)), CC-BY 4.0. The edit happens on
the face at {size}x{size} pixels.
"""

CSS = """
.gradio-container { max-width: 1320px !important; margin: 0 auto !important; }
:focus-visible { outline: 2px solid var(--primary-600) !important; outline-offset: 2px; }
#header h1 { font-size: 2rem; margin-bottom: 0.25rem; }
footer .divider:last-child { display: none !important; }
#caption * { font-size: 0.875rem; line-height: 1.4; }
#message { border-left: 4px solid var(--primary-500); padding: 0.5rem 0.75rem; background: var(--primary-50); }
.dark { --color-accent: var(--primary-400); }
.dark #message { background: var(--neutral-800); }
#photo-and-outlines { position: relative; }
#outlines { position: absolute; inset: 0 0 auto 0; height: 320px; padding: 0; pointer-events: none; z-index: 1; }
#outlines div, #outlines svg { height: 100%; width: 100%; padding: 0; }
#outlines rect { fill: none; stroke: white; stroke-width: 2; rx: 2%; vector-effect: non-scaling-stroke; }
#outlines text { fill: white; font-weight: 600; paint-order: stroke; stroke: #0008; stroke-width: 0.12em; }
#outlines .chosen rect { stroke: var(--primary-500); stroke-width: 3; }
#outlines .other rect { stroke-dasharray: 6 4; }
@media (max-width: 640px) { #camera, #screen { height: 280px !important; } }  /* both on one screen */
.faces .grid-container { grid-template-columns: repeat(auto-fill, minmax(64px, 1fr)); grid-auto-rows: auto; }
.faces .grid-wrap { padding: 0; min-height: 0; }
.faces .caption-label { position: absolute; width: 1px; height: 1px; padding: 0; clip-path: inset(50%); }
.face img { width: 100%; height: 100%; object-fit: contain; }
.face label { top: auto; bottom: 0; }
@media (max-width: 640px) {  /* rows to swipe, so that the result is not far below */
    .faces .grid-container { grid-template-columns: none; grid-auto-flow: column; grid-auto-columns: 68px;
        overflow-x: auto; width: 0; min-width: 100%; }
    #gallery .grid-container { grid-template-rows: repeat(2, 68px); }
}
"""

DIVIDER_KEYS = """
() => {
    // Gradio's divider between before and after follows a mouse or a finger; here it gets the keys of a slider.
    const steps = {ArrowLeft: -0.05, ArrowDown: -0.05, ArrowRight: 0.05, ArrowUp: 0.05, Home: -1, End: 1}
    const place = divider =>
        new DOMMatrix(getComputedStyle(divider).transform).m41 / divider.parentElement.getBoundingClientRect().width
    const say = divider => divider.setAttribute('aria-valuenow', Math.round(100 * place(divider)))
    const move = (divider, share) => {
        const frame = divider.parentElement.getBoundingClientRect()
        const at = {bubbles: true, cancelable: true, view: window, clientX: frame.left + share * frame.width}
        divider.dispatchEvent(new MouseEvent('mousedown', at))
        window.dispatchEvent(new MouseEvent('mouseup', at))
    }
    const equip = divider => {
        const attributes = {
            role: 'slider', tabindex: 0, 'aria-label': 'Before and after', 'aria-valuemin': 0, 'aria-valuemax': 100
        }
        for (const [name, value] of Object.entries(attributes)) divider.setAttribute(name, value)
        new MutationObserver(() => say(divider)).observe(divider, {attributeFilter: ['style']})
        divider.addEventListener('keydown', event => {
            if (!(event.key in steps)) return
            event.preventDefault()
            move(divider, Math.min(1, Math.max(0, place(divider) + steps[event.key])))
        })
        say(divider)
        const pictures = divider.parentElement.querySelectorAll('img')
        pictures.forEach((picture, i) => { picture.alt = ['The photo before the edit', 'The edited photo'][i] })
    }
    const look = () => document.querySelectorAll('#comparison [data-testid=slider]:not([tabindex])').forEach(equip)
    new MutationObserver(look).observe(document.body, {childList: true, subtree: true})
    look()
}
"""

from gradio.events import Dependency

class Photo(gr.Image):
    """An image input that hands over the file as it came, so that `open_photo` can say what is wrong with it."""

    is_template = True  # the browser shows the parent class

    def preprocess(self, payload: ImageData | None) -> str | None:
        """The path of the upload. A request may name any path, so what was not uploaded is refused."""
        if payload is None:
            return None
        if payload.path is None or not Path(payload.path).resolve().is_relative_to(
            Path(get_upload_folder()).resolve()
        ):
            raise gr.Error("Please upload the picture as a file.", print_exception=False)
        return payload.path
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component


class WhichFace(gr.Radio):
    """The choice among a photo's faces. How many there are is known with the photo; `prepare` checks the number."""

    is_template = True

    def preprocess(self, payload: float | None) -> int:
        return int(payload or 0)

    def api_info(self) -> dict[str, str]:
        return {"type": "integer"}
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component


class Camera(gr.Image):
    """A camera whose pictures come one by one, and a screen for them: bytes of JPEG files, which touch no disk."""

    is_template = True

    def preprocess(self, payload: ImageData | None) -> bytes | None:
        if payload is None or not (payload.url or "").startswith("data:image/"):
            return None  # no frame of a camera
        return base64.b64decode(payload.url.partition(",")[2])

    def postprocess(self, value: bytes | None) -> ImageData | None:
        if value is None:
            return None
        return ImageData(orig_name="frame.jpg", url="data:image/jpeg;base64," + base64.b64encode(value).decode())
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block
    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component


@contextmanager
def said_to_the_visitor() -> Iterator[None]:
    """Hands on what is wrong as one sentence: with a visitor's pictures or choices, or here, which is logged too."""
    try:
        yield
    except gr.Error:
        raise
    except (PhotoError, NoFaceError) as error:
        raise gr.Error(str(error), print_exception=False) from error
    except WorkerError as error:
        raise gr.Error("The demo broke down over this, twice: please try another picture, or later.") from error
    except MemoryError as error:
        raise gr.Error("The demo is short of memory: please try again in a minute.") from error
    except (Exception, SystemExit) as error:  # the latter would end the server's thread
        raise gr.Error("Something went wrong in the demo, not in your picture: please try again.") from error


# What the page and the API call.


def by_worker(work: Callable) -> Callable:
    """The same function, called in the worker; what goes wrong there is said to the visitor."""

    @said_to_the_visitor()
    @wraps(work)
    def call(*arguments: object) -> object:
        return worker.call(work, *arguments)

    return call


def on_lent_gpu(work: Callable) -> Callable:
    """The same function, called by ZeroGPU in a process to which it lends a GPU; by the worker where there is none.

    That is for what a button asks for. To be lent a GPU takes longer than a step of a slider or a frame of a camera on
    the CPU, and counts each time, so these stay with the worker.
    """
    return spaces.GPU(said_to_the_visitor()(work), duration=GPU_SECONDS) if ZERO_GPU else by_worker(work)


edit, make_sequence, make_grid = map(on_lent_gpu, (demo.edit, demo.make_sequence, demo.make_grid))
live = by_worker(demo.live)


@said_to_the_visitor()
def show(
    photo: str | None, reference: int, own_reference: str | None, alpha: float, center_crop: bool, face: int
) -> tuple:
    """The page's results: comparison, crop, edited face, message, offer of a centre crop."""
    if photo is None:
        return None, None, None, gr.Markdown(visible=False), gr.Checkbox(visible=center_crop)
    try:
        pictures = worker.call(demo.results, photo, reference, own_reference, alpha, center_crop, face)
        doubts = [DOUBTS[name] for name in worker.call(demo.doubts, photo, own_reference, center_crop, face)]
    except (PhotoError, NoFaceError) as error:
        offer = center_crop or isinstance(error, NoFaceError)
        return None, None, None, gr.Markdown(str(error), visible=True), gr.Checkbox(visible=offer)
    message = gr.Markdown("\n\n".join(doubts), visible=bool(doubts))
    return *pictures, message, gr.Checkbox(visible=center_crop)


def faces_of(photo: str | None) -> tuple[tuple[int, int], list[Face]]:
    """The size of a photo and its faces; none of a photo that cannot be read, which `show` says."""
    try:
        return worker.call(demo.found, photo) if photo is not None else ((1, 1), [])
    except PhotoError:
        return (1, 1), []


@said_to_the_visitor()
def offer_faces(photo: str | None) -> tuple[gr.Radio, str]:
    """For a new photo: the choice among its faces, if there are several; its faces outlined, the largest as chosen."""
    size, faces = faces_of(photo)
    names = [("1, the largest", 0), *((str(i + 1), i) for i in range(1, len(faces)))]
    return gr.Radio(names, value=0, visible=len(faces) > 1), outlines(size, faces, 0)


@said_to_the_visitor()
def outline_face(photo: str | None, face: int) -> str:
    """The faces of a photo outlined, `face` as the chosen one."""
    return outlines(*faces_of(photo), face)


@said_to_the_visitor()
def click_face(photo: str | None, event: gr.SelectData) -> int:
    """The face whose middle is nearest to a click on the photo."""
    _, faces = faces_of(photo)
    return min(range(len(faces)), key=lambda i: math.dist(faces[i].centre, event.index), default=0)


def outlines(size: tuple[int, int], faces: list[Face], chosen: int) -> str:
    """A drawing to be laid over a photo of (width, height) `size`: a box around each face, numbered if several."""
    if not faces:
        return ""
    boxes = []
    for i, face in enumerate(faces):
        left, top, right, bottom = face.box
        number = f'<text x="{left:.0f}" y="{top:.0f}" dx="0.25em" dy="0.95em">{i + 1}</text>' if len(faces) > 1 else ""
        boxes.append(
            f'<g class="{"chosen" if i == chosen else "other"}">'
            f'<rect x="{left:.0f}" y="{top:.0f}" width="{right - left:.0f}" height="{bottom - top:.0f}"/>{number}</g>'
        )
    said = "1 face found" if len(faces) == 1 else f"{len(faces)} faces found; face {chosen + 1} is chosen"
    return (
        f'<svg viewBox="0 0 {size[0]} {size[1]}" font-size="{max(size) / 16:.0f}" role="img" aria-label="{said}">'
        f"{''.join(boxes)}</svg>"
    )


def references() -> list[dict]:
    """The faces of the gallery: number, expression, person and strength."""
    return [
        {"reference": i, "expression": item.expression, "person": item.person, "strength": item.intensity}
        for i, item in enumerate(demo.gallery())
    ]


def portraits() -> list[tuple[Path, str]]:
    """The example people and what they are called."""
    paths = sorted((demo.GALLERY / "portraits").glob("*.jpg"))
    return [(path, f"example person {number}") for number, path in enumerate(paths, 1)]


def person(event: gr.SelectData) -> Path:
    """The photo of the example person that was clicked."""
    return portraits()[event.index][0]


def thumbnails(expression: str) -> list[tuple[Path, str]]:
    return [(item.path, item.caption) for item in demo.gallery() if item.expression == expression.lower()]


def first_of(expression: str) -> int:
    """The number of the first face of the gallery that shows an expression."""
    return [item.expression for item in demo.gallery()].index(expression.lower())


def pick(expression: str, event: gr.SelectData) -> tuple[int, None]:
    """The number of the thumbnail that was clicked, and no reference of one's own any more."""
    return first_of(expression) + event.index, None


def thumbnails_with_choice(expression: str, reference: int, own_reference: str | None) -> gr.Gallery:
    """The faces that show an expression; the chosen one is framed if it is among them."""
    faces, place = thumbnails(expression), reference - first_of(expression)
    chosen = own_reference is None and 0 <= place < len(faces)
    return gr.Gallery(faces, selected_index=place if chosen else None)


# The page.


def strength(elem_id: str) -> gr.Slider:
    """The slider of alpha."""
    return gr.Slider(
        0,
        MAX_SHOWN_ALPHA,
        value=1.0,
        step=0.05,
        label="Strength (alpha)",
        info="0 is a neutral face, 1 as strong as in the reference; more exaggerates.",
        min_width=300,
        elem_id=elem_id,
    )


def sequence_tab(choice: list[gr.components.Component], chosen: list[Callable]) -> None:
    """A loop of what is chosen, which is removed when something else is: at the events `chosen`."""
    gr.Markdown("The face goes from neutral to the chosen expression, beyond it, and back.")
    make = gr.Button("Make the sequence", variant="primary", elem_id="make-sequence")
    film = gr.Video(
        label="Sequence", autoplay=True, loop=True, interactive=False, visible=False, buttons=[], elem_id="sequence"
    )
    with gr.Row(visible=False, elem_id="sequence-files") as row:
        files = [gr.DownloadButton(name, min_width=80) for name in ("MP4", "WebP", "GIF")]
    long_work(make, make_sequence, choice, files, api_name="sequence", show=(film, [film, row]))
    hide_when(chosen, [film, row])


def grid_tab(choice: list[gr.components.Component], chosen: list[Callable]) -> None:
    """A sheet of all expressions, which is removed when something else is chosen: at the events `chosen`."""
    gr.Markdown(
        "Every expression of the gallery's person that is chosen, at three strengths each; "
        "above them that of your own reference, if you gave one."
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
    file = gr.DownloadButton("Download sheet (PNG)", visible=False, elem_id="grid-file")
    long_work(make, make_grid, choice, [file], api_name="grid", show=(sheet, [sheet, file]))
    hide_when(chosen, [sheet, file])


def long_work(
    button: gr.Button,
    work: Callable,
    choice: list[gr.components.Component],
    files: list[gr.DownloadButton],
    api_name: str,
    show: tuple[gr.components.Component, list[gr.blocks.Block]],
) -> None:
    """Has a button start what takes seconds; until it is done, the button says so and cannot be clicked again.

    The first of `files` is then displayed by the first of `show`, and the others of `show` become visible. The
    browser hands the file on: were it an input of the server's, a request could name any file there.
    """
    quiet = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    display, results = show
    busy = button.click(lambda: gr.Button("One moment ...", interactive=False), None, button, **quiet)
    done = busy.then(work, choice, files, concurrency_id="long", show_progress="hidden", api_name=api_name)
    done.success(None, files[0], display, js="file => file", api_visibility="private")
    done.success(lambda: [gr.update(visible=True)] * len(results), None, results, **quiet)
    for ended in (done.success, done.failure):  # `then` does not follow a failure of what itself follows something
        ended(lambda: gr.Button(button.value, interactive=True), None, button, **quiet)


def live_tab() -> None:
    """The camera's pictures beside their edits. Of those that come during an edit Gradio keeps only the last."""
    gr.Markdown(
        "Give access to your camera, press *Record* and move: each picture gets the expression that you choose. "
        "No picture is kept, and the camera stops by itself after a few minutes."
    )
    with gr.Row():
        camera = Camera(
            label="Your camera",
            sources=["webcam"],
            streaming=True,
            webcam_options=gr.WebcamOptions(constraints={"video": {"width": 640, "height": 480}}),
            height=420,
            elem_id="camera",
            alt_text="Your camera",
        )
        screen = Camera(
            label="With the expression: AI-modified",
            interactive=False,
            buttons=["fullscreen"],
            height=420,
            elem_id="screen",
            alt_text="The camera's picture with the chosen expression",
        )
    with gr.Row():
        expression = gr.Radio(
            [name.capitalize() for name in demo.expressions_of(demo.LIVE_PERSON)],
            value="Happy",
            label="Expression",
            info="Can be changed while the camera runs.",
            min_width=300,
            elem_id="live-expression",
        )
        alpha = strength("live-alpha")
    track = gr.State()  # of each visitor's own face
    camera.stream(
        live,
        [camera, expression, alpha, track],
        [screen, track],
        stream_every=LIVE_INTERVAL,
        time_limit=LIVE_SECONDS,
        concurrency_limit=LIVE_VISITORS,
        concurrency_id="live",
        show_progress="hidden",
        api_visibility="private",
    )


def hide_when(chosen: list[Callable], results: list[gr.blocks.Block]) -> None:
    """Hides results at events after which they no longer belong to what is chosen."""
    gr.on(
        chosen,
        lambda: [gr.update(visible=False)] * len(results),
        None,
        results,
        show_progress="hidden",
        api_visibility="private",
    )


def photo_tab() -> None:
    """A photo, a reference, and what comes out of them; from the start, the result of an example."""
    first_person, first_reference = str(portraits()[FIRST_PERSON][0]), first_of(FIRST_EXPRESSION)
    before_and_after, *faces_before_and_after = worker.call(
        demo.results, first_person, first_reference, None, 1.0, False, 0
    )
    with gr.Row():
        with gr.Column(min_width=300):
            gr.Markdown("### 1. Photo")
            with gr.Column(min_width=0, elem_id="photo-and-outlines"):
                photo = Photo(
                    first_person,
                    label="Photo with a face",
                    sources=["upload", "webcam", "clipboard"],
                    height=360,
                    elem_id="photo",
                    alt_text="The photo to edit",
                    placeholder="Drop a photo here, click to choose one, or use the camera or the clipboard below",
                )
                drawing = gr.HTML(outlines(*worker.call(demo.found, first_person), 0), elem_id="outlines")
            face = WhichFace(
                [("1, the largest", 0)],
                value=0,
                label="Face to edit",
                info="Numbered in the photo; a click on the photo chooses one, too.",
                visible=False,
                elem_id="which-face",
            )
            message = gr.Markdown(visible=False, elem_id="message")
            center_crop = gr.Checkbox(
                label="Use the centre of the picture",
                info="If no face is found, the central square is taken for one.",
                visible=False,
                elem_id="center-crop",
            )
            gr.Markdown("Or one of these people, who do not exist:")
            people = gr.Gallery(
                portraits(),
                label="Example people",
                show_label=False,
                columns=5,
                allow_preview=False,
                object_fit="cover",
                buttons=[],
                elem_id="people",
                elem_classes="faces",
            )
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
            faces = gr.Gallery(
                thumbnails(FIRST_EXPRESSION),
                label="Reference faces",
                show_label=False,
                columns=5,
                allow_preview=False,
                selected_index=0,
                object_fit="cover",
                buttons=[],
                elem_id="gallery",
                elem_classes="faces",
            )
            reference = gr.Number(first_reference, precision=0, label="reference", visible="hidden")
            with gr.Accordion("Or a reference of your own", open=False):
                own_reference = Photo(
                    label="Photo of a face with the expression",
                    sources=["upload", "webcam", "clipboard"],
                    height=240,
                    elem_id="own-reference",
                    alt_text="Your own reference",
                )
        with gr.Column(min_width=300):
            gr.Markdown("### 3. Result")
            gr.Markdown(
                CAPTION.format(marks="XMP" if demo.signer() is None else "XMP, signed C2PA"), elem_id="caption"
            )
            with gr.Tabs():
                with gr.Tab("Picture"):
                    alpha = strength("alpha")
                    comparison = gr.ImageSlider(
                        before_and_after,
                        label="Before and after: drag the divider",
                        slider_position=20,
                        buttons=["fullscreen"],
                        elem_id="comparison",
                    )
                    save = gr.Button("Download photo (PNG)", variant="primary", elem_id="save")
                    file = gr.DownloadButton(visible="hidden", elem_id="file")
                    with gr.Row():
                        crop = gr.Image(
                            faces_before_and_after[0],
                            label="Face",
                            min_width=120,
                            height=180,
                            buttons=[],
                            elem_id="crop",
                            elem_classes="face",
                            alt_text="The aligned face before the edit",
                        )
                        edited = gr.Image(
                            faces_before_and_after[1],
                            label="Edited face",
                            min_width=120,
                            height=180,
                            buttons=["download"],
                            elem_id="edited",
                            elem_classes="face",
                            alt_text="The aligned face with the chosen expression",
                        )
                    choice = [photo, reference, own_reference, alpha, center_crop, face]
                    save.click(edit, choice, [edited, file], concurrency_id="model", api_name="edit").success(
                        None, js="() => document.querySelector('#file').click()"
                    )
                choice_at_any_strength = [photo, reference, own_reference, center_crop, face]
                chosen = [item.input for item in (photo, own_reference, center_crop, face)]
                chosen += [item.select for item in (photo, people, faces)]
                with gr.Tab("Sequence"):
                    sequence_tab(choice_at_any_strength, chosen)
                with gr.Tab("All expressions"):
                    grid_tab(choice_at_any_strength, chosen)

    # The page reacts to what visitors do and not to Gradio's `change`, which comes again and again when answers
    # overlap. Of what they do while an answer is under way the last counts; but every click is sent, since Gradio
    # would send a late one with the place of one before.
    quiet = {"show_progress": "hidden", "api_visibility": "private"}
    clicked, last = quiet | {"trigger_mode": "multiple"}, quiet | {"trigger_mode": "always_last"}
    offer = {"fn": offer_faces, "inputs": photo, "outputs": [face, drawing], **last}
    outline = {"fn": outline_face, "inputs": [photo, face], "outputs": drawing, **last}
    pictures = [comparison, crop, edited, message, center_crop]
    draw = {"fn": show, "inputs": choice, "outputs": pictures, "concurrency_id": "model", **last}
    photo.input(**offer).then(**draw)
    people.select(person, None, photo, **clicked).then(**offer).then(**draw)
    photo.select(click_face, photo, face, **clicked).then(**outline).then(**draw)
    face.input(**outline).then(**draw)
    faces.select(pick, expression, [reference, own_reference], **clicked).then(**draw)
    gr.on([own_reference.input, alpha.change, center_crop.input], **draw)  # the slider's reset is no `input`
    framed = {"fn": thumbnails_with_choice, "inputs": [expression, reference, own_reference], "outputs": faces}
    gr.on([expression.input, own_reference.input], **framed, **last)


def build() -> gr.Blocks:
    with gr.Blocks(title="LEED", delete_cache=(SWEEP_SECONDS, CACHE_SECONDS), analytics_enabled=False) as page:
        gr.Markdown(TITLE, elem_id="header")
        with gr.Tabs():
            with gr.Tab("Photo"):
                photo_tab()
            with gr.Tab("Live camera"):
                live_tab()
        gr.Markdown(ABOUT.format(size=worker.call(demo.image_size)), elem_id="about")
        gr.api(references, api_name="references")
    return page


THEME = gr.themes.Soft(
    primary_hue="teal", neutral_hue="slate", font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
).set(
    background_fill_primary="*neutral_50",
    block_background_fill="white",
    block_label_background_fill="*block_background_fill",
    block_label_text_color="*body_text_color_subdued",
    block_label_text_size="*text_xs",
    block_title_background_fill="transparent",
    block_title_text_color="*body_text_color",
    block_title_padding="0",
    # Dark enough for white text on it, and grey text dark enough for white below it (contrast of 4.5, WCAG 2.1 AA).
    color_accent="*primary_700",
    slider_color="*primary_600",
    button_primary_background_fill="*primary_700",
    button_primary_background_fill_hover="*primary_800",
    checkbox_label_background_fill_selected="*primary_700",
    body_text_color_subdued="*neutral_500",
    block_info_text_color="*neutral_500",
)


def sweep(page: gr.Blocks) -> None:
    """Removes what Gradio leaves of old requests: folders, uploads that broke off, results that nobody got.

    Gradio itself, which would go on to look for what has gone, has two looks' time before.
    """
    for block in page.blocks.values():
        for path in getattr(block, "keep_in_cache", ()):  # what the page shows at first
            with suppress(OSError):
                os.utime(path)
    demo.remove_old(Path(get_upload_folder()), CACHE_SECONDS + 2 * SWEEP_SECONDS)


def keep_sweeping(page: gr.Blocks) -> None:
    while True:
        time.sleep(SWEEP_SECONDS)
        sweep(page)


def launch(**options) -> gr.Blocks:
    """Serves the page; `options` are more of those of `gr.Blocks.launch`."""
    refuse_addresses()
    if ZERO_GPU:
        demo.editor()  # which the processes with a GPU get from this one
    page = build().queue(max_size=MAX_WAITING)
    threading.Thread(target=give_back_memory, daemon=True).start()
    threading.Thread(target=keep_sweeping, args=(page,), daemon=True).start()
    page.launch(
        theme=THEME,
        css=CSS,
        js=DIVIDER_KEYS,
        max_file_size="10mb",
        allowed_paths=[],
        strict_cors=True,
        enable_monitoring=False,  # at /monitoring, open to all otherwise
        run_history=False,  # a visitor's pictures would stay in the browser
        footer_links=["api"],
        **options,
    )
    return page


if __name__ == "__main__":
    try:
        demo.signer()
    except CertificateError as error:
        sys.exit(str(error))
    launch()