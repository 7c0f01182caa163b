"""Serving the page of the demo, with what a server needs: limits, a queue, and the removal of old files."""

import sys
import threading
from typing import Any

import gradio as gr

from leed.demo import backend, engine
from leed.demo.page import CSS, SCRIPT, THEME, WORDS, build
from leed.demo.signing import CertificateError
from leed.demo.worker import give_back_memory
from leed.pretrained import ModelFileError
from leed.web.checked import CheckedBlocks
from leed.web.internals import UnknownGradioError
from leed.web.launching import launch_safely
from leed.web.sweeping import keep_sweeping, use_own_folder
from leed.web.units import MIB

MAX_FILE_BYTES = 40 * MIB  # of an upload; phones make photos of up to about 30 MB
MAX_WAITING = 32  # requests; further ones are refused at once
MAX_SESSIONS = 200  # whose values Gradio keeps; each call of the API is one, and keeps what it brought
CACHE_SECONDS = 3600  # uploads and results are deleted when they are that old
SWEEP_SECONDS = 600  # between two looks for what is old

use_own_folder()  # the worker writes its results there


def launch(**options: Any) -> CheckedBlocks:
    """Serves the page; `options` are further ones of `gr.Blocks.launch`.

    Raises `ModelFileError` and `UnknownGradioError`.
    """
    backend.share_model()
    page = build(CACHE_SECONDS, SWEEP_SECONDS).queue(max_size=MAX_WAITING)
    # Gradio, which goes on to look for files that have gone, gets two looks' time before they are swept away.
    sweeping = (page, CACHE_SECONDS + 2 * SWEEP_SECONDS, SWEEP_SECONDS)
    threading.Thread(target=keep_sweeping, args=sweeping, daemon=True).start()
    threading.Thread(target=give_back_memory, daemon=True).start()
    launch_safely(
        page,
        max_file_bytes=MAX_FILE_BYTES,
        state_session_capacity=MAX_SESSIONS,
        theme=THEME,
        css_paths=CSS,
        js=SCRIPT.read_text(),
        i18n=gr.I18n(en=WORDS),
        footer_links=["api"],
        **options,
    )
    return page


def main() -> None:
    """Serves the page until it is interrupted; ends with a sentence if model, certificate or Gradio are of no use."""
    try:
        engine.signer()
        launch()
    except (CertificateError, ModelFileError, UnknownGradioError) as error:
        sys.exit(str(error))
