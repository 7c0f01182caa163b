"""The calls from the page to the model, which works in another process or, on ZeroGPU, on a GPU that is lent.

The page's process only serves: it survives the death of the worker.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TypeVar

import gradio as gr

from leed.demo import actions, engine
from leed.demo.engine import VisitorError
from leed.demo.worker import Worker, WorkerError
from leed.photo.editor import NoFaceError
from leed.photo.opening import PhotoError

ZERO_GPU = os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")  # as `spaces` reads it
if ZERO_GPU:
    import spaces  # before anything asks for CUDA: it stands in for CUDA while no GPU is lent

GPU_SECONDS = 30  # that a request may take of what ZeroGPU lends, the start included

R = TypeVar("R")

worker = Worker(engine.warm_up, {"CUDA_VISIBLE_DEVICES": ""} if ZERO_GPU else None)
"""The process that does the work; tests put another object with a method `call` in its place."""


@contextmanager
def errors_shown() -> Iterator[None]:
    """Shows errors to the visitor, as one sentence.

    Those of a visitor's pictures or choices are shown as they are. Those of the demo are logged too.
    """
    try:
        yield
    except gr.Error:
        raise
    except (PhotoError, NoFaceError, VisitorError) as error:
        raise gr.Error(str(error), print_exception=False) from error
    except WorkerError as error:
        raise gr.Error("The demo broke down over this: please try another picture, or later.") from error
    except MemoryError as error:
        raise gr.Error("The demo is short of memory: please try again in a minute.") from error
    except (Exception, SystemExit) as error:  # the latter would end the server's thread
        raise gr.Error("Something went wrong in the demo, not in your picture: please try again.") from error


def call(work: Callable[..., R], *arguments: object) -> R:
    """The result of a function of `actions`, called in the worker. Raises what it raises there."""
    return worker.call(work, *arguments)


def by_worker(work: Callable[..., R]) -> Callable[..., R]:
    """The same function, called in the worker; its errors are shown to the visitor."""

    @errors_shown()
    @wraps(work)
    def call_worker(*arguments: object) -> R:
        return call(work, *arguments)

    return call_worker


def on_lent_gpu(work: Callable[..., R]) -> Callable[..., R]:
    """The same function, called by ZeroGPU in a process to which it lends a GPU; by the worker where there is none.

    That is for what a button asks for. To be lent a GPU takes longer than a step of a slider or a frame of a camera on
    the CPU, and counts each time, so these stay with the worker.
    """
    return spaces.GPU(errors_shown()(work), duration=GPU_SECONDS) if ZERO_GPU else by_worker(work)


edit = on_lent_gpu(actions.edit)
make_sequence = on_lent_gpu(actions.make_sequence)
make_grid = on_lent_gpu(actions.make_grid)
save_expression = by_worker(actions.save_expression)
edit_live = by_worker(actions.edit_live)


def share_model() -> None:
    """Loads the model here on ZeroGPU, whose processes with a GPU get it from this one."""
    if ZERO_GPU:
        engine.editor()
