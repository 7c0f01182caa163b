"""The user studies in a browser. Skipped without Chromium (`apt-get install chromium`) or playwright.

The page of the fixture `study_page` asks 13 questions.
"""

import sqlite3
from types import SimpleNamespace

import pytest
from conftest import next_by_keyboard

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")

SECONDS = 60


class StudyVisit:
    """A rater at the page of the user studies, in a fresh browser; `answers` are those that the page has kept."""

    def __init__(self, browser: "sync_api.Browser", study_page: SimpleNamespace, width: int) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 844}, has_touch=width < 640)
        self.page = self.context.new_page()
        self.page.set_default_timeout(SECONDS * 1000)
        self.requests: list[str] = []
        self.page.clock.install()
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.file = study_page.answers
        self.page.goto(study_page.url)
        self.page.wait_for_selector("#agree:visible")

    def wait_for_question(self, number: int) -> None:
        self.page.wait_for_selector(f".progress:has-text('Question {number} of 13')")
        self.page.clock.fast_forward(450)  # until a click is no longer taken for the second of two

    def pictures(self) -> list[str]:
        images = self.page.locator(".picture img:visible")
        return images.evaluate_all("images => images.map(image => image.src)")

    def answers(self) -> list[tuple]:
        with sqlite3.connect(self.file) as file:
            (rater,) = file.execute("SELECT rater FROM raters ORDER BY rowid DESC").fetchone()
            query = "SELECT position, answer FROM answers WHERE rater = ? ORDER BY position"
            return file.execute(query, (rater,)).fetchall()


def test_study_by_keyboard_with_a_reload_and_a_double_click(browser: "sync_api.Browser", study_page: SimpleNamespace):
    visit = StudyVisit(browser, study_page, 1280)
    page = visit.page
    while next_by_keyboard(page) != "I have read this and agree to take part":
        pass
    page.keyboard.press("Enter")
    visit.wait_for_question(1)
    assert len(visit.pictures()) == 1
    page.keyboard.press("2")
    visit.wait_for_question(2)
    before = visit.pictures()
    page.reload()
    visit.wait_for_question(2)
    assert visit.pictures() == before
    page.locator(".answer:visible", has_text="Real").dblclick()
    visit.wait_for_question(3)
    while next_by_keyboard(page) != "Fake":
        pass
    page.keyboard.press("Enter")
    visit.wait_for_question(4)
    assert visit.answers() == [(0, "fake"), (1, "real"), (2, "fake")]
    for number in range(4, 14):
        visit.wait_for_question(number)
        assert len(visit.pictures()) == (1 if number < 10 else 3)
        page.keyboard.press("1")
    page.wait_for_selector(".judged img")
    assert page.locator(".judged img").count() == 8 and page.locator(".answer:visible").count() == 0
    assert [position for position, _ in visit.answers()] == list(range(13))
    page.reload()
    page.wait_for_selector(".judged img")
    assert len(visit.answers()) == 13
    assert not any(name in url for url in visit.requests for name in ("leed", "stargan", "ganimation", "happy"))
    visit.context.close()


def test_study_on_a_phone_and_stopped(browser: "sync_api.Browser", study_page: SimpleNamespace):
    visit = StudyVisit(browser, study_page, 390)
    page = visit.page
    page.tap("#agree")
    for number in range(1, 12):
        visit.wait_for_question(number)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        bottom = page.locator(".answer:visible").last.bounding_box()
        assert bottom["y"] + bottom["height"] <= 844 and bottom["height"] >= 44
        if number < 11:
            page.locator(".answer:visible").last.tap()
    alts = page.locator(".picture img:visible").evaluate_all("images => images.map(image => image.alt)")
    assert alts == ["Picture 1", "Picture 2", "Picture 3"]
    page.get_by_text("Stop here").tap()
    page.tap("#stop")
    page.wait_for_selector(".judged img")
    assert len(visit.answers()) == 10
    page.reload()
    page.wait_for_selector(".judged img")
    visit.context.close()
