"""Measures a photo driven by a clip, frame by frame, against true clips.

    python -m leed.evaluation.clips --model hub/leed-open --data_dir openfaces-clips

The folder holds `<k>_input.png`, `<k>_driver.mp4` (another person in motion) and `<k>_truth.mp4` (the input's person
in the same motion). The photo follows the clip as `leed.video` has it: the face is found and followed in the driver,
each frame's expression is taken against the neutral face of the same frame, and both are smoothed in time. "none"
leaves the smoothing out; "crops" takes the set's own crops instead of finding faces, and smooths nothing.
Prints a Markdown table with 95 % intervals by a bootstrap over the clips, a column for each `--smoothing`; with
--output_dir also writes it (clips.md, clips.json), and as pictures: strips of each clip's blinks and other frames
(driver, edit, truth), and what goes on over time in driver, truth and edits: the expression's strength, how far the
eyes are closed and how far the mouth has moved; strengths.png has the strengths of all clips.

A strength is the change of the inner face since the clip's first frame, in which the set's people are at rest, as far
as it goes in the direction of the true change. A blink is where the true eyes differ most from shortly before and
after; it has come over if the edit's eyes make half of that change or more.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm.auto import tqdm

from leed.commands import command_line, exit_on
from leed.data.faces import decode
from leed.evaluation import metrics
from leed.evaluation.commands import add_options, present, save_sheets
from leed.evaluation.metrics import Estimate, mean_of, quotient_of
from leed.evaluation.sheets import panel
from leed.evaluation.tables import as_json, markdown_table, show_estimate
from leed.files import existing
from leed.images import EYES, INNER_CROP, MOUTH, inner_face, normalize, part, to_tensor
from leed.model import LEED, FaceModel
from leed.photo.editor import FaceEditor
from leed.photo.opening import open_photo
from leed.similarity import inner_ssim
from leed.video.driving import driven
from leed.video.reading import VideoError, look_into, read_frames
from leed.video.writing import H264

PROGRAM = "python -m leed.evaluation.clips"
BLINK_FRAMES = 4  # before and after a blink's middle, when the eyes are open again
BLINK_CHANGE = 2.0  # [% of the range] by which the eyes' box then differs from the mean of both
CAME_OVER = 0.5  # of the true change at the eyes, from which on a blink has come over
MOST_LAG = 8  # frames
TIME, NONE, CROPS = "time", "none", "crops"
SHOWN = 6  # frames of a clip on its strip

LINES = {
    "ssim": "inner-face SSIM to the true frame",
    "ssim_still": "same, the input held still",
    "strength": "the expression's strength, relative to the truth's",
    "strength_course": "same, correlation with the truth's over time",
    "mouth": "motion of the mouth, correlation with the truth's over time",
    "lag": "frames by which the mouth comes late",
    "flicker": "energy of the differences between frames, relative to the truth's (1: as much)",
    "blinks": "blinks that come over",
    "blink_way": "part of the true change at the eyes in the middle of a blink",
}


@dataclass(frozen=True)
class Clip:
    """An input (1, 3, S, S), and N frames of the driver and the truth (N, 3, S, S), all in [-1, 1]."""

    name: str
    photo: Tensor
    driver: Tensor
    truth: Tensor
    photo_file: Path = Path()
    driver_file: Path = Path()


def load_clips(folder: Path, size: int = 128) -> list[Clip]:
    """All clips of a folder in the models' crop. Raises `ValueError` if there are none or files do not match."""
    names = sorted(path.name.removesuffix("_input.png") for path in existing(folder).glob("*_input.png"))
    if not names:
        raise ValueError(f"{folder} has no clips: expected files like 0_input.png, 0_driver.mp4 and 0_truth.mp4")
    clips = []
    for name in names:
        files = [folder / f"{name}_{file}" for file in ("input.png", "driver.mp4")]
        photo = read_photo(files[0], size)
        driver, truth = (read_clip(folder / f"{name}_{kind}.mp4", size) for kind in ("driver", "truth"))
        if len(driver) != len(truth):
            raise ValueError(f"clip {name} in {folder} has {len(driver)} frames of the driver, {len(truth)} true ones")
        clips.append(Clip(name, photo, driver, truth, *files))
    return clips


