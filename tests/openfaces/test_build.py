"""Building: what is asked for, what is missing, and that an interrupted build goes on."""

import dataclasses
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from made_up_people import face

pytest.importorskip("numba", reason="the rasteriser needs numba")

from leed.config import EXPRESSIONS
from leed.files import WriteError
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
    assert "not recorded by this program" in text and "--output_dir mine --people" in text
    assert "5 people." in text and "| `mine/test-00000-of-00001.parquet` | 80 |" in text and "{" not in text
    assert "consent" in (settings.output_dir / "ATTRIBUTION.md").read_text()
    assert (settings.output_dir / ".gitignore").read_text() == "*\n"  # nobody commits people by accident
    assert (settings.output_dir / "contact-sheet.webp").stat().st_size > 0
    assert sorted(drawn) == list("abcde")
    assert text.index("mine/test") < text.index("mine/train")
    assert b.build(settings) == counts and len(drawn) == 5


def test_the_data_sheet_counts_clips(settings):
    settings.folder("clips").mkdir(parents=True)
    for name in ("0_driver.mp4", "0_truth.mp4", "1_truth.mp4", "2_driver.mp4"):  # of the third only a part
        (settings.folder("clips") / name).touch()
    b.build(settings)
    assert "| `mine-clips`, clips | 2 |" in (settings.output_dir / "DATASHEET.md").read_text()


def test_an_interrupted_build_keeps_what_is_drawn_and_goes_on(settings, monkeypatch):
    drawn.clear()

    def failing(sitter):
        if sitter.person.name == "c":
            raise OSError("disk is gone")
        yield from grey_faces(sitter)

    monkeypatch.setitem(b.DRAWN_BY_PERSON, "main", failing)
    with pytest.raises(b.DrawingError, match="c could not be drawn: disk is gone"):
        b.build(settings)
    assert drawn == ["a", "b"]
    monkeypatch.setitem(b.DRAWN_BY_PERSON, "main", grey_faces)
    assert sum(b.build(settings).values()) == 200 and drawn == list("abcde")


def test_some_people_of_the_same_plan(settings):
    counts = b.build(dataclasses.replace(settings, people=("a",)))
    assert sum(counts.values()) == 40
    with pytest.raises(ValueError, match="nobody is called z; people are a, b"):
        b.build(dataclasses.replace(settings, people=("z",)))


def test_whoever_was_taken_out_is_not_drawn_again(settings):
    counts = b.build(settings)
    lost = b.take_out(settings.portraits, settings.output_dir, ["a"])
    text = (settings.output_dir / "DATASHEET.md").read_text()
    assert sum(lost.values()) == 40 and "4 people." in text and "People taken out so far: 1" in text
    drawn.clear()
    assert sum(b.build(settings).values()) == sum(counts.values()) - 40 and not drawn
    with pytest.raises(ValueError, match="a were taken out of .*mine, and are not drawn there again"):
        b.build(dataclasses.replace(settings, people=("a", "b")))
    with pytest.raises(ValueError, match="nobody is called z"):
        b.take_out(settings.portraits, settings.output_dir, ["z"])
    with pytest.raises(ValueError, match="holds no set that was built of"):
        b.take_out(settings.portraits, settings.portraits, ["a"])


def test_what_is_there_is_not_replaced_by_less(settings):
    """Where what was drawn has been deleted, to save room, and only some people are drawn again."""
    counts = b.build(settings)
    shutil.rmtree(settings.work_dir)
    with pytest.raises(ValueError, match="test-.*has 80 rows, of which only 40 are still among what is drawn"):
        b.build(dataclasses.replace(settings, people=("a",)))
    assert b.build(settings) == counts


def test_a_folder_with_files_of_another_origin_is_refused(settings):
    settings.output_dir.mkdir()
    (settings.output_dir / "train-0.parquet").write_bytes(b"mine")
    with pytest.raises(ValueError, match="mine holds parquet files of another origin"):
        b.build(settings)
    assert (settings.output_dir / "train-0.parquet").read_bytes() == b"mine"


@pytest.fixture
def small_disk(tmp_path):
    """Makes a disk of some KiB, or the same one larger. Skips where that is not permitted."""
    place = tmp_path / "disk"
    place.mkdir()

    def resize(kilobytes):
        options = f"size={kilobytes}k" + (",remount" if place.is_mount() else "")
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"a disk may not be mounted here: {done.stderr.strip()}")
        return place

    yield resize
    if place.is_mount():
        subprocess.run(["umount", place], check=True)


def test_a_full_disk_is_one_sentence_and_the_next_build_ends_as_an_unbroken_one(settings, small_disk):
    """Whatever it is full with: the mark, a person's part, a file of the set, the sheets."""
    b.build(dataclasses.replace(settings, people=("a", "b")))
    told = []
    for kilobytes in range(8, 1000, 16):
        target = small_disk(kilobytes) / "mine"
        try:
            b.build(dataclasses.replace(settings, people=("a", "b"), output_dir=target))
        except WriteError as full:
            told.append(str(full))
            assert not [path for path in target.rglob(".*") if path.name not in (".work", ".plan", ".gitignore")]
        else:
            break
    assert len(told) > 2 and all("No space left" in line and "make room and run" in line for line in told)
    assert any("main of a" in line for line in told) and any(".parquet could not be" in line for line in told)
    assert contents(target) == contents(settings.output_dir)


def contents(folder):
    """Path and bytes of all files below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder): path.read_bytes() for path in files}


def killed_while_drawing_c(sitter):
    yield from grey_faces(sitter)
    if sitter.person.name == "c":
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_build_that_was_killed_ends_as_an_unbroken_one(settings, monkeypatch, tmp_path):
    b.build(settings)
    broken = dataclasses.replace(settings, output_dir=tmp_path / "broken" / "mine")
    with monkeypatch.context() as patch:
        patch.setitem(b.DRAWN_BY_PERSON, "main", killed_while_drawing_c)
        child = multiprocessing.get_context("fork").Process(target=b.build, args=(broken,))
        child.start()
        child.join(timeout=60)
    assert child.exitcode == -signal.SIGKILL
    assert sorted(path.name for path in (broken.work_dir / "main").iterdir()) == ["a", "b"]
    drawn.clear()
    b.build(broken)
    assert drawn == ["c", "d", "e"]
    assert contents(broken.output_dir) == contents(settings.output_dir)


def test_what_a_killed_process_left_is_removed(settings):
    left = settings.work_dir / "main" / ".a.4711"
    left.mkdir(parents=True)
    b.build(dataclasses.replace(settings, people=("a",)))
    assert [path.name for path in (settings.work_dir / "main").iterdir()] == ["a"]


def test_a_worker_ends_with_its_parent():
    """A killed parent cannot tell its workers to end, and they would wait for it forever."""
    source = (
        "import multiprocessing, time\n"
        "from leed.openfaces.workers import end_with_parent\n"
        "def work(pipe):\n    end_with_parent()\n    pipe.send(0)\n    time.sleep(60)\n"
        "if __name__ == '__main__':\n"
        "    context = multiprocessing.get_context('fork')\n"
        "    here, there = context.Pipe()\n"
        "    child = context.Process(target=work, args=(there,))\n    child.start()\n    here.recv()\n"
        "    print(child.pid, flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, text=True) as parent:
        worker = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    worker.wait(timeout=10)


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
