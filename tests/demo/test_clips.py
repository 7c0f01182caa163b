"""Clips in the demo: what is refused, work in steps, and work that stops."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image
from video.clips import content, frame_of, waves, write_clip

from leed.demo import backend, clip_faces, clips
from leed.demo.clips import FOLLOW, NEUTRALIZE, Made, Making, Wish
from leed.demo.engine import VisitorError
from leed.demo.worker import WorkerError
from leed.photo.opening import PhotoError
from leed.video.reading import look_into
from leed.video.writing import is_marked

PORTRAIT = ROOT / "leed/gallery/portraits/comp02.jpg"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A person who moves, with sound."""
    frames = [frame_of(("comp02", 20 + 2 * i, 0, 120), size=(160, 120)) for i in range(4)]
    return str(write_clip(tmp_path_factory.mktemp("clips") / "a.mp4", frames, sound="aac"))


@pytest.fixture
def no_jobs(tiny_actions: ModuleType, monkeypatch: pytest.MonkeyPatch) -> dict:
    monkeypatch.setattr(clips, "STEP_SECONDS", 0.0)  # a frame a call
    monkeypatch.setattr(clips, "jobs", {})
    return clips.jobs


def finished(wish: Wish) -> Made:
    job = clips.begin(wish)
    while isinstance(state := clips.advance(job), Making):
        pass
    clips.close(job)
    return state


@pytest.mark.parametrize("task", clips.TASKS)
def test_each_task_makes_a_marked_clip_with_the_sound(no_jobs: dict, clip: str, task: str):
    made = finished(Wish(clip, task, photo=str(PORTRAIT)))
    assert is_marked(made.path) and made.notes == () and not no_jobs
    before, after = content(Path(clip)), content(made.path)
    assert after.sound == before.sound and after.times == before.times
    assert (after.pictures[0].shape == before.pictures[0].shape) == (task != FOLLOW)


def test_work_goes_on_only_while_it_is_asked_for_and_leaves_nothing_when_closed(no_jobs: dict, clip: str):
    job = clips.begin(Wish(clip, NEUTRALIZE))
    assert clips.advance(job) == Making(1, 4)
    (folder,) = [path.parent for path in Path(clips.result_folder()).parent.rglob("*leed-clip*")]
    clips.close(job)
    assert list(folder.iterdir()) == [] and not no_jobs
    clips.close(job)  # once more does no harm
    with pytest.raises(WorkerError):  # as where the process of the job has died
        clips.advance(job)


def test_no_more_jobs_than_two_but_forgotten_ones_make_room(no_jobs: dict, clip: str, monkeypatch: pytest.MonkeyPatch):
    for _ in range(clips.MAX_JOBS):
        clips.begin(Wish(clip))
    with pytest.raises(VisitorError, match="try again in a minute"):
        clips.begin(Wish(clip))
    monkeypatch.setattr(clips, "IDLE_SECONDS", -1)
    clips.close(clips.begin(Wish(clip)))
    assert not no_jobs


@pytest.mark.parametrize("fails", [False, True])
def test_work_that_is_stopped_before_it_has_begun_is_closed_as_soon_as_it_has(
    no_jobs: dict, clip: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fails: bool
):
    """Else its place would be taken until nobody had asked for it for a minute."""
    beginning, go_on, closed = threading.Event(), threading.Event(), threading.Event()

    def in_worker(work: Callable, *arguments: object) -> object:
        if work is clips.begin:
            beginning.set()
            go_on.wait(10)
        result = work(*arguments)
        if work is clips.close:
            closed.set()
        return result

    async def stopped() -> None:
        asked = asyncio.create_task(backend.make_clip(None if fails else clip))
        await asyncio.to_thread(beginning.wait, 10)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        go_on.set()
        assert await asyncio.to_thread(closed.wait, 0.2 if fails else 10) != fails

    monkeypatch.setattr(backend, "worker", SimpleNamespace(call=in_worker))
    asyncio.run(stopped())
    assert not no_jobs and "asyncio" not in [record.name for record in caplog.records]


