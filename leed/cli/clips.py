"""Clips among the files of a command; what they need is imported only where there are some."""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm.auto import tqdm

from leed.cli.errors import UsageError
from leed.photo.editor import FaceEditor

if TYPE_CHECKING:
    from leed.video.editing import Steps, VideoEditor

WRITTEN_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm")
SUFFIXES = (*WRITTEN_SUFFIXES, ".m4v", ".avi", ".mts", ".m2ts", ".ts", ".mpg", ".mpeg", ".3gp", ".wmv", ".flv", ".ogv")
"""Of the files that are taken for clips."""

StepsOf = Callable[["VideoEditor", Path, Path], "Steps"]
"""The steps by which a clip is read and another written."""


def is_clip(path: Path) -> bool:
    """Whether a file is called as clips are."""
    return path.suffix.lower() in SUFFIXES


def written_as(path: Path) -> Path:
    """The path with the suffix of a container that is written."""
    return path if path.suffix.lower() in WRITTEN_SUFFIXES else path.with_suffix(".mp4")


def video_editor(editor: FaceEditor) -> "VideoEditor":
    """The editor of clips with a model. Raises `UsageError` if the packages for clips are not installed."""
    try:
        from leed.video.editing import VideoEditor
    except ModuleNotFoundError as error:
        if (error.name or "leed").startswith("leed"):
            raise
        raise UsageError(f"clips need the package {error.name}; in a clone: pip install '.[video]'") from error
    return VideoEditor(editor.leed)


def writer(editor: FaceEditor, sources: Iterable[Path], steps_of: StepsOf) -> Callable[[Path, Path], None]:
    """What reads a clip and writes another; it imports nothing unless there are clips. Raises as `video_editor`."""
    clips = video_editor(editor) if any(map(is_clip, sources)) else None

    def write(source: Path, target: Path) -> None:
        assert clips is not None  # there are clips
        write_clip(steps_of(clips, source, target), source.name)

    return write


def write_clip(steps: "Steps", name: str) -> None:
    """Does the steps, shows how far they are, and prints what was amiss."""
    from leed.video.editing import finish

    with tqdm(desc=name, unit=" frames", disable=None, leave=False) as bar:

        def show(progress) -> None:
            bar.total = progress.total
            bar.update(progress.done - bar.n)

        summary = finish(steps, show)
    for note in summary.notes:
        print(f"  {name}: {note}", file=sys.stderr)
