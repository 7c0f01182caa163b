"""The demo in a browser. Skipped without Chromium (`apt-get install chromium`) or playwright."""

import base64
import io
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from conftest import BROWSER_OPTIONS, ROOT, next_by_keyboard
from PIL import Image

import app
from demo.browsing import SECONDS, Changes, give_photo
from leed import Expression
from leed.photo.saving import is_marked

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")

PORTRAIT = ROOT / "leed/gallery/portraits/comp02.jpg"
PERSON, FACE = "#people button >> nth=6", "#gallery button >> nth=3"


@pytest.fixture
def camera_page(
    playwright: "sync_api.Playwright", chromium: str, app_url: str, tmp_path: Path
) -> Iterator["sync_api.Page"]:
    """The page in a browser whose camera shows a person that moves from side to side."""
    with Image.open(PORTRAIT) as portrait, open(tmp_path / "camera.mjpeg", "wb") as film:
        for shift in (*range(0, 60, 4), *range(60, 0, -4)):
            frame = Image.new("RGB", (640, 480), (205, 208, 205))
            frame.paste(portrait.resize((442, 480)), (70 + shift, 0))
            frame.save(film, "JPEG")
    options = (*BROWSER_OPTIONS, f"--use-file-for-fake-video-capture={tmp_path / 'camera.mjpeg'}")
    browser = playwright.chromium.launch(executable_path=chromium, args=options)
    page = browser.new_page(permissions=["camera"])
    page.set_default_timeout(SECONDS * 1000)
    page.goto(app_url)
    yield page
    browser.close()


def test_upload_choose_drag_and_download(page: "sync_api.Page", tmp_path: Path):
    changes = Changes(page)
    give_photo(page, PORTRAIT)
    changes.wait()

    changes = Changes(page)
    page.click("#expression label:has-text('Angry')")  # takes the first angry face of the same person
    page.wait_for_selector("#gallery img[alt^='angry']")
    changes.wait()
    page.wait_for_selector("#gallery .selected img[alt^='angry, person 1,']")

    changes = Changes(page)
    page.click("#gallery button >> nth=4")
    changes.wait()

    changes = Changes(page)
    slider = page.locator("#alpha input[type=range]")
    slider.focus()
    slider.press("ArrowLeft")
    changes.wait()

    with page.expect_download() as download:
        page.click("#save")
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    assert path.suffix == ".png" and is_marked(path)
    with Image.open(path) as saved, Image.open(PORTRAIT) as portrait:
        assert saved.size == portrait.size
        assert (np.asarray(saved) != np.asarray(portrait)).any()


def test_divider_moves_by_keyboard(page: "sync_api.Page"):
    divider = page.get_by_role("slider", name="Before and after")
    sync_api.expect(divider).to_have_attribute("aria-valuenow", "20")
    divider.focus()
    places = {"ArrowRight": 25, "ArrowUp": 30, "ArrowLeft": 25, "End": 100, "ArrowDown": 95, "Home": 0}
    near = "([divider, place]) => Math.abs(divider.getAttribute('aria-valuenow') - place) <= 2"  # it stops at pixels
    for key, place in places.items():
        divider.press(key)
        page.wait_for_function(near, arg=[divider.element_handle(), place])
    hidden = page.get_by_alt_text("The edited photo").evaluate("picture => picture.style.clipPath")
    assert float(hidden.split()[-1].removesuffix("%)")) < 0.1  # of its left side: the divider is there


def test_example_people_can_be_chosen(page: "sync_api.Page"):
    changes = Changes(page)
    page.click("#people button >> nth=8")
    changes.wait()


def test_a_photo_of_ones_own_takes_the_frame_off_the_example_people(page: "sync_api.Page"):
    page.click("#people button >> nth=8")
    page.wait_for_selector("#people .selected")
    page.wait_for_selector("#result:not(.outdated)", state="attached")
    give_photo(page, PORTRAIT)
    page.wait_for_selector("#people .selected", state="detached")


