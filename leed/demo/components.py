"""Gradio's components as the page needs them: they hand over files and frames as they came."""

import base64
import re
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import FileData, ImageData
from gradio.events import Dependency
from gradio.utils import get_upload_folder

from leed import gallery
from leed.demo.faces import MAX_KEPT
from leed.demo.recipes import MAX_TEXT, PLACES, SECONDS
from leed.demo.texts import DELETED
from leed.model import MAX_SHOWN_ALPHA
from leed.web.checked import check_number, check_one_of, check_truth, check_whole, mistake, own_file, shown
from leed.web.disguise import real_path

FRAME = re.compile(r"data:image/[\w.+-]{1,20};base64,")
MAX_PATH = 1024  # characters of a path


def choices(expressions: Iterable[str]) -> list[tuple[str, str]]:
    """Expressions to choose from, each with its name on the page."""
    return [(gallery.in_words(name).capitalize(), name) for name in expressions]


class Photo(gr.Image):
    """An image input that hands over the file as it came, so that `open_photo` can say what is wrong with it."""

    is_template = True  # the browser shows the parent class

    def check(self, name: str, value: Any) -> Any:  # of JSON
        """The value, if it names an upload or nothing. Raises `gr.Error`."""
        return checked_upload(name, value, "picture")

    def preprocess(self, payload: ImageData | None) -> str | None:
        """The path of the upload."""
        if payload is None or payload.path is None:
            return None
        if uploaded_file(payload.path) is None:
            raise mistake("Please upload the picture as a file.")
        return payload.path


class ExpressionFile(gr.File):
    """A file with an expression, handed over as it came; `recipes.saved_expression` says what is wrong."""

    is_template = True  # the browser shows the parent class

    def check(self, name: str, value: Any) -> Any:  # of JSON
        """The value, if it names an upload or nothing. Raises `gr.Error`."""
        return checked_upload(name, value, "file")

    def example_payload(self) -> None:
        """None of a call's examples has such a file: the page has none to name."""

    def preprocess(self, payload: FileData | None) -> str | None:  # type: ignore[override] # single files alone
        """The path of the upload."""
        return None if payload is None else payload.path


class Clip(gr.Video):
    """A video input that hands over the file as it came; `leed.demo.clips` says what is wrong with it."""

    is_template = True

    def check(self, name: str, value: Any) -> Any:  # of JSON
        """The value, if it names an upload or nothing. Raises `gr.Error`."""
        return checked_upload(name, value, "clip")

    def preprocess(self, payload: FileData | None) -> str | None:
        """The path of the upload."""
        return None if payload is None else payload.path

    def example_payload(self) -> None:
        """None of a call's examples has a clip: the page has none to name."""


def checked_upload(name: str, value: Any, what: str) -> dict[str, Any] | None:
    """A value of JSON, if it names an upload or nothing; messages call the upload `what`. Raises `gr.Error`."""
    if value is None:
        return None
    path = value.get("path") if isinstance(value, dict) else None
    if not isinstance(path, str) or not path:
        came = "an object without a path" if isinstance(value, dict) else shown(value)
        raise mistake(f"{name} must be an uploaded {what}, got {came}.")
    uploaded = uploaded_file(real_path(own_file(path)))
    if uploaded is None:
        again = "as a file" if what == "picture" else "itself"
        raise mistake(f"{name} must be an uploaded {what}: please upload the {what} {again}.")
    if not uploaded.exists():
        raise mistake(DELETED.format(what=what))
    if not uploaded.is_file():
        raise mistake(f"{name} must be an uploaded {what}, got a folder.")
    return {"path": str(uploaded), "meta": {"_type": "gradio.FileData"}}


def uploaded_file(path: str) -> Path | None:
    """The path, if it lies in the folder of uploads; a request may name any."""
    if len(path) > MAX_PATH or "\0" in path:
        return None
    try:
        folder, resolved = Path(get_upload_folder()).resolve(), Path(path).resolve()
    except (OSError, ValueError):  # no path of this system, such as half of a character
        return None
    return resolved if resolved.is_relative_to(folder) else None


class WhichFace(gr.Radio):
    """The choice among a photo's faces; `actions.prepare` checks the number, as it depends on the photo."""

    is_template = True

    def check(self, name: str, value: Any) -> int:  # of JSON
        """The number of the face; that of the largest if none is given. Raises `gr.Error`."""
        return 0 if value is None else check_whole(name, value)

    def preprocess(self, payload: str | int | float | None) -> int:
        """The number of the face."""
        return int(payload or 0)

    def api_info(self) -> dict[str, Any]:  # a JSON schema
        """The type that the API takes."""
        return {"type": "integer"}


class KeptFaces(gr.JSON):
    """The faces of a photo that keep an expression: what `leed.demo.faces.Kept` is, with the paths of uploads."""

    is_template = True

    def check(self, name: str, value: Any) -> list[dict[str, Any]] | None:  # of JSON
        """The value, if it is a list of faces, each with what it gets, or nothing. Raises `gr.Error`."""
        if value is None:
            return None
        if not isinstance(value, list):
            raise mistake(f"{name} must be a list of faces, got {shown(value)}.")
        if len(value) > MAX_KEPT:
            raise mistake(f"{name} must be at most {MAX_KEPT} faces, got {len(value)}.")
        return [check_kept(f"{name}[{number}]", one) for number, one in enumerate(value)]

    def api_info(self) -> dict[str, Any]:  # a JSON schema
        """The type that the API takes."""
        return {"type": "array", "items": {"type": "object"}}

    def example_payload(self) -> None:
        """The example of a call keeps no other faces."""


