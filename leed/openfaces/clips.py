"""Clips with true frames: an input, a driver in motion, and the input's person in the same motion at its own pose."""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from leed.config import EXPRESSIONS
from leed.openfaces.arrays import Bytes, Floats
from leed.openfaces.drawing import SIZE
from leed.openfaces.masks import smoothstep
from leed.openfaces.parts import Sitter
from leed.openfaces.performances import BLINKING, STRONGEST, perform
from leed.openfaces.posing import Pose
from leed.openfaces.presets import BLENDSHAPES
from leed.openfaces.saving import save
from leed.photo.filming import film

CLIPS = 8
FRAMES, RATE = 75, 25
CONSTANT_QUALITY = 12  # of x264: hardly a loss
YAWS = (-22, 0, 0, 0, 22)


@dataclass(frozen=True)
class Clip:
    """A motion: neutral, an expression, another one, neutral, with two blinks."""

    number: int
    person: str
    driver: str
    input_weights: Floats  # (53,) of the input photo
    pose: Pose  # of the input and of the true frames
    weights: list[Floats]  # (53,) of each frame
    driver_poses: list[Pose]  # the driver's head moves a little


def plan_clips(test_people: Sequence[str], count: int = CLIPS) -> list[Clip]:
    """The clips of these people; none for fewer than two."""
    people = sorted(test_people)
    return [_plan_clip(k, people) for k in range(count)] if len(people) > 1 else []


def write_clip(clip: Clip, person: Sitter, driver: Sitter, folder: Path) -> None:
    """Writes `<k>_input.png`, `<k>_driver.mp4` and, last, `<k>_truth.mp4`."""
    photo = person.picture(clip.input_weights, clip.pose)
    picture = Image.fromarray(np.ascontiguousarray(photo[..., ::-1]))
    save(folder / f"{clip.number}_input.png", lambda partial: picture.save(partial, "png"))
    driven = zip(clip.weights, clip.driver_poses, strict=True)
    _write_film((driver.picture(weights, pose) for weights, pose in driven), folder / f"{clip.number}_driver.mp4")
    frames = (person.picture(weights, clip.pose) for weights in clip.weights)
    _write_film(frames, folder / f"{clip.number}_truth.mp4")


def is_written(clip: Clip, folder: Path) -> bool:
    """Whether a clip's files are there."""
    return (folder / f"{clip.number}_truth.mp4").is_file()


def count_written(folder: Path) -> int:
    """How many clips are in a folder, 0 if there is none."""
    return sum(1 for _ in folder.glob("*_truth.mp4"))


def remove_clip(clip: Clip, folder: Path) -> None:
    """Deletes a clip's files, those that there are."""
    for path in folder.glob(f"{clip.number}_*"):
        path.unlink()


def _plan_clip(number: int, people: Sequence[str]) -> Clip:
    rng = np.random.default_rng(zlib.crc32(f"test{number}".encode()))
    person, driver = map(str, rng.choice(people, 2, replace=False))
    first, second = map(str, rng.choice(EXPRESSIONS[1:], 2, replace=False))
    first_weights, second_weights = (perform(rng, expression).weights for expression in (first, second))
    yaw, driver_yaw = (float(rng.choice(YAWS)) for _ in range(2))
    pose = Pose(yaw, *rng.uniform(-3, 3, 2))
    input_weights = perform(rng, str(rng.choice(EXPRESSIONS))).weights
    frames = np.arange(FRAMES)
    rise, change, fall = (smoothstep((frames - at) / over) for at, over in ((6, 14), (32, 12), (58, 12)))
    blinks = sum(np.exp(-(((frames - at) / 1.6) ** 2)) for at in rng.choice(np.arange(8, 68), 2, replace=False))
    sway = _smoothed(np.cumsum(rng.normal(0, 0.35, (FRAMES, 3)), 0))
    weights = [
        np.clip(a * first_weights + b * second_weights, 0, STRONGEST)
        for a, b in zip(rise * (1 - change), change * (1 - fall), strict=True)
    ]
    for frame, blink in zip(weights, blinks, strict=True):
        for name in BLINKING:
            k = BLENDSHAPES.index(name)
            frame[k] = max(frame[k], min(blink, 1))
    poses = [Pose(driver_yaw + a, b, c) for a, b, c in sway]
    weights = [frame.astype(np.float32) for frame in weights]
    return Clip(number, person, driver, input_weights, pose, weights, poses)


def _smoothed(paths: Floats) -> Floats:
    """Paths (frames, 3) averaged over 13 frames."""
    padded = np.pad(paths, ((6, 6), (0, 0)), "edge")
    return np.stack([np.convolve(column, np.ones(13) / 13, "valid") for column in padded.T], 1)


def _write_film(frames: Iterator[Bytes], path: Path) -> None:
    """A film of pictures (SIZE, SIZE, 3) in BGR."""

    def write(partial: Path) -> None:
        film(
            (np.ascontiguousarray(frame).tobytes() for frame in frames),
            partial,
            size=(SIZE, SIZE),
            pixels="bgr24",
            fps=RATE,
            codec="libx264",
            film_pixels="yuv444p",
            options=["-crf", str(CONSTANT_QUALITY), "-f", "mp4"],
        )

    save(path, write)
