"""Clips that tests write, in small, and what is in a clip's file."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from conftest import ROOT
from PIL import Image

PORTRAITS = ROOT / "leed/gallery/portraits"
MATRIX = {
    0: (1, 0, 0, 1),
    90: (0, 1, -1, 0),
    180: (-1, 0, 0, -1),
    270: (0, -1, 1, 0),
}
"""The display matrix of a stored picture that is shown turned clockwise by so many degrees."""


def waves(count: int = 8, size: tuple[int, int] = (64, 48)) -> list[Image.Image]:
    """Smooth pictures in motion, transparent on the right half."""
    y, x = np.mgrid[: size[1], : size[0]]
    alpha = np.where(x < size[0] // 2, 255, 0)
    return [
        Image.fromarray(
            np.stack(
                [
                    128 + 100 * np.sin(x / 9 + i / 3),
                    128 + 90 * np.cos(y / 7),
                    128 + 100 * np.sin((x + y) / 11),
                    alpha,
                ],
                -1,
            ).astype(np.uint8)
        )
        for i in range(count)
    ]


def write_clip(
    path: Path, pictures: Iterable[Image.Image], codec: str = "libx264", pixel_format: str = "yuv420p",
    times: Sequence[float] | None = None, sound: str | None = None, matrix: int | None = None,
    full_range: bool = False, options: dict[str, str] | None = None,
) -> Path:  # fmt: skip
    """Writes pictures of one size as a clip, 25 in a second or at `times` [s], with a tone in a codec `sound`."""
    pictures, tick = list(pictures), Fraction(1, 90_000)
    times = [i / 25 for i in range(len(pictures))] if times is None else times
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options={"crf": "10"} | (options or {}))
        stream.width, stream.height = pictures[0].size if pictures else (64, 48)
        stream.pix_fmt, stream.codec_context.time_base = pixel_format, tick
        stream.codec_context.color_range = 2 if full_range else 1
        if matrix is not None:
            stream.codec_context.colorspace = matrix
        track = container.add_stream(sound, rate=48_000, layout="mono") if sound else None
        container.start_encoding()  # also where there are no pictures
        for picture, time in zip(pictures, times, strict=True):
            frame = av.VideoFrame.from_ndarray(np.asarray(picture.convert("RGBA")), "rgba").reformat(
                format=pixel_format, dst_colorspace=matrix or 5, dst_color_range=2 if full_range else 1
            )
            frame.pts, frame.time_base = round(time / tick), tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if track is not None:
            container.mux(track.encode(tone(times[-1] + 0.04)))
            container.mux(track.encode(None))
    return path


def tone(seconds: float) -> av.AudioFrame:
    """A sine of 440 Hz."""
    wave = 0.3 * np.sin(np.arange(round(48_000 * seconds)) * (2 * np.pi * 440 / 48_000))
    frame = av.AudioFrame.from_ndarray(wave.astype(np.float32)[None], "fltp", "mono")
    frame.sample_rate, frame.pts, frame.time_base = 48_000, 0, Fraction(1, 48_000)
    return frame


def turned(path: Path, degrees: int) -> Path:
    """Has an MP4 say that it is to be shown turned clockwise by 0, 90, 180 or 270 degrees."""
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 4 + 40
    a, b, c, d = (value << 16 for value in MATRIX[degrees])
    data[start : start + 36] = np.array([a, b, 0, c, d, 0, 0, 0, 1 << 30], ">i4").tobytes()
    path.write_bytes(data)
    return path


@dataclass(frozen=True)
class Content:
    """What a player finds in a clip."""

    pictures: list[np.ndarray]  # RGB (H, W, 3), as stored
    alphas: list[np.ndarray]  # (H, W)
    times: list[Fraction]  # [s]
    sound: list[tuple[Fraction, bytes]]  # packets
    pixel_format: str
    duration: float
    matrix: int
    color_range: int


def content(path: Path) -> Content:
    """Reads a clip with FFmpeg alone."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        decoder = stream.codec_context
        if stream.metadata.get("alpha_mode") == "1":
            decoder = av.CodecContext.create("libvpx-vp9", "r")
        frames = [
            frame for packet in container.demux(stream) for frame in decoder.decode(packet if packet.size else None)
        ]
        duration, base = container.duration / 1e6, stream.time_base
    with av.open(str(path)) as container:
        packets = list(container.demux(container.streams.audio)) if container.streams.audio else []
    planes = [frame.to_ndarray(format="rgba") for frame in frames]
    first = frames[0]
    return Content(
        [plane[..., :3] for plane in planes], [plane[..., 3] for plane in planes],
        [frame.pts * base for frame in frames],
        [(packet.pts * packet.time_base, bytes(packet)) for packet in packets if packet.size],
        first.format.name, duration, int(first.colorspace), int(first.color_range),
    )  # fmt: skip


def frame_of(*people: tuple[str, int, int, int], size: tuple[int, int] = (320, 240)) -> Image.Image:
    """A frame with people of the gallery: name, x, y and height [px] of each; the last lies in front."""
    frame = Image.new("RGB", size, (128, 130, 126))
    for name, x, y, height in people:
        person = portrait(name)
        frame.paste(person.resize((round(height * person.width / person.height), height)), (x, y))
    return frame


def portrait(name: str) -> Image.Image:
    """A portrait of the gallery."""
    with Image.open(PORTRAITS / f"{name}.jpg") as picture:
        return picture.convert("RGB")
