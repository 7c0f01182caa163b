"""Takes the expression from the faces of photos and writes the photos, marked as altered by a model."""

import argparse

from leed.cli import edit, expressions, pictures

EPILOG = """\
examples:
  leed neutralize photo.jpg --out neutral.jpg
  leed neutralize holiday/ --face all --out neutral/
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    pictures.add_arguments(parser)
    edit.add_face(parser)
    expressions.add_model(parser)


def run(options: argparse.Namespace) -> bool:
    jobs = pictures.find_jobs(options)
    editor = expressions.editor_of(options.model)
    neutral = editor.leed.expressions["neutral"]
    return pictures.run_jobs(jobs, lambda path: edit.edited(editor, path, neutral, 0.0, options.face))
