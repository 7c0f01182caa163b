"""The demo: a photo, an expression, a strength; the same person with that expression.

    python app.py

loads `hub/leed-open`, or the folder or Hub repository that the variable LEED_MODEL names. Results are signed with the
certificate that LEED_C2PA_CERTIFICATE and LEED_C2PA_KEY give, if they do (`leed/signing.py`).
"""

import base64
import csv
import ctypes
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from io import BytesIO
from pathlib import Path
from uuid import uuid4

# Before torch is loaded: its threads would wait busily after each call and take the cores from ONNX Runtime's.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import gradio as gr
import torch
from gradio.data_classes import ImageData
from gradio.utils import get_upload_folder
from PIL import Image

from leed import EXPRESSIONS, Expression
from leed.alignment import Face, find_faces
from leed.editor import FaceEditor, NoFaceError, PhotoError, PreparedPhoto, open_photo
from leed.grid import grid
from leed.images import INNER_CROP
from leed.live import Track, edit_frame
from leed.model import SETTLED
from leed.provenance import jpeg, save_marked, save_marked_sequence, save_plain
from leed.runtime import OnnxLEED, load
from leed.sequence import FPS, sequence
from leed.signing import CertificateError, Signer

ROOT = Path(__file__).parent
GALLERY = ROOT / "assets/gallery"
MODEL = os.environ.get("LEED_MODEL") or str(ROOT / "hub/leed-open")

MAX_ALPHA = 1.5
OWN = "your reference"  # what the sheet of expressions calls it
PREVIEW_SIDE = 900  # longest side of the photos on the page; the download has all pixels [px]
FIRST_PERSON, FIRST_EXPRESSION = 4, "happy"  # of the examples, shown to who comes to the page
LIVE_PERSON = "comp05"  # of the gallery, whose expressions the live camera takes
LIVE_SECONDS = 120  # of work for one visitor's camera; then it stops, for the next one's sake
LIVE_INTERVAL = 0.1  # between two pictures that the page sends; what comes while one is worked on is dropped [s]
LIVE_VISITORS = 2  # at the same time
MAX_WAITING = 32  # requests; who comes then is told that the page is busy
CACHE_SECONDS = 3600  # uploads and results are deleted when they are that old
TRIM_SECONDS = 10  # after which memory that finished work left is given back

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


@dataclass(frozen=True)
class Reference:
    """A face of the gallery."""

    path: Path
    expression: str
    person: str
    intensity: float

    @property
    def caption(self) -> str:
        strength = "" if self.expression == "neutral" else f", strength {self.intensity:.0%}"
        return f"{self.expression}, person {int(self.person.removeprefix('comp'))}{strength}"


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


class WhichFace(gr.Radio):
    """The choice among a photo's faces. How many there are is known with the photo; `prepare` checks the number."""

    is_template = True

    def preprocess(self, payload: float | None) -> int:
        return int(payload or 0)

    def api_info(self) -> dict[str, str]:
        return {"type": "integer"}


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


# The work. Gradio names an upload's folder by its content, so a path stands for a picture in the caches below.


