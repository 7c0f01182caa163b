"""Metrics as Markdown tables and as JSON."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from leed.evaluation.metrics import Estimate

NOT_MEASURED = "-"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column is text, the others are aligned at the right."""
    lines = [header, ["---", *["--:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def show(value: float, digits: int = 3) -> str:
    """A number, or a dash for NaN."""
    return NOT_MEASURED if math.isnan(value) else f"{value:.{digits}f}"


def show_estimate(estimate: Estimate, digits: int = 3) -> str:
    """A value with its interval: `0.512 [0.480, 0.540]`; a dash for NaN."""
    if math.isnan(estimate.value):
        return NOT_MEASURED
    return f"{show(estimate.value, digits)} [{show(estimate.low, digits)}, {show(estimate.high, digits)}]"


def line_table(title: str, lines: Mapping[str, str], found: Mapping[str, Estimate]) -> str:
    """A table of metrics with intervals, one a line; `lines` says in words what each is."""
    rows = [[line, show_estimate(found[name])] for name, line in lines.items()]
    return markdown_table([title, "value [95 %]"], rows)


def save_results(folder: str | Path, name: str, text: str, content: dict) -> Path:
    """Writes `<name>.md` and `<name>.json` into a folder, which is made if needed, and returns the folder."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.md").write_text(text + "\n")
    (folder / f"{name}.json").write_text(json.dumps(without_nan(content), indent=2) + "\n")
    return folder


def without_nan(value: object) -> object:
    """Values of JSON with None for NaN and infinity, which JSON does not know."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: without_nan(part) for name, part in value.items()}
    return [without_nan(part) for part in value] if isinstance(value, list | tuple) else value


def as_json(named: Mapping[str, Estimate]) -> dict[str, dict[str, float | None]]:
    """Value, low and high of each estimate; None for NaN, which JSON does not know."""
    return {
        name: {part: None if math.isnan(value) else value for part, value in estimate._asdict().items()}
        for name, estimate in named.items()
    }
