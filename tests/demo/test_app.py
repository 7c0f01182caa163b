"""The demo as a program: started as a visitor would meet it, driven by Gradio's client."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType, SimpleNamespace
from unittest.mock import Mock

import httpx
import numpy as np
import psutil
import pytest
import safehttpx
from conftest import ROOT
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from video.clips import content, frame_of, write_clip

import app
from leed.demo.worker import WorkerError
from leed.photo.grid import CAPTION, GAP, TILE
from leed.photo.saving import is_marked

PORTRAIT = ROOT / "leed/gallery/portraits/comp02.jpg"
ANGRY = ROOT / "leed/gallery/faces/090_comp07_female_angry_v0.webp"


@pytest.fixture(scope="session")
def client(app_url: str, tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client(app_url, verbose=False, download_files=tmp_path_factory.mktemp("downloads"))


def edit(client: Client, photo: Path, **options) -> tuple[Path, Path]:
    face, whole = client.predict(photo=handle_file(photo), api_name="/edit", **options)
    return Path(face), Path(whole)


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path), int)


def test_edit_comes_back_marked(client: Client):
    face, whole = edit(client, PORTRAIT)
    assert Image.open(face).format == Image.open(whole).format == "PNG"
    assert Image.open(face).size == (32, 32) and Image.open(whole).size == Image.open(PORTRAIT).size
    assert is_marked(face) and is_marked(whole)
    changed = np.abs(pixels(whole) - pixels(PORTRAIT)).max(2)
    assert changed[300:560, 250:450].max() > 3 and changed[:150].max() == 0


def test_every_choice_has_an_effect(client: Client):
    faces = [
        pixels(edit(client, PORTRAIT, **options)[0])
        for options in (
            {"reference": 40, "alpha": 1.0},
            {"reference": 40, "alpha": 0.3},
            {"reference": 100, "alpha": 1.0},
            {"own_reference": handle_file(PORTRAIT), "alpha": 1.0},
            {"reference": 40, "region": "mouth"},
            {"reference": 40, "second": "angry"},
            {"reference": 40, "second": "angry", "share": 0.9},
            {"reference": 40, "second": "angry", "second_region": "left"},
        )
    ]
    for i, face in enumerate(faces):
        assert all((face != other).any() for other in faces[:i])
    np.testing.assert_array_equal(pixels(edit(client, PORTRAIT, reference=40, alpha=1.0)[0]), faces[0])


def test_a_saved_expression_stands_for_the_mix_that_it_holds(client: Client, tmp_path: Path):
    mix = {"reference": 40, "region": "mouth", "second": "angry", "second_region": "eyes", "share": 0.8}
    file = client.predict(**mix, api_name="/expression")
    saved = pixels(edit(client, PORTRAIT, saved_expression=handle_file(file))[0])
    np.testing.assert_array_equal(saved, pixels(edit(client, PORTRAIT, **mix)[0]))
    (tmp_path / "page.safetensors").write_text("<html></html>")
    with pytest.raises(AppError, match="This file cannot be used: it is damaged, or of another kind"):
        edit(client, PORTRAIT, saved_expression=handle_file(tmp_path / "page.safetensors"))


def test_each_face_can_be_chosen(client: Client, two_people: Path):
    """Face 0, the larger one, is in the right half, face 1 in the left."""
    for face, (changed, kept) in enumerate([(slice(700, None), slice(0, 700)), (slice(0, 700), slice(700, None))]):
        _, whole = edit(client, two_people, face=face)
        change = np.abs(pixels(whole) - pixels(two_people))
        assert change[:, changed].max() > 3 and change[:, kept].max() == 0
    with pytest.raises(AppError, match=r"face must be in \[0, 1\] for this photo, got 2"):
        edit(client, two_people, face=2)


def test_faces_keep_what_they_get_while_another_is_edited(client: Client, two_people: Path):
    """The left half has face 1, the right half face 0; each is as if it were edited alone."""
    left, right = np.s_[:, :700], np.s_[:, 700:]
    other = {"face": 1, "reference": 100, "alpha": 0.7, "region": "mouth"}
    both = pixels(edit(client, two_people, reference=40, kept=[other])[1])
    np.testing.assert_array_equal(both[right], pixels(edit(client, two_people, reference=40)[1])[right])
    np.testing.assert_array_equal(both[left], pixels(edit(client, two_people, **other)[1])[left])
    again = pixels(edit(client, two_people, reference=40, kept=[{**other, "face": 0}])[1])  # the chosen one counts
    np.testing.assert_array_equal(again, pixels(edit(client, two_people, reference=40)[1]))
    with pytest.raises(AppError, match=r"face must be in \[0, 1\] for this photo, got 9"):
        edit(client, two_people, kept=[{"face": 9}])
    own = {"face": 1, "own_reference": handle_file(ANGRY)}
    assert (pixels(edit(client, two_people, reference=40, kept=[own])[1])[left] != both[left]).any()
    file = client.predict(reference=100, region="mouth", api_name="/expression")
    value = {"face": 1, "alpha": 0.7, "expression": base64.b64encode(Path(file).read_bytes()).decode()}
    np.testing.assert_array_equal(pixels(edit(client, two_people, reference=40, kept=[value])[1]), both)


def test_sequence_comes_as_three_marked_files(client: Client, two_people: Path):
    files = [Path(path) for path in client.predict(photo=handle_file(two_people), face=1, api_name="/sequence")]
    assert [file.suffix for file in files] == [".mp4", ".webp", ".gif"]
    for file in files:
        assert is_marked(file)
    for file in files[1:]:
        with Image.open(file) as saved:
            assert saved.n_frames == 30 and max(saved.size) == 720
    with pytest.raises(AppError, match="give a photo"):
        client.predict(photo=None, api_name="/sequence")


def test_a_clip_comes_back_marked_with_its_sound(client: Client, app_server: SimpleNamespace, tmp_path: Path):
    frames = [frame_of(("comp02", 20 + 2 * i, 0, 120), size=(160, 120)) for i in range(3)]
    clip = write_clip(tmp_path / "a.mp4", frames, sound="aac")
    path, note = client.predict(clip=handle_file(clip), expression="sad", api_name="/video")
    assert is_marked(path) and note == "" and content(Path(path)).sound == content(clip).sound
    with pytest.raises(AppError, match="task must be one of give, neutralize, follow"):
        client.predict(clip=handle_file(clip), task="SECRET", api_name="/video")
    with pytest.raises(AppError, match="photo.png cannot be read as a video|has no pictures|no face"):
        client.predict(clip=handle_file(small_picture(tmp_path)), api_name="/video")
    answer = httpx.post(f"{app_server.url}/gradio_api/run/video", json={"data": ["SECRET"]}, timeout=60)
    assert answer.status_code == 422 and answer.json()["error"].startswith("clip must be an uploaded clip, got")
    assert "Traceback" not in app_server.log.read_text() and "SECRET" not in app_server.log.read_text()


def small_picture(folder: Path) -> Path:
    Image.new("RGB", (64, 48)).save(folder / "photo.png")
    return folder / "photo.png"


def test_grid_is_one_marked_sheet(client: Client):
    sheets = [
        Path(client.predict(photo=handle_file(PORTRAIT), reference=reference, api_name="/grid"))
        for reference in (10, 12, 20)  # the first and the last of person 1's happy faces are 10 and 12
    ]
    assert all(is_marked(sheet) and sheet.suffix == ".png" for sheet in sheets)
    assert (pixels(sheets[0]) == pixels(sheets[1])).all() and (pixels(sheets[0]) != pixels(sheets[2])).any()
    default = client.predict(photo=handle_file(PORTRAIT), api_name="/grid")
    own = client.predict(photo=handle_file(PORTRAIT), own_reference=handle_file(ANGRY), api_name="/grid")
    row = TILE + CAPTION  # the second of the sheet is the own reference's, those below are the same as without it
    assert (pixels(own)[: GAP + row] == pixels(sheets[0])[: GAP + row]).all()
    assert (pixels(own)[GAP + 2 * row :] == pixels(default)[GAP + row :]).all()
    with pytest.raises(AppError, match=r"reference must be in \[0, 299\], got -1"):
        client.predict(photo=handle_file(PORTRAIT), reference=-1, api_name="/grid")


def test_references_are_listed_in_the_order_of_their_numbers(client: Client):
    references = client.predict(api_name="/references")
    assert [item["reference"] for item in references] == list(range(300))
    assert references[0]["expression"] == "neutral" and references[219]["expression"] == "contemptuous"
    assert references[220]["expression"] == "blink" and references[-1]["expression"] == "ee"
    assert {item["person"] for item in references} == {f"comp{i:02}" for i in range(1, 11)}


def test_a_missing_face_is_reported_and_the_centre_offered(client: Client, tmp_path: Path):
    Image.new("RGB", (300, 200), (120, 140, 160)).save(tmp_path / "wall.png")
    with pytest.raises(AppError, match="No face was found in the photo"):
        edit(client, tmp_path / "wall.png")
    with pytest.raises(AppError, match="No face was found in the reference"):
        edit(client, PORTRAIT, own_reference=handle_file(tmp_path / "wall.png"))
    _, whole = edit(client, tmp_path / "wall.png", center_crop=True)
    assert Image.open(whole).size == (300, 200)


def test_bad_input_gives_one_sentence(client: Client, tmp_path: Path):
    (tmp_path / "page.jpg").write_text("<html></html>")
    (tmp_path / "cut.jpg").write_bytes(PORTRAIT.read_bytes()[:20000])
    with pytest.raises(AppError, match="not a picture that can be read"):
        edit(client, tmp_path / "page.jpg")
    with pytest.raises(AppError, match="damaged"):
        edit(client, tmp_path / "cut.jpg")
    with pytest.raises(AppError, match=r"reference must be in \[0, 299\], got 300"):
        edit(client, PORTRAIT, reference=300)
    with pytest.raises(AppError, match="give a photo"):
        client.predict(photo=None, api_name="/edit")
    with pytest.raises(Exception, match="1.5"):
        edit(client, PORTRAIT, alpha=1.6)


def test_any_photo_works_and_its_metadata_stays_behind(client: Client, tmp_path: Path):
    portrait = Image.open(PORTRAIT)
    portrait.convert("CMYK").save(tmp_path / "print.jpg")
    exif = portrait.getexif()
    exif[0x0112], exif[0x010E] = 6, "a secret"
    portrait.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "phone.jpg", exif=exif, comment="a secret")
    for name in ("print.jpg", "phone.jpg"):
        face, whole = edit(client, tmp_path / name)
        assert Image.open(whole).size == portrait.size
        assert b"a secret" not in face.read_bytes() + whole.read_bytes()


DATA_URL = "data:image/jpeg;base64," + 3000 * "SECRET"
FILE = {"meta": {"_type": "gradio.FileData"}}
MISTAKES: dict[str, tuple[dict, str]] = {
    "text for a number": ({"alpha": "strong"}, 'alpha must be a number from 0 to 1.5, got the text "strong".'),
    "NaN": ({"alpha": float("nan")}, "alpha must be a number from 0 to 1.5, got nan."),
    "null": ({"alpha": None}, "alpha must be a number from 0 to 1.5, got null."),
    "no region": ({"region": "nose"}, 'region must be one of whole, eyes, mouth, left, right, got the text "nose".'),
    "no expression": (
        {"second": "neutral"},
        "second must be one of none, happy, sad, angry, fearful, disgusted, "
        'surprised, contemptuous, blink, wink_left, wink_right, kiss, laugh, ah, oh, ee, got the text "neutral".',
    ),
    "too large a share": ({"share": 1.1}, "share must be a number from 0 to 1, got 1.1."),
    "too strong": ({"alpha": 7}, "alpha must be a number from 0 to 1.5, got 7."),
    "a name for a number": ({"reference": "happy"}, 'reference must be a whole number, got the text "happy".'),
    "half a face": ({"face": 0.5}, "face must be a whole number, got 0.5."),
    "a huge number": ({"face": 1e308}, "face must be a whole number, got 1e+308."),
    "an object": ({"center_crop": {}}, "center_crop must be true or false, got an object."),
    "a long text": (
        {"reference": 3000 * "SECRET"},
        "reference must be a whole number, got a text of 18000 characters.",
    ),
    "a text as photo": ({"photo": "SECRET <b>"}, "photo must be an uploaded picture, got a text of 10 characters."),
    "a picture in a path": (
        {"photo": {"path": DATA_URL, **FILE}},
        "photo must be an uploaded picture: please upload the picture as a file.",
    ),
    "no list": ({"kept": {"face": 1}}, "kept must be a list of faces, got an object."),
    "too many faces": ({"kept": [{"face": i} for i in range(13)]}, "kept must be at most 12 faces, got 13."),
    "a kept face without number": (
        {"kept": [{"SECRET": 1}]},
        "kept[0] must be an object with face and any of face, alpha, reference, own_reference, own_center_crop, "
        "region, second, second_region, share, saved_expression, expression.",
    ),
    "an expression kept twice": (
        {"kept": [{"face": 0, "expression": "SECRET", "reference": 3}]},
        "kept[0] must have expression or what chooses one, got it and reference.",
    ),
    "an expression that is a number": (
        {"kept": [{"face": 0, "expression": 5}]},
        "kept[0].expression must be a text of at most 12000 characters, got 5.",
    ),
    "a kept face with a word": (
        {"kept": [{"face": 1}, {"face": 0, "alpha": "strong"}]},
        'kept[1].alpha must be a number from 0 to 1.5, got the text "strong".',
    ),
    "a file kept": (
        {"kept": [{"face": 0, "own_reference": "/etc/SECRET"}]},
        "kept[0].own_reference must be an uploaded picture: please upload the picture as a file.",
    ),
    "a number as file": ({"saved_expression": 5}, "saved_expression must be an uploaded file, got 5."),
    "a file of the server's": (
        {"saved_expression": {"path": "/etc/SECRET", **FILE}},
        "saved_expression must be an uploaded file: please upload the file itself.",
    ),
    "a path of the server's": (
        {"photo": {"path": "/etc/SECRET", **FILE}},
        "photo must be an uploaded picture: please upload the picture as a file.",
    ),
}


@pytest.mark.parametrize("kind", MISTAKES)
def test_a_callers_mistake_is_the_same_sentence_everywhere_and_is_not_logged(
    app_server: SimpleNamespace, client: Client, kind: str
):
    wrong, sentence = MISTAKES[kind]
    visitor = Visitor(app_server.url)
    request = {"reference": 0, "own_reference": None, "alpha": 1.0, "center_crop": False, "face": 0}
    request |= {"own_center_crop": False, "region": "whole", "second": "none", "second_region": "whole", "share": 0.5}
    request |= {"saved_expression": None, "kept": None}
    request = {**visitor.request, **request, **wrong}
    body = json.dumps({"data": list(request.values())})
    asked = visitor.client.post("/call/edit", content=body, headers={"Content-Type": "application/json"})
    outcome = visitor.client.get(f"/call/edit/{asked.json()['event_id']}").text
    assert outcome.startswith("event: error") and json.loads(outcome.split("data: ")[1])["error"] == sentence
    answer = visitor.client.post("/run/edit", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422 and answer.json()["error"] == sentence
    if (
        not {"photo", "saved_expression"} & wrong.keys() and kind != "NaN"
    ):  # the client uploads photos, and cannot write NaN
        with pytest.raises(AppError) as raised:
            client.predict(photo=handle_file(PORTRAIT), **wrong, api_name="/edit")
        assert raised.value.message == sentence
    log = app_server.log.read_text()
    assert "Traceback" not in log and "SECRET" not in log


def test_requests_that_are_no_calls_get_a_sentence(app_server: SimpleNamespace):
    client = httpx.Client(base_url=f"{app_server.url}/gradio_api", timeout=60)
    folder = Path(Visitor(app_server.url).request["photo"]["path"]).parent
    dependencies = httpx.get(f"{app_server.url}/config").json()["dependencies"]
    assert "error" in client.get("/call/edit/SECRET").text
    for path, body, status, sentence in (
        ("call/edit", {"data": "SECRET"}, 400, 'The body must be JSON like {"data": [...]}; wrong is: data.'),
        ("call/edit", {"data": []}, 200, "takes 13 values (photo, reference, own_reference, alpha,"),
        ("run/edit", {"data": [None] * 14}, 422, "/edit takes 13 values"),
        ("run/edit", {"data": [1]}, 422, "photo must be an uploaded picture, got 1."),
        ("run/edit", {"data": [{"path": str(folder), **FILE}, 0, None, 1, False, 0]}, 422, "got a folder."),
        (
            "call/SECRET",
            {"data": []},
            404,
            "There is no such call; there are /expression, /edit, /sequence, /grid, /video,",
        ),
        ("call/v2/SECRET", {}, 404, "There is no such call"),
        ("call/v2/edit", {"strength": 1}, 400, "/edit takes photo, reference, own_reference"),
        ("call/v2/edit", {"strength": 1}, 400, 'got the text "strength".'),
        (
            "component_server",
            {"component_id": 9999, "fn_name": "SECRET", "data": [], "session_hash": "x"},
            404,
            "There is no such call",
        ),
        ("run/edit", {"data": [{"path": "/tmp/\ud800SECRET", **FILE}]}, 422, "photo must be an uploaded picture"),
        ("run/x", {"data": [], "fn_index": "example_photo", "event_data": None}, 422, "A click must say"),
        (
            "run/x",
            {"data": [], "fn_index": "example_photo", "event_data": {"index": "SECRET!"}},
            422,
            "A click must say",
        ),
        ("run/js_fn", {"data": []}, 422, "This event runs in the browser"),
        ("run/x", {"data": [], "fn_index": 0}, 422, "This event runs in the browser"),
        ("run/edit", "{", 400, "wrong is: its form."),
        ("queue/join", {"data": [], "fn_index": 9999, "session_hash": "x"}, 404, "There is no such call"),
        (
            "queue/join",
            {"data": [], "fn_index": 0, "session_hash": 99 * "x"},
            400,
            "session_hash must have at most 64",
        ),
    ):
        if isinstance(body, dict) and body.get("fn_index") == "example_photo":
            body["fn_index"] = next(i["id"] for i in dependencies if i["api_name"] == "example_photo")
        content = body if isinstance(body, str) else json.dumps(body)
        answer = client.post(path, content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == status, (path, body, answer.text)
        text = client.get(f"{path}/{answer.json()['event_id']}").text if status == 200 else answer.text
        assert sentence in text.replace('\\"', '"') and "SECRET" not in text, (path, body, text)
    log = app_server.log.read_text()
    assert "Traceback" not in log and "SECRET" not in log and "IndexError" not in log


def test_the_api_explains_each_argument_and_its_example_runs(app_url: str, tmp_path: Path):
    """As *Use via API* prints it."""
    endpoints = httpx.get(f"{app_url}/gradio_api/info", timeout=60).json()["named_endpoints"]
    for name in ("/expression", "/edit", "/sequence", "/grid", "/video"):
        assert all(parameter["python_type"]["description"] for parameter in endpoints[name]["parameters"])
        assert "githubusercontent" not in json.dumps(endpoints[name])
    code = endpoints["/edit"]["code_snippets"]["python"].replace("print(result)", "")
    code = code.replace("Client(", f"Client(download_files={str(tmp_path)!r}, verbose=False, src=", 1)
    exec(code, printed := {})
    assert all(is_marked(path) for path in printed["result"])
    assert app_url in code
    values = {item["parameter_name"]: item["parameter_default"] for item in endpoints["/edit"]["parameters"]}
    example = next(item["example_input"] for item in endpoints["/edit"]["parameters"])
    values["photo"] = {"path": example["url"], **FILE}  # as the lines for the shell have it
    visitor = Visitor(app_url)
    visitor.request = values
    assert "event: complete" in visitor.outcome(visitor.ask())


@pytest.mark.parametrize("name", ["/edit", "/sequence", "/grid"])
def test_a_call_without_a_photo_says_that_it_is_missing(client: Client, app_url: str, name: str):
    """The page's first photo is none of a call's defaults: the client would look for it on its own disk."""
    with pytest.raises(TypeError, match="required argument: photo"):
        client.predict(api_name=name)
    answer = httpx.post(f"{app_url}/gradio_api/call/v2{name}", json={}, timeout=60)
    assert answer.status_code == 400 and "photo is missing" in answer.json()["error"]


@pytest.mark.parametrize("meta", [{}, {"meta": {"_type": "gradio.FileData"}}])
def test_files_that_nobody_uploaded_are_refused(app_url: str, meta: dict):
    """A request written by hand, with and without Gradio's own mark of a file; the client would upload the file."""
    data = [{"path": str(PORTRAIT), **meta}, 0, None, 1.0, False, 0]
    call = httpx.post(f"{app_url}/gradio_api/call/edit", json={"data": data})
    events = httpx.get(f"{app_url}/gradio_api/call/edit/{call.json()['event_id']}", timeout=60).text
    assert "event: error" in events and "event: complete" not in events


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """A server that Gradio takes for one of the internet: the `url` of a photo there, and the paths `asked` for."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(PORTRAIT.read_bytes())

        def log_message(self, *_) -> None:
            pass

    monkeypatch.setattr(safehttpx, "is_public_ip", lambda ip: True)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield SimpleNamespace(url=f"http://127.0.0.1:{server.server_port}/photo.jpg", asked=asked)
        server.shutdown()


def test_the_page_fetches_nothing_from_outside(slow_app, outside: SimpleNamespace):
    url, go_on = slow_app
    go_on.set()
    file = {"path": outside.url, "url": outside.url, "meta": {"_type": "gradio.FileData"}}
    for name in (
        "photo",
        "own_reference",
        "saved_expression",
        "kept",
        "reference",
        "alpha",
        "center_crop",
        "face",
        "share",
    ):
        visitor = Visitor(url)
        visitor.request[name] = file
        outcome = visitor.outcome(visitor.ask())
        assert "event: error" in outcome and f"{name} must be " in outcome, name
    assert httpx.get(f"{url}/gradio_api/file={outside.url}").status_code == 403
    assert outside.asked == []
    assert "event: complete" in visitor.outcome(Visitor(url).ask())


def test_page_and_server_show_only_what_is_meant(app_url: str):
    page = httpx.get(app_url).text
    assert "fonts.googleapis" not in page.split("<body")[-1]
    for path in ("/etc/passwd", "app.py", "../../etc/passwd", str(ROOT / "app.py"), ".", str(ROOT), str(PORTRAIT)):
        assert httpx.get(f"{app_url}/gradio_api/file={path}").status_code in (403, 404), path
    for path in ("monitoring", "monitoring/summary", "docs", "assets/", "static/"):
        assert httpx.get(f"{app_url}/{path}").status_code >= 400, path
    assert not httpx.get(f"{app_url}/config").json()["run_history"]


def test_a_forged_host_reaches_no_later_caller(slow_app):
    """Gradio keeps what it prepares for the first one."""
    url, go_on = slow_app
    go_on.set()
    forged = {
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "X-Gradio-Server": "http://evil.example",
    }
    visitor = Visitor(url)
    outcome = visitor.outcome(visitor.client.post("/call/v2/edit", json=visitor.request, headers=forged))
    for path in ("", "/config", "/gradio_api/info", "/gradio_api/openapi.json"):
        assert httpx.get(url + path, headers=forged, timeout=60).status_code == 200
    said = [outcome, *(httpx.get(url + path, timeout=60).text for path in ("", "/config", "/gradio_api/info"))]
    assert all("evil.example" not in text and "page.invalid" not in text for text in said)
    assert all(url in text for text in said)


def test_no_folder_of_the_server_is_named(app_server: SimpleNamespace, client: Client):
    visitor, folder = Visitor(app_server.url), str(app_server.log.parent)
    said = [httpx.get(app_server.url + path, timeout=60).text for path in ("", "/config", "/gradio_api/info")]
    said += [json.dumps(visitor.request), visitor.outcome(visitor.ask())]
    edited = visitor.client.post("/run/edit", json={"data": [visitor.request["photo"], 0, None, 1, False, 0]})
    said.append(edited.text)
    for path in ("/files", "/files/x/../../../etc/passwd", "/files/" + 3000 * "x", "/tmp"):
        refused = visitor.client.get(f"/file={path}")
        assert refused.status_code in (403, 404) and len(refused.text) < 300
        said.append(refused.text)
    for text in said:
        assert folder not in text and str(ROOT) not in text
    for result in edited.json()["data"]:  # they lead to the files all the same
        assert result["path"].startswith("/files/")
        for address in (result["url"], f"{app_server.url}/gradio_api/file={result['path']}"):
            assert httpx.get(address).content.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("form", "status", "sentence"),
    [
        (
            {"files": {"files": ("SECRET.png", bytes(40 * 2**20 + 1))}},
            413,
            "This file is larger than 40 MB: please give",
        ),
        (
            {"content": b"SECRET", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
            400,
            "must be a form",
        ),
        ({"files": {"files": (None, "SECRET")}}, 400, "must be a form"),
        ({"files": {"files": (5000 * "x" + "SECRET.png", b"x")}}, 400, "The name of a file is too long"),
        ({"files": {"files": ("..", b"SECRET")}}, 400, "cannot have this name"),
        ({"files": [("files", ("SECRET.png", b"x"))] * 1001}, 400, "at most 1000 files"),
    ],
)
def test_refused_uploads_get_the_pages_own_sentence(
    app_server: SimpleNamespace, form: dict, status: int, sentence: str
):
    answer = httpx.post(f"{app_server.url}/gradio_api/upload", timeout=60, **form)
    assert answer.status_code == status and sentence in answer.json()["error"]
    log = app_server.log.read_text()
    assert "SECRET" not in answer.text + log and "Exception" not in log


@pytest.mark.parametrize("path", ["call/edit", "call/v2/edit", "run/edit", "queue/join", "component_server"])
def test_large_bodies_are_refused_and_cost_nothing(app_server: SimpleNamespace, path: str):
    """Each of the values of this body would take 64 bytes and more, several times."""
    body = b'{"data":[' + b"[]," * (2 * 2**20) + b"0]}"
    server = psutil.Process(app_server.process.pid)
    before = server.memory_info().rss
    answer = httpx.post(f"{app_server.url}/gradio_api/{path}", content=body, timeout=60)
    assert answer.status_code == 413 and "the most that can be sent here" in answer.json()["error"]
    assert server.memory_info().rss - before < 30 * 2**20
    assert httpx.get(app_server.url).status_code == 200


@pytest.mark.parametrize("origin", ["https://example.org", "null"])
def test_other_sites_may_not_use_the_server(app_url: str, origin: str):
    for method in ("GET", "OPTIONS"):
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        response = httpx.request(method, f"{app_url}/gradio_api/info", headers=headers)
        assert "access-control-allow-origin" not in response.headers


def test_uploads_are_small_stay_in_their_folder_and_are_never_run(app_url: str):
    def upload(name: str, content: bytes) -> httpx.Response:
        return httpx.post(f"{app_url}/gradio_api/upload", files={"files": (name, content)})

    assert Path(upload("../../evil.png", b"x").json()[0]).name == "evil.png"
    assert ".." not in upload("../../evil.png", b"x").json()[0]
    assert upload("large.png", bytes(39 * 2**20)).status_code == 200
    assert upload("big.png", bytes(42 * 2**20)).status_code == 413
    drawing = upload("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>").json()[0]
    headers = httpx.get(f"{app_url}/gradio_api/file={drawing}").headers
    assert headers["content-disposition"].startswith("attachment") and "svg" not in headers["content-type"]


def test_only_photos_and_cameras_come_in_as_files(app_url: str):
    """Any other input of the server's that holds a file would take the path of any file there."""
    config = httpx.get(f"{app_url}/config").json()
    kinds = {item["id"]: (item["type"], item["props"].get("elem_id")) for item in config["components"]}
    inputs = {kinds[i] for event in config["dependencies"] if event["backend_fn"] for i in event["inputs"]}
    files = {name for kind, name in inputs if kind not in ("radio", "slider", "number", "checkbox", "api", "state")}
    assert files == {
        *("photo", "own-reference", "saved-expression", "kept", "camera"),
        *("clip", "clip-saved", "clip-photo"),
    }
    public = [event["api_name"] for event in config["dependencies"] if event["api_visibility"] == "public"]
    assert public == [
        "expression",
        "edit",
        "sequence",
        "grid",
        "video",
        "references",
    ]  # as the documentation lists them


