"""Writing clips: the codec that fits a container, the sound as it was, the mark that a model altered it.

Only the picture and the sound are written: no subtitles, places, dates or comments of the clip.
"""

import contextlib
import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import av
from av.error import FFmpegError

from leed.files import atomic_file
from leed.photo import saving
from leed.photo.saving import DIGITAL_SOURCE_TYPE, append_mp4_mark
from leed.video.frames import Frame
from leed.video.reading import ClipInfo, VideoError, opened

CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
SPOKEN = "AI-modified with LEED"
TAG = "DIGITAL_SOURCE_TYPE"  # of Matroska and WebM, which have no place for XMP


@dataclass(frozen=True)
class Encoding:
    """How pictures are encoded: FFmpeg's names of a codec and of a pixel format, and the codec's options."""

    codec: str
    pixel_format: str
    options: dict[str, str] = field(default_factory=dict)


X265 = "log-level=error:bframes=0"  # with B-frames, MP4 does not take clips of fewer than three frames
H264 = Encoding("libx264", "yuv420p", {"crf": "16", "preset": "veryfast"})
HEVC = Encoding("libx265", "yuv420p10le", {"crf": "16", "preset": "veryfast", "x265-params": X265})
PRORES = Encoding("prores_ks", "yuva444p10le", {"profile": "4444", "vendor": "apl0"})
VP9_OPTIONS = {"crf": "20", "b": "0", "deadline": "good", "cpu-used": "5", "row-mt": "1"}
VP9 = Encoding("libvpx-vp9", "yuv420p", VP9_OPTIONS)
AV1 = Encoding("libsvtav1", "yuv420p10le", {"crf": "20", "preset": "9"})  # libvpx is mostly built for 8 bits
VP9_ALPHA = Encoding("libvpx-vp9", "yuva420p", VP9_OPTIONS | {"auto-alt-ref": "0"})


def encoding_for(path: Path, bits: int = 8, has_alpha: bool = False) -> Encoding:
    """The encoding of a file, by its suffix. Raises `VideoError` for a suffix that cannot hold the clip."""
    suffix = path.suffix.lower()
    if suffix not in CONTAINERS:
        raise VideoError(f"clips are written as {', '.join(CONTAINERS)}, got {path.name}")
    if suffix == ".webm" or has_alpha and suffix == ".mkv":
        return VP9_ALPHA if has_alpha else AV1 if bits > 8 else VP9
    if has_alpha:
        if suffix == ".mov":
            return PRORES
        raise VideoError(f"the clip is transparent in parts, which {suffix} cannot hold: write .webm, .mov or .mkv")
    return HEVC if bits > 8 else H264


class Sound:
    """The tracks of sound of a clip, on their way into a new file: copied, or encoded anew where it cannot hold them.

    Tracks and packets have the clip's own times. Sentences on what is damaged go to `notes`.
    """

    def __init__(self, source: av.container.InputContainer, target: av.container.OutputContainer) -> None:
        self.target, self.notes = target, list[str]()
        self.tracks = {
            stream.index: self._track(stream) for stream in source.streams.audio if stream.codec_context is not None
        }
        self.last: dict[int, int] = {}
        streams = [stream for stream in source.streams.audio if stream.index in self.tracks]
        self.packets = iter(source.demux(streams)) if streams else iter(())
        self.waiting: av.Packet | None = None

    def _track(self, stream: av.AudioStream) -> tuple[av.AudioStream, bool]:
        """The new track for one of the clip's, and whether its packets are copied."""
        context = stream.codec_context
        if {context.name, context.codec.canonical_name} & set(self.target.supported_codecs):
            return self.target.add_stream_from_template(stream), True
        codec = "libopus" if self.target.format.name == "webm" else "aac"
        rate = 48_000 if codec == "libopus" else context.sample_rate
        track = self.target.add_stream(codec, rate=rate, layout=context.layout.name)
        return cast(av.AudioStream, track), False

    def copy_until(self, time: float) -> None:
        """Writes what begins up to a time, in seconds."""
        while (packet := self._next()) is not None:
            if packet.pts is not None and packet.time_base and float(packet.pts * packet.time_base) > time:
                return
            self.waiting = None
            self._write(packet)

    def _next(self) -> av.Packet | None:
        if self.waiting is None:
            try:
                self.waiting = next(self.packets, None)
            except FFmpegError:
                self.notes.append("the sound breaks off")
                self.packets = iter(())
        return self.waiting

    def _write(self, packet: av.Packet) -> None:
        track, is_copied = self.tracks[packet.stream.index]
        if not is_copied:
            try:
                for frame in cast(list[av.AudioFrame], packet.decode()):
                    self.target.mux(track.encode(frame))
            except FFmpegError:
                return  # a damaged piece
        elif packet.dts is not None and packet.dts > self.last.get(track.index, packet.dts - 1):
            self.last[track.index] = packet.dts
            packet.stream = track
            self.target.mux(packet)

    def finish(self) -> None:
        """Writes all that is left."""
        self.copy_until(float("inf"))
        for track, is_copied in self.tracks.values():
            if not is_copied:
                self.target.mux(track.encode(None))


