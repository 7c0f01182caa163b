"""Tables and figures as a page: one folder with report.html, report.md, tables.json and the pictures."""

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from PIL import Image

from leed.evaluation.paper.cache import write_text
from leed.evaluation.tables import markdown_table, without_nan
from leed.files import atomic_write

TEMPLATE = "report.html"


@dataclass(frozen=True)
class Table:
    """A table as it is shown, and its numbers, `values`. The cells (row, column) in `best` are printed bold."""

    title: str
    header: list[str]
    rows: list[list[str]]
    note: str
    values: dict[str, Any]  # Any: whatever JSON holds
    best: list[tuple[int, int]] = field(default_factory=list)

    def markdown(self, level: str = "##") -> str:
        """The table with its title, a heading of this level, and its note."""
        rows = [
            [f"**{cell}**" if (i, j) in self.best else cell for j, cell in enumerate(row)]
            for i, row in enumerate(self.rows)
        ]
        return f"{level} {self.title}\n\n{markdown_table(self.header, rows)}\n\n{self.note}"


@dataclass(frozen=True)
class Plate:
    """A figure: its number in the paper, its name, what it shows, its picture's file (next to the page), numbers."""

    number: int
    name: str
    caption: str
    file: str
    table: Table | None = None

    @property
    def title(self) -> str:
        return f"Figure {self.number}: {self.name}"

    def markdown(self) -> str:
        """The picture, its caption and its table."""
        text = f"## {self.title}\n\n![{self.caption}]({self.file})\n\n{self.caption}"
        return text if self.table is None else f"{text}\n\n{self.table.markdown('###')}"


def best_of(values: list[float], smallest: bool) -> int | None:
    """The index of the best of some values; None if fewer than two were measured."""
    known = [value for value in values if math.isfinite(value)]
    if len(known) < 2:
        return None
    return values.index(min(known) if smallest else max(known))


def save_picture(folder: Path, name: str, picture: Image.Image) -> str:
    """Writes a picture as PNG; returns the name of its file."""
    atomic_write(folder / f"{name}.png", lambda path: picture.save(path, "png"))
    return f"{name}.png"


def write_report(
    folder: Path, subtitle: str, tables: list[Table], plates: list[Plate], missing: list[str], command: str
) -> Path:
    """Writes the page and returns its path. `missing` has a line for each part that was left out, with the reason."""
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
    page = environment.get_template(TEMPLATE).render(
        subtitle=subtitle, tables=tables, plates=plates, missing=missing, command=command
    )
    lines = ["# LEED: the paper's tables and figures", subtitle, *(table.markdown() for table in tables)]
    lines += [plate.markdown() for plate in plates]
    lines += ["## Left out\n\n" + "\n".join(f"- {reason}" for reason in missing)] if missing else []
    lines.append(f"Made by\n\n    {command}")
    numbers = [without_nan(asdict(table)) for table in all_tables(tables, plates)]
    contents = {
        "report.md": "\n\n".join(lines) + "\n",
        "tables.json": json.dumps(numbers, indent=2) + "\n",
        TEMPLATE: page,
    }
    for name, text in contents.items():
        write_text(folder / name, text)
    return folder / TEMPLATE


def all_tables(tables: list[Table], plates: list[Plate]) -> list[Table]:
    """These tables and those of figures."""
    return tables + [plate.table for plate in plates if plate.table is not None]
