"""The code blocks and commands of README, docs and cards; `python tests/docs/blocks.py FOLDER` writes the Python ones.

`make quality` does so, for mypy.
"""

import re
import shlex
import string
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "docs" / "runs" / "README.md",
    *sorted((ROOT / "hub").glob("*/README.md")),
]
"""The pages whose commands work today. The log by day has those of its time."""

COMMAND = re.compile(r"(?<!`)`((?:\w+=\S+ )*(?:accelerate launch|make|pip|python|torchrun)\s[^`]+)`(?!`)")


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def commands(page: Path) -> Iterator[list[str]]:
    """Each command of the Bash blocks and of the text, as words; variables that a block sets are filled in.

    A command of the text that an ellipsis shortens is left out.
    """
    for block in blocks(page, "bash"):
        variables: dict[str, str] = {}
        for line in block.replace("\\\n", " ").splitlines():
            for part in re.split(r"\s*;\s*", re.sub(r"(^|\s)#.*", "", line)):
                words = shlex.split(string.Template(part).safe_substitute(variables))
                if words and all(re.match(r"\w+=", word) for word in words):
                    variables |= dict(word.split("=", 1) for word in words)
                elif words:
                    yield words
    for command in COMMAND.findall(page.read_text()):
        if "..." not in command:
            yield shlex.split(command)


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for page in PAGES:
        for number, block in enumerate(blocks(page, "python")):
            name = re.sub(r"\W", "_", str(page.relative_to(ROOT).with_suffix("")))
            (folder / f"{name}_{number}.py").write_text(block)


if __name__ == "__main__":
    main()