class Visitor:
    """Asks by HTTP for edits of a photo."""

    def __init__(self, url: str) -> None:
        self.client = httpx.Client(base_url=f"{url}/gradio_api", timeout=120)
        (path,) = self.client.post("/upload", files={"files": ("photo.jpg", PORTRAIT.read_bytes())}).json()
        self.request = {"photo": {"path": path, "meta": {"_type": "gradio.FileData"}}}

    def ask(self) -> httpx.Response:
        return self.client.post("/call/v2/edit", json=self.request)

    def outcome(self, asked: httpx.Response) -> str:
        """The events that follow, which end when the edit does."""
        return self.client.get(f"/call/v2/edit/{asked.json()['event_id']}").text


def test_a_full_queue_refuses_at_once_and_answers_all_that_it_took(slow_app):
    url, go_on = slow_app
    visitor = Visitor(url)
    asked = [visitor.ask() for _ in range(app.MAX_WAITING + 8)]
    kept = [response for response in asked if response.status_code == 200]
    refused = [response for response in asked if response.status_code != 200]
    assert app.MAX_WAITING <= len(kept) <= app.MAX_WAITING + 1  # one of them is being worked on
    assert {response.status_code for response in refused} == {503}
    assert all("Queue is full" in response.json()["detail"] for response in refused)
    assert httpx.get(url, timeout=30).status_code == 200
    go_on.set()
    assert all("event: complete" in visitor.outcome(response) for response in kept)
    assert "event: complete" in visitor.outcome(visitor.ask())


