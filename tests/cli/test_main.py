"""The command `leed`: pictures in, marked pictures out, one sentence and an exit code for what goes wrong."""

import errno
import importlib
import os
import shlex
import socket
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

from leed import LEED, Expression, FaceEditor, open_photo
from leed.cli import align, pictures
from leed.cli.main import COMMANDS, main
from leed.photo.saving import is_marked

PORTRAIT = ROOT / "leed/gallery/portraits/comp02.jpg"
HAPPY = ROOT / "leed/gallery/faces/090_comp07_female_happy_v0.webp"


@pytest.fixture(scope="module")
def model(lively_leed: LEED, tmp_path_factory: pytest.TempPathFactory) -> str:
    lively_leed.save_pretrained(folder := tmp_path_factory.mktemp("model"))
    return str(folder)


@pytest.fixture(scope="module")
def editor(model: str) -> FaceEditor:
    return FaceEditor(LEED.from_pretrained(model))


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "ann.png"
    open_photo(PORTRAIT).resize((240, 260)).save(path)
    return path


def pixels(picture: Path | Image.Image) -> np.ndarray:
    return np.asarray(Image.open(picture) if isinstance(picture, Path) else picture)


def test_a_folder_with_bad_files(model: str, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Good files are edited, wherever the bad ones stand; these are named at the end, and nothing else is written."""
    folder, out = tmp_path / "holiday", tmp_path / "edited"
    (folder / "beach").mkdir(parents=True)
    picture = Image.open(photo)
    for name in ("a.png", "b.webp", "beach/c.PNG", "beach/d.jpeg", "e.tiff"):
        picture.save(folder / name)
    (folder / "0-empty.jpg").write_bytes(b"")
    (folder / "c-cut.png").write_bytes(photo.read_bytes()[:9000])
    Image.new("RGB", (200, 200), "grey").save(folder / "wall.jpg")
    (folder / "notes.txt").write_text("no picture")
    assert main(["edit", str(folder), "--expression", str(HAPPY), "--model", model, "--out", str(out)]) == 1
    printed = capsys.readouterr().err.splitlines()
    assert printed[0] == "5 written, 3 failed"
    for line, (name, reason) in zip(
        printed[1:],
        {"0-empty.jpg": "not a picture", "c-cut.png": "damaged", "wall.jpg": "No face was found"}.items(),
        strict=True,
    ):
        assert line.startswith(f"  {folder / name}: ") and reason in line
    written = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    assert written == ["a.png", "b.webp", "beach/c.png", "beach/d.jpg", "e.png"]
    assert all(is_marked(out / name) for name in written)


def test_sources_of_expressions(model: str, editor: FaceEditor, photo: Path, tmp_path: Path) -> None:
    picture, named = open_photo(photo), editor.leed.expressions["happy"]
    own = editor.expression(open_photo(HAPPY))
    own.save(file := tmp_path / "smile.safetensors")
    for number, (arguments, expression, alpha) in enumerate(
        [
            (["--expression", "happy"], named, 1.0),
            (["--expression", str(file), "--alpha", "0.5"], own, 0.5),
            (["--expression", str(HAPPY), "--region", "eyes,left"], own.at("eyes", "left"), 1.0),
            (
                ["--expression", "happy@mouth", "--expression", f"{HAPPY}@eyes"],
                named.at("mouth") + own.at("eyes"),
                1.0,
            ),
        ]
    ):
        out = tmp_path / f"{number}.png"
        assert main(["edit", str(photo), *arguments, "--model", model, "--out", str(out)]) == 0
        np.testing.assert_array_equal(pixels(out), pixels(editor.edit(picture, expression, alpha).photo))
    assert main(["neutralize", str(photo), "--model", model, "--out", str(out := tmp_path / "neutral.png")]) == 0
    np.testing.assert_array_equal(pixels(out), pixels(editor.edit(picture, own, 0.0).photo))
    assert is_marked(out)


def test_one_face_or_all(model: str, editor: FaceEditor, two_people: Path, tmp_path: Path) -> None:
    pair, own = open_photo(two_people), editor.expression(open_photo(HAPPY))
    for face, expected in (
        ("1", editor.edit(pair, own, face=1).photo),
        ("all", editor.edit_faces(pair, {0: (own, 1.0), 1: (own, 1.0)})),
    ):
        command = ["edit", str(two_people), "--expression", str(HAPPY), "--face", face, "--model", model]
        assert main([*command, "--out", str(tmp_path / face)]) == 0
        np.testing.assert_array_equal(pixels(tmp_path / face / "two.png"), pixels(expected))
    Image.new("RGB", (200, 200), "grey").save(wall := tmp_path / "wall.png")
    command = ["neutralize", str(wall), "--face", "all", "--model", model, "--out", str(tmp_path / "centre")]
    assert main(command) == 1 and main([*command, "--center_crop"]) == 0
    assert main(["neutralize", str(two_people), "--face", "5", "--model", model, "--out", str(tmp_path / "none")]) == 1


def test_nothing_is_overwritten_in_silence(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ann.png").write_bytes(photo.read_bytes())
    align = ["align", "ann.png", "--size", "64", "--out"]
    assert main([*align, "."]) == 1 and main([*align, "ann.png", "--overwrite"]) == 1
    assert capsys.readouterr().err.count("ann.png: it would be written over itself") == 2
    assert (tmp_path / "ann.png").read_bytes() == photo.read_bytes()
    assert main([*align, "face.png"]) == 0
    face = (tmp_path / "face.png").read_bytes()
    assert Image.open("face.png").size == (64, 64) and not is_marked(Path("face.png"))
    (tmp_path / "face.png").write_bytes(b"mine")
    assert main([*align, "face.png"]) == 1 and (tmp_path / "face.png").read_bytes() == b"mine"
    assert "face.png is there already: give --overwrite" in capsys.readouterr().err
    assert main([*align, "face.png", "--overwrite"]) == 0 and (tmp_path / "face.png").read_bytes() == face
    (tmp_path / "ann.tiff").write_bytes(b"")
    assert main(["align", "ann.*", "nobody.jpg", "--out", "faces"]) == 1
    printed = capsys.readouterr().err
    assert "nobody.jpg: there is no such file" in printed and "ann.tiff: another result is written to" in printed
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ann.png", "ann.tiff", "face.png", "faces"]


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.fixture
def folders(photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with photos of one name in two folders, and a third whose result would be called alike."""
    monkeypatch.chdir(tmp_path)
    for name in ("a/ann.png", "b/ann.png", "b/ann.tiff"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.open(photo).save(tmp_path / name)
    return tmp_path


ITSELF, READ = (
    "it would be written over itself: give another --out",
    "is read, and must stay as it is: give another --out",
)


@pytest.mark.parametrize(
    ("command", "code", "message", "written"),
    [
        ("align b --out b", 2, "--out is the folder b, whose pictures are read: give another folder", []),
        ("align a b/ --out ./a/../b", 2, "--out is the folder b, whose pictures are read: give another folder", []),
        ("align b --out link", 2, "--out is the folder b, whose pictures are read: give another folder", []),
        ("align b/ann.png b/ann.tiff --out b", 1, f"b/ann.tiff: b/ann.png {READ}", []),
        ("align a/ann.png b/ann.png --out b", 1, f"a/ann.png: b/ann.png {READ}", []),
        ("align b/ann.png --out link/ann.png", 1, f"b/ann.png: {ITSELF}", []),
        ("align a/ann.png --out second.png", 1, f"a/ann.png: {ITSELF}", []),
        ("align a b --out out", 1, "b/ann.tiff: another result is written to out/ann.png already", ["out/ann.png"]),
        ("align */ann.png --out out", 1, "b/ann.png: another result is written to out/ann.png", ["out/ann.png"]),
        ("align . --out out", 1, "/ann.tiff: another result", ["out/a/ann.png", "out/b/ann.png", "out/second.png"]),
        ("align a/ann.png --out a", 1, f"a/ann.png: {ITSELF}", []),
        ("align a/ann.png --out b/ann.jpg", 0, "1 written, 0 failed", ["b/ann.jpg"]),
        ("neutralize a/ann.png b/ann.png --out b", 1, f"a/ann.png: b/ann.png {READ}", []),
        ("edit a --expression b/ann.png@eyes --out b", 1, f"a/ann.png: b/ann.png {READ}", []),
        ("edit a --expression mine.safetensors --out mine.safetensors", 2, "is a file, but no picture", []),
        ("expression happy mine.safetensors@eyes --out mine.safetensors", 2, f"mine.safetensors {READ}", []),
    ],
)
def test_no_file_that_is_read_is_replaced(
    command: str, code: int, message: str, written: list[str], model: str, editor: FaceEditor, folders: Path, capsys
) -> None:
    """Also with --overwrite, whatever leads to it: the same name in two folders, a link, another way to it."""
    (folders / "link").symlink_to("b", target_is_directory=True)
    (folders / "second.png").symlink_to("a/ann.png")
    editor.leed.expressions["happy"].save(folders / "mine.safetensors")
    before = {name: (folders / name).read_bytes() for name in names(folders) if (folders / name).is_file()}
    arguments = [*command.split(), "--overwrite"]
    if not command.startswith("align"):
        arguments += ["--model", model]
    assert main(arguments) == code
    assert message in capsys.readouterr().err
    assert {name: (folders / name).read_bytes() for name in before} == before
    assert sorted(set(names(folders)) - set(before) - {"a", "b", "link", "out", "out/a", "out/b"}) == written


def test_results_are_kept_where_names_mean_the_same_file(folders: Path, capsys, monkeypatch) -> None:
    """As on disks that take A and a for one letter: known only when the first result is there."""
    save_first = pictures.save

    def save(picture: Image.Image, target: Path, altered: bool) -> None:
        save_first(picture, target, altered)
        (target.parent / "c.png").hardlink_to(target)  # the second's name

    Image.open("a/ann.png").save("a/c.png")
    monkeypatch.setattr(pictures, "save", save)
    assert main(["align", "a", "--out", "out", "--overwrite"]) == 1
    assert "a/c.png: another result was written to out/c.png already: give it another --out" in capsys.readouterr().err
    assert names(folders / "out") == ["ann.png", "c.png"]


def test_a_file_that_came_meanwhile_is_kept(folders: Path, capsys, monkeypatch) -> None:
    run_jobs = pictures.run_jobs

    def later(jobs: pictures.Jobs, *arguments: object, **options: object) -> bool:
        (folders / "out").mkdir()
        (folders / "out/ann.png").write_bytes(b"mine")
        return run_jobs(jobs, *arguments, **options)

    monkeypatch.setattr(pictures, "run_jobs", later)
    assert main(["align", "a", "--out", "out"]) == 1
    assert "out/ann.png is there already: give --overwrite" in capsys.readouterr().err
    assert (folders / "out/ann.png").read_bytes() == b"mine"


def test_a_folder_is_written_to_the_one_around_it(folders: Path) -> None:
    assert main(["align", "a", "--out", "."]) == 0 and Path("ann.png").is_file()


def test_results_among_what_a_glob_matches_are_not_taken_again(folders: Path) -> None:
    align = ["align", "**/ann.png", "--out", "b/faces", "--overwrite"]
    assert main(align) == 1 and main(align) == 1  # of two files of one name, one is refused
    assert names(folders / "b/faces") == ["ann.png"]


def test_results_inside_the_folder_are_not_taken_again(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "ann.png").write_bytes(photo.read_bytes())
    align = ["align", str(tmp_path), "--size", "32", "--out", str(tmp_path / "faces"), "--overwrite"]
    assert main(align) == 0 and main(align) == 0
    assert [path.name for path in (tmp_path / "faces").iterdir()] == ["ann.png"]


def test_an_animated_picture_is_not_cut_in_silence(photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    with Image.open(photo) as first:
        first.save(tmp_path / "ann.webp", save_all=True, append_images=[first.rotate(5)])
    for name in (str(photo), str(tmp_path / "ann.webp")):
        assert main(["align", name, "--out", str(tmp_path / "face.png"), "--overwrite"]) == 0
    assert capsys.readouterr().err.count("ann.webp: only the first of its 2 frames was used") == 1


def test_an_interruption_reports_what_was_done(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(path: Path, size: int) -> Image.Image:
        if path.name == "b.png":
            raise KeyboardInterrupt
        return Image.new("RGB", (size, size))

    monkeypatch.setattr(align, "aligned_face", interrupted)
    for name in ("a.png", "b.png", "c.png"):
        (tmp_path / name).write_bytes(photo.read_bytes())
    assert main(["align", str(tmp_path), "nobody.png", "--out", str(tmp_path / "faces")]) == 130
    printed = capsys.readouterr().err
    assert "1 written, 1 failed" in printed and "nobody.png: there is no such file" in printed
    assert [path.name for path in (tmp_path / "faces").iterdir()] == ["a.png"]


def test_a_picture_that_cannot_be_written_leaves_nothing(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_half(picture: Image.Image, path: Path) -> Path:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pictures, "save_plain", write_half)
    assert main(["align", str(photo), "--out", str(tmp_path)]) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_expressions_are_made(model: str, editor: FaceEditor, tmp_path: Path) -> None:
    out, named = tmp_path / "mine.safetensors", editor.leed.expressions
    make = ["expression", "happy", "sad@eyes", "--model", model, "--out", str(out)]
    assert main([*make, "--maker", "Ann"]) == 0
    made = Expression.load(out)
    assert (made.name, made.maker, made.model) == ("mine", "Ann", editor.leed.digest)
    assert np.allclose((made - 0.5 * named["happy"] - 0.5 * named["sad"].at("eyes")).delta_exp, 0, atol=1e-5)
    assert main(make) == 2 and main([*make, "--overwrite", "--weights=1,-0.5", "--name", "wistful"]) == 0
    assert Expression.load(out) == named["happy"] - 0.5 * named["sad"].at("eyes")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("edit PHOTO --expression joy --out x", "there is no expression or file 'joy'; names are neutral, happy"),
        ("edit PHOTO --expression . --out x", "there is no expression or file '.'; names are neutral, happy"),
        ("edit PHOTO --expression happy@nose --out x", "happy@nose: a region is one of eyes, mouth, left, right"),
        ("edit PHOTO --expression happy@mouth,eyes --out x", "no part of a face is both mouth and eyes"),
        ("edit PHOTO --expression happy --alpha 3 --out x", "must be in [0, 2], got 3"),
        ("edit PHOTO --expression happy --region nose --out x", "a region is one of eyes, mouth, left, right"),
        ("edit PHOTO --expression happy@eyes --region mouth --out x", "--region mouth leaves nothing of --expression"),
        ("edit PHOTO --expression happy --face -1 --out x", "--face: must be a number from 0, or 'all'"),
        ("edit PHOTO PHOTO/../second.png --expression happy --out x.png", "is one file for 2 pictures: give a folder"),
        ("edit PHOTO --expression happy --out PHOTO/../notes.txt", "is a file, but no picture"),
        ("edit PHOTO --expression PHOTO/../notes.txt --out x", "notes.txt: This file is not a picture"),
        ("edit PHOTO --expression PHOTO/../other.safetensors --out x", "made by another model"),
        ("edit PHOTO --expression happy --model nowhere --out x", "folder nowhere does not exist"),
        ("edit PHOTO --expression happy", "the following arguments are required: --out"),
        ("expression happy sad --weights 1 --out x.safetensors", "got 1 weights for 2 sources"),
        ("expression happy --out x.png", "--out must be a file *.safetensors"),
        (
            "edit PHOTO --expression happy --out x.gif",
            "photos are written as .png, .webp, .jpg, .jpeg, got",
        ),
        ("neutralize PHOTO --out x.mp4", "photos are written as .png, .webp, .jpg, .jpeg, got --out x.mp4"),
        (
            "edit clip.mp4 --expression happy --out x.png",
            "clips are written as .mp4, .mov, .mkv, .webm, got",
        ),
        ("align PHOTO --size 0 --out x", "--size must be in [1, 4096] pixels, got 0"),
        ("align PHOTO --size 99999 --out x", "--size must be in [1, 4096] pixels, got 99999"),
        ("demo --port 99999", "--port must be in [1, 65535], got 99999"),
        ("smile PHOTO", "invalid choice: 'smile'"),
        ("", "give the faces of photos and clips an expression"),
    ],
)
def test_wrong_usage(
    command: str,
    message: str,
    model: str,
    photo: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEED_MODEL", model)
    for name in ("ann.png", "second.png"):
        (tmp_path / name).write_bytes(photo.read_bytes())
    for name in ("notes.txt", "clip.mp4"):
        (tmp_path / name).write_text("no picture")
    zeros = LEED.from_pretrained(model).expressions["neutral"].delta_exp
    Expression(zeros, "f" * 64).save(tmp_path / "other.safetensors")
    arguments = command.replace("PHOTO/../", "").replace("PHOTO", "ann.png").split()
    try:
        code = main(arguments)
    except SystemExit as ended:  # by argparse
        code = ended.code
    assert code == 2 and message in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_without_a_model(photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch) -> None:
    """As from an installed wheel."""
    monkeypatch.delenv("LEED_MODEL", raising=False)
    monkeypatch.setattr("leed.runtime.DEFAULT_MODEL", tmp_path / "none")
    assert main(["neutralize", str(photo), "--out", str(tmp_path / "x.png")]) == 2
    assert "There is no model here: name one" in capsys.readouterr().err


def test_the_demo_is_started(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setenv("LEED_MODEL", "")
    monkeypatch.setenv("GRADIO_SERVER_PORT", "")
    started = []
    serving = SimpleNamespace(main=lambda: started.append(dict(os.environ)))
    monkeypatch.setitem(sys.modules, "leed.demo.serving", serving)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main(["demo", "--port", port]) == 2 and not started
    assert f"port {port} cannot be used" in capsys.readouterr().err
    assert main(["demo", "--model", "owner/name", "--port", port]) == 0
    assert started[0]["LEED_MODEL"] == "owner/name" and started[0]["GRADIO_SERVER_PORT"] == port


@pytest.mark.parametrize("name", COMMANDS)
def test_help_teaches_by_examples_that_are_understood(
    name: str, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([name, "--help"])
    printed = capsys.readouterr().out
    assert "examples:" in printed and "exit codes: 0 all went well" in printed
    module = importlib.import_module(COMMANDS[name].module)
    examples = [line for line in module.EPILOG.splitlines() if line.startswith("  leed ")]
    monkeypatch.setattr(module, "run", lambda options: True)
    assert examples and all(main(shlex.split(example)[1:]) == 0 for example in examples)


def test_help_lists_the_commands(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    printed = capsys.readouterr().out
    assert all(name in printed and command.help.split()[0] in printed for name, command in COMMANDS.items())


def test_expressions_that_no_face_could_show_are_refused(
    model: str, editor: FaceEditor, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """Where weights are read, and where a file is that another program wrote."""
    make = ["expression", "surprised", "--model", model, "--out", str(tmp_path / "x.safetensors")]
    assert main([*make, "--weights=100"]) == 2 and not (tmp_path / "x.safetensors").exists()
    assert "the sum by --weights: the expression is 100 times as strong as" in capsys.readouterr().err
    file = (100 * editor.leed.expressions["surprised"]).save(tmp_path / "strong.safetensors")
    edit = ["edit", str(photo), "--model", model, "--out", str(tmp_path / "out.png")]
    assert main([*edit, "--expression", str(file)]) == 2
    assert "strong.safetensors: the expression is 100 times as strong" in capsys.readouterr().err
    assert main([*edit, *5 * ["--expression", "surprised"]]) == 2
    assert "the sum of --expression: the expression is 5 times as strong" in capsys.readouterr().err
