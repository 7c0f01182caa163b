"""Clips among the files of the command `leed`."""

from pathlib import Path

import numpy as np
import pytest
from video.clips import content, frame_of, write_clip

from leed import LEED
from leed.cli.main import main
from leed.video.writing import is_marked


@pytest.fixture(scope="module")
def model(lively_leed: LEED, tmp_path_factory: pytest.TempPathFactory) -> str:
    lively_leed.save_pretrained(folder := tmp_path_factory.mktemp("model"))
    return str(folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a photo, a clip of two frames, and a text that is called like one."""
    (folder := tmp_path / "in").mkdir()
    person = frame_of(("comp02", 20, 0, 120), size=(160, 120))
    person.save(folder / "photo.png")
    write_clip(folder / "clip.mkv", [person] * 2)
    (folder / "text.mp4").write_text("no clip")
    return folder


def test_a_folder_of_photos_and_clips(model: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    arguments = ["edit", str(folder), "--expression", "happy", "--model", model, "--out", str(tmp_path / "out")]
    assert main(arguments) == 1
    printed = capsys.readouterr().err.splitlines()
    assert printed[-2:] == [
        "2 written, 1 failed",
        f"  {folder / 'text.mp4'}: text.mp4 cannot be read as a video: it is of another kind, or damaged",
    ]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["clip.mkv", "photo.png"]
    assert is_marked(tmp_path / "out/clip.mkv")
    change = np.subtract(content(tmp_path / "out/clip.mkv").pictures, content(folder / "clip.mkv").pictures, dtype=int)
    assert np.abs(change).max() > 10
    assert main([*arguments, "--face", "all", "--overwrite"]) == 1
    assert "one face of a clip is edited at a time: give its number to --face" in capsys.readouterr().err


def test_neutral_clips(model: str, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "neutral.mp4"
    assert main(["neutralize", str(folder / "clip.mkv"), "--model", model, "--out", str(out)]) == 0
    assert len(content(out).pictures) == 2


def test_a_photo_follows_a_clip(model: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "out.mp4"
    arguments = ["animate", str(folder / "photo.png"), str(folder / "clip.mkv"), "--model", model, "--out", str(out)]
    assert main(arguments) == 0 and len(content(out).pictures) == 2
    assert "out.mp4 written" in capsys.readouterr().err
    assert main(arguments) == 2 and "out.mp4 is there already: give --overwrite" in capsys.readouterr().err
    assert main([*arguments, "--overwrite", "--clip_face", "3"]) == 2
    assert "face must be in [0, 0] for the first frame that shows faces, got 3" in capsys.readouterr().err
    before = (folder / "clip.mkv").read_bytes(), (folder / "photo.png").read_bytes()
    (folder / "link.mkv").symlink_to("clip.mkv")
    (folder / "photo.mp4").symlink_to("photo.png")
    for name in ("clip.mkv", "link.mkv", "photo.mp4"):
        assert main([*arguments[:-1], str(folder / name), "--overwrite"]) == 2
        assert f"{name} is read, and must stay as it is: give another --out" in capsys.readouterr().err
    assert main([*arguments[:-1], str(folder), "--overwrite"]) == 2
    assert "is a folder: give the name of a file to --out" in capsys.readouterr().err
    assert before == ((folder / "clip.mkv").read_bytes(), (folder / "photo.png").read_bytes())
    arguments[2] = str(folder / "text.mp4")
    assert main([*arguments, "--overwrite"]) == 2
    assert "text.mp4 cannot be read as a video" in capsys.readouterr().err


def test_two_clips_of_one_name_are_not_written_over_each_other(
    model: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (folder / "clip.avi").write_bytes((folder / "clip.mkv").read_bytes())
    (folder / "clip.mp4").write_bytes(before := (folder / "clip.mkv").read_bytes())
    clips = [str(folder / name) for name in ("clip.avi", "clip.mp4")]
    command = ["neutralize", *clips, "--model", model, "--overwrite", "--out"]
    assert main([*command, str(folder)]) == 1
    printed = capsys.readouterr().err
    assert (
        f"clip.avi: {clips[1]} is read, and must stay" in printed and "clip.mp4: it would be written over" in printed
    )
    assert (folder / "clip.mp4").read_bytes() == before
    assert main([*command, str(tmp_path / "out")]) == 1 and len(list((tmp_path / "out").iterdir())) == 1
    assert "clip.mp4: another result is written to" in capsys.readouterr().err
