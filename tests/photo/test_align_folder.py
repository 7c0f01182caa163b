"""A folder of aligned faces, made of the composite people of the gallery on canvases of RaFD's size."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

from leed.data.faces import FaceDataset, encoded, load_faces
from leed.images import INNER_CROP
from leed.photo.align_folder import Outcome, align_folder, aligned_face, main, write
from leed.photo.detection import find_faces
from leed.photo.geometry import EYE_ROW

GALLERY = ROOT / "leed/gallery/faces"
SIZE = 128
RAFD = {  # the gallery's own cameras turn heads by 22 degrees
    "session 1/Rafd090_01_Caucasian_female_happy_frontal.jpg": "090_comp01_female_happy_v0",
    "session 1/Rafd090_01_Caucasian_female_neutral_frontal.jpg": "090_comp01_female_neutral_v0",
    "session 1/Rafd045_01_Caucasian_female_neutral_frontal.jpg": "068_comp01_female_neutral_v0",
    "Rafd090_04_Caucasian_male_angry_left.png": "090_comp04_male_angry_v0",
}


def gallery_face(name: str) -> Image.Image:
    return Image.open(GALLERY / f"{name}.webp").convert("RGB")


def canvas(face: Image.Image, size: tuple[int, int] = (681, 1024), place: tuple[int, int] = (90, 170)) -> Image.Image:
    """A picture like RaFD's: a face of 500 pixels above the middle."""
    picture = Image.new("RGB", size, face.getpixel((2, 2)))
    picture.paste(face.resize((500, 500), Image.Resampling.BICUBIC), place)
    return picture


def make(folder: Path, pictures: dict[str, Image.Image]) -> Path:
    for name, picture in pictures.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path, quality=95)
    return folder


@pytest.fixture(scope="module")
def rafd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(
        tmp_path_factory.mktemp("data") / "rafd", {name: canvas(gallery_face(face)) for name, face in RAFD.items()}
    )


@pytest.fixture(scope="module")
def aligned(rafd: Path) -> Path:
    target = rafd.with_name("aligned")
    assert align_folder(rafd, target, SIZE) == Outcome(aligned=len(RAFD))
    return target


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_names_stay_and_pictures_are_square(aligned: Path) -> None:
    assert files(aligned) == set(RAFD)
    for name in RAFD:
        with Image.open(aligned / name) as picture:
            assert picture.size == (SIZE, SIZE) and picture.mode == "RGB"
            assert picture.format == {".jpg": "JPEG", ".png": "PNG"}[Path(name).suffix]


@pytest.mark.parametrize("name", RAFD)
def test_eyes_lie_where_the_models_expect_them(aligned: Path, name: str) -> None:
    """As far as the detector's own points, rough in so narrow a picture, can tell."""
    picture = Image.open(aligned / name).convert("RGB")
    column, row = find_faces(picture)[0].points[:2].mean(0) / SIZE
    assert row == pytest.approx(EYE_ROW, abs=0.04)
    if "Rafd090" in name:  # of a turned head the middle of the whole face lies there
        assert column == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize("name", RAFD)
def test_the_crop_is_that_of_the_gallery(aligned: Path, name: str) -> None:
    """Of all crops near by, the gallery's own resembles the result most, up to a few pixels."""
    face = gallery_face(RAFD[name])
    left, top, right, bottom = (round(256 * edge) for edge in INNER_CROP)
    found = np.asarray(Image.open(aligned / name).convert("L"), float)

    def difference(across: int, down: int, larger: int) -> float:
        box = (left + across - larger, top + down - larger, right + across + larger, bottom + down + larger)
        return float(np.abs(np.asarray(face.crop(box).resize((SIZE, SIZE)).convert("L"), float) - found).mean())

    moves = [(x, y, wide) for x in (-12, -6, 0, 6, 12) for y in (-12, -6, 0, 6, 12) for wide in (-12, 0, 12)]
    across, down, larger = min(moves, key=lambda move: difference(*move))
    assert abs(across) <= 6 and abs(down) <= 6 and larger == 0  # pixels of 256


def test_the_reader_of_rafd_takes_aligned_pictures_whole(aligned: Path) -> None:
    table = load_faces(aligned)
    assert set(table["person"]) == {"rafd-01", "rafd-04"} and set(table["yaw"]) == {0.0, -45.0}
    rows = list(encoded(table))
    assert all(row["image_crop"] is None for row in rows) and sum(row["view"] is not None for row in rows) == 2
    stored = {Path(row["image"]["path"]).name: number for number, row in enumerate(rows)}
    name = "Rafd090_04_Caucasian_male_angry_left.png"
    taken = FaceDataset(table, SIZE).images[stored[name]].permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(taken, np.asarray(Image.open(aligned / name)))


def test_the_reader_of_cfeed_takes_aligned_pictures_whole(tmp_path: Path) -> None:
    name = "01-04/Images1/01_126_3963.png"
    wide = canvas(gallery_face("090_comp02_male_neutral_v0"), (1000, 750), (400, 180))
    source = make(tmp_path / "cfeed", {name: wide})
    align_folder(source, tmp_path / "aligned", SIZE)
    table = load_faces(tmp_path / "aligned")
    assert table["person"][:] == ["cfeed-126"]
    taken = FaceDataset(table, SIZE).images[0].permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(taken, np.asarray(Image.open(tmp_path / "aligned" / name)))