def test_a_face_is_chosen_by_click_and_by_keyboard(page: "sync_api.Page", two_people: Path):
    assert page.locator("#outlines rect").count() == 1 and not page.locator("#which-face").is_visible()
    give_photo(page, two_people)
    larger, smaller = (page.locator("#outlines g", has_text=number).locator("rect") for number in "12")
    assert larger.bounding_box()["x"] > smaller.bounding_box()["x"]

    box = smaller.bounding_box()  # where the page draws it is where it is clicked: at once, the edit is under way
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector("#outlines .chosen text:has-text('2')", state="attached")

    changes = Changes(page)
    page.locator("#which-face input").first.press("Space")
    changes.wait()
    page.wait_for_selector("#outlines .chosen text:has-text('1')", state="attached")


def test_outlines_lie_on_the_faces_of_small_photos_too(page: "sync_api.Page", two_people: Path, tmp_path: Path):
    """Which fill less than their place, unless they are enlarged; they are drawn, and clicked, as if they were."""
    with Image.open(two_people) as photo:
        photo.resize((210, 114)).save(tmp_path / "small.png")
    give_photo(page, tmp_path / "small.png")
    smaller = page.locator("#outlines g", has_text="2").locator("rect")
    smaller.wait_for()
    page.wait_for_selector("#result:not(.outdated) #edited img", state="attached")
    box = smaller.bounding_box()
    patch = {"x": box["x"] + box["width"] / 4, "y": box["y"] + box["height"] / 4}
    patch |= {"width": box["width"] / 2, "height": box["height"] / 2}
    with Image.open(io.BytesIO(page.screenshot(clip=patch))) as shown:
        red, green, blue = np.asarray(shown.convert("RGB"), float).mean((0, 1))
    assert red > green + 20 > blue + 20  # skin, where the background is grey


def test_every_format_is_shown_even_where_the_system_knows_no_type(page: "sync_api.Page", tmp_path: Path):
    """A preview, made of what was opened, stands for a TIFF file; the edit is of the file."""
    buffer = io.BytesIO()
    Image.open(PORTRAIT).save(buffer, "TIFF")
    tiff = {"name": "photo.tif", "mimeType": "application/octet-stream", "buffer": buffer.getvalue()}
    nameless = tmp_path / "photo"  # no ending, so that the browser knows no type either
    nameless.write_bytes(buffer.getvalue())
    for column, photo, file in (
        ("", "#photo", tiff),
        ("text=Or a reference of your own", "#own-reference", nameless),
    ):
        changes = Changes(page)
        if column:
            page.click(column)
        else:
            page.get_by_label("Remove Image").or_(page.get_by_label("Clear")).first.click()
        page.set_input_files(f"{photo} input[type=file]", file)
        changes.wait()
        page.wait_for_function(f"() => document.querySelector('{photo} img')?.naturalWidth > 0")
    with page.expect_download() as download:
        page.click("#save")
    with Image.open(download.value.path()) as saved:
        assert saved.size == Image.open(PORTRAIT).size


@pytest.mark.parametrize(
    ("name", "size", "sentence"),
    [
        ("photo.jpg", 40 * 2**20 + 1, "This file is larger than 40 MB: please give a smaller one."),
        ("letter.pdf", 9, "This file is not a picture that can be read; JPEG, PNG and WebP work."),
    ],
)
def test_refused_files_get_the_pages_own_words(
    page: "sync_api.Page", tmp_path: Path, name: str, size: int, sentence: str
):
    (tmp_path / name).write_bytes(bytes(size))
    give_photo(page, tmp_path / name)
    page.get_by_test_id("toast-body").get_by_text(sentence, exact=True).wait_for()


def test_the_page_rests_when_nobody_does_anything(page: "sync_api.Page", two_people: Path):
    page.set_input_files("#photo input[type=file]", two_people)
    page.locator("#outlines g", has_text="2").locator("rect").click(force=True)
    page.click("#gallery button >> nth=2")
    page.wait_for_timeout(2000)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.wait_for_timeout(500)
    assert requests == []


