"""Cuts the largest face out of each picture, upright and in the crop that the models know, and writes it as PNG."""

import argparse

from leed.cli import pictures
from leed.cli.errors import UsageError
from leed.photo.align_folder import SIZE, aligned_face

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
    if options.size < 1:
        raise UsageError(f"--size must be at least 1 pixel, got {options.size}")
    jobs = pictures.find_jobs(options)
    return pictures.run_jobs(jobs, lambda path: aligned_face(path, options.size), altered=False)
