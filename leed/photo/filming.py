"""Having ffmpeg make a film of frames, and noticing when it could not write all of it."""

import re
import subprocess
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile

import imageio_ffmpeg


def film(
    frames: Iterable[bytes],
    path: Path,
    *,
    size: tuple[int, int],
    pixels: str,
    fps: int,
    codec: str,
    film_pixels: str,
    options: Sequence[str],
) -> None:
    """Writes a film of raw frames of one size (width, height).

    `pixels` and `film_pixels` are ffmpeg's names of how a pixel is stored in a frame and in the film, such as rgb24
    and yuv420p; `options` are ffmpeg's for the film. Raises `OSError` if the film is not there whole, for example
    because the disk is full: imageio-ffmpeg, which brings the program, does not look at how it ended.
    """
    width, height = size
    source = ["-f", "rawvideo", "-pix_fmt", pixels, "-s", f"{width}x{height}", "-r", str(fps), "-i", "-"]
    target = ["-an", "-vcodec", codec, "-pix_fmt", film_pixels, *options, str(path)]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-v", "error", *source, *target]
    with TemporaryFile() as told, subprocess.Popen(command, stdin=subprocess.PIPE, stderr=told) as program:
        assert program.stdin is not None
        try:
            for frame in frames:
                program.stdin.write(frame)
        except BrokenPipeError:
            pass  # it ended early; how is asked below
        except BaseException:
            program.kill()
            raise
        finally:
            with suppress(BrokenPipeError):
                program.stdin.close()
        if program.wait():
            told.seek(0)
            raise OSError(f"ffmpeg: {_first_line(told.read().decode(errors='replace'))}")


def _first_line(text: str) -> str:
    """What ffmpeg says first, without the part of it that says so."""
    return re.sub(r"^(\[[^]]*\]\s*)+", "", text.strip().partition("\n")[0]) or "it ended with an error"
