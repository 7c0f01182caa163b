"""The evaluation on real photographs, here with drawn faces in their place."""

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch import Tensor

from leed import EXPRESSIONS, LEED, ExpressionClassifier
from leed.config import TINY
from leed.data.drawn import draw_face
from leed.evaluation import photographs
from leed.evaluation.sheets import GAP, GROUP_GAP, TITLE_HEIGHT
from leed.images import normalize, to_pil

PEOPLE = (3, 4)


def embedded(face: Tensor) -> dict:
    """A face, uint8 (3, S, S), as parquet files embed it, where the models' crop finds it."""
    file = io.BytesIO()
    page = Image.new("RGB", (256, 256), "white")
    page.paste(to_pil(normalize(face)).resize((200, 200)), (28, 40))
    page.save(file, "png")
    return {"bytes": file.getvalue(), "path": None}


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faces")
    rows = [
        {
            "image": embedded(draw_face(person, name, size=64)),
            "person": f"p{person}",
            "expression": EXPRESSIONS.index(name),
            "camera": "090",
            "real": real,
        }
        for person in PEOPLE
        for name, real in [*((name, False) for name in EXPRESSIONS), ("happy", True)]
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "test-0.parquet")
    return folder


def test_smiles_are_paired_with_their_own_neutral_face(faces: Path) -> None:
    smiles = photographs.load_smiles(faces, 64)
    assert smiles.persons.tolist() == ["p3", "p4"] and len(smiles.expressions) == len(EXPRESSIONS)
    assert all(len(pictures) == 2 for pictures in smiles.expressions.values())
    for i, person in enumerate(PEOPLE):
        for found, name in ((smiles.neutrals, "neutral"), (smiles.smiles, "happy")):
            gap = (found[i].int() - draw_face(person, name, size=64).int()).abs().float().mean()
            assert gap < 6  # of 255: resized twice


def test_a_perfect_edit_measures_perfectly(faces: Path) -> None:
    smiles = photographs.load_smiles(faces, 64)
    neutral, smile = (normalize(pictures) for pictures in (smiles.neutrals, smiles.smiles))
    edits = photographs.SmileEdits(neutral, smile, neutral, smile, smile)
    found = photographs.evaluate(photographs.measure(edits, None, None), smiles.persons)
    assert found["ssim_taken"].value == pytest.approx(1) and found["ssim_given"].value == pytest.approx(1)
    assert found["ssim_apart"].value < 0.97
    assert np.isnan(found["identity_taken"].value) and np.isnan(found["neutral_smile"].value)


def test_photographs_need_a_reference_with_an_expression() -> None:
    with pytest.raises(ValueError, match="no reference for the photographs"):
        photographs.edit_photographs(LEED(TINY), torch.zeros(1, 3, 32, 32), {0: torch.zeros(1, 3, 32, 32)}, "cpu")


def test_command(faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    LEED(TINY).save_pretrained(tmp_path / "leed")
    face_alone = ExpressionClassifier(TINY.from_dict(TINY.to_dict() | {"classifier_sees_neutral": False}))
    face_alone.save_pretrained(tmp_path / "classifier")
    ExpressionClassifier(TINY).save_pretrained(tmp_path / "with-neutral")
    common = ["--model", str(tmp_path / "leed"), "--data_dir", str(faces), "--no-identity"]
    common += ["--output_dir", str(tmp_path / "out"), "--classifier"]
    wild = pa.Table.from_pylist([{"image": embedded(draw_face(3, "sad")), "expression": 2, "person": "p3"}] * 6)
    pq.write_table(wild, tmp_path / "test-0.parquet")
    photographs.main([*common, str(tmp_path / "classifier"), "--wild_dir", str(tmp_path), "--num_wild", "6"])
    printed = capsys.readouterr().out
    assert "2 real smiles" in printed and "6 everyday photographs" in printed
    found = json.loads((tmp_path / "out" / "photographs.json").read_text())["metrics"]
    assert found["ssim_taken"]["value"] is not None and found["happy_given"]["value"] in (0, 0.5, 1)
    assert found["identity_apart"]["value"] is None
    side = TINY.image_size
    assert Image.open(tmp_path / "out" / "real_smiles.png").height == TITLE_HEIGHT + len(PEOPLE) * (side + GAP) - GAP
    width = 3 * 5 * (side + GAP) - GAP + 4 * GROUP_GAP
    assert Image.open(tmp_path / "out" / "wild.png").size == (width, 2 * side + GAP)
    with pytest.raises(SystemExit, match="sees the face alone"):
        photographs.main([*common, str(tmp_path / "with-neutral")])


def test_photographs_are_measured_against_what_they_should_show() -> None:
    faces = {name: normalize(draw_face(3, name, size=64)) for name in EXPRESSIONS}
    images = torch.stack([faces["neutral"], faces["happy"], faces["sad"]])
    references = torch.stack([faces[name] for name in ("happy", "sad", "angry")])
    wanted = torch.tensor([EXPRESSIONS.index(name) for name in ("happy", "sad", "angry")])
    edits = photographs.PhotographEdits(images, images, torch.stack([faces["happy"]] * 3), references, wanted)

    def knows_all_but_angry(pictures: Tensor) -> Tensor:
        """Logits of the drawn face that a picture is; an angry one is called sad."""
        names = [name for picture in pictures for name in EXPRESSIONS if torch.equal(picture, faces[name])]
        labels = [EXPRESSIONS.index("sad" if name == "angry" else name) for name in names]
        return torch.eye(len(EXPRESSIONS))[labels]

    found = photographs.evaluate(photographs.measure_photographs(edits, None, knows_all_but_angry), np.arange(3))
    shares = [found[f"wanted_{name}"].value for name in ("before", "after", "reference")]
    assert shares == pytest.approx([0, 1 / 3, 2 / 3]) and np.isnan(found["identity_wild"].value)
    assert [found[f"happy_{name}"].value for name in ("before", "after")] == [0, 1]
    assert np.isnan(found["surprised_after"].value)  # nobody was to be surprised
    sheet = photographs.photograph_rows(edits)
    assert [len(row) for row in sheet] == [9] and torch.equal(sheet[0][4], faces["happy"])


def test_photographs_take_the_expressions_in_turn(faces: Path) -> None:
    leed = LEED(TINY).eval()
    references = photographs.load_smiles(faces, TINY.image_size).expressions
    pictures = torch.stack([draw_face(3, "neutral", size=TINY.image_size)] * 8)
    edits = photographs.edit_photographs(leed, pictures, references, "cpu")
    assert edits.wanted.tolist() == [1, 2, 3, 4, 5, 6, 7, 1]
    assert torch.equal(edits.reference[3], normalize(references[4][0]))
    assert torch.equal(edits.reference[7], normalize(references[1][1]))  # the second person's
    assert torch.equal(edits.edit[0], leed.edit(edits.image[:1], edits.reference[:1])[0])