def test_the_last_of_quick_clicks_counts(page: "sync_api.Page"):
    def edited() -> bytes:
        return page.request.get(page.get_attribute("#edited img", "src")).body()

    for number in (1, 2, 3, 4):
        page.click(f"#gallery button >> nth={number}")
        page.wait_for_timeout(150)
    page.wait_for_timeout(1500)
    of_quick_clicks = edited()
    for number in (1, 4):
        changes = Changes(page)
        page.click(f"#gallery button >> nth={number}")
        changes.wait()
    assert edited() == of_quick_clicks


@pytest.mark.slow
def test_sequence_plays_and_is_saved_marked(page: "sync_api.Page", small_portrait: Path, tmp_path: Path):
    changes = Changes(page)
    give_photo(page, small_portrait)
    changes.wait()
    page.get_by_role("tab", name="Sequence").click()
    page.click("#make-sequence")
    page.wait_for_selector("#sequence video")
    page.wait_for_function("(film => !film.paused && film.currentTime > 0)(document.querySelector('#sequence video'))")
    for name, suffix in (("MP4", ".mp4"), ("WebP", ".webp"), ("GIF", ".gif")):
        with page.expect_download() as download:
            page.locator("#sequence-files").get_by_text(name).click()
        path = tmp_path / download.value.suggested_filename
        download.value.save_as(path)
        assert path.suffix == suffix and is_marked(path)
    page.click("#gallery button >> nth=3")  # the sequence shows something else than what is chosen now
    page.wait_for_selector("#sequence video", state="hidden")
    page.wait_for_selector("#make-sequence:enabled")


@pytest.mark.parametrize(
    ("tab", "button", "result"), [("Sequence", "sequence", "video"), ("All expressions", "grid", "img")]
)
def test_what_was_made_for_another_choice_is_dropped(
    page: "sync_api.Page", small_portrait: Path, tab: str, button: str, result: str
):
    changes = Changes(page)
    give_photo(page, small_portrait)
    changes.wait()
    page.get_by_role("tab", name=tab).click()
    page.click(f"#make-{button}")
    page.wait_for_timeout(200)
    page.click("#gallery button >> nth=3")
    page.wait_for_selector(f"#make-{button}:has-text('One moment')")
    page.wait_for_selector(f"#make-{button}:enabled:has-text('Make the')")
    page.wait_for_timeout(1500)
    assert page.locator(f"#{button} {result}").count() == 0
    assert not any(item.is_visible() for item in page.locator("#sequence-files button, #grid-file").all())
    page.click(f"#make-{button}")  # of the new choice
    page.wait_for_selector(f"#{button} {result}")


def click_both(page: "sync_api.Page", first: str, second: str) -> None:
    """Clicks one thing and, before the server can have answered, another: `page.click` may take longer."""
    script = """([first, second]) => {
        first.click()
        setTimeout(() => second.click(), 30)
    }"""
    page.evaluate(script, [page.locator(selector).element_handle() for selector in (first, second)])


def saved(download: "sync_api.EventInfo[sync_api.Download]", path: Path) -> bytes | Expression:
    """What was downloaded; files of one expression may differ in the order of their metadata."""
    path = path.with_suffix(Path(download.value.suggested_filename).suffix)
    download.value.save_as(path)
    return Expression.load(path) if path.suffix == ".safetensors" else path.read_bytes()


def test_the_photo_of_another_choice_is_not_saved(page: "sync_api.Page"):
    downloads: list[object] = []
    page.on("download", lambda download: downloads.append(download))
    before = page.evaluate("leed.choice")
    click_both(page, "#save", PERSON)
    page.wait_for_function("before => leed.choice > before", arg=before)
    page.wait_for_selector("#result:not(.outdated) #edited img", state="attached")
    page.wait_for_timeout(1500)
    assert downloads == []
    with page.expect_download():
        page.click("#save")


@pytest.mark.parametrize(
    ("choice", "button"),
    [
        (PERSON, "#save"),
        (FACE, "#save"),
        (FACE, "#save-expression"),
        ("#expression input >> nth=3", "#save"),
    ],
)
def test_what_is_chosen_is_saved_though_it_is_on_its_way(
    page: "sync_api.Page", choice: str, button: str, tmp_path: Path
):
    """The server tells the page what was clicked: saved at once, it is of the new choice all the same."""
    page.click("text=Save the expression, or use a saved one")
    with page.expect_download() as at_once:
        click_both(page, choice, button)
    page.wait_for_selector("#result:not(.outdated) #edited img", state="attached")
    with page.expect_download() as later:
        page.click(button)
    assert saved(at_once, tmp_path / "at-once") == saved(later, tmp_path / "later")


