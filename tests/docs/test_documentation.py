"""What README, docs and cards tell readers to run does run; what they link to is there."""

import argparse
import re
import runpy
import sys
from pathlib import Path

import pytest
from blocks import PAGES, ROOT, blocks, commands
from test_packaging import PROJECT

import train_accelerate
from leed.training.cli import parse_args

HOSTING = ROOT / "docs" / "user-study.md"
"""Its block serves a page until it is stopped."""
OTHERS = {"accelerate config", "export", "FaceLandmarkImg", "git"}
"""Commands of other programs."""
HOSTS = "--nnodes 2 --node-rank 0 --nproc-per-node 8 --master-addr HOST0 --master-port 29500".split()
LAUNCHERS = {"accelerate": [["launch"]], "torchrun": [["--nproc-per-node", "2"], HOSTS]}
STAND_INS = {"$STARGAN_STEPS": "1000", "$GANIMATION_STEPS": "1000"}
WORDS = 1300


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


EXAMPLES = [
    pytest.param(block, id=f"{name_of(page)}-{number}")
    for page in PAGES
    if page != HOSTING
    for number, block in enumerate(blocks(page, "python"))
]
COMMANDS = sorted({(name_of(page), *command) for page in PAGES for command in commands(page)})


@pytest.fixture
def in_a_clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder in which the repository's folders can be read, and what is written stays out of them."""
    for name in ("leed", "hub"):
        (tmp_path / name).symlink_to(ROOT / name, target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("code", EXAMPLES)
def test_python_blocks_run_as_printed(code: str, in_a_clone: Path) -> None:
    exec(compile(code, "example", "exec"), {"__name__": "example"})
    for written in re.findall(r'"([\w-]+\.(?:png|mp4))"', code):
        assert (in_a_clone / written).stat().st_size > 0


class ArgumentsAccepted(Exception):  # noqa: N818
    """A program has read its arguments; it goes no further."""


def read_by_its_parser(program: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Starts a script, or a module (`-m name`), which ends when it has accepted its arguments."""
    original = argparse.ArgumentParser.parse_args

    def stop(self: argparse.ArgumentParser, *given: object, **options: object) -> None:
        original(self, *given, **options)
        raise ArgumentsAccepted

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stop)
    monkeypatch.setattr(sys, "argv", [program, *arguments])
    with pytest.raises(ArgumentsAccepted):
        if program.endswith(".py"):
            runpy.run_path(str(ROOT / program), run_name="__main__")
        else:
            runpy.run_module(program, run_name="__main__", alter_sys=False)


def check_requirements(words: list[str]) -> None:
    """The extras in `pip install ".[one,two]"` exist."""
    for extra in re.findall(r"\[([\w,]+)\]", " ".join(words)):
        assert set(extra.split(",")) <= set(PROJECT["optional-dependencies"]), f"no extra {extra}"


@pytest.mark.filterwarnings("ignore:.*found in sys.modules after import of package:RuntimeWarning")
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_commands_are_understood(command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    words = [STAND_INS.get(word, word) for word in command[1:] if not re.fullmatch(r"[A-Z_]+=\S*", word)]
    program, words = words[0], words[1:]
    if program in OTHERS or f"{program} {' '.join(words[:1])}" in OTHERS:
        return
    if program == "make":
        assert re.search(rf"^{words[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE), f"no target {words[0]}"
        return
    if program == "pip" or words[:2] == ["-m", "pip"]:
        check_requirements(words)
        return
    if program in LAUNCHERS:
        found = [options for options in LAUNCHERS[program] if words[: len(options)] == options]
        assert found, f"{program} is called with other options than {LAUNCHERS[program]}"
        words = words[len(found[0]) :]
    elif program == "leed":
        words = ["leed", *words]
    else:
        assert program == "python", f"say how the test is to check {program}"
    if words[0] == "-m":
        words = words[1:]
        if words[0] == "pytest":
            return
    if words[0] == "train_accelerate.py":
        parse_args(words[1:])  # checks the values, too
    elif words[0] == "app.py" or not words[1:]:
        assert (ROOT / words[0]).is_file() or (ROOT / words[0].replace(".", "/")).exists() or module_file(words[0])
    else:
        read_by_its_parser(words[0], words[1:], monkeypatch)


def module_file(name: str) -> bool:
    """Whether the package has the module."""
    return (ROOT / name.replace(".", "/")).with_suffix(".py").is_file()


def test_the_first_training_command_starts(
    tmp_path: Path, fresh_accelerator: None, capsys: pytest.CaptureFixture
) -> None:
    """As far as its settings; `tests/training/test_train_script.py` trains with it."""
    command = next(words for words in commands(ROOT / "README.md") if "train_accelerate.py" in words)
    arguments = command[command.index("train_accelerate.py") + 1 :]
    train_accelerate.main([*arguments, "--preset", "tiny", "--dry_run", "--output_dir", str(tmp_path)])
    assert '"stage": "all"' in capsys.readouterr().out
    assert any(tmp_path.iterdir())


def test_readme_is_a_first_page() -> None:
    text = (ROOT / "README.md").read_text()
    body = text.split("\n---\n", 1)[1]
    assert len(body.split()) <= WORDS, "README has grown: move something to docs/"


def anchors(page: Path) -> set[str]:
    """The addresses of a page's headings, as they are made on the Hub and elsewhere."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs" / "runs").glob("2*.md"))], ids=name_of
)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name_of(page)} links to {link}"
        if anchor:
            assert anchor in anchors(target), f"{name_of(page)} links to {link}; {target.name} has {anchors(target)}"
