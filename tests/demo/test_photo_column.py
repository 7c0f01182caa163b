"""The page's photo column in a browser: several faces. Skipped without Chromium or playwright."""

from pathlib import Path

import pytest

from demo.browsing import Changes

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")


def test_a_face_keeps_its_expression_while_another_is_chosen(page: "sync_api.Page", two_people: Path):
    keep, row = page.locator("#keep-face"), page.locator("#kept-faces")
    assert not keep.is_visible() and not row.is_visible()
    page.get_by_label("Remove Image").or_(page.get_by_label("Clear")).first.click()
    page.set_input_files("#photo input[type=file]", two_people)
    keep.wait_for()
    page.wait_for_selector("#result:not(.outdated) #edited img", state="attached")
    changes = Changes(page)
    keep.click()
    changes.wait()  # the other face is chosen, and shown
    sync_api.expect(row).to_contain_text("Kept: 1. Choose one again to change it.")
    page.wait_for_selector("#outlines .chosen text:has-text('2')", state="attached")
    page.wait_for_selector("#outlines .other text:has-text('1 ✓')", state="attached")
    assert not page.locator("#kept").is_visible()
    changes = Changes(page)
    page.click("#start-over")
    changes.wait()
    row.wait_for(state="hidden")
    page.wait_for_selector("#outlines text:has-text('✓')", state="detached")
    page.click("#people button >> nth=8")
    keep.wait_for(state="hidden")