KEPT_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "face": check_whole,
    "alpha": partial(check_number, least=0, most=MAX_SHOWN_ALPHA),
    "reference": check_whole,
    "own_reference": lambda name, value: kept_path(name, value, "picture"),
    "own_center_crop": check_truth,
    "region": partial(check_one_of, values=PLACES),
    "second": partial(check_one_of, values=SECONDS),
    "second_region": partial(check_one_of, values=PLACES),
    "share": partial(check_number, least=0, most=1),
    "saved_expression": lambda name, value: kept_path(name, value, "file"),
    "expression": lambda name, value: check_text(name, value),
}
"""What a kept face may have, and the check of each."""


def check_kept(name: str, value: Any) -> dict[str, Any]:
    """A face of `KeptFaces`, as it may be. Raises `gr.Error`."""
    if not isinstance(value, dict) or "face" not in value or not value.keys() <= KEPT_CHECKS.keys():
        raise mistake(f"{name} must be an object with face and any of {', '.join(KEPT_CHECKS)}.")
    if "expression" in value and (others := value.keys() - {"face", "alpha", "expression"}):
        raise mistake(f"{name} must have expression or what chooses one, got it and {', '.join(sorted(others))}.")
    return {key: KEPT_CHECKS[key](f"{name}.{key}", one) for key, one in value.items()}


def check_text(name: str, value: Any) -> str:
    """The text of an expression, as `leed.demo.recipes.from_text` takes it. Raises `gr.Error`."""
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise mistake(f"{name} must be a text of at most {MAX_TEXT} characters, got {shown(value)}.")
    return value


def kept_path(name: str, value: Any, what: str) -> str | None:
    """The path of an upload, which the page names by its path alone. Raises `gr.Error`."""
    upload = checked_upload(name, {"path": value} if isinstance(value, str) else value, what)
    return None if upload is None else upload["path"]


class Camera(gr.Image):
    """A camera's frames one by one, or a screen for them, as bytes of JPEG files that touch no disk."""

    is_template = True

    def check(self, name: str, value: Any) -> Any:  # of JSON
        """The value, if it is a picture in itself or nothing. Raises `gr.Error`."""
        url = value.get("url") if isinstance(value, dict) else None
        if value is None or isinstance(url, str) and FRAME.match(url):
            return None if value is None else {"url": url}
        raise mistake(f"{name} must be a camera's picture as a data URL, got {shown(value)}.")

    # Gradio's own images come as files or arrays, of which no type includes bytes.

    def preprocess(self, payload: ImageData | None) -> bytes | None:  # type: ignore[override]
        """The JPEG file of a camera's frame; None for anything else, such as the path of a file."""
        url = payload.url or "" if payload is not None else ""
        return base64.b64decode(url.partition(",")[2]) if url.startswith("data:image/") else None

    def postprocess(self, value: bytes | None) -> ImageData | None:  # type: ignore[override]
        """A frame for the screen, from the bytes of a JPEG file."""
        if value is None:
            return None
        return ImageData(orig_name="frame.jpg", url="data:image/jpeg;base64," + base64.b64encode(value).decode())


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


def which_face(label: str, picture: str, elem_id: str) -> WhichFace:
    """The choice among the faces of a picture, hidden until there are several; `picture` is what to call that."""
    return WhichFace(
        [("1, the largest", 0)],
        value=0,
        label=label,
        info=f"Numbered in the {picture}; a click on the {picture} chooses one, too.",
        visible=False,
        elem_id=elem_id,
    )


def hidden_preview() -> gr.Image:
    """A place for a picture on its way to the photo that shows it."""
    return gr.Image(visible="hidden", show_label=False, interactive=False)


def use_centre(elem_id: str) -> gr.Checkbox:
    """The offer, hidden at first, to take the centre of a picture for a face."""
    return gr.Checkbox(
        label="Use the centre of the picture",
        info="If no face is found, the central square is taken for one.",
        visible=False,
        elem_id=elem_id,
    )


def picker(
    pictures: list[tuple[Path, str]], label: str, elem_id: str, selected_index: int | None = None
) -> gr.Gallery:
    """Captioned pictures of which a click chooses one."""
    return gr.Gallery(
        pictures,
        label=label,
        show_label=False,
        columns=5,
        allow_preview=False,
        selected_index=selected_index,
        object_fit="cover",
        buttons=[],
        elem_id=elem_id,
        elem_classes="faces",
    )


def begin(name: str) -> str:
    """JavaScript that notes what is chosen when an event begins, and hands its inputs on."""
    return f"(...inputs) => {{ leed.begin('{name}'); return inputs }}"


def settled(name: str) -> str:
    """JavaScript that waits until what is chosen is what the page shows, so that work `name` begins with it."""
    return f"async () => {{ await leed.settled('{name}') }}"


def show_preview(made: Dependency, photo: Photo, preview: gr.Image, name: str) -> Dependency:
    """Has a photo show the preview that an event made; what it hands to the server stays the upload. The event."""
    js = "(photo, preview) => leed.fresh('NAME') && photo && preview ? {...photo, url: preview.url} : photo"
    made.success(None, [photo, preview], photo, js=js.replace("NAME", name), api_visibility="private")
    return made
