"""The work of the demo, without the page."""

from pathlib import Path
from types import ModuleType

import pytest
from conftest import ROOT

from leed.demo import callbacks, engine, faces, photos, recipes
from leed.pretrained import ModelFileError

PORTRAIT = ROOT / "leed/gallery/portraits/comp02.jpg"
ANGRY = ROOT / "leed/gallery/faces/090_comp07_female_angry_v0.webp"


@pytest.mark.parametrize(
    ("deleted", "forgotten"),
    [
        ("photo", ["prepare_preview", "prepare", "detect"]),
        ("photo", ["prepare_preview", "prepare"]),
        ("photo", ["remaining_parts"]),
        ("reference", ["own_expression"]),
        ("reference", ["remaining_parts"]),
    ],
)
def test_a_picture_that_was_deleted_is_asked_for_again(
    no_worker: None, tiny_actions: ModuleType, tmp_path: Path, deleted: str, forgotten: list[str]
):
    files = {"photo": tmp_path / "photo.jpg", "reference": tmp_path / "reference.jpg"}
    files["photo"].write_bytes(PORTRAIT.read_bytes())
    files["reference"].write_bytes(ANGRY.read_bytes())
    choice = str(files["photo"]), 0, str(files["reference"]), 1.0, True, 0, True
    assert callbacks.show(*choice)[0] is not None
    files[deleted].unlink()
    for name in ("load_photo", *forgotten):
        getattr(next(module for module in (photos, faces, recipes) if hasattr(module, name)), name).cache_clear()
    comparison, *_, of_photo, _, of_reference, _ = callbacks.show(*choice)
    message = of_reference if of_reference.visible else of_photo
    assert comparison is None and message.visible
    assert message.value == "Your picture was deleted after an hour: please give it again."


def test_without_a_model_the_demo_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As in an installed wheel, which has no hub folder."""
    monkeypatch.setattr(engine, "DEFAULT_MODEL", tmp_path / "hub/leed-open")
    monkeypatch.setattr(engine, "MODEL", str(tmp_path / "hub/leed-open"))
    engine.editor.cache_clear()
    with pytest.raises(ModelFileError, match="set LEED_MODEL"):
        engine.editor()
