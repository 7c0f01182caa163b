"""The folder of uploads and results stays below a bound: old files go first, and then nothing comes in."""

import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from leed.web.sweeping import Storage

MIB = 2**20


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write(folder: Path, name: str, num_bytes: int = MIB) -> Path:
    (folder / name).mkdir(parents=True)
    (path := folder / name / "photo.png").write_bytes(bytes(num_bytes))
    return path


def storage(shown: Path | None = None, **options: float) -> Storage:
    page = SimpleNamespace(blocks={1: SimpleNamespace(keep_in_cache={str(shown)} if shown else set())})
    return Storage(page, **{"max_bytes": 4 * MIB, "free_bytes": 0, "look_seconds": 0, **options})


def test_the_oldest_files_make_room(folder: Path):
    shown = write(folder, "shown")
    for number in range(4):
        write(folder, str(number))
        time.sleep(0.02)
    time.sleep(0.3)
    assert not storage(shown, kept_seconds=0.2).is_full()
    left = {path.name for path in folder.iterdir()}
    assert "shown" in left and "3" in left and "0" not in left
    assert sum(path.stat().st_size for path in folder.rglob("*.png")) <= 4 * MIB


def test_new_files_stay_and_further_ones_are_refused(folder: Path):
    for number in range(5):
        write(folder, str(number))
    full = storage()
    assert full.is_full() and len(list(folder.iterdir())) == 5
    assert not storage(max_bytes=6 * MIB).is_full()
    assert storage(free_bytes=2**62).is_full()


def test_the_disk_is_looked_at_now_and_then(folder: Path):
    seldom = storage(look_seconds=60)
    assert not seldom.is_full()
    write(folder, "large", 8 * MIB)
    assert not seldom.is_full()
    assert storage().is_full()
    os.unlink(folder / "large/photo.png")
    assert not storage().is_full()
