"""What pyproject.toml declares: the dependencies of each extra, the Space's list, the files of a wheel."""

import ast
import fnmatch
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from conftest import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
EXTRA_OF = {
    "cli": "photo",
    "data": "train",
    "demo": "demo",
    "evaluation": "evaluation",
    "export": "publish",
    "onnx_session": "photo",
    "openfaces": "openfaces",
    "photo": "photo",
    "runtime": "photo",
    "study": "study",
    "training": "train",
    "video": "video",
    "web": "demo",
}
"""The extra with which each package, or module beside them, can be imported; the others need none."""


def requirements(extra: str | None) -> set[str]:
    """The package's dependencies and those of an extra, written out."""
    found = set(PROJECT["dependencies"])
    for requirement in PROJECT["optional-dependencies"][extra] if extra else ():
        extras = re.fullmatch(r"leed\[(.+)\]", requirement)
        found |= set().union(*map(requirements, extras[1].split(","))) if extras else {requirement}
    return found


def distribution(requirement: str) -> str:
    """The normalised name of what a requirement asks for."""
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement)[0]).lower()


def imported_at_once(path: Path) -> set[str]:
    """The packages that a file imports when it is imported itself, outside of functions."""
    names = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names) - {"leed"}


def files_of(name: str) -> list[Path]:
    path = ROOT / "leed" / name
    return sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]


NAMES = sorted({p.stem for p in (ROOT / "leed").iterdir() if p.suffix == ".py" or (p / "__init__.py").is_file()})


@pytest.mark.parametrize("name", NAMES)
def test_packages_import_what_their_extra_declares(name: str) -> None:
    declared = {distribution(requirement) for requirement in requirements(EXTRA_OF.get(name))}
    owners = packages_distributions()
    for path in files_of(name):
        for module in imported_at_once(path):
            known = {distribution(owner) for owner in owners.get(module, [module])}  # not installed: its own name
            assert known & declared, f"{path.relative_to(ROOT)} imports {module}; {EXTRA_OF.get(name)} lacks {known}"


def test_app_needs_the_demo_extra() -> None:
    declared = {distribution(requirement) for requirement in requirements("demo")}
    owners = packages_distributions()
    for module in imported_at_once(ROOT / "app.py"):
        assert {distribution(owner) for owner in owners[module]} & declared, f"app.py imports {module}"


def test_the_space_installs_what_app_needs() -> None:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    listed = [line for line in lines if not line.startswith("#")]
    expected = sorted(requirements("demo") | requirements("video"))
    assert listed == expected, "requirements.txt is the package's dependencies and its extras demo and video"


def test_all_holds_every_extra() -> None:
    everything = requirements("all")
    for extra in set(PROJECT["optional-dependencies"]) - {"test", "dev"}:
        assert requirements(extra) <= everything, f"extra {extra} is not in all"


def test_a_wheel_takes_every_file_of_the_package() -> None:
    data = PYPROJECT["tool"]["setuptools"]["package-data"]
    for path in sorted((ROOT / "leed").rglob("*")):
        if path.is_dir() or path.suffix in {".py", ".pyi"} or "__pycache__" in path.parts:  # also numba's
            continue
        patterns = {
            ROOT.joinpath(*package.split("."), pattern) for package, patterns in data.items() for pattern in patterns
        }
        assert any(fnmatch.fnmatch(str(path), str(pattern)) for pattern in patterns), f"no wheel would have {path}"


def test_commits_are_checked_with_the_same_ruff() -> None:
    pinned = next(requirement for requirement in requirements("dev") if distribution(requirement) == "ruff")
    assert f"rev: v{pinned.partition('==')[2]}" in (ROOT / ".pre-commit-config.yaml").read_text()


def test_no_advice_to_install_from_a_registry_that_does_not_have_it() -> None:
    sources = [*ROOT.glob("leed/**/*.py"), *ROOT.glob("*.py"), *ROOT.glob("docs/*.md"), ROOT / "README.md"]
    wrong = [path.name for path in sources if re.search(r"pip install [\"']?leed\b", path.read_text(encoding="utf-8"))]
    assert sources and not wrong
