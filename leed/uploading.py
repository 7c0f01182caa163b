"""Sending saved models to the Hub."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any  # of the Hub's answers

from huggingface_hub import HfApi
from huggingface_hub.errors import HTTPError
from huggingface_hub.utils import validate_repo_id

from leed.files import first_line


def upload(
    folder: Path,
    repo_id: str,
    files: Sequence[str],
    *,
    keep: str | None = None,
    commit_message: str = "Push model",
    commit_description: str | None = None,
    private: bool | None = None,
    token: str | None = None,
    branch: str | None = None,
    revision: str | None = None,
    create_pr: bool | None = None,
    allow_patterns: list[str] | str | None = None,
    ignore_patterns: list[str] | str | None = None,
    delete_patterns: list[str] | str | None = None,
) -> str:
    """Sends these files of a saved model, and nothing else from its folder, in one commit; returns its address.

    The file `keep` stays as it is where the repository has it. `branch` and `revision` mean the same; it is made where
    the repository lacks it. Raises `ValueError` for two different ones.
    """
    if None not in (branch, revision) and branch != revision:
        raise ValueError(f"branch and revision mean the same, got {branch!r} and {revision!r}: give one")
    branch = branch or revision
    api = HfApi(token=token)
    repo_id = api.create_repo(repo_id=repo_id, private=private, exist_ok=True).repo_id
    if branch is not None and not branch.startswith("refs/"):
        api.create_branch(repo_id, branch=branch, exist_ok=True)
    sent = list(files)
    if keep is not None and api.file_exists(repo_id, keep, revision=branch):
        sent.remove(keep)
    return api.upload_folder(
        repo_id=repo_id,
        repo_type="model",
        folder_path=folder,
        commit_message=commit_message,
        commit_description=commit_description,
        revision=branch,
        create_pr=create_pr,
        allow_patterns=allow_patterns or sent,
        ignore_patterns=ignore_patterns,
        delete_patterns=delete_patterns,
    )


def check_uploads(names: Sequence[str], token: str | None = None) -> list[str]:
    """The full names "owner/name" of repositories to upload to, which belong to the token's user if they name none.

    Raises `ValueError` for names that the Hub forbids, for a token that it does not know, and for one that may not
    write to such repositories.
    """
    later = "or upload later with `python hub/push.py FOLDER OWNER/NAME`"
    try:
        for name in names:
            validate_repo_id(name)
        account = HfApi(token=token).whoami()
    except (HTTPError, OSError, ValueError) as error:
        raise ValueError(
            f"the Hub cannot be written to as {', '.join(names)} ({first_line(error)}): log in with `hf auth login`, "
            f"give another --hub_token or --hub_model_id, {later}"
        ) from error
    full = [name if "/" in name else f"{account['name']}/{name}" for name in names]
    for name in full:
        if not _may_write(account, name):
            raise ValueError(
                f"the token of {account['name']} may not write to {name}: give a --hub_token that may, another "
                f"--hub_model_id, {later}"
            )
    return full


def _may_write(account: dict[str, Any], name: str) -> bool:
    """Whether a token may write to a repository, as far as the Hub's answer about its account says."""
    owner = name.split("/")[0]
    roles = {org["name"]: org.get("roleInOrg") for org in account.get("orgs", ())} | {account["name"]: "admin"}
    token = account.get("auth", {}).get("accessToken", {})
    if owner not in roles or "read" in (roles[owner], token.get("role")):
        return False
    if token.get("role") != "fineGrained":
        return True
    scopes = token.get("fineGrained", {}).get("scoped", ())
    allowed = {scope["entity"].get("name") for scope in scopes if "repo.write" in scope.get("permissions", ())}
    return bool(allowed & {owner, name})
