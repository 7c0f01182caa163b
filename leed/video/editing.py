"""Clip in, edited clip out: an expression given to one face throughout, or taken away, or a photo driven by a clip."""

import contextlib
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from PIL import Image

from leed.expression import Expression
from leed.images import to_rgb
from leed.model import FaceModel
from leed.photo.editor import FaceEditor
from leed.photo.geometry import Alignment
from leed.video.driving import driven
from leed.video.frames import BT709, Frame, of_picture
from leed.video.identity import Person
from leed.video.reading import ClipInfo, VideoError, look_into, read_frames
from leed.video.tracking import steadied, track
from leed.video.writing import encoding_for, writing

MAX_SIDE = 1280  # longest side of a driven photo [px]


@dataclass(frozen=True)
class Progress:
    """How many frames are written, and about how many there are in all, if the clip says so."""

    done: int
    total: int | None


@dataclass
class Summary:
    """What was written: its file, frames, those in which the face was edited, and sentences on what was amiss."""

    path: Path
    num_frames: int = 0
    num_edited: int = 0
    notes: list[str] = field(default_factory=list)


Steps = Generator[Progress, None, Summary]
"""Work that goes on as it is iterated over; when it is closed, it ends and leaves no file."""


class VideoEditor:
    """Edits the faces of clips.

    >>> editor = VideoEditor(leed.load("hub/leed-open"))
    >>> editor.edit("clip.mp4", "happy.mp4", happy)

    The result has the clip's sound, times, range and matrix of colours; its container is that of the suffix: .mp4,
    .mov, .webm or .mkv. All calls raise `VideoError`, a `ValueError`, for a clip that cannot be read, for a result
    that cannot be written as asked and where there is no such face, and then leave no file. `editing`,
    `neutralizing` and `animating` do the same step by step.
    """

    def __init__(self, leed: FaceModel) -> None:
        self.photos = FaceEditor(leed)

    def edit(
        self, clip: Path | str, out: Path | str, expression: Expression | Image.Image, alpha: float = 1.0,
        face: int = 0, progress: Callable[[Progress], object] | None = None,
    ) -> Summary:  # fmt: skip
        """Gives an expression, or that of a reference picture, to one face throughout; face 0 is the largest.

        Faces are counted in the first frame that shows any. `progress` is called after each frame.
        """
        return finish(self.editing(clip, out, expression, alpha, face), progress)

    def neutralize(
        self, clip: Path | str, out: Path | str, face: int = 0, progress: Callable[[Progress], object] | None = None
    ) -> Summary:
        """Takes the expression from one face throughout; arguments as in `edit`."""
        return finish(self.neutralizing(clip, out, face), progress)

    def animate(
        self, photo: Image.Image, driver: Path | str, out: Path | str, alpha: float = 1.0, face: int = 0,
        driver_face: int = 0, progress: Callable[[Progress], object] | None = None,
    ) -> Summary:  # fmt: skip
        """Has the face `face` of a photo show what the face `driver_face` of a clip does, against its neutral face."""
        return finish(self.animating(photo, driver, out, alpha, face, driver_face), progress)

    def editing(
        self,
        clip: Path | str,
        out: Path | str,
        expression: Expression | Image.Image,
        alpha: float = 1.0,
        face: int = 0,
    ) -> Steps:
        """The steps of `edit`."""
        if isinstance(expression, Image.Image):
            expression = self.photos.expression(expression)
        return self._each_face(Path(clip), Path(out), face, expression, alpha)

    def neutralizing(self, clip: Path | str, out: Path | str, face: int = 0) -> Steps:
        """The steps of `neutralize`."""
        return self._each_face(Path(clip), Path(out), face, self.photos.leed.no_expression, 0.0)

    def animating(
        self, photo: Image.Image, driver: Path | str, out: Path | str, alpha: float = 1.0, face: int = 0,
        driver_face: int = 0,
    ) -> Steps:  # fmt: skip
        """The steps of `animate`."""
        out, clip = Path(out), look_into(driver)
        summary, encoding = Summary(out), encoding_for(out)
        prepared = self.photos.prepare(to_rgb(photo), self.photos.leed.no_expression, face).at_most(MAX_SIDE)
        still = of_picture(prepared.photo)
        with writing(out, encoding, as_shown(clip, still), summary.notes) as writer:
            frames = read_frames(clip, encoding.pixel_format, summary.notes)
            for shown in driven(self.photos.leed, frames, driver_face):
                frame = still.at(shown.pts, clip.time_base)
                change_face(frame, prepared.with_expression(shown.expression)(alpha).photo, prepared.alignment)
                writer.write(frame)
                summary.num_frames += 1
                summary.num_edited += shown.weight > 0
                yield Progress(summary.num_frames, clip.num_frames)
            note_unseen(summary, clip)
        return summary

    def _each_face(self, path: Path, out: Path, face: int, expression: Expression, alpha: float) -> Steps:
        """Writes a clip after an edit of each frame in which its face is seen."""
        clip = look_into(path)
        summary, encoding = Summary(out), encoding_for(out, clip.bits, clip.has_alpha)
        with writing(out, encoding, clip, summary.notes) as writer:
            frames = read_frames(clip, encoding.pixel_format, summary.notes)
            for sighting in steadied(track(frames, Person(self.photos.leed), face)):
                frame, place = sighting.frame, sighting.alignment
                if place is not None:
                    edit = self.photos.prepare_at(frame.picture, expression, place)(alpha)
                    change_face(frame, edit.photo, place, sighting.weight)
                    frame.forget_picture()
                    summary.num_edited += 1
                writer.write(frame)
                summary.num_frames += 1
                yield Progress(summary.num_frames, clip.num_frames)
            note_unseen(summary, clip)
        return summary


def change_face(frame: Frame, edited: Image.Image, place: Alignment, weight: float = 1.0) -> None:
    """Gives a frame the colours of its edited picture where the face's crop lies."""
    box = place.bounds(frame.size)
    frame.change(box, frame.picture.crop(box), edited.crop(box), weight)


def as_shown(clip: ClipInfo, still: Frame) -> ClipInfo:
    """What is to be written of a still picture in the times of a clip."""
    matrix = int(still.video.colorspace)
    return replace(
        clip, size=still.size, pixel_aspect=Fraction(1), matrix=matrix, primaries=BT709, transfer=BT709,
        full_range=False,
    )  # fmt: skip


def note_unseen(summary: Summary, clip: ClipInfo) -> None:
    """Notes in how many frames the face was not found. Raises `VideoError` if that is all of them."""
    missing = summary.num_frames - summary.num_edited
    if missing and not summary.num_edited:
        raise VideoError(f"no face was found in {clip.path.name}: give a clip that shows one from the front")
    if missing:
        summary.notes.append(f"the face was not found in {missing} of {summary.num_frames} frames")


def finish(steps: Steps, progress: Callable[[Progress], object] | None = None) -> Summary:
    """Does all the steps; what they made. `progress` is called after each; if it raises, no file is left."""
    with contextlib.closing(steps):
        while True:
            try:
                done = next(steps)
            except StopIteration as end:
                return end.value
            if progress is not None:
                progress(done)