def read_photo(file: Path, size: int) -> Tensor:
    """The picture (1, 3, S, S) in a file, cropped. Raises `ValueError` if it cannot be read."""
    try:
        return normalize(decode({"path": str(file), "bytes": None}, size, INNER_CROP))[None]
    except (OSError, ValueError, SyntaxError) as error:
        raise ValueError(f"{file} cannot be read as a picture: {error}") from error


def read_clip(file: Path, size: int) -> Tensor:
    """The frames (N, 3, S, S) of a video file, cropped.

    Raises `ValueError` if it cannot be read, is not square or has fewer than MOST_LAG + 2 frames.
    """
    if not file.is_file():
        raise ValueError(f"{file} is missing")
    try:
        pictures = [frame.picture for frame in read_frames(look_into(file), "yuv444p")]
    except VideoError as error:
        raise ValueError(str(error)) from error
    width, height = pictures[0].size
    if width != height:
        raise ValueError(f"{file} has frames of {width} x {height} pixels, expected square ones, of an aligned face")
    if len(pictures) < MOST_LAG + 2:
        raise ValueError(f"{file} has {len(pictures)} frames, expected at least {MOST_LAG + 2}")
    return torch.cat([in_crop(picture, size) for picture in pictures])


def in_crop(picture: Image.Image, size: int) -> Tensor:
    """The models' crop of a picture of the set, (1, 3, S, S)."""
    left, top, right, bottom = (round(fraction * picture.width) for fraction in INNER_CROP)
    cropped = picture.crop((left, top, right, bottom)).resize((size, size), Image.Resampling.LANCZOS)
    return to_tensor(cropped, size)


def drive(leed: FaceModel, clip: Clip, smoothing: str) -> Tensor:
    """The input with each frame's expression, (N, 3, S, S), as it is done with photos and clips of users."""
    if smoothing == CROPS:
        return drive_crops(leed, clip)
    frames = read_frames(look_into(clip.driver_file), H264.pixel_format)
    prepared = None
    pictures = []
    for shown in driven(leed, frames, smoothing=smoothing == TIME):
        if prepared is None:
            editor = FaceEditor(leed, upper_level=False)  # as `VideoEditor` does
            prepared = editor.prepare(open_photo(clip.photo_file), shown.expression)
        edit = prepared.with_expression(shown.expression)(1.0)
        pictures.append(in_crop(edit.photo, leed.config.image_size))
    return torch.cat(pictures)


@torch.no_grad()
def drive_crops(leed: FaceModel, clip: Clip, batch_size: int = 25) -> Tensor:
    """As `drive`, of the set's own crops, each frame for itself."""
    frames = []
    for driver in clip.driver.split(batch_size):
        face = leed.prepare(clip.photo.expand(len(driver), -1, -1, -1), leed.expression(driver))
        frames.append(face(1.0).clamp(-1, 1))
    return torch.cat(frames)


def measure(edit: Tensor, clip: Clip) -> dict[str, float]:
    """The measurements of a driven photo (N, 3, S, S); `blinks` of the truth and those that `came_over` are counts."""
    truth = clip.truth
    mouth, true_mouth = mouth_motion(edit, truth), mouth_motion(truth, truth)
    strength, true_strength = strengths(edit, truth), strengths(truth, truth)
    ways = [blink_way(edit, truth, frame) for frame in blinks(truth)]
    return {
        "ssim": float(inner_ssim(edit, truth).mean()),
        "ssim_still": float(inner_ssim(clip.photo.expand_as(truth), truth).mean()),
        "strength": float(strength.sum() / true_strength.sum()),
        "strength_course": correlation(strength, true_strength),
        "mouth": correlation(mouth, true_mouth),
        "lag": float(lag(mouth, true_mouth)),
        "flicker": float(edit.diff(dim=0).square().mean() / truth.diff(dim=0).square().mean()),
        "blinks": float(len(ways)),
        "came_over": float(sum(way > CAME_OVER for way in ways)),
        "blink_way": float(sum(ways)),
    }


def strengths(frames: Tensor, truth: Tensor) -> np.ndarray:
    """How far each frame is from the first in the direction of the true change: (N,), RMS, in percent of the range.

    Those of `truth` itself are its whole change.
    """
    change, wanted = ((faces - faces[:1]).flatten(1).double() for faces in (inner_face(frames), inner_face(truth)))
    way = (change * wanted).sum(1) / wanted.norm(dim=1).clamp(min=1e-9)
    return (way / wanted.shape[1] ** 0.5 * (100 / metrics.RANGE)).numpy()


