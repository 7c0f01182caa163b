"""Gradio's components as the page needs them: they hand over files and frames as they came."""

import base64
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import ImageData
from gradio.utils import get_upload_folder


class Photo(gr.Image):
    """An image input that hands over the file as it came, so that `open_photo` can say what is wrong with it."""

    is_template = True  # the browser shows the parent class

    def preprocess(self, payload: ImageData | None) -> str | None:
        """The path of the upload. A request may name any path, so files that were not uploaded are refused."""
        if payload is None:
            return None
        if payload.path is None or not Path(payload.path).resolve().is_relative_to(
            Path(get_upload_folder()).resolve()
        ):
            raise gr.Error("Please upload the picture as a file.", print_exception=False)
        return payload.path


class WhichFace(gr.Radio):
    """The choice among a photo's faces; `actions.prepare` checks the number, as it depends on the photo."""

    is_template = True

    def preprocess(self, payload: str | int | float | None) -> int:
        """The number of the face."""
        return int(payload or 0)

    def api_info(self) -> dict[str, Any]:  # a JSON schema
        """The type that the API takes."""
        return {"type": "integer"}


class Camera(gr.Image):
    """A camera's frames one by one, or a screen for them, as bytes of JPEG files that touch no disk."""

    is_template = True

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
