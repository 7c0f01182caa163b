"""What the Hub is asked before a training, and what it must answer."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import ROOT
from huggingface_hub.errors import LocalTokenNotFoundError

from leed import Neutralizer, uploading
from leed.config import TINY
from leed.uploading import check_uploads

ORGS = [{"name": "lab", "roleInOrg": "contributor"}, {"name": "readers", "roleInOrg": "read"}]


def fine_grained(*scopes: tuple[str, str]) -> dict[str, Any]:
    """A token with these permissions, each for an account or a repository."""
    scoped = [{"entity": {"name": name}, "permissions": [permission]} for name, permission in scopes]
    return {"role": "fineGrained", "fineGrained": {"scoped": scoped}}


def answer(monkeypatch: pytest.MonkeyPatch, token: dict[str, Any]) -> None:
    account = {"name": "jo", "orgs": ORGS, "auth": {"accessToken": token}}
    monkeypatch.setattr(uploading, "HfApi", lambda token: SimpleNamespace(whoami=lambda: account))


@pytest.mark.parametrize(
    ("token", "allowed", "refused"),
    [
        ({"role": "write"}, ["faces", "jo/faces", "lab/faces"], ["readers/faces", "others/faces"]),
        ({"role": "read"}, [], ["faces", "lab/faces"]),
        (fine_grained(("lab", "repo.write"), ("jo", "repo.content.read")), ["lab/faces"], ["faces"]),
        (fine_grained(("jo/faces", "repo.write")), ["faces"], ["jo/others", "lab/faces"]),
        ({}, ["faces", "lab/faces"], ["others/faces"]),
    ],
)
def test_who_may_write(
    monkeypatch: pytest.MonkeyPatch, token: dict[str, Any], allowed: list[str], refused: list[str]
) -> None:
    answer(monkeypatch, token)
    for name in allowed:
        assert check_uploads([name]) == [name if "/" in name else f"jo/{name}"]
    for name in refused:
        with pytest.raises(ValueError, match=f"the token of jo may not write to .*{name}: give a --hub_token"):
            check_uploads([*allowed, name])


def test_a_name_or_a_token_that_the_hub_does_not_take(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, {"role": "write"})
    with pytest.raises(ValueError, match="cannot be written to as a--b .*give another --hub_token or --hub_model_id"):
        check_uploads(["a--b"])

    def unknown() -> None:
        raise LocalTokenNotFoundError("Token is required\nand more")

    monkeypatch.setattr(uploading, "HfApi", lambda token: SimpleNamespace(whoami=unknown))
    with pytest.raises(ValueError, match=r"\(LocalTokenNotFoundError: Token is required\): log in with"):
        check_uploads(["jo/faces"])


def test_the_command_that_uploads_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("push", ROOT / "hub" / "push.py")
    assert spec is not None and spec.loader is not None
    push = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(push)
    Neutralizer(TINY).save_pretrained(tmp_path)
    answer(monkeypatch, {"role": "read"})
    with pytest.raises(
        SystemExit, match=r"was not uploaded to jo/faces \(ValueError: the token of jo may not write to"
    ):
        push.main([str(tmp_path), "jo/faces"])
    answer(monkeypatch, {"role": "write"})
    sent = []

    def upload_folder(**options: object) -> SimpleNamespace:
        sent.append(options["repo_id"])
        return SimpleNamespace(commit_url="address")

    api = SimpleNamespace(create_repo=lambda *names, **options: None, upload_folder=upload_folder)
    monkeypatch.setattr(push, "HfApi", lambda token: api)
    push.main([str(tmp_path), "faces"])
    assert sent == ["jo/faces"]
    (tmp_path / "config.json").unlink()
    with pytest.raises(SystemExit, match="was not uploaded to jo/faces .FileNotFoundError: .*config.json"):
        push.main([str(tmp_path), "jo/faces"])
