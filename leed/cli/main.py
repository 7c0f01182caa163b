"""The command `leed`: finds the subcommand and turns what goes wrong into one sentence and an exit code."""

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import NamedTuple

from leed.cli.errors import UsageError

OK, SOME_FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130

EXIT_CODES = "exit codes: 0 all went well, 1 some files failed, 2 wrong usage"


class Command(NamedTuple):
    """A subcommand: a module with `EPILOG`, `add_arguments(parser)` and `run(options) -> bool`, true if all went well.

    The module is imported only when it is asked for, since most need packages of an extra.
    """

    module: str
    help: str
    extra: str = "photo"


COMMANDS = {
    "edit": Command("leed.cli.edit", "give the faces of photos and clips an expression"),
    "neutralize": Command("leed.cli.neutralize", "take the expression from the faces of photos and clips"),
    "expression": Command("leed.cli.expression", "make an expression of references, mixed or averaged, and save it"),
    "animate": Command("leed.cli.animate", "have a photo follow a clip", "video"),
    "align": Command("leed.cli.align", "cut faces out, as the models know them"),
    "demo": Command("leed.cli.demo", "serve the page of the demo", "demo"),
}
"""The subcommands; a new one is a line here."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    chosen = arguments[0] if arguments and arguments[0] in COMMANDS else None
    try:
        return run(arguments, chosen)
    except UsageError as error:
        return fail(str(error))
    except ModuleNotFoundError as error:
        if chosen is None or (error.name or "leed").startswith("leed"):
            raise
        extra = COMMANDS[chosen].extra
        return fail(f"leed {chosen} needs the package {error.name}; in a clone: pip install '.[{extra}]'")
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return INTERRUPTED


def run(arguments: Sequence[str], chosen: str | None) -> int:
    """Parses the arguments, whose first names the subcommand, if one is chosen, and runs it."""
    module = None if chosen is None else importlib.import_module(COMMANDS[chosen].module)
    parser = argparse.ArgumentParser(
        prog="leed",
        description="LEED edits facial expressions. Edit pictures of people only with their consent.",
        epilog=f"`leed COMMAND --help` shows examples.\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        own = commands.add_parser(name, help=command.help, formatter_class=argparse.RawDescriptionHelpFormatter)
        if name == chosen and module is not None:
            own.description = module.__doc__
            own.epilog = f"{module.EPILOG}\n{EXIT_CODES}"
            module.add_arguments(own)
    if not arguments:
        parser.print_help(sys.stderr)
        return WRONG_USAGE
    options = parser.parse_args(arguments)
    assert module is not None  # the parser has refused all else
    return OK if module.run(options) else SOME_FAILED


def fail(message: str) -> int:
    """Prints why a command cannot run; the exit code of wrong usage."""
    print(f"leed: {message}", file=sys.stderr)
    return WRONG_USAGE
