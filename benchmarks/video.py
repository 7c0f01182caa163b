"""Times clips against StarGAN's generator, in turns in one process, and measures the memory of short and long ones.

    python benchmarks/video.py [--model hub/leed-open] [--frames 40] [--size 1280 720] [--cpu_time]
    python benchmarks/video.py --memory 10 120 [--rate 30] [--size 1280 720]

A person of the gallery moves, nods and comes nearer in the clip, which is written first. Each turn is one frame, read,
edited and encoded, and one call of the generator (64 channels, 6 blocks, 128x128, PyTorch, eager). "edit" gives an
expression throughout, "animate" has a photo of 720 pixels follow the clip. With --memory, an edit of a clip of each
length, in seconds, runs in a process of its own, whose peak is printed.
"""

import argparse
import itertools
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as in the demo

import av
import torch
from PIL import Image

from leed import PRESETS, load
from leed.config import NEUTRAL
from leed.gallery import portraits
from leed.networks.stargan import StarGANGenerator
from leed.photo.opening import open_photo
from leed.video.editing import Progress, VideoEditor

PORTRAIT, OTHER = (next(path for path in portraits() if path.stem == name) for name in ("comp02", "comp05"))
WARM_UP = 12  # frames, which fill the look-ahead


def pictures(size: tuple[int, int], rate: int) -> Iterator[Image.Image]:
    """Frames of a person who moves, without end."""
    person = open_photo(PORTRAIT)
    for i in itertools.count():
        time, frame = i / rate, Image.new("RGB", size, "slategray")
        height = round(0.85 * size[1] * (1 + 0.05 * math.sin(2 * time)))
        moved = person.resize((round(height * person.width / person.height), height)).convert("RGBA")
        moved = moved.rotate(5 * math.sin(3 * time), Image.Resampling.BICUBIC, expand=True)
        left = (size[0] - moved.width) / 2 + 0.1 * size[0] * math.sin(1.5 * time)
        frame.paste(moved, (round(left), (size[1] - moved.height) // 2), moved)
        yield frame


def write_clip(path: Path, size: tuple[int, int], rate: int, count: int) -> Path:
    """A clip of so many frames."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"preset": "ultrafast"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for i, picture in enumerate(itertools.islice(pictures(size, rate), count)):
            frame = av.VideoFrame.from_image(picture)
            frame.pts, frame.time_base = i, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@torch.no_grad()
def print_times(options: argparse.Namespace, folder: Path) -> None:
    """Prints seconds of a frame beside those of StarGAN's generator."""
    clock = time.process_time if options.cpu_time else time.perf_counter
    size = tuple(options.size)
    clip = write_clip(folder / "clip.mp4", size, options.rate, options.frames + WARM_UP)
    editor = VideoEditor(load(options.model))
    stargan, face = StarGANGenerator(PRESETS["paper"]).eval(), torch.rand(1, 3, 128, 128) * 2 - 1
    happy = editor.photos.leed.expressions["happy"]
    photo = open_photo(OTHER)
    photo.thumbnail((720, 720))
    works: dict[str, Iterator[Progress]] = {
        "edit": editor.editing(clip, folder / "edit.mp4", happy),
        "animate": editor.animating(photo, clip, folder / "animate.mp4"),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ("StarGAN's generator", *works)}
    for turn in range(options.frames):
        for name in seconds:
            start = clock()
            if name in works:
                next(works[name])
            else:
                torch.set_num_threads(options.threads)
                stargan(face, torch.tensor([NEUTRAL]))
                torch.set_num_threads(1)
            if turn >= WARM_UP:
                seconds[name].append(clock() - start)
    base, *_ = medians = [statistics.median(values) for values in seconds.values()]
    kind = "processor" if options.cpu_time else "clock"
    print(f"median of {options.frames - WARM_UP} frames of {size[0]}x{size[1]}, {kind} time")
    for name, median in zip(seconds, medians, strict=True):
        print(
            f"  {name:20s} {1000 * median:7.1f} ms, {1 / median:5.1f} a second, {median / base:.2f} of StarGAN's time"
        )


def print_memory(options: argparse.Namespace) -> None:
    """Prints the peak of a process for each length."""
    for seconds in options.memory:
        arguments = [*sys.argv[1:], "--one", str(seconds)]
        done = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, check=True)
        print(f"{seconds} s at {options.rate} frames a second: {done.stdout.strip()}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="hub/leed-open", help="a folder or a name on the Hub")
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--size", type=int, nargs=2, default=(1280, 720), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--rate", type=int, default=30, help="frames a second")
    parser.add_argument("--threads", type=int, default=2, help="of StarGAN's generator")
    parser.add_argument("--cpu_time", action="store_true", help="where others use the processor as well")
    parser.add_argument("--memory", type=int, nargs="+", help="lengths in seconds")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        if options.one is not None:
            count = options.one * options.rate
            clip = write_clip(Path(folder, "clip.mp4"), tuple(options.size), options.rate, count)
            editor = VideoEditor(load(options.model))
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            editor.edit(clip, Path(folder, "edit.mp4"), editor.photos.leed.expressions["happy"])
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            print(f"{count} frames, peak {peak / 1024:.0f} MiB, {before / 1024:.0f} MiB with the model loaded")
        elif options.memory:
            print_memory(options)
        else:
            print_times(options, Path(folder))


if __name__ == "__main__":
    main()
