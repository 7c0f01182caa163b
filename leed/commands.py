"""What all commands share: parsers, kinds of values, and mistakes that end in one sentence instead of a traceback."""

import argparse
import contextlib
import importlib.util
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any  # of `add_argument`'s many arguments

import torch

from leed.files import first_line, writable

EXPECTED = (ValueError, OSError, ModuleNotFoundError)
OURS = ("leed", "__main__")  # where a sentence for the user is written

Option = Mapping[str, Any]
"""The arguments of `add_argument` for an option."""


def command_line(program: str, description: str | None) -> argparse.ArgumentParser:
    """A parser that shows the description as it is written."""
    return argparse.ArgumentParser(
        prog=program, description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def add_options(
    parser: argparse.ArgumentParser, known: Mapping[str, Option], *names: str, **changed: str | Option
) -> None:
    """Adds options that are known by name; `changed` gives some of them another help, or other arguments."""
    for name in (*names, *changed):
        change = changed.get(name, {})
        own = {"help": change} if isinstance(change, str) else change
        parser.add_argument(f"--{name}", **{**known.get(name, {}), **own})


@contextlib.contextmanager
def exit_on(program: str, *kinds: type[Exception]) -> Iterator[None]:
    """Errors of these kinds end the program with their message alone; it also decorates a command's `main`.

    Without kinds, those do that a user can cure: what the system refuses, a package that is missing, and each
    `ValueError` that LEED raises itself. One that a library raises is a mistake of ours and keeps its traceback.
    """
    caught = kinds or EXPECTED
    try:
        yield
    except caught as error:
        if not kinds and isinstance(error, ValueError) and not _is_ours(error):
            raise
        raise SystemExit(f"{program}: {error}") from error


def _is_ours(error: Exception) -> bool:
    """Whether LEED's own code raised an error."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__")).partition(".")[0] in OURS


def need(extra: str, *modules: str) -> None:
    """Ends `python -m` in one sentence where packages of an extra are not installed.

    A package with commands calls it in its `__init__.py`, before a command imports them. Where it is imported by other
    code, nothing happens.
    """
    if sys.argv[:1] != ["-m"]:  # so it is only while Python looks for the module to run
        return
    if missing := [module for module in modules if importlib.util.find_spec(module) is None]:
        module = sys.orig_argv[sys.orig_argv.index("-m") + 1] if "-m" in sys.orig_argv else ""
        raise SystemExit(
            f"python -m {module}: {', '.join(missing)} not installed; in a clone: pip install '.[{extra}]'"
        )


def at_least(least: int) -> Callable[[str], int]:
    """Whole numbers from `least` on, as the type of an option."""

    def number(text: str) -> int:
        if not re.fullmatch(r"[+-]?\d+", text) or int(text) < least:
            raise argparse.ArgumentTypeError(f"must be a whole number of at least {least}, got {text}")
        return int(text)

    return number


def device(text: str) -> str:
    """A device on which metrics can be computed, in float64, as the type of an option."""
    try:
        torch.zeros(1, dtype=torch.float64, device=text)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise argparse.ArgumentTypeError(f"{text} cannot be used here ({first_line(error)}): give cpu") from error
    return text


def folder(text: str) -> Path:
    """A folder, `~` being one's own, as the type of an option; whether it exists shows when it is read."""
    return Path(text).expanduser()


def output_folder(text: str) -> Path:
    """A folder to write to, which need not exist, as the type of an option: refused before the work, not after."""
    try:
        return writable(folder(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


OPTIONS: Mapping[str, Option] = {
    "output_dir": {"type": output_folder},
    "max_samples": {"type": at_least(1)},
    "batch_size": {"type": at_least(1), "default": 32},
    "seed": {"type": int, "default": 0},
    "device": {"type": device, "default": "cuda" if torch.cuda.is_available() else "cpu"},
}
"""Options of many commands."""
