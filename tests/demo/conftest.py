"""The page of the demo in a browser."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from demo.browsing import SECONDS

if TYPE_CHECKING:
    from playwright import sync_api


@pytest.fixture
def page(browser: "sync_api.Browser", app_url: str) -> Iterator["sync_api.Page"]:
    """The page with the result for the person that it shows at first."""
    with browser.new_context(viewport={"width": 1280, "height": 900}, permissions=["camera"]) as context:
        page = context.new_page()
        page.set_default_timeout(SECONDS * 1000)
        page.goto(app_url)
        for selector in ("#edited img", "#comparison [role=slider]", "#people img", "#gallery .selected"):
            page.wait_for_selector(selector, state="attached")
        yield page