@cache
def gallery() -> list[Reference]:
    """The frontal faces of the gallery, by expression, person and strength."""
    with open(GALLERY / "faces/metadata.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["camera"] == "090"]
    references = [
        Reference(GALLERY / "faces" / row["file_name"], row["expression"], row["person"], float(row["intensity"]))
        for row in rows
    ]
    return sorted(references, key=lambda item: (EXPRESSIONS.index(item.expression), item.person, item.intensity))


@cache
def editor() -> FaceEditor:
    """The model, loaded once, in the engine that is fastest here."""
    leed = load(MODEL)
    if isinstance(leed, OnnxLEED):  # what it leaves to PyTorch is small, and only waits for a second thread
        torch.set_num_threads(1)
    return FaceEditor(leed)


@cache
def signer() -> Signer | None:
    """What signs the results, where a certificate is configured. Raises `CertificateError`."""
    return Signer.from_environment()


@lru_cache(maxsize=512)
def gallery_expression(index: int) -> Expression:
    """The expression of a face of the gallery; its crop is known."""
    face = open_photo(gallery()[index].path)
    left, top, right, bottom = (round(part * face.width) for part in INNER_CROP)
    return editor().leed.expression(face.crop((left, top, right, bottom)))


@lru_cache(maxsize=32)
def own_expression(path: str, center_crop: bool) -> Expression:
    return editor().expression(open_photo(path), center_crop)


@lru_cache(maxsize=2)
def opened(path: str) -> Image.Image:
    """A photo that several of the functions below are about to need; large ones take long to decode."""
    return open_photo(path)


@lru_cache(maxsize=512)
def found(path: str) -> tuple[tuple[int, int], list[Face]]:
    """The size of a photo and the faces in it, the largest first. Raises `PhotoError`."""
    photo = opened(path)
    return photo.size, find_faces(photo)


@lru_cache(maxsize=16)
def prepare(path: str | None, center_crop: bool, face: int) -> PreparedPhoto:
    """A photo with everything done that depends neither on the expression nor on alpha.

    Raises `PhotoError` and `NoFaceError`.
    """
    if path is None:
        raise PhotoError("Please give a photo first.")
    faces = found(path)[1]
    if faces and not 0 <= face < len(faces):
        raise PhotoError(f"face must be in [0, {len(faces) - 1}] for this photo, got {face}.")
    return editor().prepare(opened(path), gallery_expression(0), face, center_crop)


@lru_cache(maxsize=64)
def preview(path: str, center_crop: bool, face: int) -> PreparedPhoto:
    """The same with a photo of the page's size."""
    return prepare(path, center_crop, face).at_most(PREVIEW_SIDE)


@cache
def expressions_of(person: str) -> dict[str, int]:
    """The number of the strongest face of each expression that a person of the gallery shows, neutral aside."""
    faces = {item.expression: i for i, item in enumerate(gallery()) if item.person == person}
    return {name: i for name, i in faces.items() if name != "neutral"}


def checked(reference: int) -> int:
    """The number of a face of the gallery. Raises `PhotoError` if there is none."""
    if not 0 <= reference < len(gallery()):
        raise PhotoError(f"reference must be in [0, {len(gallery()) - 1}], got {reference}.")
    return int(reference)


def chosen_expression(reference: int, own_reference: str | None, center_crop: bool) -> Expression:
    """One's own reference if there is one, else the gallery's. Raises `PhotoError` and `NoFaceError`."""
    if own_reference is not None:
        return own_expression(own_reference, center_crop)
    return gallery_expression(checked(reference))


def result_path(name: str) -> Path:
    """A new path in Gradio's cache, which deletes what lies there when it is old."""
    folder = Path(get_upload_folder()) / uuid4().hex
    folder.mkdir(parents=True)
    return folder / name


def signed(path: Path) -> Path:
    """The file, signed if a certificate is configured."""
    return path if signer() is None else signer().sign_file(path)


@contextmanager
def said_to_the_visitor() -> Iterator[None]:
    """Hands on what is wrong as one sentence: with a visitor's pictures or choices, or here, which is logged too."""
    try:
        yield
    except gr.Error:
        raise
    except (PhotoError, NoFaceError) as error:
        raise gr.Error(str(error), print_exception=False) from error
    except MemoryError as error:
        raise gr.Error("The demo is short of memory: please try again in a minute.") from error
    except (Exception, SystemExit) as error:  # the latter would end the server's thread
        raise gr.Error("Something went wrong in the demo, not in your picture: please try again.") from error


# What the page and the API call.


@said_to_the_visitor()
def edit(
    photo: str | None,
    reference: int = 0,
    own_reference: str | None = None,
    alpha: float = 1.0,
    center_crop: bool = False,
    face: int = 0,
) -> tuple[Path, Path]:
    """Edits the expression of a face in a photo.

    Args:
        photo: a picture with a face, at most 16 megapixels
        reference: number of a face of the gallery, as /references lists them
        own_reference: a picture with a face that shows the expression, used instead of the gallery's
        alpha: strength of the expression, from 0 (neutral) to 1.5
        center_crop: where no face is found, take the centre of the picture for a face
        face: which face of the photo; 0 is the largest

    Returns:
        the edited face and the whole photo with it, as PNG files that are marked as altered
    """
    expression = chosen_expression(reference, own_reference, center_crop)
    result = prepare(photo, center_crop, int(face)).with_expression(expression)(alpha)
    edited, whole = result_path("leed-face.png"), result_path("leed-photo.png")
    return signed(save_marked(result.edited, edited)), signed(save_marked(result.photo, whole))


@said_to_the_visitor()
def make_sequence(
    photo: str | None,
    reference: int = 0,
    own_reference: str | None = None,
    center_crop: bool = False,
    face: int = 0,
) -> tuple[Path, Path, Path]:
    """Makes a two-second loop of a face in a photo: neutral, the full expression, beyond it, and back.

    Args:
        photo: a picture with a face, at most 16 megapixels; the frames are at most 720 pixels wide and high
        reference: number of a face of the gallery, as /references lists them
        own_reference: a picture with a face that shows the expression, used instead of the gallery's
        center_crop: where no face is found, take the centre of the picture for a face
        face: which face of the photo; 0 is the largest

    Returns:
        the loop as MP4, animated WebP and GIF files that are marked as altered
    """
    expression = chosen_expression(reference, own_reference, center_crop)
    frames = sequence(prepare(photo, center_crop, int(face)).with_expression(expression), MAX_ALPHA)
    mp4, webp, gif = (
        signed(save_marked_sequence(frames, result_path(f"leed-sequence.{suffix}"), FPS))
        for suffix in ("mp4", "webp", "gif")
    )
    return mp4, webp, gif


@said_to_the_visitor()
def make_grid(
    photo: str | None,
    reference: int = 0,
    own_reference: str | None = None,
    center_crop: bool = False,
    face: int = 0,
) -> Path:
    """Gives a face in a photo all expressions of a person of the gallery, each at three strengths.

    Args:
        photo: a picture with a face, at most 16 megapixels
        reference: number of a face of the gallery, as /references lists them; its person's expressions are used
        own_reference: a picture with a face whose expression is added to them
        center_crop: where no face is found, take the centre of the picture for a face
        face: which face of the photo; 0 is the largest

    Returns:
        a labelled sheet of all the edited faces, as a PNG file that is marked as altered
    """
    expressions = {} if own_reference is None else {OWN: own_expression(own_reference, center_crop)}
    numbers = expressions_of(gallery()[checked(reference)].person)
    expressions |= {name: gallery_expression(i) for name, i in numbers.items()}
    picture = grid(prepare(photo, center_crop, int(face)), expressions)
    return signed(save_marked(picture, result_path("leed-expressions.png")))


def results(
    photo: str, reference: int, own_reference: str | None, alpha: float, center_crop: bool, face: int
) -> tuple[tuple[Path, Path], Path, Path]:
    """The page's pictures, in preview size: the photo before and after, the face before, and after.

    Raises `PhotoError` and `NoFaceError`.
    """
    expression = chosen_expression(reference, own_reference, center_crop)
    prepared = preview(photo, center_crop, face).with_expression(expression)
    result = prepared(alpha)
    return (
        (
            save_plain(prepared.photo, result_path("photo.jpg")),
            signed(save_marked(result.photo, result_path("edited.jpg"))),
        ),
        save_plain(result.crop, result_path("face.png")),
        signed(save_marked(result.edited, result_path("leed-face.png"))),
    )


@said_to_the_visitor()
def show(
    photo: str | None, reference: int, own_reference: str | None, alpha: float, center_crop: bool, face: int
) -> tuple:
    """The page's results: comparison, crop, edited face, message, offer of a centre crop."""
    if photo is None:
        return None, None, None, gr.Markdown(visible=False), gr.Checkbox(visible=center_crop)
    try:
        pictures = results(photo, reference, own_reference, alpha, center_crop, face)
    except (PhotoError, NoFaceError) as error:
        offer = center_crop or isinstance(error, NoFaceError)
        return None, None, None, gr.Markdown(str(error), visible=True), gr.Checkbox(visible=offer)
    doubts = [DOUBTS["photo"]] if rest_left(photo, center_crop, face) else []
    if own_reference is not None and rest_left(own_reference, center_crop):
        doubts.append(DOUBTS["reference"])
    message = gr.Markdown("\n\n".join(doubts), visible=bool(doubts))
    return *pictures, message, gr.Checkbox(visible=center_crop)


@lru_cache(maxsize=64)
def rest_left(path: str, center_crop: bool, face: int = 0) -> bool:
    """Whether a rest of a face's expression stays in what should be its neutral face."""
    crop, _ = editor().align(open_photo(path), face, center_crop)
    return float(editor().leed.neutrality(crop)) < SETTLED


@said_to_the_visitor()
def live(frame: bytes | None, expression: str, alpha: float, last: Track | None) -> tuple[bytes | None, Track | None]:
    """A camera's picture with an expression on its largest face, and where that is; `last`: where it was before."""
    if frame is None:
        return None, None
    number = expressions_of(LIVE_PERSON)[expression.lower()]
    picture, track = edit_frame(editor(), open_photo(BytesIO(frame)), gallery_expression(number), alpha, last)
    data = jpeg(picture, marked=track is not None)
    return signer().sign(data, ".jpg") if track is not None and signer() is not None else data, track


def faces_of(photo: str | None) -> tuple[tuple[int, int], list[Face]]:
    """The size of a photo and its faces; none of a photo that cannot be read, which `show` says."""
    try:
        return found(photo) if photo is not None else ((1, 1), [])
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
        for i, item in enumerate(gallery())
    ]


