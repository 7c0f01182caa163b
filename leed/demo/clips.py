"""Clips in, edited clips out, in short steps: others are served in between, and who asked can stop the work.

A job does nothing between two calls of `advance`: work that nobody goes on asking for has stopped, and its job is
closed when another begins. Clips need PyAV (the extra `video`), which is imported when the first job begins.
"""

import importlib.util
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from leed.demo.engine import VisitorError, editor, result_folder, sign
from leed.demo.faces import prepare
from leed.demo.photos import load_photo
from leed.demo.recipes import saved_expression
from leed.demo.texts import DELETED
from leed.demo.worker import WorkerError
from leed.photo.opening import PhotoError

if TYPE_CHECKING:
    from leed.video.editing import Steps

GIVE, NEUTRALIZE, FOLLOW = TASKS = ("give", "neutralize", "follow")
MAX_SECONDS, MAX_FRAMES, MAX_SIZE = 15, 450, (1920, 1080)  # of a clip, which two cores edit in about a minute
STEP_SECONDS = 0.5  # of work, about, in a call of `advance`
MAX_JOBS = 2  # at the same time: each holds some ten frames
IDLE_SECONDS = 60  # after which nobody asks for a job any more


@dataclass(frozen=True)
class Wish:
    """What is to be done with a clip: the arguments of `leed.demo.backend.make_clip`."""

    clip: str | None
    task: str = GIVE
    expression: str = "happy"
    alpha: float = 1.0
    saved_expression: str | None = None
    photo: str | None = None
    face: int = 0
    clip_face: int = 0


@dataclass(frozen=True)
class Making:
    """How far a clip is: its frames that are written, and about how many there are, if its file says so."""

    done: int
    total: int | None


@dataclass(frozen=True)
class Made:
    """An edited clip, and sentences on what was amiss."""

    path: Path
    notes: tuple[str, ...]


@dataclass
class Job:
    """An edit under way; `lock` is held while it works."""

    steps: "Steps"
    touched: float = field(default_factory=time.monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock)


jobs: dict[str, Job] = {}
guard = threading.Lock()  # of `jobs`


def is_available() -> bool:
    """Whether the package for clips is installed."""
    return importlib.util.find_spec("av") is not None


def begin(wish: Wish) -> str:
    """Begins a job and returns its name. Raises `VisitorError`, `PhotoError` and `NoFaceError`."""
    if wish.clip is None:
        raise VisitorError("Please give a clip first.")
    if not Path(wish.clip).is_file():
        raise VisitorError(DELETED.format(what="clip"))
    with readable():
        check_clip(Path(wish.clip))
        steps = steps_of(wish, wish.clip)
    with guard:
        idle = [name for name, job in jobs.items() if time.monotonic() - job.touched > IDLE_SECONDS]
    for name in idle:
        close(name)
    with guard:
        if len(jobs) >= MAX_JOBS:
            raise VisitorError("As many clips are being edited as this server can: please try again in a minute.")
        jobs[name := uuid4().hex] = Job(steps)
    return name


def steps_of(wish: Wish, clip: str) -> "Steps":
    """The steps of an edit. Raises as `begin`."""
    from leed.video.editing import VideoEditor

    video, out = VideoEditor(editor().leed), result_folder() / "leed-clip.mp4"
    if wish.task == FOLLOW:
        if wish.photo is None:
            raise PhotoError("Please give a photo that is to follow the clip.")
        prepare(wish.photo, False, wish.face)  # which says what is wrong with it
        return video.animating(load_photo(wish.photo), clip, out, wish.alpha, wish.face, wish.clip_face)
    if wish.task == NEUTRALIZE:
        return video.neutralizing(clip, out, wish.clip_face)
    saved, by_name = wish.saved_expression, editor().leed.expressions
    expression = by_name[wish.expression] if saved is None else saved_expression(saved)
    return video.editing(clip, out, expression, wish.alpha, wish.clip_face)


def advance(name: str) -> Making | Made:
    """Works at a job for some time; how far it is, or what it made. Raises as `begin`; the job ends with an error."""
    with guard:
        job = jobs.get(name)
    if job is None:
        raise WorkerError("the job has gone with its process")
    try:
        with job.lock, readable():
            return work(job)
    except BaseException:
        close(name)
        raise


def work(job: Job) -> Making | Made:
    """Does the steps of a job until STEP_SECONDS are over."""
    start = time.monotonic()
    while True:
        try:
            progress = next(job.steps)
        except StopIteration as end:
            return Made(sign(end.value.path), tuple(end.value.notes))
        if progress.done > MAX_FRAMES:  # more than its file says
            raise too_long(f"more than {MAX_FRAMES} frames")
        job.touched = time.monotonic()
        if job.touched - start > STEP_SECONDS:
            return Making(progress.done, progress.total)


def close(name: str) -> None:
    """Ends a job, if it is there; an edit that is not complete leaves no file."""
    with guard:
        job = jobs.pop(name, None)
    if job is not None:
        with job.lock:
            job.steps.close()


@contextmanager
def readable() -> Iterator[None]:
    """Turns what is wrong with a clip into a `VisitorError`."""
    from leed.video.reading import VideoError

    try:
        yield
    except VideoError as error:
        raise VisitorError(f"This clip cannot be edited: {error}.") from None


def check_clip(path: Path) -> None:
    """Raises `VisitorError` for a clip beyond the bounds, before any of its frames is decoded where its file says so.

    Raises `VideoError` for what is no clip.
    """
    import av

    from leed.video.reading import look_into, opened

    with opened(path) as (container, stream):
        width, height = stream.codec_context.width, stream.codec_context.height
        if max(width, height) > max(MAX_SIZE) or min(width, height) > min(MAX_SIZE):
            size = "x".join(map(str, MAX_SIZE))
            raise VisitorError(
                f"This clip has {width}x{height} pixels, the most is {size}: please give a smaller one."
            )
        if container.duration is not None and container.duration / av.time_base > MAX_SECONDS + 0.5:
            raise too_long(f"{container.duration / av.time_base:.0f} seconds")
    info = look_into(path)
    if info.num_frames is not None and info.num_frames > MAX_FRAMES:
        raise too_long(f"{info.num_frames} frames")
    if info.has_alpha:
        raise VisitorError("Clips that are transparent in parts cannot be edited here: please give another.")


def too_long(length: str) -> VisitorError:
    """The error for a clip of so many seconds or frames."""
    most = f"{MAX_SECONDS} seconds and {MAX_FRAMES} frames"
    return VisitorError(f"This clip has {length}, the most is {most}: please give a shorter one.")