def mouth_motion(frames: Tensor, truth: Tensor) -> np.ndarray:
    """How far the mouth is open or moved in each frame: its first principal component in the true clip, (N,)."""
    boxes = [part(pictures, MOUTH).flatten(1).double() for pictures in (frames, truth)]
    mean = boxes[1].mean(0)
    *_, axes = torch.linalg.svd(boxes[1] - mean, full_matrices=False)
    return ((boxes[0] - mean) @ axes[0]).numpy()


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's correlation of two series (N,); 0 where one does not move."""
    moves = a.std() > 1e-9 and b.std() > 1e-9
    return float(np.corrcoef(a, b)[0, 1]) if moves else 0.0


def lag(series: np.ndarray, truth: np.ndarray) -> int:
    """The frames by which a series (N,) comes later than the truth: where it correlates best, up to MOST_LAG."""

    def shifted(frames: int) -> float:
        late, early = series[max(frames, 0) :], truth[max(-frames, 0) :]
        length = min(len(late), len(early))
        return correlation(late[:length], early[:length])

    return max(range(-MOST_LAG, MOST_LAG + 1), key=lambda frames: (shifted(frames), -abs(frames)))


def blinks(frames: Tensor) -> list[int]:
    """The middles of the blinks in a clip: frames in which the eyes differ most from shortly before and after."""
    change = eyes_apart(frames).abs().mean((1, 2, 3)).numpy() * (100 / metrics.RANGE)
    near = [change[max(i - BLINK_FRAMES, 0) : i + BLINK_FRAMES + 1].max() for i in range(len(change))]
    return (np.flatnonzero((change > BLINK_CHANGE) & (change == near)) + BLINK_FRAMES).tolist()


def eyes_apart(frames: Tensor) -> Tensor:
    """The eyes' box of each frame but the first and last few, less the mean of those BLINK_FRAMES before and after."""
    eyes = part(frames, EYES)
    return eyes[BLINK_FRAMES:-BLINK_FRAMES] - (eyes[: -2 * BLINK_FRAMES] + eyes[2 * BLINK_FRAMES :]) / 2


def blink_way(edit: Tensor, truth: Tensor, frame: int) -> float:
    """The part of the true change at the eyes in a blink's middle that the edit makes in its direction."""
    change, wanted = (eyes_apart(frames)[frame - BLINK_FRAMES].flatten()[None].double() for frames in (edit, truth))
    return float(metrics.way(change, wanted))


def evaluate(measured: Sequence[dict[str, float]]) -> dict[str, Estimate]:
    """Every metric with its 95 % interval over clips."""
    values = {name: np.array([one[name] for one in measured]) for name in measured[0]}
    named = {name: mean_of(values[name]) for name in LINES if not name.startswith("blink")}
    named["blinks"] = quotient_of(mean_of(values["came_over"]), mean_of(values["blinks"]))
    named["blink_way"] = quotient_of(mean_of(values["blink_way"]), mean_of(values["blinks"]))
    clips = np.arange(len(measured)).astype(str)
    return metrics.estimates(named, clips, {"all": metrics.everyone(len(measured))})["all"]