def test_clips_beyond_the_bounds_get_one_sentence(
    no_jobs: dict, clip: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refusal(wish: Wish) -> str:
        with pytest.raises((VisitorError, PhotoError)) as raised:
            finished(wish)
        assert str(tmp_path) not in str(raised.value) and not no_jobs
        return str(raised.value)

    text = tmp_path / "page.mp4"
    text.write_text("<html>")
    see_through = write_clip(tmp_path / "cut.webm", waves(2), "libvpx-vp9", "yuva420p", options={"auto-alt-ref": "0"})
    nobody = write_clip(tmp_path / "grey.mp4", [Image.new("RGB", (64, 48), "grey")] * 2)
    assert refusal(Wish(None)) == "Please give a clip first."
    assert refusal(Wish(str(tmp_path / "none.mp4"))).startswith("Your clip was deleted after an hour")
    assert refusal(Wish(str(text))).startswith("This clip cannot be edited: page.mp4 cannot be read as a video")
    assert refusal(Wish(str(see_through))).startswith("Clips that are transparent in parts")
    assert "no face was found in grey.mp4" in refusal(Wish(str(nobody)))
    assert "face must be in [0, 0]" in refusal(Wish(clip, clip_face=3))
    assert refusal(Wish(clip, FOLLOW)) == "Please give a photo that is to follow the clip."
    assert "face must be in [0, 0] for this photo, got 2" in refusal(Wish(clip, FOLLOW, photo=str(PORTRAIT), face=2))
    with monkeypatch.context() as patch:
        patch.setattr(clips, "MAX_SIZE", (100, 100))
        assert refusal(Wish(clip)).startswith("This clip has 160x120 pixels, the most is 100x100")
    with monkeypatch.context() as patch:
        patch.setattr(clips, "MAX_SECONDS", -1)
        assert refusal(Wish(clip)).startswith("This clip has 0 seconds, the most is")
    monkeypatch.setattr(clips, "MAX_FRAMES", 3)
    assert refusal(Wish(clip)).startswith("This clip has 4 frames, the most is")
    monkeypatch.setattr("leed.video.reading.duration_of", lambda *_: None)  # a file that does not say how long it is
    assert look_into(clip).num_frames is None
    assert refusal(Wish(clip)).startswith("This clip has more than 3 frames, the most is")


def test_faces_are_counted_as_the_work_counts_them(no_jobs: dict, clip: str, tmp_path: Path):
    """In the first frame that shows any; a choice is offered where there are several."""
    nobody = Image.new("RGB", (320, 160), "grey")
    two = frame_of(("comp05", 10, 20, 120), ("comp02", 160, 0, 150), size=(320, 160))
    path = str(write_clip(tmp_path / "two.mp4", [nobody, nobody, two, two]))
    (size, faces), _ = clip_faces.look(path)
    assert size == (320, 160) and [face.centre[0] > 160 for face in faces] == [True, False]
    with Image.open(clip_faces.first_frame(path)) as shown:
        assert shown.size == (720, 360) and np.asarray(shown.convert("RGB"))[100:300, 400:600].std() > 20
    for number, face in enumerate(faces):
        assert clip_faces.face_at(path, tuple(720 / 320 * np.array(face.centre))) == number
        before, after = (
            content(Path(of)).pictures[2].astype(int) for of in (path, finished(Wish(path, clip_face=number)).path)
        )
        moved = np.abs(after - before).mean((0, 2))
        assert (moved[160:].mean() > moved[:160].mean()) == (number == 0)
    assert clip_faces.first_frame(clip) is None and len(clip_faces.faces_of(clip).faces) == 1
    (tmp_path / "page.mp4").write_text("<html>")
    for empty in (tmp_path / "page.mp4", tmp_path / "none.mp4", write_clip(tmp_path / "grey.mp4", [nobody] * 2)):
        assert clip_faces.faces_of(str(empty)) == ((1, 1), []) and clip_faces.first_frame(str(empty)) is None
        assert clip_faces.face_at(str(empty), (5, 5)) == 0


def test_without_the_package_the_tab_says_so(
    no_worker: None, tiny_actions: ModuleType, monkeypatch: pytest.MonkeyPatch
):
    from leed.demo import page

    monkeypatch.setattr(clips, "is_available", lambda: False)
    built = page.build(3600, 600)
    texts = [block.value for block in built.blocks.values() if getattr(block, "elem_id", None) == "no-clips"]
    assert len(texts) == 1 and "PyAV is missing" in texts[0]
    assert "video" not in [fn.api_name for fn in built.fns.values()]
