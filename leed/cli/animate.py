"""Has the face in a photo show what a face in a clip does, and writes a clip with the other's sound and times."""

import argparse
import sys
from pathlib import Path

from leed.cli import clips, expressions
from leed.cli.errors import UsageError
from leed.cli.outputs import check_file
from leed.photo.opening import open_photo

EPILOG = """\
examples:
  leed animate photo.jpg clip.mp4 --out talking.mp4
  leed animate photo.jpg clip.mp4 --alpha 1.3 --face 1 --clip_face 0 --out lively.webm
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photo", metavar="PHOTO", type=Path, help="a picture of a face")
    parser.add_argument("clip", metavar="CLIP", type=Path, help="a video of the face that it is to follow")
    parser.add_argument("--out", required=True, type=Path, help="file to write: .mp4, .mov, .mkv or .webm")
    parser.add_argument("--overwrite", action="store_true", help="replace a file that is there already")
    parser.add_argument("--alpha", type=expressions.alpha, default=1.0, help="strength, 0 (neutral) to 2 (default 1)")
    for name, where in (("--face", "the photo"), ("--clip_face", "the first frame of the clip that shows any")):
        parser.add_argument(name, type=int, default=0, help=f"which face of {where}, 0 being the largest (default 0)")
    expressions.add_model(parser)


def run(options: argparse.Namespace) -> bool:
    check_file(options.out, [options.photo, options.clip], options.overwrite)
    editor = clips.video_editor(expressions.editor_of(options.model))
    try:
        photo = open_photo(options.photo)
        steps = editor.animating(photo, options.clip, options.out, options.alpha, options.face, options.clip_face)
        clips.write_clip(steps, options.clip.name)
    except (ValueError, OSError) as error:
        raise UsageError(str(error)) from error
    print(f"{options.out} written", file=sys.stderr)
    return True
