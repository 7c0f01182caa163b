"""What the commands of the evaluation share: their options, and where tables, metrics and sheets go."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from leed import commands
from leed.commands import Option, at_least, folder
from leed.evaluation.edits import NEUTRALS
from leed.evaluation.tables import save_results
from leed.files import writing

OPTIONS: Mapping[str, Option] = {
    **commands.OPTIONS,
    "model": {"required": True, "help": "LEED: a folder or a name on the Hub"},
    "evaluator": {"required": True, "help": "expression classifier that no training touched"},
    "classifier": {"help": "expression classifier that sees the face alone"},
    "data_dir": {"type": folder, "required": True, "help": "folder of triples"},
    "twins_dir": {
        "type": folder,
        "help": "their true neutral faces; default: <data_dir without -pairs>-twins",
    },
    "wild_dir": {"type": folder, "help": "folder of everyday photographs"},
    "neutrals": {"choices": NEUTRALS, "default": "learned", "help": "where neutral faces come from"},
    "identity": {"action": argparse.BooleanOptionalAction, "help": "default: if dlib is installed"},
    "num_alpha": {
        "type": at_least(0),
        "default": 200,
        "help": "triples on which alpha is varied (default 200)",
    },
    "max_triples": {"type": at_least(1), "help": "measure so many only, spread over all"},
}


def add_options(parser: argparse.ArgumentParser, *names: str, **changed: str | Option) -> None:
    """Adds some of OPTIONS; `changed` gives some of them another help, or other arguments."""
    commands.add_options(parser, OPTIONS, *names, **changed)


def present(output_dir: Path | None, name: str, text: str, content: dict) -> bool:
    """Prints the tables and, if there is a folder for them, writes them and the metrics. Returns whether there is."""
    print(text)
    if output_dir is None:
        return False
    with writing(f"{output_dir / name}.md", "free the disk or give another --output_dir"):
        save_results(output_dir, name, text, content)
    return True


def save_sheets(output_dir: Path, sheets: Mapping[str, Image.Image]) -> None:
    """Writes sheets by their file names into a folder."""
    for name, sheet in sheets.items():
        with writing(str(output_dir / name), "free the disk or give another --output_dir"):
            sheet.save(output_dir / name)
