"""Makes an expression of one or more references and saves it; `leed edit --expression FILE` gives it to any face.

The mean of several references is more robust than any of them; with weights they are mixed.
"""

import argparse
import sys
from pathlib import Path

from leed.cli import expressions
from leed.cli.errors import UsageError
from leed.cli.outputs import check_file
from leed.expression import SUFFIX

EPILOG = """\
examples:
  leed expression me-smiling-1.jpg me-smiling-2.jpg --out smile.safetensors
  leed expression happy surprised --weights 0.6,0.4 --out delighted.safetensors
  leed expression happy@mouth angry@eyes --weights 1,1 --maker Ann --out grim.safetensors

Give weights that begin with a minus sign with an equals sign: --weights=-1
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "sources",
        metavar="SOURCE[@REGION]",
        nargs="+",
        help=f"{expressions.SOURCES}; in one region of the face alone with @REGION",
    )
    parser.add_argument("--weights", type=weights, help="one for each source, with commas (default: their mean)")
    parser.add_argument("--out", required=True, type=Path, help=f"file to write, *{SUFFIX}")
    parser.add_argument("--name", help="the expression's name (default: the file's)")
    parser.add_argument("--maker", help="who made it")
    parser.add_argument("--overwrite", action="store_true", help="replace a file that is there already")
    expressions.add_model(parser)


def weights(text: str) -> list[float]:
    """The type of `--weights`."""
    return [float(number) for number in text.split(",")]


def run(options: argparse.Namespace) -> bool:
    if options.out.suffix != SUFFIX:
        raise UsageError(f"--out must be a file *{SUFFIX}, got {options.out}")
    check_file(options.out, expressions.files_of(options.sources), options.overwrite)
    count = len(options.sources)
    if options.weights is not None and len(options.weights) != count:
        raise UsageError(f"got {len(options.weights)} weights for {count} sources: expected as many")
    editor = expressions.editor_of(options.model)
    found = [expressions.named_expression(editor, source) for source in options.sources]
    shares = [1 / count] * count if options.weights is None else options.weights
    try:
        mixed = sum((share * one for share, one in zip(shares, found, strict=True)), 0 * found[0])
        if options.weights is not None:
            expressions.checked(editor, mixed, "the sum by --weights")
        mixed.save(options.out, options.name, options.maker)
    except (ValueError, OSError) as error:
        raise UsageError(str(error)) from error
    print(f"{options.out} written", file=sys.stderr)
    return True
