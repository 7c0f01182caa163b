"""The command for the paper's tables and figures, end to end, on drawn faces; some bear RaFD's and CFEED's names."""

import html.parser
import json
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from processes import on_two_processes
from samples import write_triples
from torch import nn

from leed import EXPRESSIONS, LEED, ExpressionClassifier
from leed.config import TINY, replace
from leed.data.drawn import draw_face
from leed.data.readers.drawn import drawn_faces
from leed.evaluation.paper import __main__ as paper
from leed.evaluation.paper import cache, corpus, fidelity, methods
from leed.evaluation.paper.study_pictures import study_edits
from leed.evaluation.sheets import GAP, TITLE_HEIGHT
from leed.images import to_pil
from leed.networks.neutralizer import Neutralizer
from leed.study.pictures import REAL, read_pictures

CFEED_CATEGORIES = {"neutral": 1, "happy": 2, "sad": 3, "angry": 5, "surprised": 6, "disgusted": 7, "fearful": 8}
CFEED_COMPOUND = 9
SMALL = ["--num_edits", "24", "--seeds", "2", "--steps", "2", "--classifier_batch_size", "8", "--num_points", "30"]
SMALL += ["--batch_size", "16", "--held_out", "0.5"]


class FewFeatures(nn.Module):
    """Stands for a large network: the colours of 9 parts of the picture."""

    name, num_features = "few features", 27

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return nn.functional.adaptive_avg_pool2d(image, 3).flatten(1)


@pytest.fixture(autouse=True)
def small_extractor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paper, "load_extractor", lambda name: FewFeatures())


