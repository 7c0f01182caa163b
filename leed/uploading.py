"""Sending saved models to the Hub."""

from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import HfApi


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
