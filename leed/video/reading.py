"""Reading clips: what a file holds, and its frames one after the other."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
from av.error import FFmpegError

from leed.video.frames import Frame, Turn, is_full_range, own

WITH_ALPHA = "libvpx-vp9"  # FFmpeg's own decoder of VP9 leaves transparency out

MAX_PIXELS = 8192 * 4320  # of a frame; decoders refuse larger ones before they take memory for them

COVER = av.stream.Disposition.attached_pic  # the picture on the sleeve of a song

SAFE = {
    "protocol_whitelist": "file",
    "format_whitelist": "asf,avi,flv,gif,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mpeg,mpegts,ogg",
}
"""No playlists: they would have other files read, or addresses of the network."""


class VideoError(ValueError):
    """A file cannot be read as a clip, or cannot be written as asked; the message says why, and the cure."""


@dataclass(frozen=True)
class ClipInfo:
    """What a clip's file says of its picture."""

    path: Path
    size: tuple[int, int]  # width and height, upright; odd ones rounded up
    stored_size: tuple[int, int]
    turn: Turn
    rate: Fraction  # mean frames in a second
    time_base: Fraction  # the unit of its frames' times [s]
    duration: float | None  # [s]
    bits: int  # of a level
    has_alpha: bool
    pixel_aspect: Fraction  # width of a pixel over its height
    primaries: int  # the colour's description, by ITU-T H.273
    transfer: int
    matrix: int
    full_range: bool

    @property
    def num_frames(self) -> int | None:
        """About how many frames it has; None if its file does not say how long it is."""
        return None if self.duration is None else max(1, round(self.duration * self.rate))


@contextlib.contextmanager
def opened(path: Path) -> Iterator[tuple[av.container.InputContainer, av.VideoStream]]:
    """An open file and its first stream of pictures. Raises `VideoError` if there is none."""
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "is missing"
        raise VideoError(f"{path} {what}: give the path of a video file")
    try:
        container = av.open(str(path), options=SAFE, metadata_errors="replace")
    except (FFmpegError, ValueError) as error:
        raise VideoError(f"{path.name} cannot be read as a video: it is of another kind, or damaged") from error
    with container:
        streams = [stream for stream in container.streams.video if not stream.disposition & COVER]
        if not streams or streams[0].codec_context is None:
            raise VideoError(f"{path.name} has no pictures that can be read: give a video file")
        streams[0].thread_type = "AUTO"
        streams[0].codec_context.options = {"max_pixels": str(MAX_PIXELS)}
        yield container, streams[0]


def look_into(path: Path | str) -> ClipInfo:
    """What the file of a clip holds. Raises `VideoError` if it is none, or has no frames that can be read."""
    path = Path(path)
    with opened(path) as (container, stream):
        context = stream.codec_context
        frame = next(decoded(container, stream), None)
        if frame is None:
            raise VideoError(f"{path.name} has no frames that can be read: it is empty or damaged")
        turn = Turn.of(frame)
        width, height = (frame.height, frame.width) if turn.swap else (frame.width, frame.height)
        aspect = stream.sample_aspect_ratio or Fraction(1)
        components = frame.format.components
        return ClipInfo(
            path=path,
            size=(width + width % 2, height + height % 2),
            stored_size=(frame.width, frame.height),
            turn=turn,
            rate=stream.average_rate or stream.guessed_rate or Fraction(25),
            time_base=stream.time_base or Fraction(1, 90_000),
            duration=duration_of(container, stream),
            bits=max(component.bits for component in components),
            has_alpha=any(component.is_alpha for component in components) or "pal" in frame.format.name,
            pixel_aspect=1 / aspect if turn.swap else aspect,
            primaries=int(context.color_primaries),
            transfer=int(context.color_trc),
            matrix=int(frame.colorspace),
            full_range=is_full_range(frame) and not frame.format.is_rgb,
        )


def duration_of(container: av.container.InputContainer, stream: av.VideoStream) -> float | None:
    """How long a clip is, in seconds, if its file says so."""
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return None if container.duration is None else container.duration / av.time_base


def read_frames(clip: ClipInfo, pixel_format: str, notes: list[str] | None = None) -> Iterator[Frame]:
    """The frames of a clip in the order of their times, in a planar format of YUV; sentences on damage go to `notes`.

    A frame that cannot be decoded is left out, and damage that the decoder patches is noted where it tells: that of
    HEVC and VP9 hardly ever does. Raises `VideoError` if frames have another size than the first.
    """
    notes, damage = [] if notes is None else notes, Damage()
    last = None
    with opened(clip.path) as (container, stream):
        step = max(1, round(1 / (clip.rate * clip.time_base)))
        for video in decoded(container, stream, damage):
            if (video.width, video.height) != clip.stored_size:
                before, now = ("x".join(map(str, size)) for size in (clip.stored_size, (video.width, video.height)))
                raise VideoError(f"{clip.path.name} changes its size from {before} to {now}: cut it there")
            if last is None and video.interlaced_frame:
                notes.append("the clip is interlaced, its result is not: have it deinterlaced first")
            pts = video.pts if video.pts is not None else 0 if last is None else last + step
            if last is not None and pts <= last:
                damage.parts += 1  # it would be shown for no time
                continue
            last = pts
            yield own(video, pixel_format, clip.turn, pts, clip.time_base)
        notes.extend(damage.notes())
        start = stream.start_time or 0
        end = None if last is None else float((last + step - start) * clip.time_base)
        if clip.duration is not None and end is not None and end < clip.duration - max(0.5, 0.02 * clip.duration):
            notes.append(f"the clip breaks off after {end:.1f} of {clip.duration:.1f} seconds")


@dataclass
class Damage:
    """What was damaged in a clip: parts left out, and what the decoder patched, as it or the container tells."""

    parts: int = 0
    patched_packets: int = 0
    patched_frames: int = 0

    def notes(self) -> Iterator[str]:
        """A sentence on each kind of damage that there is."""
        if self.parts:
            what = "part of the clip was" if self.parts == 1 else "parts of the clip were"
            yield f"{self.parts} damaged {what} left out"
        if count := max(self.patched_packets, self.patched_frames):  # most of them are the same
            yield (
                f"the picture is damaged in {count} frame{'s' * (count > 1)}, and may be in those that follow: "
                "look at the result there"
            )


def decoded(
    container: av.container.InputContainer, stream: av.VideoStream, damage: Damage | None = None
) -> Iterator[av.VideoFrame]:
    """The frames of a stream as they are stored; what is damaged is counted in `damage`."""
    damage = Damage() if damage is None else damage
    decoder = stream.codec_context
    if stream.metadata.get("alpha_mode") == "1" and decoder.name == "vp9":
        decoder = cast(av.VideoCodecContext, av.CodecContext.create(WITH_ALPHA, "r"))
        decoder.options = {"max_pixels": str(MAX_PIXELS)}
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except FFmpegError:
            damage.parts += 1
            return
        if packet is None:
            return
        try:
            for frame in decoder.decode(packet if packet.size else None):
                damage.patched_frames += frame.is_corrupt
                yield frame
        except FFmpegError:  # EOFError of a decoder that was flushed is one
            damage.parts += 1
        else:
            damage.patched_packets += packet.is_corrupt
