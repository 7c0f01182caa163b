"""Takes the expression from the faces of photos and clips and writes them, marked as altered by a model."""

import argparse

from leed.cli import clips, edit, expressions, pictures

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
    neutral = editor.leed.expressions["neutral"]
    write_clip = clips.writer(
        editor,
        jobs.targets,
        lambda video, source, target: video.neutralizing(source, target, edit.one_face(options.face)),
    )
    return pictures.run_jobs(
        jobs, lambda path: edit.edited(editor, path, neutral, 0.0, options.face), write_clip=write_clip
    )
