"""Takes the expression from the faces of photos and clips and writes them, marked as altered by a model."""

import argparse

from leed.cli import edit, expressions, pictures

EPILOG = """\
examples:
  leed neutralize photo.jpg --out neutral.jpg
  leed neutralize clip.mp4 --out neutral.mp4
  leed neutralize holiday/ --face all --out neutral/
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    pictures.add_arguments(parser)
    edit.add_face(parser)
    expressions.add_model(parser)


def run(options: argparse.Namespace) -> bool:
    jobs = pictures.find_jobs(options, with_clips=True)
    editor = expressions.editor_of(options.model)
    return edit.run_edits(options, jobs, editor, editor.leed.no_expression, 0.0)
