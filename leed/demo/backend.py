"""The calls from the page to the model, which works in another process or, on ZeroGPU, on a GPU that is lent.

The page's process only serves: it survives the death of the worker.
"""

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TypeVar

import gradio as gr

from leed.demo import actions, clips, engine
from leed.demo.engine import VisitorError
from leed.demo.worker import Worker, WorkerError
from leed.photo.editor import NoFaceError
from leed.photo.opening import PhotoError
from leed.web.leaving import has_left

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


async def make_clip(
    clip: str | None,
    task: str = clips.GIVE,
    expression: str = "happy",
    alpha: float = 1.0,
    saved_expression: str | None = None,
    photo: str | None = None,
    face: int = 0,
    clip_face: int = 0,
    progress: gr.Progress = gr.Progress(),  # noqa: B008 (so Gradio finds it)
) -> tuple[Path, str]:
    """Edits a face throughout a clip, or has a photo follow it; the sound stays.

    Args:
        clip: a video of at most 40 MB, 15 seconds, 450 frames and 1920x1080 pixels
        task: give (the face an expression throughout), neutralize (take its own away), or follow (photo does as clip)
        expression: to give; the average over the gallery's people
        alpha: strength, from 0 (neutral) to 1.5; of no meaning for neutralize
        saved_expression: a file that /expression or Expression.save wrote, given instead
        photo: a picture with a face that is to follow the clip
        face: which face of the photo; 0 is the largest
        clip_face: which face of the first frame that shows any; 0 is the largest

    Returns:
        the clip as an MP4 file that is marked as altered, and sentences on what was amiss
    """
    with errors_shown():
        wish = clips.Wish(clip, task, expression, alpha, saved_expression, photo, face, clip_face)
        begun = asyncio.create_task(asyncio.to_thread(call, clips.begin, wish))
        try:
            job = await asyncio.shield(begun)  # which goes on in its thread, whatever becomes of this call
            while True:
                state = await asyncio.to_thread(call, clips.advance, job)
                if isinstance(state, clips.Made):
                    return state.path, " ".join(f"{note[0].upper()}{note[1:]}." for note in state.notes)
                if has_left():
                    raise gr.Error("Stopped.", print_exception=False)
                progress((state.done, state.total), unit="frames")
        finally:  # when the work is cancelled, too, even before it has begun
            begun.add_done_callback(close_clip)


def close_clip(begun: "asyncio.Task[str]") -> None:
    """Ends the work at a clip that has begun, if it has; nothing waits for that."""
    if not begun.cancelled() and begun.exception() is None:
        threading.Thread(target=call, args=(clips.close, begun.result()), daemon=True).start()


def share_model() -> None:
    """Loads the model here on ZeroGPU, whose processes with a GPU get it from this one."""
    if ZERO_GPU:
        engine.editor()
