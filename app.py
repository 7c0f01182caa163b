"""The demo: a photo, an expression, a strength; the same person with that expression.

    python app.py

loads `hub/leed-open`, or the folder or Hub repository that the variable LEED_MODEL names.
"""

import csv
import os
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from uuid import uuid4

import gradio as gr
import torch
from gradio.data_classes import ImageData
from gradio.utils import get_upload_folder

from leed import EXPRESSIONS, Expression
from leed.editor import FaceEditor, NoFaceError, PhotoError, PreparedPhoto, open_photo
from leed.images import INNER_CROP
from leed.provenance import save_marked, save_plain
from leed.runtime import OnnxLEED, load

ROOT = Path(__file__).parent
GALLERY = ROOT / "assets/gallery"
MODEL = os.environ.get("LEED_MODEL") or str(ROOT / "hub/leed-open")

MAX_ALPHA = 1.5
PREVIEW_SIDE = 900  # longest side of the photos on the page; the download has all pixels [px]
FIRST_PERSON = 4  # of the examples, shown to who comes to the page
CACHE_SECONDS = 3600  # uploads and results are deleted when they are that old

TITLE = """
# LEED
**Your face, another expression.** Give a photo and a reference that shows an expression, and choose how strong it
should be: the result is the same person with that expression.
"""

CAPTION = (
    "**AI-modified picture.** A model made this expression; the person did not. Saved files are marked as such (XMP)."
)

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
#header h1 { font-size: 2rem; margin-bottom: 0.25rem; }
#caption { font-size: 0.9rem; }
#message { border-left: 4px solid var(--primary-500); padding: 0.5rem 0.75rem; background: var(--primary-50); }
.dark #message { background: var(--neutral-800); }
.faces .grid-container { grid-template-columns: repeat(auto-fill, minmax(64px, 1fr)); grid-auto-rows: auto; }
.faces .grid-wrap { padding: 0; min-height: 0; }
.faces .caption-label { position: absolute; width: 1px; height: 1px; padding: 0; clip-path: inset(50%); }
.face img { width: 100%; height: 100%; object-fit: contain; }
.face label { top: auto; bottom: 0; }
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


@lru_cache(maxsize=512)
def gallery_expression(index: int) -> Expression:
    """The expression of a face of the gallery; its crop is known."""
    face = open_photo(gallery()[index].path)
    left, top, right, bottom = (round(part * face.width) for part in INNER_CROP)
    return editor().leed.expression(face.crop((left, top, right, bottom)))


@lru_cache(maxsize=32)
def own_expression(path: str, center_crop: bool) -> Expression:
    return editor().expression(open_photo(path), center_crop)


@lru_cache(maxsize=16)
def prepare(path: str, center_crop: bool) -> PreparedPhoto:
    """A photo with everything done that depends neither on the expression nor on alpha."""
    return editor().prepare(open_photo(path), gallery_expression(0), center_crop=center_crop)


@lru_cache(maxsize=64)
def preview(path: str, center_crop: bool) -> PreparedPhoto:
    """The same with a photo of the page's size."""
    return prepare(path, center_crop).at_most(PREVIEW_SIDE)


def chosen_expression(reference: int, own_reference: str | None, center_crop: bool) -> Expression:
    """One's own reference if there is one, else the gallery's. Raises `PhotoError` and `NoFaceError`."""
    if own_reference is not None:
        return own_expression(own_reference, center_crop)
    if not 0 <= reference < len(gallery()):
        raise PhotoError(f"reference must be in [0, {len(gallery()) - 1}], got {reference}.")
    return gallery_expression(int(reference))


def result_path(name: str) -> Path:
    """A new path in Gradio's cache, which deletes what lies there when it is old."""
    folder = Path(get_upload_folder()) / uuid4().hex
    folder.mkdir(parents=True)
    return folder / name


# What the page and the API call.


def edit(
    photo: str | None,
    reference: int = 0,
    own_reference: str | None = None,
    alpha: float = 1.0,
    center_crop: bool = False,
) -> tuple[Path, Path]:
    """Edits the expression of the largest face in a photo.

    Args:
        photo: a picture with a face, at most 16 megapixels
        reference: number of a face of the gallery, as /references lists them
        own_reference: a picture with a face that shows the expression, used instead of the gallery's
        alpha: strength of the expression, from 0 (neutral) to 1.5
        center_crop: where no face is found, take the centre of the picture for a face

    Returns:
        the edited face and the whole photo with it, as PNG files that are marked as altered
    """
    if photo is None:
        raise gr.Error("Please give a photo first.", print_exception=False)
    try:
        expression = chosen_expression(reference, own_reference, center_crop)
        result = prepare(photo, center_crop).with_expression(expression)(alpha)
    except (PhotoError, NoFaceError) as error:
        raise gr.Error(str(error), print_exception=False) from error
    face, whole = result_path("leed-face.png"), result_path("leed-photo.png")
    return save_marked(result.edited, face), save_marked(result.photo, whole)


