"""What tests in a browser share."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright import sync_api

SECONDS = 60  # for anything to happen on the page


class Changes:
    """Waits for the edited face to change from what it was when this was made."""

    def __init__(self, page: "sync_api.Page") -> None:
        self.page = page
        self.before = page.get_attribute("#edited img", "src")

    def wait(self) -> None:
        script = (
            "before => { const image = document.querySelector('#edited img'); return image && image.src != before }"
        )
        self.page.wait_for_function(script, arg=self.before)


def give_photo(page: "sync_api.Page", file: Path | dict) -> None:
    """Puts another photo in the place of the one that is there."""
    page.get_by_label("Remove Image").or_(page.get_by_label("Clear")).first.click()
    page.set_input_files("#photo input[type=file]", file)
