"""The page's expression column in a browser: mixes and files. Skipped without Chromium or playwright."""

from pathlib import Path

import pytest

from demo.browsing import Changes

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")


def test_an_expression_is_limited_and_mixed(page: "sync_api.Page"):
    """The accordion's title says what is set; what is of no use is not shown."""
    title = page.locator("#mix .label-wrap")
    sync_api.expect(title).to_contain_text("Mix or limit")
    title.click()
    share = page.locator("#share")
    assert not share.is_visible() and not page.locator("#second-region").is_visible()
    for click, said in (
        ("#region label:has-text('Left half')", "Mix or limit: left half only"),
        ("#second label:has-text('Angry')", "Mix or limit: left half only, 50 % angry"),
        ("#second-region label:has-text('Mouth')", "Mix or limit: left half only, 50 % angry at the mouth"),
    ):
        changes = Changes(page)
        page.click(click)
        sync_api.expect(title).to_contain_text(said)
        changes.wait()
    changes = Changes(page)
    share.locator("input[type=range]").press("ArrowRight")
    sync_api.expect(title).to_contain_text("left half only, 55 % angry at the mouth")
    changes.wait()
    page.click("#region label:has-text('Whole face')")
    page.click("#second label:has-text('None')")
    share.wait_for(state="hidden")
    assert title.inner_text().splitlines()[0] == "Mix or limit"


def test_an_expression_is_saved_and_used_again(page: "sync_api.Page", tmp_path: Path):
    """The file holds the mix, which is switched off when it comes back; a face of the gallery takes its place."""
    page.click("#mix .label-wrap")
    page.click("#region label:has-text('Mouth')")
    page.click("#saving .label-wrap")
    with page.expect_download() as download:
        page.click("#save-expression")
    download.value.save_as(file := tmp_path / download.value.suggested_filename)
    assert file.name == "leed-happy-at-mouth.safetensors"
    framed, mixed = page.locator("#gallery .selected"), page.locator("#mix .label-wrap")
    assert framed.count() == 1
    page.set_input_files("#saved-expression input[type=file]", file)
    framed.wait_for(state="detached")
    page.wait_for_selector("#result:not(.outdated)", state="attached")
    assert mixed.inner_text().splitlines()[0] == "Mix or limit"
    changes = Changes(page)
    page.click("#gallery button >> nth=3")
    changes.wait()
    page.wait_for_selector("#saved-expression input[type=file]", state="attached")  # empty again
    file.write_bytes(b"no expression")
    page.set_input_files("#saved-expression input[type=file]", file)
    page.get_by_text("This file cannot be used: it is damaged, or of another kind").wait_for()
    page.locator("#saved-expression").get_by_label("Clear").click()
    page.wait_for_selector("#saved-message", state="hidden")
    page.wait_for_selector("#edited img", state="attached")
    framed.wait_for()
