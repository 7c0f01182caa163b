"""What all requests of the demo share: the model, the signer, and the folder for results.

The model is that of LEED_MODEL, or `hub/leed-open` of this repository. Results are put into the folder that the
variable GRADIO_TEMP_DIR names, which the page empties of what is old.
"""

import os
from functools import cache
from pathlib import Path
from uuid import uuid4

import torch

from leed.demo.signing import Signer
from leed.photo.editor import FaceEditor
from leed.pretrained import ModelFileError
from leed.runtime import DEFAULT_MODEL, OnnxLEED, load

MODEL = os.environ.get("LEED_MODEL") or str(DEFAULT_MODEL)


class VisitorError(ValueError):
    """What a visitor gave or chose is of no use; the message is one sentence for that person."""


@cache
def editor() -> FaceEditor:
    """The model, loaded once, in the engine that is fastest here. Raises `ModelFileError`."""
    if MODEL == str(DEFAULT_MODEL) and not DEFAULT_MODEL.is_dir():
        raise ModelFileError(
            "There is no model here: set LEED_MODEL to a model's folder or to its name on the Hub "
            '("organisation/name"), or start the demo in a clone of the repository, where hub/leed-open is.'
        )
    leed = load(MODEL)
    if isinstance(leed, OnnxLEED):  # what it leaves to PyTorch is small, and only waits for a second thread
        torch.set_num_threads(1)
    return FaceEditor(leed)


def warm_up() -> None:
    """Loads the model."""
    editor()


def image_size() -> int:
    """Side of the model's input, in pixels."""
    return editor().leed.config.image_size


@cache
def signer() -> Signer | None:
    """The signer of the results; None if no certificate is configured. Raises `CertificateError`."""
    return Signer.from_environment()


def result_folder() -> Path:
    """A new folder in Gradio's cache, for the files of one request."""
    folder = Path(os.environ["GRADIO_TEMP_DIR"]) / uuid4().hex
    folder.mkdir(parents=True)
    return folder


def sign(path: Path) -> Path:
    """Signs a file in its place if a certificate is configured; the same path."""
    by = signer()
    return path if by is None else by.sign_file(path)


def sign_bytes(data: bytes, suffix: str) -> bytes:
    """As `sign`, for the bytes of a file of the kind that a suffix names."""
    by = signer()
    return data if by is None else by.sign(data, suffix)
