"""Cuts the largest face out of each picture, upright and in the crop that the models know, and writes it as PNG."""

import argparse

from leed.cli import pictures
from leed.cli.errors import UsageError
from leed.photo.align_folder import SIZE, aligned_face

MAX_SIZE = 4096
"""Side of the largest faces [px]: a photo has at most 16 megapixels, and larger ones would only fill the memory."""

EPILOG = """\
examples:
  leed align photo.jpg --out face.png
  leed align photos/ --size 128 --out faces/

`python -m leed.photo.align_folder` does the same for a data set, in the files' own formats, and resumes.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    pictures.add_arguments(parser)
    parser.add_argument("--size", type=int, default=SIZE, help=f"side of the faces in pixels (default {SIZE})")


def run(options: argparse.Namespace) -> bool:
    if not 1 <= options.size <= MAX_SIZE:
        raise UsageError(f"--size must be in [1, {MAX_SIZE}] pixels, got {options.size}")
    jobs = pictures.find_jobs(options)
    return pictures.run_jobs(jobs, lambda path: aligned_face(path, options.size), altered=False)
