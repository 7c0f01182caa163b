"""Gradio's components as the page needs them: they hand over files and frames as they came."""

import base64
from pathlib import Path

import gradio as gr
from gradio.data_classes import ImageData
from gradio.utils import get_upload_folder


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
