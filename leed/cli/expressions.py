"""Models and expressions as arguments name them."""

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path

from leed.cli.errors import UsageError
from leed.expression import SUFFIX, Expression
from leed.model import MAX_ALPHA
from leed.photo.editor import FaceEditor
from leed.photo.opening import open_photo
from leed.pretrained import ModelFileError
from leed.regions import quarters_of
from leed.runtime import default_model, load

SOURCES = (
    "an expression of the gallery (neutral, happy, sad, ...), a file that `leed expression` wrote, or a picture of a "
    "face that shows it"
)


def add_model(parser: argparse.ArgumentParser) -> None:
    """The argument `--model`."""
    parser.add_argument(
        "--model",
        help="a model's folder or its name on the Hub, owner/name (default: the variable LEED_MODEL, or hub/leed-open "
        "in a clone)",
    )


def editor_of(model: str | None) -> FaceEditor:
    """The model that `--model` names. Raises `UsageError` with the reason if it cannot be loaded."""
    try:
        return FaceEditor(load(model or default_model()))
    except ModelFileError as error:
        raise UsageError(str(error)) from error


def number(low: float, high: float) -> Callable[[str], float]:
    """The type of an argument in [low, high]."""

    def parse(text: str) -> float:
        value = float(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"must be in [{low:g}, {high:g}], got {text}")
        return value

    parse.__name__ = "number"  # argparse names it where there is none
    return parse


alpha = number(0, MAX_ALPHA)


def region(text: str) -> tuple[str, ...]:
    """The type of an argument that names a region, or several with a comma, for what belongs to all of them."""
    names = tuple(text.split(","))
    try:
        quarters_of(*names)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return names


def named_expression(editor: FaceEditor, text: str) -> Expression:
    """The expression that an argument names, `SOURCE` or `SOURCE@REGION`. Raises `UsageError` if there is none."""
    source, at, regions = text.rpartition("@")
    is_source = source in editor.leed.expressions or Path(source).is_file()
    if not at or Path(text).exists() or not is_source:
        return whole_expression(editor, text)
    try:
        return whole_expression(editor, source).at(*regions.split(","))
    except ValueError as error:
        raise UsageError(f"{text}: {error}") from error


def files_of(texts: Iterable[str]) -> list[Path]:
    """The files that `SOURCE` or `SOURCE@REGION` name; those that name an expression, or nothing, have none."""
    named = ((Path(text), Path(text.rpartition("@")[0])) for text in texts)
    return [next(path for path in paths if path.is_file()) for paths in named if any(map(Path.is_file, paths))]


def whole_expression(editor: FaceEditor, source: str) -> Expression:
    """The expression of a name, a file or a picture. Raises `UsageError` if it is none of them."""
    if source in editor.leed.expressions:
        return editor.leed.expressions[source]
    path = Path(source)
    if not path.is_file():
        raise UsageError(f"there is no expression or file {source!r}; names are {', '.join(editor.leed.expressions)}")
    try:
        expression = Expression.load(path) if path.suffix == SUFFIX else editor.expression(open_photo(path))
        editor.leed.check_expression(expression)
    except (ValueError, OSError) as error:
        raise UsageError(f"{source}: {error}") from error
    return checked(editor, expression, source) if path.suffix == SUFFIX else expression


def checked(editor: FaceEditor, expression: Expression, source: str) -> Expression:
    """The expression itself. Raises `UsageError` with its source if no face could show it, so strong it is."""
    try:
        editor.leed.expressions.check_strength(expression)
    except ValueError as error:
        raise UsageError(f"{source}: {error}") from error
    return expression