def test_an_emptied_strength_keeps_the_last_one(page: "sync_api.Page"):
    number = page.locator("#alpha input[type=number]")
    number.fill("0.5")
    page.wait_for_timeout(1500)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    number.fill("")
    page.wait_for_timeout(500)
    assert requests == []
    number.blur()
    page.wait_for_timeout(300)
    assert number.input_value() == "0.5"
    assert page.locator("#alpha input[type=range]").input_value() == "0.5"


def test_sheet_of_all_expressions(page: "sync_api.Page", tmp_path: Path):
    page.get_by_role("tab", name="All expressions").click()
    page.click("#make-grid")
    page.wait_for_selector("#grid img")
    with page.expect_download() as download:
        page.click("#grid-file")
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    assert path.suffix == ".png" and is_marked(path)


def test_a_missing_face_is_reported_and_the_centre_can_be_used(page: "sync_api.Page", tmp_path: Path):
    Image.new("RGB", (300, 200), (120, 140, 160)).save(tmp_path / "wall.png")
    give_photo(page, tmp_path / "wall.png")
    page.wait_for_selector("#message:has-text('No face was found in the photo')")
    assert page.locator("#edited img").count() == 0
    page.get_by_role("tab", name="Sequence").click()
    page.click("#make-sequence")
    page.get_by_test_id("toast-body").get_by_text("No face was found in the photo").wait_for()
    page.wait_for_selector("#make-sequence:enabled:has-text('Make the sequence')")
    page.get_by_role("tab", name="Picture").click()
    page.check("#center-crop input")
    page.wait_for_selector("#edited img", state="attached")
    page.wait_for_function("() => !document.querySelector('#message')?.innerText.includes('No face was found')")


def test_a_reference_without_a_face_is_reported_beside_it(page: "sync_api.Page", tmp_path: Path):
    Image.new("RGB", (300, 200), (120, 140, 160)).save(tmp_path / "wall.png")
    page.click("text=Or a reference of your own")
    page.set_input_files("#own-reference input[type=file]", tmp_path / "wall.png")
    page.wait_for_selector("#reference-message:has-text('No face was found in the reference')")
    assert not page.locator("#message").is_visible() and not page.locator("#center-crop").is_visible()
    page.check("#reference-center-crop input")
    page.wait_for_selector("#edited img", state="attached")
    page.set_input_files("#own-reference input[type=file]", PORTRAIT)
    page.wait_for_selector("#reference-center-crop", state="hidden")


def test_own_reference(page: "sync_api.Page"):
    changes = Changes(page)
    framed = page.locator("#gallery .selected")
    assert framed.count() == 1
    page.click("text=Or a reference of your own")
    page.set_input_files("#own-reference input[type=file]", PORTRAIT)
    changes.wait()
    framed.wait_for(state="detached")
    changes = Changes(page)
    page.click("#gallery button >> nth=3")  # takes its place
    changes.wait()
    framed.wait_for()
    page.wait_for_selector("#own-reference img", state="detached")


def test_camera(page: "sync_api.Page"):
    """The fake camera shows no face, and the page says so: the picture arrived."""
    page.get_by_label("Remove Image").or_(page.get_by_label("Clear")).first.click()
    page.locator("#photo").get_by_label("Capture from camera").click()
    page.locator("#photo").get_by_text("Use the camera").click()
    page.locator("#photo video").wait_for(state="visible")
    page.wait_for_function("document.querySelector('#photo video').videoWidth > 0")
    page.locator("#photo").get_by_label("capture photo").click()
    page.wait_for_selector("#message:has-text('No face was found in the photo')")


