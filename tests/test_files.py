"""Crash-safe writing, also where folders cannot be opened; `test_pretrained.py` kills it at any time."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from leed.files import PARTIAL, atomic_write, atomic_write_all, remove_folder, sync


@pytest.fixture
def on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """`os.open` and `os.fsync` as they are there: no folders, and only what is open for writing."""
    open_, fsync = os.open, os.fsync

    def no_folders(path: str | Path, flags: int, *more: object, **named: object) -> int:
        if os.path.isdir(path):
            raise PermissionError(13, "Permission denied", str(path))
        return open_(path, flags, *more, **named)

    def written_only(descriptor: int) -> None:
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(9, "Bad file descriptor")
        fsync(descriptor)

    monkeypatch.setattr(os, "name", "nt")
    monkeypatch.setattr(os, "open", no_folders)
    monkeypatch.setattr(os, "fsync", written_only)
    monkeypatch.setattr("shutil._use_fd_functions", False)


def test_files_are_synced_on_windows(tmp_path: Path, on_windows: None) -> None:
    (tmp_path / "a").write_bytes(b"1")
    sync(tmp_path / "a", tmp_path)
    atomic_write(tmp_path / "a", lambda path: path.write_bytes(b"2"))
    atomic_write_all(tmp_path, {"a": b"3", "b": b"4"})
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"a": b"3", "b": b"4"}


@pytest.mark.parametrize(
    "write",
    [
        lambda folder: atomic_write(folder / "a", lambda path: path.write_bytes(b"new")),
        lambda folder: atomic_write_all(folder, {"a": b"new"}),
    ],
    ids=["atomic_write", "atomic_write_all"],
)
def test_content_is_synced_before_it_has_its_name_and_the_name_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], None]
) -> None:
    (tmp_path / "a").write_bytes(b"old")
    open_, fsync, opened, seen = os.open, os.fsync, {}, []

    def remembered(path: str | Path, *more: object, **named: object) -> int:
        descriptor = open_(path, *more, **named)
        opened[descriptor] = Path(path)
        return descriptor

    def recorded(descriptor: int) -> None:
        path = opened[descriptor]
        seen.append(("folder" if path.is_dir() else path.read_bytes(), (tmp_path / "a").read_bytes()))
        fsync(descriptor)

    monkeypatch.setattr(os, "open", remembered)
    monkeypatch.setattr(os, "fsync", recorded)
    write(tmp_path)
    assert seen == [(b"new", b"old"), ("folder", b"new")]
    assert [file.name for file in tmp_path.iterdir()] == ["a"]


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / PARTIAL).mkdir()
    (tmp_path / PARTIAL / "half").write_bytes(b"")
    atomic_write_all(tmp_path, {"a": b"1"})
    assert [file.name for file in tmp_path.iterdir()] == ["a"]


def test_a_folder_is_removed_with_all_in_it_or_was_not_there(tmp_path: Path) -> None:
    (tmp_path / "step" / "inner").mkdir(parents=True)
    (tmp_path / "step" / "inner" / "file").write_bytes(b"1")
    remove_folder(tmp_path / "step")
    remove_folder(tmp_path / "step")
    assert not list(tmp_path.iterdir())