@dataclass
class Writer:
    """An open clip; `write` takes its frames in the order of their times."""

    container: av.container.OutputContainer
    stream: av.VideoStream
    sound: Sound

    def write(self, frame: Frame) -> None:
        """Encodes a frame, and has the sound follow."""
        self.container.mux(self.stream.encode(frame.video))
        self.sound.copy_until(frame.time)


@contextlib.contextmanager
def writing(path: Path | str, encoding: Encoding, clip: ClipInfo, notes: list[str] | None = None) -> Iterator[Writer]:
    """A new clip with the times, the colours' description and the sound of another, marked as altered.

    The file is there once the `with` block ends, whole; after an error there is none. Sentences on damage go to
    `notes`. Raises `VideoError`.
    """
    path = Path(path)
    if path.exists() and path.samefile(clip.path):
        raise VideoError(f"{path.name} is the clip itself: write to another file")
    if not path.parent.is_dir():
        raise VideoError(f"there is no folder {path.parent} to write {path.name} to: make it first")
    kind = CONTAINERS[path.suffix.lower()]
    has_box = kind in ("mp4", "mov")
    with atomic_file(path) as partial, opened(clip.path) as (source, _):
        try:
            options = {"movflags": "+faststart"} if has_box else {}
            with av.open(str(partial), "w", format=kind, container_options=options) as container:
                container.metadata.update({"comment": SPOKEN} | ({} if has_box else {TAG: DIGITAL_SOURCE_TYPE}))
                sound = Sound(source, container)
                stream = picture_stream(container, encoding, clip)
                yield Writer(container, stream, sound)
                container.mux(stream.encode(None))
                sound.finish()
        except FFmpegError as error:
            cure = "make room on the disk" if error.errno == errno.ENOSPC else "try another kind of file"
            raise VideoError(f"{path.name} could not be written ({error.strerror}): {cure}") from error
        if notes is not None:
            notes.extend(sound.notes)
        if has_box:
            append_mp4_mark(partial)


def picture_stream(container: av.container.OutputContainer, encoding: Encoding, clip: ClipInfo) -> av.VideoStream:
    """The stream of a new clip's pictures."""
    os.environ.setdefault("SVT_LOG", "1")  # errors alone; the encoder of AV1 prints thirty lines else
    rate = clip.rate.limit_denominator(2**20)
    stream = cast(av.VideoStream, container.add_stream(encoding.codec, rate=rate, options=encoding.options))
    context = stream.codec_context
    context.width, context.height = clip.size
    context.pix_fmt = encoding.pixel_format
    context.time_base = clip.time_base
    context.sample_aspect_ratio = clip.pixel_aspect
    context.color_primaries, context.color_trc, context.colorspace = clip.primaries, clip.transfer, clip.matrix
    context.color_range = 2 if clip.full_range else 1
    context.thread_type = "AUTO"
    if encoding is HEVC and container.format.name in ("mp4", "mov"):
        context.codec_tag = "hvc1"  # without, Apple's players refuse it
    return stream


def is_marked(path: Path | str) -> bool:
    """Whether a clip, MP4, QuickTime, Matroska or WebM, carries the mark."""
    path = Path(path)
    if path.suffix.lower() in (".mp4", ".mov"):
        return saving.is_marked(path)
    with opened(path) as (container, _):
        return container.metadata.get(TAG) == DIGITAL_SOURCE_TYPE