def strip(edit: Tensor, clip: Clip) -> Image.Image:
    """Driver, edit and truth in the middles of blinks and else in frames spread over the clip, in their order."""
    spread = metrics.spread(np.arange(len(edit)), SHOWN).tolist()
    chosen = sorted({*blinks(clip.truth)[: SHOWN // 2], *spread})
    rows = {name: [frames[i] for i in chosen] for name, frames in (("driver", clip.driver), ("edit", edit))}
    return panel(rows | {"truth": [clip.truth[i] for i in chosen]}, [f"frame {i}" for i in chosen])


def closing(frames: Tensor, truth: Tensor) -> np.ndarray:
    """How far the eyes go in each frame from the first to closed (1), as in the truth's first blink, (N,).

    Zero where the truth has no blink.
    """
    middles = blinks(truth)
    if not middles:
        return np.zeros(len(frames))
    eyes, true_eyes = (part(faces, EYES).flatten(1).double() for faces in (frames, truth))
    wanted = eyes_apart(truth)[middles[0] - BLINK_FRAMES].flatten()[None].double()
    return metrics.way(eyes - eyes[:1], wanted.expand_as(true_eyes)).numpy()


def time_lines(clip: Clip, driver_neutrals: Tensor, edits: Mapping[str, Tensor]) -> dict[str, dict[str, np.ndarray]]:
    """What goes on over time in a clip, (N,) each: by what it is, by whose it is.

    The driver's head moves: its strength is the whole difference from its neutral faces (N, 3, S, S) in that frame.
    """
    shown = {"truth": clip.truth} | dict(edits)
    apart = inner_face(clip.driver - driver_neutrals).double().square().mean((1, 2, 3)).sqrt().numpy()
    courses = {name: strengths(frames, clip.truth) for name, frames in shown.items()}
    return {
        "strength [%]": {DRIVER: apart * (100 / metrics.RANGE)} | courses,
        "eyes (1: closed)": {name: closing(frames, clip.truth) for name, frames in shown.items()},
        "mouth": {name: mouth_motion(frames, clip.truth) for name, frames in shown.items()},
    }


DRIVER = "driver"
LOOKS = {"truth": {"color": "black"}, DRIVER: {"color": "gray", "linestyle": ":"}}


def plot(panels: Mapping[str, Mapping[str, np.ndarray]], marks: Sequence[Sequence[int]], columns: int) -> Image.Image:
    """Lines over time, a panel for each group of them; `marks` are each panel's blinks."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(8 / columns**0.5 * columns, 2 * rows + 0.4), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True).flat
    for axes, (title, lines), middles in zip(grid, panels.items(), marks, strict=False):
        for middle in middles:
            axes.axvspan(middle - 1, middle + 1, color="gold", alpha=0.4, label="blink")
        for name, line in lines.items():
            axes.plot(line, label=name, **({"linewidth": 1.2} | LOOKS.get(name, {})))
        axes.set(title=title)
    named = dict(zip(*reversed(grid[0].get_legend_handles_labels()), strict=True))
    figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=len(named))
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = command_line(PROGRAM, __doc__)
    add_options(parser, "model", data_dir="the folder of clips")
    parser.add_argument(
        "--smoothing", nargs="+", choices=(TIME, NONE, CROPS), default=[TIME, NONE], help="see above (time none)"
    )
    add_options(parser, output_dir="for the table, the metrics, and a strip and a plot of each clip")
    return parser.parse_args(arguments)


@exit_on(PROGRAM)
def main(arguments: list[str] | None = None) -> None:
    """Prints the table and, if asked to, writes it and the strips."""
    options = parse_args(arguments)
    leed = LEED.from_pretrained(options.model).eval()
    clips = load_clips(options.data_dir, leed.config.image_size)
    measured: dict[str, dict[str, dict[str, float]]] = {smoothing: {} for smoothing in options.smoothing}
    pictures, courses = {}, {}
    for clip in tqdm(clips, "clips", unit="clip", disable=None):
        edits = {smoothing: drive(leed, clip, smoothing) for smoothing in options.smoothing}
        for smoothing, edit in edits.items():
            measured[smoothing][clip.name] = measure(edit, clip)
        pictures[f"clip-{clip.name}.png"] = strip(edits[options.smoothing[0]], clip)
        lines, middles = time_lines(clip, leed.neutralize(clip.driver), edits), blinks(clip.truth)
        pictures[f"clip-{clip.name}-time.png"] = plot(lines, [middles] * len(lines), columns=1)
        courses[f"clip {clip.name}: strength [%]"] = lines["strength [%]"], middles
    found = {smoothing: evaluate(list(of_clips.values())) for smoothing, of_clips in measured.items()}
    count = round(sum(one["blinks"] for one in measured[options.smoothing[0]].values()))
    rows = [[line, *(show_estimate(of_all[name]) for of_all in found.values())] for name, line in LINES.items()]
    text = markdown_table([f"{len(clips)} clips, {count} blinks; value [95 %]", *found], rows)
    content = {one: {"all": as_json(found[one]), "clips": measured[one]} for one in found}
    strengths_of_all = {name: lines for name, (lines, _) in courses.items()}
    marks = [middles for _, middles in courses.values()]
    pictures["strengths.png"] = plot(strengths_of_all, marks, columns=min(2, len(clips)))
    if present(options.output_dir, "clips", text, content):
        save_sheets(options.output_dir, pictures)


if __name__ == "__main__":
    main()
