"""A file of `leed` imports only from files below it."""

import ast
from pathlib import Path

import leed

FOLDER = Path(leed.__file__).parent

LEVELS = {
    **dict.fromkeys(("addresses", "config", "files", "images", "layers", "losses"), 0),
    **dict.fromkeys(("card", "provenance", "signing", "worker"), 0),
    **dict.fromkeys(("hub", "augmentation", "drawn", "alignment", "networks", "similarity", "action_units"), 1),
    **dict.fromkeys(("neutralizer", "features", "readers"), 2),
    **dict.fromkeys(("data", "model", "ganimation"), 3),
    **dict.fromkeys(("training", "selftraining", "runtime", "pasting"), 4),
    "baselines": 5,
    **dict.fromkeys(("editor", "evaluation"), 6),
    **dict.fromkeys(("aligning", "grid", "live", "sequence", "study"), 7),
    "demo": 8,
}


def imported(file: Path) -> set[str]:
    """The files of `leed` that a file imports, by name."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are written out in full"
            module = node.module or ""
            names |= {f"{module}.{alias.name}" for alias in node.names} if module == "leed" else {module}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("leed.")}


def test_imports_obey_the_levels() -> None:
    for file in FOLDER.rglob("*.py"):
        name = file.relative_to(FOLDER).parts[0].removesuffix(".py")
        if name == "__init__":
            continue
        assert name in LEVELS, f"give {name} a level"
        for other in imported(file) - {name}:
            if other in LEVELS:  # else a public name of the package, from `leed/__init__.py`
                assert LEVELS[other] < LEVELS[name], f"{file.name} (level {LEVELS[name]}) imports {other}"


def test_the_package_itself_is_not_imported_inside() -> None:
    for file in FOLDER.glob("*.py"):
        if file.name != "__init__.py":
            assert imported(file) <= set(LEVELS), f"{file.name} imports from the package: {imported(file)}"


def test_entrances_are_not_imported() -> None:
    entrances = {file.stem for file in FOLDER.parent.glob("*.py")}
    for file in FOLDER.rglob("*.py"):
        names = {n.module for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.ImportFrom)}
        assert not names & entrances, f"{file} imports {names & entrances}"
