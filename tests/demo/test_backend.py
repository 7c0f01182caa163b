"""The page's calls where ZeroGPU lends a GPU."""

import importlib
import inspect
import pickle
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from types import ModuleType, SimpleNamespace

import gradio as gr
import psutil
import pytest
from conftest import ROOT
from PIL import Image

import leed.demo.backend
from leed.photo.saving import is_marked

PORTRAIT = ROOT / "leed/gallery/portraits/comp02.jpg"


@pytest.fixture
def zero_gpu(tiny_actions: ModuleType, monkeypatch: pytest.MonkeyPatch) -> tuple[ModuleType, dict[str, float]]:
    """The demo's backend as on ZeroGPU, and what asks there for a GPU, with the seconds it asks for.

    In place of the package `spaces` is one that, like it, pickles what goes to the process with the GPU and comes
    back, of exceptions only Gradio's own.
    """
    lent = {}

    def lend(function: Callable, duration: float) -> Callable:
        lent[function.__name__] = duration

        @wraps(function)
        def call(*arguments: object) -> object:
            try:
                result = function(*pickle.loads(pickle.dumps(arguments)))
            except gr.Error as error:
                raise pickle.loads(pickle.dumps(error)) from None
            except Exception as error:
                raise gr.Error(type(error).__name__) from None
            return pickle.loads(pickle.dumps(result))

        return call

    monkeypatch.setattr(leed.demo, "backend", leed.demo.backend)  # which comes back to its place afterwards
    monkeypatch.delitem(sys.modules, "leed.demo.backend")
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    monkeypatch.setitem(sys.modules, "spaces", SimpleNamespace(GPU=lend))
    return importlib.import_module("leed.demo.backend"), lent


def test_zero_gpu_lends_a_gpu_for_what_a_button_asks_for(zero_gpu, tiny_actions: ModuleType, tmp_path: Path):
    backend, lent = zero_gpu
    assert set(lent) == {"edit", "make_sequence", "make_grid"} and set(lent.values()) == {backend.GPU_SECONDS}
    for name in lent:
        here, work = getattr(backend, name), getattr(tiny_actions, name)
        assert here.__doc__ == work.__doc__ and inspect.signature(here) == inspect.signature(work)
    children = psutil.Process().children()
    face, whole = backend.edit(str(PORTRAIT), 40)
    assert is_marked(face) and is_marked(whole)
    Image.new("RGB", (300, 200)).save(tmp_path / "wall.png")
    with pytest.raises(gr.Error, match="No face was found in the photo"):
        backend.edit(str(tmp_path / "wall.png"))
    assert psutil.Process().children() == children  # the worker was not asked
