"""Gives the faces of photos and clips an expression and writes them, marked as altered by a model."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from leed.cli import clips, expressions, pictures
from leed.cli.errors import UsageError
from leed.expression import Expression
from leed.photo.detection import find_faces
from leed.photo.editor import FaceEditor
from leed.photo.opening import open_photo

if TYPE_CHECKING:
    from leed.video.editing import Steps, VideoEditor

EPILOG = """\
examples:
  leed edit photo.jpg --expression happy --out smiling.jpg
  leed edit holiday/ --expression wistful.safetensors --alpha 0.7 --face all --out edited/
  leed edit photo.jpg --expression friend.jpg --region mouth --out edited/
  leed edit clip.mp4 --expression happy --out happy.mp4
  leed edit 'photos/*.png' --expression happy@mouth --expression angry@eyes --out edited/
"""

ALL = "all"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    pictures.add_arguments(parser)
    parser.add_argument(
        "--expression",
        metavar="SOURCE[@REGION]",
        action="append",
        required=True,
        help=f"{expressions.SOURCES}; in one region of the face alone with @REGION. Several are added up",
    )
    parser.add_argument("--alpha", type=expressions.alpha, default=1.0, help="strength, 0 (neutral) to 2 (default 1)")
    parser.add_argument(
        "--region",
        type=expressions.region,
        help="where alone the face gets it: eyes (with brows), mouth (with cheeks and chin), left, right (the "
        "person's own), or two with a comma: eyes,left",
    )
    add_face(parser)
    expressions.add_model(parser)


def add_face(parser: argparse.ArgumentParser) -> None:
    """The arguments `--face` and `--center_crop`."""
    parser.add_argument(
        "--face", type=face, default=0, help="which face, 0 being the largest, or 'all' (default 0)", metavar="N|all"
    )
    parser.add_argument(
        "--center_crop",
        action="store_true",
        help="where a photo shows no face, take its centre (not in clips)",
    )


def face(text: str) -> int | str:
    """The type of `--face`: a number from 0, or ALL."""
    if text != ALL and not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a number from 0, or 'all', got {text!r}")
    return text if text == ALL else int(text)


def run(options: argparse.Namespace) -> bool:
    jobs = pictures.find_jobs(options, with_clips=True, others=expressions.files_of(options.expression))
    editor = expressions.editor_of(options.model)
    named = [expressions.named_expression(editor, text) for text in options.expression]
    try:
        expression = sum(named[1:], named[0])
    except ValueError as error:
        raise UsageError(str(error)) from error
    if options.region:
        for text, one in zip(options.expression, named, strict=True):
            if bool(one.delta_exp.any()) and not bool(one.at(*options.region).delta_exp.any()):
                raise UsageError(f"--region {','.join(options.region)} leaves nothing of --expression {text}")
        expression = expression.at(*options.region)
    if len(named) > 1:
        expressions.checked(editor, expression, "the sum of --expression")
    return run_edits(options, jobs, editor, expression, options.alpha)


def run_edits(
    options: argparse.Namespace, jobs: pictures.Jobs, editor: FaceEditor, expression: Expression, alpha: float
) -> bool:
    """Edits and writes each picture and clip. Returns whether nothing failed."""
    face, center_crop = options.face, options.center_crop

    def work(path: Path) -> Image.Image:
        return edited(editor, path, expression, alpha, face, center_crop)

    def clip_steps(video: "VideoEditor", source: Path, target: Path) -> "Steps":
        return video.editing(source, target, expression, alpha, one_face(face))

    return pictures.run_jobs(jobs, work, write_clip=clips.writer(editor, jobs.targets, clip_steps))


def one_face(face: int | str) -> int:
    """The face of a clip. Raises `ValueError` for ALL."""
    if face == ALL:
        raise ValueError("one face of a clip is edited at a time: give its number to --face")
    return int(face)


def edited(
    editor: FaceEditor, path: Path, expression: Expression, alpha: float, face: int | str, center_crop: bool
) -> Image.Image:
    """The photo in a file with an expression on one of its faces, or on all. Raises `PhotoError`, `NoFaceError`."""
    photo = open_photo(path, keep_alpha=True)
    if face != ALL:
        return editor.edit(photo, expression, alpha, int(face), center_crop).photo
    faces = find_faces(photo)
    if not faces:
        return editor.edit(photo, expression, alpha, center_crop=center_crop).photo
    return editor.edit_faces(photo, dict.fromkeys(range(len(faces)), (expression, alpha)), faces)