def test_live_camera_drops_what_it_cannot_edit_in_time(camera_page: "sync_api.Page", tmp_path: Path):
    page = camera_page
    page.get_by_role("tab", name="Live camera").click()
    page.locator("#camera").get_by_text("Use the camera").click()
    page.locator("#camera button", has_text="Start").click()
    screen = page.locator("#screen img")
    screen.wait_for()
    frames = {screen.get_attribute("src")}
    while len(frames) < 4:
        page.wait_for_timeout(50)
        frames.add(screen.get_attribute("src"))
    page.locator("#camera button", has_text="Stop").click()
    page.wait_for_timeout(1500)  # one frame may be under way
    last = screen.get_attribute("src")
    page.wait_for_timeout(1000)
    assert screen.get_attribute("src") == last, "frames were queued"
    (tmp_path / "frame.jpg").write_bytes(base64.b64decode(last.partition(",")[2]))
    assert is_marked(tmp_path / "frame.jpg")


def test_page_is_labelled(page: "sync_api.Page"):
    """Every picture that says something has a text, every control a name."""
    images = page.locator(".faces img, .face img, #photo img")
    unnamed = images.evaluate_all("images => images.filter(image => !image.alt).map(image => image.outerHTML)")
    assert images.count() > 40 and unnamed == []
    assert page.get_by_label("Strength (alpha)").count() > 0
    for text in ("AI-modified picture", "What it is not for", "consent"):
        assert page.get_by_text(text).count() > 0


def test_what_is_not_chosen_yet_can_be_seen(page: "sync_api.Page"):
    """Circles and boxes differ from the white around them by a contrast of 3 (WCAG 2.1, 1.4.11)."""
    colour = page.locator("#expression input:not(:checked)").first.evaluate(
        "item => getComputedStyle(item).borderColor"
    )
    levels = np.array([int(part) for part in re.findall(r"\d+", colour)[:3]]) / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    assert 1.05 / (linear @ (0.2126, 0.7152, 0.0722) + 0.05) >= 3


def test_keyboard_reaches_every_control_in_the_order_of_the_page(page: "sync_api.Page"):
    page.mouse.click(2, 2)
    reached = []
    while (name := next_by_keyboard(page)) is not None:
        reached.append(name)
    order = [
        "Photo",
        "Video",
        "Live camera",
        "Upload file",
        "example person 1",
        "Happy",
        "Picture",
        "Download photo (PNG)",
    ]
    assert [name for name in reached if name in order] == order
    for name in (
        "Before and after",
        "All expressions",
        "range slider for Strength (alpha)",
        "Or a reference of your own",
    ):
        assert name in reached
    assert not any(page.locator(hidden).is_visible() for hidden in ("#file", "#which-face"))


def test_a_full_queue_is_reported_on_a_page_that_shows_the_example(browser: "sync_api.Browser", slow_app):
    url, _ = slow_app
    visitor = httpx.Client(base_url=f"{url}/gradio_api", timeout=SECONDS)
    (path,) = visitor.post("/upload", files={"files": ("photo.jpg", PORTRAIT.read_bytes())}).json()
    photo = {"path": path, "meta": {"_type": "gradio.FileData"}}
    for _ in range(app.MAX_WAITING + 2):
        visitor.post("/call/v2/edit", json={"photo": photo})
    with browser.new_context() as context:
        page = context.new_page()
        page.set_default_timeout(SECONDS * 1000)
        page.goto(url)
        page.wait_for_selector("#edited img", state="attached")  # part of the page
        page.get_by_role("tab", name="Sequence").click()
        page.click("#make-sequence")
        page.get_by_test_id("toast-body").get_by_text("currently busy").wait_for()
        page.wait_for_selector("#make-sequence:enabled:has-text('Make the sequence')")


@pytest.mark.parametrize("tab", ["Photo", "Video", "Live camera"])
def test_phone_width_needs_no_sideways_scrolling(browser: "sync_api.Browser", app_url: str, tab: str):
    with browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True) as context:
        page = context.new_page()
        page.goto(app_url)
        page.wait_for_selector("#gallery img", state="attached", timeout=SECONDS * 1000)
        page.get_by_role("tab", name=tab).click()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
