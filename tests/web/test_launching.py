"""There is one way to serve a page."""

import ast
from types import SimpleNamespace

import httpx
import pytest
from conftest import ROOT


def launches(source: str) -> int:
    """How many calls of a method `launch` there are in a file."""
    calls = (node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return sum(isinstance(call, ast.Attribute) and call.attr in ("launch", "mount_gradio_app") for call in calls)


def test_pages_are_launched_in_one_place():
    files = [*ROOT.glob("*.py"), *ROOT.glob("leed/**/*.py"), *ROOT.glob("hub/*.py"), *ROOT.glob("benchmarks/*.py")]
    found = {str(path.relative_to(ROOT)): launches(path.read_text()) for path in files}
    assert {path: count for path, count in found.items() if count} == {"leed/web/launching.py": 1}


@pytest.mark.parametrize(
    ("path", "body", "status", "sentence"),
    [
        ("run/join", {"data": []}, 422, "/join takes"),
        ("call/SECRET", {"data": []}, 404, "There is no such call"),
        ("call/join", {"data": "SECRET"}, 400, "The body must be JSON"),
        ("run/join", {"data": [[]] * 30_000}, 413, "the most that can be sent here"),
    ],
)
def test_the_page_of_the_studies_has_the_same_guards(
    study_page: SimpleNamespace, path: str, body: dict, status: int, sentence: str
):
    answer = httpx.post(f"{study_page.url}/gradio_api/{path}", json=body, timeout=60)
    assert answer.status_code == status and sentence in answer.json()["error"] and "SECRET" not in answer.text


def test_the_page_of_the_studies_names_no_folder(study_page: SimpleNamespace):
    for path in ("", "/config", "/gradio_api/info"):
        text = httpx.get(study_page.url + path, headers={"X-Forwarded-Host": "evil.example"}, timeout=60).text
        assert str(ROOT) not in text and str(study_page.pictures.parent) not in text
    assert "evil.example" not in httpx.get(f"{study_page.url}/gradio_api/info", timeout=60).text
