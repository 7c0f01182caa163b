"""Whether a folder holds a source, on clones that git makes here."""

import dataclasses
import subprocess

import pytest
from conftest import ROOT

from leed.openfaces.sources import FACE_MODEL, PORTRAITS, check_source, commit_of

AUTHOR = ("-c", "user.name=anna", "-c", "user.email=anna@example.org", "-c", "commit.gpgsign=false")


def git(folder, *words):
    done = subprocess.run(["git", "-C", folder, *AUTHOR, *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def source(tmp_path):
    """A source whose second commit is the published one, and its repository."""
    upstream = tmp_path / "upstream"
    for name in FACE_MODEL.landmarks:
        (upstream / name).parent.mkdir(parents=True, exist_ok=True)
        (upstream / name).write_text("first")
    git(tmp_path, "init", "--quiet", upstream)
    for text in ("first", "published", "later"):
        (upstream / FACE_MODEL.landmarks[0]).write_text(text)
        git(upstream, "add", ".")
        git(upstream, "commit", "--quiet", "--message", text)
    return dataclasses.replace(FACE_MODEL, address=upstream.as_uri(), commit=git(upstream, "rev-parse", "HEAD~1"))


def refusal(source, clone):
    with pytest.raises(ValueError) as refused:
        check_source(source, clone)
    return str(refused.value)


def run(commands):
    for command in commands:
        subprocess.run(command.split(), check=True, capture_output=True)


@pytest.mark.parametrize("depth", [(), ("--depth", "1")])
def test_the_commands_of_the_refusal_bring_the_commit(source, tmp_path, depth):
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", *depth, source.address, clone)
    sentence, *commands = refusal(source, clone).splitlines()
    assert f"face model (ICT-FaceKit) at commit {commit_of(clone)}, expected {source.commit}" in sentence
    run(commands)
    check_source(source, clone)


def test_changed_and_deleted_files_are_named_with_what_brings_them_back(source, tmp_path):
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", source.address, clone)
    git(clone, "checkout", "--quiet", source.commit)
    changed, deleted, *_ = FACE_MODEL.landmarks
    (clone / changed).write_text("mine")
    (clone / deleted).unlink()
    (clone / deleted).mkdir()  # else it would be missing
    (clone / "FaceXModel" / "notes.txt").write_text("not read")
    sentence, *commands = refusal(source, clone).splitlines()
    assert f"{changed}, {deleted} differ from commit {source.commit}" in sentence
    (clone / deleted).rmdir()
    run(commands)
    check_source(source, clone)


def test_a_clone_that_git_does_not_trust_is_not_taken_unchecked(source, tmp_path, monkeypatch):
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", source.address, clone)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    assert "git config --global --add safe.directory" in refusal(source, clone)


def test_without_git_or_without_a_clone_the_files_are_what_counts(source, tmp_path, monkeypatch):
    check_source(source, unpacked(tmp_path))
    monkeypatch.setattr("leed.openfaces.sources.shutil.which", lambda name: None)
    check_source(source, tmp_path / "upstream")


def unpacked(folder):
    """An archive of the upstream's files, without `.git`."""
    place = folder / "unpacked"
    place.mkdir()
    git(folder / "upstream", "checkout-index", "--all", f"--prefix={place}/")
    return place


def test_git_leaves_out_the_pictures_of_people_that_the_docs_put_into_a_clone():
    left_out = (ROOT / ".gitignore").read_text().splitlines()
    for folder in (*(source.address.rpartition("/")[2] for source in (PORTRAITS, FACE_MODEL)), "portraits"):
        assert f"/{folder}/" in left_out