def show(photo: str | None, reference: int, own_reference: str | None, alpha: float, center_crop: bool) -> tuple:
    """The page's results, in preview size: comparison, crop, edited face, message, offer of a centre crop."""
    if photo is None:
        return None, None, None, gr.Markdown(visible=False), gr.Checkbox(visible=center_crop)
    try:
        expression = chosen_expression(reference, own_reference, center_crop)
        prepared = preview(photo, center_crop).with_expression(expression)
    except (PhotoError, NoFaceError) as error:
        offer = center_crop or isinstance(error, NoFaceError)
        return None, None, None, gr.Markdown(str(error), visible=True), gr.Checkbox(visible=offer)
    result = prepared(alpha)
    comparison = (
        save_plain(prepared.photo, result_path("photo.jpg")),
        save_marked(result.photo, result_path("edited.jpg")),
    )
    crop, face = (
        save_plain(result.crop, result_path("face.png")),
        save_marked(result.edited, result_path("leed-face.png")),
    )
    return comparison, crop, face, gr.Markdown(visible=False), gr.Checkbox(visible=center_crop)


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


def pick(expression: str, event: gr.SelectData) -> tuple[int, None]:
    """The number of the thumbnail that was clicked, and no reference of one's own any more."""
    first = [item.expression for item in gallery()].index(expression.lower())
    return first + event.index, None


# The page.


def build() -> gr.Blocks:
    first_happy = [item.expression for item in gallery()].index("happy")
    with gr.Blocks(title="LEED", delete_cache=(600, CACHE_SECONDS), analytics_enabled=False) as page:
        gr.Markdown(TITLE, elem_id="header")
        with gr.Row():
            with gr.Column(min_width=300):
                gr.Markdown("### 1. Photo")
                photo = Photo(
                    label="Photo with a face",
                    sources=["upload", "webcam", "clipboard"],
                    height=320,
                    elem_id="photo",
                    alt_text="The photo to edit",
                    placeholder="Drop a photo here, click to choose one, or use the camera or the clipboard below",
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
                    [name.capitalize() for name in EXPRESSIONS],
                    value="Happy",
                    label="Expression",
                    info="Which faces to choose from.",
                    elem_id="expression",
                )
                gr.Markdown("Click the face whose expression you want; each person shows it in several strengths.")
                faces = gr.Gallery(
                    thumbnails("happy"),
                    label="Reference faces",
                    show_label=False,
                    columns=5,
                    height=330,
                    allow_preview=False,
                    selected_index=0,
                    object_fit="cover",
                    buttons=[],
                    elem_id="gallery",
                    elem_classes="faces",
                )
                reference = gr.Number(first_happy, precision=0, label="reference", visible="hidden")
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
                alpha = gr.Slider(
                    0,
                    MAX_ALPHA,
                    value=1.0,
                    step=0.05,
                    label="Strength (alpha)",
                    info="0 is a neutral face, 1 as strong as in the reference; more exaggerates.",
                    elem_id="alpha",
                )
                comparison = gr.ImageSlider(
                    label="Before and after: drag the divider",
                    slider_position=20,
                    buttons=["fullscreen"],
                    elem_id="comparison",
                )
                gr.Markdown(CAPTION, elem_id="caption")
                with gr.Row():
                    crop = gr.Image(
                        label="Face",
                        min_width=120,
                        height=180,
                        buttons=[],
                        elem_id="crop",
                        elem_classes="face",
                        alt_text="The aligned face before the edit",
                    )
                    edited = gr.Image(
                        label="Edited face",
                        min_width=120,
                        height=180,
                        buttons=["download"],
                        elem_id="edited",
                        elem_classes="face",
                        alt_text="The aligned face with the chosen expression",
                    )
                save = gr.Button("Download photo (PNG)", variant="primary", elem_id="save")
                file = gr.DownloadButton(visible="hidden", elem_id="file")
        size = editor().leed.config.image_size
        gr.Markdown(ABOUT.format(size=size), elem_id="about")

        choice = [photo, reference, own_reference, alpha, center_crop]
        page.load(lambda: portraits()[FIRST_PERSON][0], None, photo, api_visibility="private")
        expression.change(
            lambda name: gr.Gallery(thumbnails(name), selected_index=None), expression, faces, api_visibility="private"
        )
        people.select(person, None, photo, api_visibility="private")
        faces.select(pick, expression, [reference, own_reference], api_visibility="private")
        gr.on(
            [photo.change, reference.change, own_reference.change, alpha.change, center_crop.change],
            show,
            choice,
            [comparison, crop, edited, message, center_crop],
            trigger_mode="always_last",
            show_progress="hidden",
            concurrency_id="model",
            api_visibility="private",
        )
        save.click(edit, choice, [edited, file], concurrency_id="model", api_name="edit").success(
            None, js="() => document.querySelector('#file').click()"
        )
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
)

if __name__ == "__main__":
    build().queue(max_size=32).launch(theme=THEME, css=CSS, max_file_size="10mb", footer_links=["api"])
