"""Packages import only from packages below them, and there is no circle between files."""

import ast
import graphlib
from pathlib import Path

import pytest

import leed

FOLDER = Path(leed.__file__).parent
FOUNDATION = set(
    "commands config expression files images onnx_session pretrained regions similarity uploading".split()
)
MAY_IMPORT = {
    "networks": FOUNDATION,
    "model": FOUNDATION | {"gallery", "networks"},
    "runtime": FOUNDATION | {"model"},
    "export": FOUNDATION | {"networks", "model", "runtime", "data"},
    "data": FOUNDATION,
    "photo": FOUNDATION | {"networks", "model", "data"},
    "video": FOUNDATION | {"model", "photo"},
    "training": FOUNDATION | {"networks", "model", "data", "photo"},
    "gallery": FOUNDATION,
    "openfaces": FOUNDATION | {"photo"},
    "web": set(),
    "cli": FOUNDATION | {"model", "runtime", "photo", "video", "demo"},
    "__main__": {"cli"},
    "demo": FOUNDATION | {"gallery", "model", "runtime", "photo", "video", "web"},
    "evaluation": FOUNDATION | {"gallery", "networks", "model", "data", "photo", "training", "video"},
    "study": FOUNDATION | {"evaluation", "photo", "web"},
}
"""What each package, or module beside them, may import; the foundation's files import each other alone."""


def modules() -> dict[str, Path]:
    """All modules of the package by dotted name, without `leed.`."""
    found = {}
    for path in FOLDER.rglob("*.py"):
        parts = path.relative_to(FOLDER).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    del found[""]
    return found


def imported(path: Path, known: set[str]) -> set[str]:
    """The modules of the package that a file imports, wherever in the file."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written out in full"
            module = node.module or ""
            names |= {
                f"{module}.{a.name}" if f"{module}.{a.name}".removeprefix("leed.") in known else module
                for a in node.names
            }
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name.removeprefix("leed.") for name in names if name == "leed" or name.startswith("leed.")}


MODULES = modules()
IMPORTS = {name: imported(path, set(MODULES)) for name, path in MODULES.items()}


def package(name: str) -> str:
    return name.partition(".")[0]


@pytest.mark.parametrize("name", sorted({package(name) for name in MODULES}))
def test_packages_import_from_below(name: str) -> None:
    allowed = MAY_IMPORT.get(name, FOUNDATION if name in FOUNDATION else None)
    assert allowed is not None, f"say in MAY_IMPORT what {name} may import"
    for module, others in IMPORTS.items():
        if package(module) == name:
            wrong = {other for other in others if package(other) != name and package(other) not in allowed}
            assert not wrong, f"leed.{module} imports {sorted(wrong)}; {name} may import {sorted(allowed)}"


def test_files_import_each_other_without_circles() -> None:
    graphlib.TopologicalSorter({name: others - {name} for name, others in IMPORTS.items()}).prepare()


def test_entrances_are_not_imported() -> None:
    entrances = {path.stem for path in FOLDER.parent.glob("*.py")}
    for name, path in MODULES.items():
        found = {n.module for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.ImportFrom)}
        assert not found & entrances, f"leed.{name} imports {found & entrances}"