def test_the_page_survives_its_worker_and_a_request_is_answered_by_the_next(app_server):
    visitor, server = Visitor(app_server.url), psutil.Process(app_server.process.pid)
    (worker,) = server.children()
    worker.suspend()  # so that the request is under way until it is killed
    asked = visitor.ask()
    time.sleep(0.5)
    assert httpx.get(app_server.url).status_code == 200
    worker.kill()
    assert "event: complete" in visitor.outcome(asked)
    (other,) = server.children()
    assert other.pid != worker.pid and "event: complete" in visitor.outcome(visitor.ask())


def test_what_goes_wrong_in_the_demo_is_one_sentence_and_the_page_lives_on(
    slow_app,
    tiny_actions: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture,
):
    """The log says where, without the message, which may hold the name of a visitor's file."""
    url, go_on = slow_app
    go_on.set()
    visitor = Visitor(url)
    for error, sentence in (
        (MemoryError(), "The demo is short of memory: please try again in a minute."),
        (RuntimeError("no names of files, please"), "Something went wrong in the demo, not in your picture"),
        (SystemExit(1), "Something went wrong in the demo, not in your picture"),
        (WorkerError("2 processes died of edit"), "The demo broke down over this: please try another picture"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(tiny_actions, "prepare", Mock(side_effect=error))
            outcome = visitor.outcome(visitor.ask())
            answer = visitor.client.post("/run/edit", json={"data": [visitor.request["photo"], 0, None, 1, False, 0]})
        assert answer.status_code == 500 and sentence in answer.json()["error"]
        assert "event: error" in outcome and sentence in outcome and "no names" not in outcome, error
        assert "event: complete" in visitor.outcome(visitor.ask()), error
        assert visitor.client.post("/run/edit", json={"data": [None, 0]}).status_code == 422
    assert "builtins.RuntimeError" in caplog.text and "leed/demo/actions.py" in caplog.text
    assert "no names" not in caplog.text + "".join(capfd.readouterr())