def save(face: torch.Tensor, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(face.permute(1, 2, 0).numpy()).save(path)


@pytest.fixture(scope="module")
def rafd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six people, eight expressions, two cameras, named as the Radboud Faces Database names them."""
    folder = tmp_path_factory.mktemp("data") / "RafD"
    for person in range(1, 7):
        for i, name in enumerate(EXPRESSIONS):
            for camera, yaw in (("045", -45.0), ("090", 0.0)):
                file = f"Rafd{camera}_{person:02d}_Caucasian_female_{name}_frontal.png"
                save(draw_face(person, i, yaw=yaw, size=32), folder / file)
    return folder


@pytest.fixture(scope="module")
def cfeed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six people with the seven primary expressions and a compound one, as CFEED lies on disk."""
    folder = tmp_path_factory.mktemp("data") / "CFEE_Database_230"
    for person in range(6):
        for name, category in CFEED_CATEGORIES.items():
            face = draw_face(person, EXPRESSIONS.index(name), size=32)
            save(face, folder / "01-04" / "Images1" / f"{category:02d}_{person + 100}_3963.png")
        save(draw_face(person, 1, size=32), folder / "05-08" / f"{CFEED_COMPOUND:02d}_{person + 100}_12.png")
    return folder


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A divided face set with triples beside it, as the open face set lies on disk."""
    root = tmp_path_factory.mktemp("data")
    pairs = write_triples(root, 10)
    folder = root / "faces"
    folder.mkdir()
    for split, first in (("train", 0), ("test", 10)):
        drawn_faces(3, 16, size=32, first=first).to_parquet(folder / f"{split}-0.parquet")
    assert pairs == root / "faces-pairs"
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, lively_leed: LEED) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("models")
    lively_leed.save_pretrained(folder / "leed")
    torch.manual_seed(1)
    Neutralizer(replace(TINY, neutralizer="stargan")).save_pretrained(folder / "stargan")
    ExpressionClassifier(TINY).save_pretrained(folder / "evaluator")
    return {name: str(folder / name) for name in ("leed", "stargan", "evaluator")}


@pytest.fixture
def ganimation(models: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """A stand-in for GANimation that brightens faces by the first action unit; every face has action units."""

    class Brightens(nn.Module):
        config = TINY

        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(()))

        def forward(self, image: torch.Tensor, action_units: torch.Tensor) -> torch.Tensor:
            assert action_units.shape == (len(image), 17) and bool(action_units.isfinite().all())
            return (image + self.weight * action_units[:, :1, None, None]).clamp(-1, 1)

    stand_in = SimpleNamespace(from_pretrained=lambda path: Brightens())
    monkeypatch.setattr(methods, "GANimation", stand_in)

    def known(rows: list) -> tuple[torch.Tensor, None]:
        return torch.linspace(0, 1, len(rows))[:, None].repeat(1, 17), None

    monkeypatch.setattr(corpus, "stack_action_units", known)
    return models["stargan"]  # whose weights' digest stands for its own


def arguments(models: dict[str, str], data: Path | str, output: Path, *more: str) -> list[str]:
    return ["--leed", models["leed"], "--data_dir", str(data), "--output_dir", str(output), *SMALL, *more]


def tables(folder: Path) -> dict[str, dict]:
    """The tables of a run by the first words of their titles."""
    return {table["title"].split(":")[0]: table for table in json.loads((folder / "tables.json").read_text())}


def height(num_rows: int, side: int = 32) -> int:
    """The height of a panel with `num_rows` rows of faces and with titles of columns."""
    return TITLE_HEIGHT + num_rows * (side + GAP) - GAP


class Page(html.parser.HTMLParser):
    """The contents of a page: its pictures, cells and addresses."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.pictures, self.cells, self.addresses, self.bold = [], 0, [], 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "img":
            assert values["alt"]
            self.pictures.append(values["src"])
        self.cells += tag == "td"
        self.bold += tag == "b"
        self.addresses += [value for name, value in attrs if name in ("href", "src") and "//" in value]


def test_rafd(
    rafd: Path, models: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = arguments(models, rafd, tmp_path, "--stargan", models["stargan"], "--without_q", models["leed"])
    paper.main(given)
    printed = capsys.readouterr().out
    found = tables(tmp_path)
    assert list(found) == ["Table 1", "Table 2"]
    references = ["input copied", "real, other people", "real, half to half"]
    assert list(found["Table 1"]["values"]) == ["StarGAN", "LEED", *references]
    assert (
        found["Table 1"]["values"]["LEED"]["fid"] > 0 and -1 <= found["Table 1"]["values"]["LEED"]["ssim"]["value"] < 1
    )
    assert "24 edits of 3 test people" in found["Table 1"]["note"] and "few features" in found["Table 1"]["note"]
    assert "the same person's own picture" in found["Table 1"]["note"]
    assert "trained on 48 real pictures of 3 people (R), tested on 48 real pictures of 3 others" in printed
    # Every number of 5 x 4 and 2 x 4 cells, the best method of each column bold; all pictures beside the page.
    page = Page((tmp_path / "report.html").read_text())
    assert page.cells == 28 and page.bold == 5 and not page.addresses
    assert page.pictures == [f"figure{number}.png" for number in (2, 3, 4, 6, 7, 8)]
    # Input, reference, two methods, own picture; and with plain arithmetic, without Q and final for methods.
    assert Image.open(tmp_path / "figure2.png").height == height(5)
    assert Image.open(tmp_path / "figure3.png").height == height(6)
    for line in (
        "GANimation: not given",
        "Figure 3, a row: not given (--without_s)",
        "Figure 5: the face set has no pictures for it",
        "need triples",
    ):
        assert line in printed and line in (tmp_path / "report.html").read_text()

    def not_again(image: torch.Tensor) -> None:
        raise AssertionError("a picture was measured again")

    monkeypatch.setattr(fidelity, "small", not_again)
    monkeypatch.setattr("leed.evaluation.paper.classification.train_classifier", not_again)
    paper.main([*given, "--parts", "table1", "table2"])
    assert tables(tmp_path) == found
    assert "figure2: not in --parts" in capsys.readouterr().out


def test_cfeed(cfeed: Path, models: dict[str, str], tmp_path: Path) -> None:
    """Compound expressions have no label: they are neither classified nor asked for."""
    paper.main(arguments(models, cfeed, tmp_path, "--generated", "train", "--parts", "table1", "table2", "figure7"))
    found = tables(tmp_path)
    assert "trained on 21 real pictures of 3 people (R), tested on 21 real pictures" in found["Table 2"]["note"]
    assert "24 real pictures" in found["Table 1"]["note"]  # the compound ones are real, too
    assert "of the training people" in found["Table 2"]["note"]
    assert Image.open(tmp_path / "figure7.png").height == height(7)


def test_three_methods(
    faces: Path, models: dict[str, str], ganimation: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """With triples SSIM is to the true edit; the evaluator gives them action units; profiles have none."""
    given = arguments(models, faces, tmp_path, "--stargan", models["stargan"], "--ganimation", ganimation)
    given += ["--parts", "table1", "figure2", "figure3", "figure5", "figure6", "--num_imperfect", "4"]
    given += ["--imperfect_shares", "0.5", "0.75"]
    paper.main(given)
    found = tables(tmp_path)
    assert list(found["Table 1"]["values"])[:3] == ["StarGAN", "GANimation", "LEED"]
    assert found["Table 1"]["values"]["GANimation"]["ssim"]["value"] is not None
    assert found["Table 1"]["values"]["GANimation"]["ssim_true"]["value"] is None
    assert "SSIM of GANimation to the true edit is not measured" in found["Table 1"]["note"]
    # Turned by at most 30 degrees: 6 of 10 inputs, and 42 of all 78 test pictures, 48 and 3 * 10.
    assert "of 6 edits to the true edit" in found["Table 1"]["note"]
    assert "42 real pictures" in found["Table 1"]["note"]
    assert "Figures 3 and 6 in numbers: give --evaluator" in capsys.readouterr().out
    paper.main([*given, "--evaluator", models["evaluator"]])
    found = tables(tmp_path)
    assert found["Table 1"]["values"]["GANimation"]["ssim_true"]["value"] is not None
    assert "R^2" in found["Table 1"]["note"]
    assert "of 4 edits to the true edit" in found["Table 1"]["note"]  # the references are turned as little
    imperfect = found["Figure 6 in numbers"]["values"]
    assert len(imperfect) == 7 and "both 0.75" in imperfect
    assert list(found["Figure 3 in numbers"]["values"]) == ["final", "plain arithmetic"]
    # Input, reference, two neutral faces and the edit, these imperfect, three edits, true edit.
    assert Image.open(tmp_path / "figure6.png").height == height(2 + 3 + 2 + 3 + 1)

    def ganimation_row() -> tuple:
        profile = Image.open(tmp_path / "figure5.png")
        assert profile.height == height(6)
        faces = profile.width // 2, height(3) + GAP, profile.width, height(4)
        return profile.crop(faces).getextrema()

    white = ganimation_row()
    assert white == ((255, 255),) * 3
    paper.main([*given, "--profile_action_units", "--parts", "figure5"])
    assert ganimation_row() != white


def test_pictures_of_the_user_studies(
    faces: Path, models: dict[str, str], ganimation: str, lively_leed: LEED, tmp_path: Path
) -> None:
    """The study reads them; real ones are the set's own, none twice; written again they are the same."""
    given = arguments(models, faces, tmp_path, "--stargan", models["stargan"], "--ganimation", ganimation)
    given += ["--parts", "table3", "--study_dir", str(tmp_path / "pictures"), "--num_edits", "300"]
    paper.main([*given, "--num_study", "16"])
    found = read_pictures(tmp_path / "pictures")
    assert found.methods == ["ganimation", "leed", "stargan"] and found.size == (32, 32)
    own, reals = {}, set()
    for row in drawn_faces(3, 16, size=32, first=10):
        own.setdefault((row["person"], EXPRESSIONS[row["expression"]]), []).append(row["image"].tobytes())
    for name in found.names:
        person, expression = name.split("_")[1:]
        reals.add(found.open(REAL, name).tobytes())
        assert found.open(REAL, name).tobytes() in own[person, expression]
    assert len(reals) == len(found.names) == 16
    shown = [name.split("_")[2] for name in found.names]
    assert all(shown.count(expression) == 2 for expression in EXPRESSIONS)

    experiment = paper.prepare(paper.parse_args(given), cache.processes())
    edits = study_edits(experiment.edits, 16)
    request = edits.request(np.arange(16))
    for name, edit in zip(found.names, lively_leed.edit(request.image, request.reference), strict=True):
        assert np.array_equal(found.open("leed", name), to_pil(edit))
        assert Image.open(found.files["leed"][name]).info == Image.open(found.files[REAL][name]).info == {}

    written = {path: path.read_bytes() for path in (tmp_path / "pictures").rglob("*.png")}
    paper.main([*given, "--num_study", "16"])
    assert {path: path.read_bytes() for path in (tmp_path / "pictures").rglob("*.png")} == written
    with pytest.raises(SystemExit, match="is not of this study"):
        paper.main([*given, "--num_study", "8"])
    compared = len(np.unique(experiment.edits.own))
    with pytest.raises(SystemExit, match=f"study of 100 edits takes .* the 300 planned edits have {compared}: lower"):
        paper.main(given)


def test_pictures_of_the_user_studies_without_a_folder(
    faces: Path, models: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    paper.main(arguments(models, faces, tmp_path, "--parts", "table3"))
    assert "left out: Table 3, the pictures that raters see: give --study_dir" in capsys.readouterr().out


def test_two_processes_find_the_same(cfeed: Path, models: dict[str, str], tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(cache, "SHARD", 5)
    few = ["--num_edits", "12", "--parts", "table1", "table2"]
    one, two = (arguments(models, cfeed, tmp_path / name, *few) for name in ("one", "two"))
    driver = tmp_path / "driver.py"
    driver.write_text(
        dedent("""
        import sys
        from evaluation.paper.test_paper import FewFeatures, cache, paper
        cache.SHARD, paper.load_extractor = 5, lambda name: FewFeatures()
        paper.main(sys.argv[1:])
        """)
    )
    on_two_processes(driver, *two)
    paper.main(one)
    found, expected = (tables(tmp_path / name) for name in ("two", "one"))
    assert found["Table 1"]["values"]["LEED"]["fid"] == pytest.approx(expected["Table 1"]["values"]["LEED"]["fid"])
    assert found["Table 2"]["values"] == expected["Table 2"]["values"]


def test_a_neutraliser_is_not_stargan(rafd: Path, models: dict[str, str], tmp_path: Path) -> None:
    Neutralizer(TINY).save_pretrained(tmp_path / "unet")
    with pytest.raises(SystemExit, match="holds a generator of kind 'unet', not StarGAN's"):
        paper.main(arguments(models, rafd, tmp_path, "--stargan", str(tmp_path / "unet")))


def test_models_are_checked_first(rafd: Path, models: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="is of ExpressionClassifier, not LEED"):
        paper.main(arguments(models, rafd, tmp_path, "--without_q", models["evaluator"]))


def test_ganimation_needs_action_units(
    rafd: Path, models: dict[str, str], tmp_path: Path, ganimation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus, "stack_action_units", lambda rows: (torch.full((len(rows), 17), torch.nan), None))
    with pytest.raises(SystemExit, match="GANimation needs action units, and this face set has none"):
        paper.main(arguments(models, rafd, tmp_path, "--ganimation", ganimation))
