"""The page's expression column in a browser: mixes. Skipped without Chromium or playwright."""

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
