"""The prose below tables and figures: macros of notes.jinja, filled in."""

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

FILE = "notes.jinja"


@cache
def _notes() -> Template:
    """The file of notes. A value that a note needs and does not get is an error."""
    loader = FileSystemLoader(Path(__file__).parent)
    return Environment(loader=loader, undefined=StrictUndefined, autoescape=False).get_template(FILE)


def note(name: str, **values: object) -> str:
    """The note of this name with these values, in one line."""
    return " ".join(str(getattr(_notes().module, name)(**values)).split())
