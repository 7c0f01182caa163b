"""How fast heads are drawn, and how the open face set compares with the one that the published weights learned from.

    python benchmarks/openfaces.py speed --portraits webmorphR.stim --face_model ICT-FaceKit
    python benchmarks/openfaces.py twice --portraits webmorphR.stim --face_model ICT-FaceKit --reference STORED

`speed` prints the processor time of a head and of a picture, without files, and the peak memory. `PYTHONPATH=OLDER`
before it measures another version.

`twice` draws some true neutral faces and second views anew, and compresses them twice as the stored set's were: whole
as WebP of quality 88, then cropped, by Pillow, of quality 92 and 90. It prints the PSNR as `python -m leed.openfaces
compare` does.
"""

import argparse
import io
import resource
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from leed.commands import at_least, command_line, exit_on, folder
from leed.evaluation.metrics import spread
from leed.openfaces import correspondence
from leed.openfaces.build import Cast, find_cast
from leed.openfaces.comparison import opened, psnr
from leed.openfaces.encoding import inner, webp
from leed.openfaces.face_model import read_face_model
from leed.openfaces.parts import AT_REST, Sitter, Work, seat
from leed.openfaces.plan import second_view
from leed.openfaces.posing import Pose
from leed.openfaces.rig import build_rig
from leed.openfaces.sources import FACE_MODEL, check_source

PROGRAM = "python benchmarks/openfaces.py"
PICTURES = 40  # of each person: all of the plan but the real smile
OUTER_QUALITY = 88
QUALITY = {"-twins": 92, "-views": 90}


class Redrawn(NamedTuple):
    """A picture that was compressed twice, and where the stored one is."""

    suffix: str
    split: str
    column: str
    file: str
    picture: np.ndarray


def seats(args: argparse.Namespace) -> tuple[Cast, Work]:
    """Who is in the set, and what their pictures are drawn with."""
    cast = find_cast(args.portraits)
    check_source(FACE_MODEL, args.face_model)
    rig = build_rig(read_face_model(args.face_model / "FaceXModel"))
    return cast, Work(rig, correspondence.load(), cast.plan, [])


def chosen(cast: Cast, count: int) -> list[str]:
    """So many people, spread over all."""
    return spread(np.array(sorted(cast.people)), count).tolist()


def speed(args: argparse.Namespace) -> None:
    """Prints medians of the processor time, after a picture that compiles the rasteriser."""
    cast, work = seats(args)
    heads, pictures = [], []
    first = seat(work, cast.people[min(cast.people)])
    first.draw(AT_REST, cast.plan.shots[min(cast.people)][0].pose)  # compiles the rasteriser
    for name in chosen(cast, args.people):
        start = time.process_time()
        sitter = seat(work, cast.people[name])
        heads.append(time.process_time() - start)
        for shot in cast.plan.shots[name][:PICTURES]:
            start = time.process_time()
            sitter.draw(shot.weights_array(), shot.pose)
            pictures.append(time.process_time() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"a head {np.median(heads):.2f} s, a picture {np.median(pictures):.4f} s of a core, peak {peak:.2f} GB")


def twice(args: argparse.Namespace) -> None:
    """Prints a line for each kind."""
    stored: dict[tuple[str, str, str], dict[str, bytes]] = {}
    found: dict[str, list[float]] = {}
    cast, work = seats(args)
    for name in chosen(cast, args.people):
        for drawn in redrawn(seat(work, cast.people[name]), args.pictures):
            kind = (drawn.suffix, drawn.split, drawn.column)
            if kind not in stored:
                stored[kind] = stored_pictures(args.reference, *kind)
            title = f"{drawn.suffix.removeprefix('-')} {drawn.split} {drawn.column}"
            found.setdefault(title, []).append(psnr(drawn.picture, opened(stored[kind][drawn.file])))
    print(f"{'kind':32s} pictures  least dB  mean dB")
    for title, values in found.items():
        print(f"{title:32s} {len(values):8d} {min(values):9.2f} {np.mean(values):8.2f}")


def redrawn(sitter: Sitter, count: int) -> Iterator[Redrawn]:
    """Some true neutral faces of a person and, of a training person, their second views."""
    split, shots = sitter.work.plan.split(sitter.name), sitter.work.plan.shots[sitter.name]
    for shot in (shots[k] for k in spread(np.arange(len(shots)), count)):
        yield Redrawn("-twins", split, "neutral", shot.file, compressed(sitter, AT_REST, shot.pose, "-twins"))
        if not sitter.is_tested:
            _, pose = second_view(shot)
            view = compressed(sitter, shot.weights_array(), pose, "-views")
            yield Redrawn("-views", split, "view", shot.file, view)
            yield Redrawn("-views", split, "neutral", shot.file, compressed(sitter, AT_REST, pose, "-views"))


def compressed(sitter: Sitter, weights: np.ndarray, pose: Pose, suffix: str) -> np.ndarray:
    """A picture in RGB as it comes out of both files."""
    whole = opened(webp(sitter.picture(weights, pose), OUTER_QUALITY)["bytes"])
    file = io.BytesIO()
    Image.fromarray(inner(whole)).save(file, "WEBP", quality=QUALITY[suffix], method=4)
    return opened(file.getvalue())


def stored_pictures(reference: Path, suffix: str, split: str, column: str) -> dict[str, bytes]:
    """The stored pictures of a kind, by the name of their row."""
    path = reference.with_name(reference.name + suffix) / f"{split}-00000-of-00001.parquet"
    table = pq.read_table(path, columns=["file", column])
    return {row["file"]: row[column]["bytes"] for row in table.to_pylist()}


@exit_on(PROGRAM)
def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command."""
    parser = command_line(PROGRAM, __doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, run, people in (("speed", speed, 3), ("twice", twice, 8)):
        command = commands.add_parser(name)
        command.add_argument("--portraits", type=folder, required=True)
        command.add_argument("--face_model", type=folder, required=True)
        command.add_argument("--people", type=at_least(1), default=people, help="so many, spread over all")
        command.set_defaults(run=run)
    command.add_argument("--reference", type=folder, required=True, help="the main folder of the stored set")
    command.add_argument("--pictures", type=at_least(1), default=5, help="of each person and kind")
    cv2.setNumThreads(1)
    args = parser.parse_args(arguments)
    args.run(args)


if __name__ == "__main__":
    main()
