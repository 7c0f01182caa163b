"""Trains the preset "paper" for some steps of each stage, and plots the losses.

    python benchmarks/paper_preset.py --output_dir runs/literal --faces rafd --reduced [--steps 1000] [--phi vgg19]

The faces are the built-in ones (`--faces drawn`), or the same people as files named like RaFD's (`rafd`): 24 people,
eight expressions and five cameras, without true neutral faces, squares as `leed.photo.align_folder` writes them. The
profiles are drawn at 60 degrees, as far as these faces turn. `--reduced` makes networks, pictures and batches small
enough for two CPU cores (REDUCED), and leaves all else as it is. Other options go to `train_accelerate.py`.

Printed are, of each term of each stage, the mean over the first and over the last tenth of the steps and the greatest
absolute value, and the figures on held-out people. `losses.png` in the output folder shows all terms. Ends with an
error if a term is not finite.
"""

import argparse
import json
import math
import subprocess
import sys
from pathlib import Path

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from leed.config import EXPRESSIONS
from leed.data.drawn import draw_many, drawn_shots
from leed.data.readers.rafd import ALL_CAMERAS
from leed.training.cli import parse_args

ROOT = Path(__file__).parents[1]
STAGES = ("classifier", "neutralizer", "leed")
PEOPLE, SIDE = 24, 128
MOST_YAW = 60.0
COLUMNS = 4
REDUCED = {
    "--model_image_size": "64",
    "--model_code_channels": "64",
    "--model_encoder_width": "32",
    "--model_decoder_width": "64",
    "--model_extractor_width": "64",
    "--model_interpolator_width": "64",
    "--model_critic_width": "48",
    "--model_neutralizer_width": "16",
    "--model_neutralizer_critic_width": "8",
    "--train_batch_size": "4",
}
"""Half the side and the editor's widths, a quarter of the batch and of StarGAN's generator's width, an eighth of its
critic's."""

Terms = dict[str, list[tuple[int, float]]]
"""The step and the value of each term, by its name with the stage's: "leed/exp"."""


def write_rafd(folder: Path, people: int = PEOPLE) -> None:
    """Writes the built-in faces as RaFD names its files, each shot from all five cameras."""
    folder.mkdir(parents=True, exist_ok=True)
    shots = drawn_shots(people, len(EXPRESSIONS))
    for camera in ALL_CAMERAS:
        yaw = max(-MOST_YAW, min(MOST_YAW, float(camera) - 90))
        actions, turned = torch.stack(shots["actions"]), torch.full((len(shots["identity"]),), yaw)
        faces = draw_many(shots["identity"], actions, turned, SIDE)
        for face, person, expression in zip(faces, shots["identity"], shots["expression"], strict=True):
            name = f"Rafd{camera}_{person + 1:02d}_Caucasian_female_{EXPRESSIONS[expression]}_frontal.jpg"
            Image.fromarray(face.permute(1, 2, 0).numpy()).save(folder / name, quality=95)


def train(output: Path, faces: str, arguments: list[str]) -> None:
    """All stages of the preset; its losses go to TensorBoard's files in the output folder."""
    command = [sys.executable, str(ROOT / "train_accelerate.py"), "--preset", "paper", "--dataset_name", faces]
    subprocess.run([*command, "--output_dir", str(output), "--report_to", "tensorboard", *arguments], check=True)


def read_terms(output: Path) -> Terms:
    """What the trainer has logged of its stages' losses."""
    terms: Terms = {}
    for folder in (output / "logs" / f"leed-{stage}" for stage in STAGES):
        if not folder.exists():
            continue
        log = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
        for tag in log.Tags()["scalars"]:
            if "validation" not in tag:
                terms[tag] = [(event.step, event.value) for event in log.Scalars(tag)]
    return terms


def summarise(values: list[float]) -> tuple[float, float, float]:
    """Means of the first and the last tenth, and the greatest absolute value."""
    tenth = max(len(values) // 10, 1)
    return sum(values[:tenth]) / tenth, sum(values[-tenth:]) / tenth, max(map(abs, values))


def plot(terms: Terms, path: Path) -> None:
    """A field for each term, over the steps."""
    rows = math.ceil(len(terms) / COLUMNS)
    figure = Figure(figsize=(3 * COLUMNS, 1.8 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    for number, (name, points) in enumerate(terms.items(), start=1):
        axes = figure.add_subplot(rows, COLUMNS, number)
        axes.plot(*zip(*points, strict=True), linewidth=0.8)
        axes.set_title(name, fontsize=8)
        axes.tick_params(labelsize=7)
    figure.savefig(path, dpi=100)


def report(output: Path) -> None:
    """Prints and plots what the stages that are there have come to."""
    terms = read_terms(output)
    print(f"{'term':40s} {'first tenth':>12s} {'last tenth':>12s} {'greatest':>12s}")
    for name, points in terms.items():
        first, last, greatest = summarise([value for _, value in points])
        print(f"{name:40s} {first:12.4g} {last:12.4g} {greatest:12.4g}")
    for stage in STAGES:
        record = output / stage / "figures.json"
        figures = json.loads(record.read_text()) if record.exists() else {}
        print(f"{stage}:", ", ".join(f"{name} {value:.3f}" for name, value in figures.items()) or "no figures")
    plot(terms, output / "losses.png")
    if bad := [name for name, points in terms.items() if not all(math.isfinite(value) for _, value in points)]:
        raise SystemExit(f"not finite: {', '.join(bad)}")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--output_dir", type=Path, required=True)
    parser.add_argument("--faces", choices=("drawn", "rafd"), default="drawn")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--reduced", action="store_true", help="networks, pictures and batches for a CPU")
    parser.add_argument("--report_only", action="store_true", help="of a run that is in the output folder")
    options, others = parser.parse_known_args(arguments)
    parse_args(others)  # refuses what the trainer does not know before anything is started

    if not options.report_only:
        faces = "drawn"
        if options.faces == "rafd":
            faces = str(options.output_dir / "rafd")
            write_rafd(Path(faces))
        sizes = [part for pair in REDUCED.items() for part in pair] if options.reduced else []
        train(options.output_dir, faces, [*sizes, "--max_train_steps", str(options.steps), *others])
    report(options.output_dir)


if __name__ == "__main__":
    main()