def portraits() -> list[tuple[Path, str]]:
    """The example people and what they are called."""
    paths = sorted((GALLERY / "portraits").glob("*.jpg"))
    return [(path, f"example person {number}") for number, path in enumerate(paths, 1)]


def person(event: gr.SelectData) -> Path:
    """The photo of the example person that was clicked."""
    return portraits()[event.index][0]


def thumbnails(expression: str) -> list[tuple[Path, str]]:
    return [(item.path, item.caption) for item in gallery() if item.expression == expression.lower()]


def first_of(expression: str) -> int:
    """The number of the first face of the gallery that shows an expression."""
    return [item.expression for item in gallery()].index(expression.lower())


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
        MAX_ALPHA,
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
            [name.capitalize() for name in expressions_of(LIVE_PERSON)],
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
    before_and_after, *faces_before_and_after = results(first_person, first_reference, None, 1.0, False, 0)
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
                drawing = gr.HTML(outlines(*found(first_person), 0), elem_id="outlines")
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
            gr.Markdown(CAPTION.format(marks="XMP" if signer() is None else "XMP, signed C2PA"), elem_id="caption")
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
    # overlap; of what they do while an answer is under way the last counts.
    quiet = {"trigger_mode": "always_last", "show_progress": "hidden", "api_visibility": "private"}
    draw = {
        "fn": show,
        "inputs": choice,
        "outputs": [comparison, crop, edited, message, center_crop],
        "concurrency_id": "model",
        **quiet,
    }
    offer, outline = (offer_faces, photo, [face, drawing]), (outline_face, [photo, face], drawing)
    photo.input(*offer, **quiet).then(**draw)
    people.select(person, None, photo, **quiet).then(*offer, **quiet).then(**draw)
    photo.select(click_face, photo, face, **quiet).then(*outline, **quiet).then(**draw)
    face.input(*outline, **quiet).then(**draw)
    faces.select(pick, expression, [reference, own_reference], **quiet).then(**draw)
    gr.on([own_reference.input, alpha.change, center_crop.input], **draw)  # the slider's reset is no `input`
    choice_of_thumbnails = [expression, reference, own_reference]
    gr.on([expression.input, own_reference.input], thumbnails_with_choice, choice_of_thumbnails, faces, **quiet)


def build() -> gr.Blocks:
    with gr.Blocks(title="LEED", delete_cache=(600, CACHE_SECONDS), analytics_enabled=False) as page:
        gr.Markdown(TITLE, elem_id="header")
        with gr.Tabs():
            with gr.Tab("Photo"):
                photo_tab()
            with gr.Tab("Live camera"):
                live_tab()
        size = editor().leed.config.image_size
        gr.Markdown(ABOUT.format(size=size), elem_id="about")
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


def give_back_memory() -> None:
    """Gives what finished work left to the system, again and again; glibc keeps up to 300 MiB of it otherwise."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    while trim is not None:
        time.sleep(TRIM_SECONDS)
        trim(0)


def launch(**options) -> gr.Blocks:
    """Serves the page; `options` are more of those of `gr.Blocks.launch`."""
    page = build().queue(max_size=MAX_WAITING)
    threading.Thread(target=give_back_memory, daemon=True).start()
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
        signer()
    except CertificateError as error:
        sys.exit(str(error))
    launch()
