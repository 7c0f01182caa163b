"""The work of the demo, without the page."""

import json
from pathlib import Path
from types import ModuleType

import pytest
from conftest import ROOT

from leed.demo import callbacks, engine, faces, photos, recipes
from leed.demo.actions import Choice
from leed.demo.components import check_kept
from leed.demo.engine import VisitorError
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


@pytest.mark.parametrize("kind", ["own_reference", "saved_expression"])
def test_a_kept_face_outlives_the_file_that_its_expression_came_from(
    no_worker: None, tiny_actions: ModuleType, two_people: Path, tmp_path: Path, kind: str
):
    """What is kept is the expression itself, to the bit."""
    file = tmp_path / ("mine.safetensors" if kind == "saved_expression" else "mine.webp")
    if kind == "own_reference":
        file.write_bytes(ANGRY.read_bytes())
    else:
        recipes.gallery_expression(40).save(file)
    choice = Choice(str(two_people), face=1, alpha=0.7, own_center_crop=True, region="mouth", **{kind: str(file)})
    expected = choice.recipe.expression()
    (kept,) = json.loads(json.dumps(tiny_actions.keep(choice)))  # through the browser and back
    file.unlink()
    recipes.own_expression.cache_clear()
    recipes.saved_expression.cache_clear()
    (one,) = faces.others([check_kept("kept[0]", kept)], 0)
    assert (one.face, one.alpha) == (1, 0.7) and one.expression() == expected
    assert callbacks.show(*Choice(str(two_people), 40, kept=[kept]))[0] is not None


def test_large_expressions_are_kept_by_how_they_were_chosen(
    tiny_actions: ModuleType, two_people: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tiny_actions, "MAX_TEXT", 10)
    (kept,) = tiny_actions.keep(Choice(str(two_people), 40, face=1))
    assert "expression" not in kept and faces.others([kept], 0)[0].recipe.reference == 40


def test_a_kept_text_that_is_no_expression_is_refused(tiny_actions: ModuleType):
    for text, reason in (("!", "must be the base64 text"), ("aGFsbG8=", "damaged, or of another kind")):
        with pytest.raises(VisitorError, match=reason):
            recipes.from_text(text)


def test_without_a_model_the_demo_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As in an installed wheel, which has no hub folder."""
    monkeypatch.setattr(engine, "DEFAULT_MODEL", tmp_path / "hub/leed-open")
    monkeypatch.setattr(engine, "MODEL", str(tmp_path / "hub/leed-open"))
    engine.editor.cache_clear()
    with pytest.raises(ModelFileError, match="set LEED_MODEL"):
        engine.editor()