def test_the_largest_face_is_taken(tmp_path: Path) -> None:
    picture = Image.new("RGB", (760, 560), (200, 200, 200))
    large, small = gallery_face("090_comp02_male_neutral_v0"), gallery_face("090_comp03_female_neutral_v0")
    picture.paste(small.resize((200, 200)), (0, 100))
    picture.paste(large.resize((500, 500)), (230, 30))
    found = aligned_face(make(tmp_path, {"two.png": picture}) / "two.png", SIZE)
    alone = aligned_face(make(tmp_path, {"one.png": canvas(large)}) / "one.png", SIZE)
    assert np.abs(np.asarray(found, float) - np.asarray(alone, float)).mean() < 8


def test_an_interrupted_run_goes_on(rafd: Path, aligned: Path, tmp_path: Path, monkeypatch) -> None:
    """Stopped while it writes the third picture, of which nothing stays."""
    save, written = Image.Image.save, []

    def interrupted(picture: Image.Image, path: Path, *arguments, **options) -> None:
        written.append(path)
        if len(written) == 3:
            path.write_bytes(b"half a picture")
            raise KeyboardInterrupt
        save(picture, path, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Image.Image, "save", interrupted)
        with pytest.raises(KeyboardInterrupt):
            align_folder(rafd, tmp_path / "out", SIZE)
    first = files(tmp_path / "out")
    assert len(first) == 2 and first < set(RAFD)
    times = {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in first}
    assert align_folder(rafd, tmp_path / "out", SIZE) == Outcome(aligned=2, existing=2)
    assert {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in first} == times
    assert files(tmp_path / "out") == set(RAFD)
    for name in RAFD:
        assert (tmp_path / "out" / name).read_bytes() == (aligned / name).read_bytes()


def test_what_cannot_be_aligned_is_named_and_counted(rafd: Path, tmp_path: Path, capsys) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    name = "Rafd090_04_Caucasian_male_angry_left.png"
    source.mkdir()
    shutil.copy(rafd / name, source)
    make(source, {"rooms/empty.jpg": Image.new("RGB", (300, 200), "white")})
    (source / "broken.jpg").write_bytes(b"no picture")
    (source / "cut.png").write_bytes((rafd / name).read_bytes()[:5000])
    (source / "notes.txt").write_text("no picture either")
    main([str(source), str(target), "--size", "64"])
    assert capsys.readouterr().out.splitlines()[-1] == "1 aligned, 1 without a face, 2 unreadable, 0 there already"
    assert files(target) == {name, "left-out.txt"}
    lines = dict(line.split("\t") for line in (target / "left-out.txt").read_text().splitlines())
    assert list(lines) == ["broken.jpg", "cut.png", "rooms/empty.jpg"]
    assert "JPEG" in lines["broken.jpg"] and "damaged" in lines["cut.png"] and "face" in lines["rooms/empty.jpg"]

    for left_out in lines:
        (source / left_out).unlink()
    main([str(source), str(target), "--size", "64"])
    assert capsys.readouterr().out == "0 aligned, 0 without a face, 0 unreadable, 1 there already\n"
    assert files(target) == {name}


def test_wrong_folders_are_refused_in_a_sentence(rafd: Path, aligned: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    for source, target, options, message in (
        (tmp_path / "missing", tmp_path / "out", [], "missing is not a folder"),
        (tmp_path / "empty", tmp_path / "out", [], "no pictures in .*empty"),
        (rafd, rafd / "aligned", [], "must not lie in"),
        (rafd, rafd, [], "must not lie in"),
        (rafd / "session 1", rafd, [], "or hold it"),
        (rafd, aligned, ["--size", "64"], "has 128x128 pixels, not 64x64"),
        (rafd, tmp_path / "out", ["--size", "0"], "at least 1 pixel, got 0"),
        (rafd, tmp_path / "file", [], "file"),
    ):
        with pytest.raises(SystemExit, match=message):
            main([str(source), str(target), *options])
    assert not (tmp_path / "out").exists()
    assert files(rafd) == set(RAFD)


@pytest.mark.parametrize("ending", ["JPG", "jpeg", "webp", "bmp", "tif", "tiff"])
def test_every_ending_is_written_in_its_format(tmp_path: Path, ending: str) -> None:
    picture = Image.fromarray(np.mgrid[:64, :64].sum(0).astype(np.uint8)).convert("RGB")
    path = tmp_path / f"face.{ending}"
    write(picture, path)
    with Image.open(path) as found:
        assert found.format == {"JPG": "JPEG", "jpeg": "JPEG", "tif": "TIFF", "tiff": "TIFF"}.get(
            ending, ending.upper()
        )
        assert np.abs(np.asarray(found.convert("RGB"), int) - np.asarray(picture, int)).max() <= 3
    assert files(tmp_path) == {path.name}
