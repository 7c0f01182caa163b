"""The page's video tab in a browser. Skipped without Chromium or playwright."""

import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from video.clips import content, frame_of, write_clip

from demo.browsing import SECONDS
from leed.expression import Expression
from leed.photo.saving import is_marked

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")


def write(path: Path, count: int) -> Path:
    """A person who moves."""
    return write_clip(path, [frame_of(("comp02", 20 + i % 60, 0, 120), size=(200, 120)) for i in range(count)])


def test_a_clip_is_edited_shown_saved_and_stopped(page: "sync_api.Page", tmp_path: Path):
    page.get_by_role("tab", name="Video").click()
    page.get_by_text("Up to 40 MB, 15 seconds (450 frames) and 1920x1080 pixels").wait_for()
    make, stop, film = page.locator("#make-clip"), page.locator("#stop-clip"), page.locator("#edited-clip video")
    photo, expression = page.locator("#clip-photo"), page.locator("#clip-expression")
    page.click("#clip-task label:has-text('follows')")
    photo.wait_for()
    assert not expression.is_visible()
    frame_of(("comp05", 0, 0, 120)).save(tmp_path / "photo.tif")  # of which browsers show a preview alone
    page.set_input_files("#clip-photo input[type=file]", tmp_path / "photo.tif")
    page.wait_for_function("() => document.querySelector('#clip-photo img')?.naturalWidth > 0")
    page.click("#clip-task label:has-text('Take')")
    photo.wait_for(state="hidden")
    page.set_input_files("#clip input[type=file]", write(tmp_path / "short.mp4", 3))
    page.wait_for_selector("#clip video")
    make.click()
    film.wait_for()
    with page.expect_download() as download:
        page.click("#clip-file")
    download.value.save_as(saved := tmp_path / download.value.suggested_filename)
    assert is_marked(saved) and not stop.is_visible()

    page.click("#clip-task label:has-text('Give')")  # another choice: the result goes
    film.wait_for(state="hidden")
    page.locator("#clip").get_by_role("button", name="Clear").click()
    page.set_input_files("#clip input[type=file]", write(tmp_path / "long.mp4", 300))
    page.wait_for_selector("#clip video")
    make.click()
    page.locator("#clip-progress").get_by_text("/300").wait_for()
    stop.click()
    page.wait_for_selector("#make-clip:enabled:has-text('Edit the clip')")
    page.click("#clip-task label:has-text('Take')")
    page.locator("#clip").get_by_role("button", name="Clear").click()
    page.set_input_files("#clip input[type=file]", tmp_path / "short.mp4")
    page.wait_for_selector("#clip video")
    make.click()  # would wait, if the long clip went on
    film.wait_for(timeout=10_000)


def test_a_clip_that_the_browser_cannot_play_is_no_error(page: "sync_api.Page", tmp_path: Path):
    """As that of an old camera, or HEVC in most; the place of the clip says so, and Gradio's alarm goes."""
    frames = [frame_of(("comp02", 20, 0, 120), size=(200, 120))] * 3
    page.get_by_role("tab", name="Video").click()
    film = write_clip(
        tmp_path / "ten.mp4", frames, "libx265", "yuv420p10le", options={"x265-params": "log-level=none"}
    )
    # Late, so that the server's answer does not replace Gradio's "Error" and its second button
    page.route("**/ten.mp4", lambda route: (time.sleep(1), route.continue_()))
    page.set_input_files("#clip input[type=file]", film)
    page.wait_for_selector("#clip.unplayable")
    page.wait_for_function("() => !document.body.innerText.includes('not playable')")
    said = page.locator("#clip").evaluate("place => getComputedStyle(place, '::after').content")
    assert said == '"Your browser cannot play this clip. It can be edited all the same."'
    assert "Error" not in page.locator("#clip").inner_text()
    page.locator("#clip").get_by_role("button", name="Clear").click()
    page.set_input_files("#clip input[type=file]", write(tmp_path / "one.mp4", 3))
    page.wait_for_selector("#clip:not(.unplayable) video")


def test_one_of_several_faces_is_chosen(page: "sync_api.Page", tmp_path: Path):
    """In the frame, by click or number; a clip of one person, and no clip, have nothing to choose from."""
    several, chosen = page.locator("#clip-frame"), page.locator("#clip-outlines .chosen text")
    page.get_by_role("tab", name="Video").click()
    frame = frame_of(("comp02", 0, 0, 240), ("comp05", 230, 60, 180), size=(400, 240))
    page.set_input_files("#clip input[type=file]", write_clip(tmp_path / "two.mp4", [frame] * 3))
    several.wait_for()
    sync_api.expect(chosen).to_have_text("1")
    rect = page.locator("#clip-outlines .other rect")
    box = rect.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    sync_api.expect(chosen).to_have_text("2")
    sync_api.expect(page.locator("#clip-face label:has-text('2') input")).to_be_checked()
    page.click("#make-clip")
    page.wait_for_selector("#edited-clip video")
    with page.expect_download() as download:
        page.click("#clip-file")
    download.value.save_as(saved := tmp_path / "edited.mp4")
    before, after = (content(path).pictures[1].astype(int) for path in (tmp_path / "two.mp4", saved))
    change = np.abs(after - before)
    assert change[:, 230:].max() > 3 * change[:, :200].max()

    page.click("#clip-face label:has-text('1')")
    sync_api.expect(chosen).to_have_text("1")
    page.wait_for_selector("#edited-clip video", state="detached")  # which was of the other face
    page.locator("#clip").get_by_role("button", name="Clear").click()
    several.wait_for(state="hidden")
    page.click("#clip-saving .label-wrap")
    page.set_input_files(
        "#clip-saved input[type=file]", Expression(torch.ones(1, 16)).save(tmp_path / "a.safetensors")
    )
    page.locator("#clip-expression").wait_for(state="hidden")  # which would say what is not done
    page.locator("#clip-saved").get_by_label("Clear").click()
    page.locator("#clip-expression").wait_for()
    page.set_input_files("#clip input[type=file]", write(tmp_path / "one.mp4", 3))
    page.wait_for_selector("#clip video")
    page.click("#make-clip:enabled")
    page.wait_for_selector("#edited-clip video")  # of the first, though the second was chosen
    assert not several.is_visible()


def test_a_visitor_that_closes_the_page_ends_the_work(
    browser: "sync_api.Browser", app_server: SimpleNamespace, tmp_path: Path
):
    cache = app_server.log.parent / "cache"
    whole = set(cache.rglob("leed-clip.mp4"))

    def wait_until_there_is(partial: bool) -> None:
        deadline = time.monotonic() + SECONDS
        while any(cache.rglob(".leed-clip*")) != partial:
            assert time.monotonic() < deadline
            time.sleep(0.1)

    with browser.new_context() as context:
        page = context.new_page()
        page.goto(app_server.url)
        page.get_by_role("tab", name="Video").click()
        page.set_input_files("#clip input[type=file]", write(tmp_path / "long.mp4", 300))
        page.wait_for_selector("#clip video")
        page.click("#make-clip")
        wait_until_there_is(True)  # once the encoder has let go of its first frame
    wait_until_there_is(False)
    assert set(cache.rglob("leed-clip.mp4")) == whole
