"""Building: what is asked for, what is missing, and that an interrupted build goes on."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from made_up_people import face

pytest.importorskip("numba", reason="the rasteriser needs numba")

from leed.config import EXPRESSIONS
from leed.openfaces import build as b
from leed.openfaces.encoding import webp
from leed.openfaces.presets import BLENDSHAPES
from leed.openfaces.settings import PARTS, Settings
from leed.openfaces.sources import FACE_MODEL, PORTRAITS, check_source


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """Five people of one's own whose pictures are grey: everything but the drawing is real."""
    portraits, model = tmp_path / "portraits", tmp_path / "ICT-FaceKit"
    for name in FACE_MODEL.landmarks:
        (model / name).parent.mkdir(parents=True, exist_ok=True)
        (model / name).touch()
    portraits.mkdir()
    for name in "abcde":
        (portraits / f"{name}.jpg").touch()
        (portraits / f"{name}.tem").touch()
    monkeypatch.setattr(b, "load_face_model", lambda folder, cache: SimpleNamespace(names=BLENDSHAPES))
    monkeypatch.setattr(b, "build_rig", lambda model: None)
    monkeypatch.setattr(b, "check_portraits", lambda *args: None)
    monkeypatch.setattr(b, "_seat", lambda name: SimpleNamespace(person=b._people[name], plan=b._work.plan))
    monkeypatch.setitem(b.DRAWN_BY_PERSON, "main", grey_faces)
    return Settings(portraits, model, tmp_path / "mine", parts=("main",))


drawn = []


def grey_faces(sitter):
    drawn.append(sitter.person.name)
    for shot in sitter.plan.shots[sitter.person.name]:
        yield "faces", face(sitter.person, shot) | {"expression": EXPRESSIONS.index(shot.expression)}


def test_a_build_makes_files_sheets_and_attribution_and_a_second_one_draws_nothing(settings, capsys):
    drawn.clear()
    counts = b.build(settings)
    assert counts == {"mine/train-00000-of-00001.parquet": 120, "mine/test-00000-of-00001.parquet": 80}
    assert "ICT-FaceKit" in capsys.readouterr().out
    text = (settings.output_dir / "DATASHEET.md").read_text()
    assert "5 people." in text and "| `mine/test-00000-of-00001.parquet` | 80 |" in text and "{" not in text
    assert "consent" in (settings.output_dir / "ATTRIBUTION.md").read_text()
    assert (settings.output_dir / "contact-sheet.webp").stat().st_size > 0
    assert sorted(drawn) == list("abcde")
    assert text.index("mine/test") < text.index("mine/train")
    assert b.build(settings) == counts and len(drawn) == 5


def test_an_interrupted_build_keeps_what_is_drawn_and_goes_on(settings, monkeypatch):
    drawn.clear()

    def failing(sitter):
        if sitter.person.name == "c":
            raise OSError("disk is gone")
        yield from grey_faces(sitter)

    monkeypatch.setitem(b.DRAWN_BY_PERSON, "main", failing)
    with pytest.raises(RuntimeError, match="c could not be drawn: disk is gone"):
        b.build(settings)
    assert drawn == ["a", "b"]
    monkeypatch.setitem(b.DRAWN_BY_PERSON, "main", grey_faces)
    assert sum(b.build(settings).values()) == 200 and drawn == list("abcde")


def test_some_people_of_the_same_plan(settings):
    counts = b.build(dataclasses.replace(settings, people=("a",)))
    assert sum(counts.values()) == 40
    with pytest.raises(ValueError, match="nobody is called z; people are a, b"):
        b.build(dataclasses.replace(settings, people=("z",)))


def test_a_folder_of_another_set_is_refused(settings):
    b.build(settings)
    (settings.portraits / "f.jpg").touch()
    (settings.portraits / "f.tem").touch()
    with pytest.raises(ValueError, match="holds a set of other people"):
        b.build(settings)


@pytest.mark.parametrize(
    ("change", "fault"), [({"parts": ("main", "films")}, "got films"), ({"processes": 0}, "got 0")]
)
def test_impossible_settings_are_refused(settings, change, fault):
    with pytest.raises(ValueError, match=fault):
        dataclasses.replace(settings, **change)


def test_missing_sources_are_named_with_the_commands_that_bring_them(settings, tmp_path):
    with pytest.raises(
        ValueError, match=rf"git clone {PORTRAITS.address}\ngit -C webmorphR.stim checkout {PORTRAITS.commit}"
    ):
        b.build(dataclasses.replace(settings, portraits=tmp_path / "nowhere"))
    with pytest.raises(ValueError, match="holds neither the public portraits nor any of your own"):
        b.build(dataclasses.replace(settings, portraits=settings.face_model))
    with pytest.raises(ValueError, match=r"LICENSE.* missing(.|\n)*git clone .*ICT-FaceKit"):
        check_source(FACE_MODEL, tmp_path)


def test_a_clone_at_another_commit_is_refused(settings, monkeypatch):
    monkeypatch.setattr("leed.openfaces.sources.commit_of", lambda clone: "0" * 40)
    with pytest.raises(ValueError, match=f"is at commit 0+, expected {FACE_MODEL.commit}"):
        check_source(FACE_MODEL, settings.face_model)


def test_published_portraits_must_be_all_there(settings, tmp_path):
    for name in PORTRAITS.landmarks:
        place = tmp_path / "clone" / name
        if place.suffix:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text("face_id\n")
        else:
            place.mkdir(parents=True)
    with pytest.raises(ValueError, match="all 202 people there\\? Found 0"):
        b.find_cast(tmp_path / "clone")


def test_each_part_is_drawn_by_person_or_is_the_clips():
    assert (*b.DRAWN_BY_PERSON, "clips") == PARTS


def test_webp_keeps_a_picture():
    file = webp(np.full((16, 16, 3), (10, 100, 200), np.uint8), 95)
    assert file["path"] is None and file["bytes"][:4] == b"RIFF"
