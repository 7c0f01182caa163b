"""Edits at a photo's own size: what the figures say of known pictures, and the command."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from samples import picture, write_triples

from leed import LEED
from leed.config import TINY
from leed.evaluation import large
from leed.evaluation.large import Case, Edited, enlarged, evaluate, measure
from leed.images import to_pil, to_tensor
from leed.photo.geometry import Alignment


def noise(seed: int) -> torch.Tensor:
    return torch.rand(1, 3, large.SIDE, large.SIDE, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_a_true_edit_reaches_every_figure() -> None:
    photo, truth = noise(0), noise(1)
    found = evaluate([measure(Edited(truth, photo), Case(photo, truth, None, "a"), 128)] * 2, ["a", "b"])
    for box in large.BOXES:
        for figure in large.FIGURES:
            assert found[f"{box}_edit_{figure}"].value == pytest.approx(1, abs=1e-6)
            assert found[f"{box}_enlarged_{figure}"].value == found[f"{box}_input_{figure}"].value
        assert abs(found[f"{box}_input_detail"].value) < 0.05  # other noise
        assert found[f"{box}_input_energy"].value == pytest.approx(1, abs=0.05)


def test_through_a_small_model_nothing_smooth_is_lost_and_all_that_is_fine() -> None:
    smooth = torch.linspace(-1, 1, large.SIDE).view(1, 1, 1, -1).expand(1, 3, large.SIDE, -1)
    assert float((large.through(smooth, 128) - smooth)[..., 8:-8].abs().max()) < 0.01
    stripes = (0.1 * (-1.0) ** torch.arange(large.SIDE)).view(1, 1, -1, 1).expand(1, 3, -1, large.SIDE)
    assert float(large.through(stripes, 128).abs().mean()) < 0.03


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three edits, of which the last is by another triple's reference, and smiles of three test people."""
    write_triples(tmp_path, 4)
    generator = np.random.default_rng(1)
    pictures = {name: [picture(generator, 400) for _ in range(3)] for name in ("input", "target")}
    smiles = {name: [picture(generator, 400) for _ in range(4)] for name in ("image", "neutral")}
    smiles["file"] = [f"090_lon00{i}_female_happy_real.webp" for i in range(4)]
    smiles["split"] = ["train", "test", "test", "test"]
    large_folder = tmp_path / "faces-large"
    large_folder.mkdir()
    pq.write_table(pa.table({"triple": [0, 1, 3], **pictures}), large_folder / "pairs-0.parquet")
    pq.write_table(pa.table(smiles), large_folder / "smiles-0.parquet")
    return large_folder


def test_cases_belong_to_their_people(folder: Path) -> None:
    pairs, smiles = list(large.load_pairs(folder)), list(large.load_smiles(folder))
    assert [case.person for case in pairs] == ["person0", "person1", "person0"]  # of triples 0, 1 and 3
    assert all(case.reference is not None and case.reference.size == (128, 128) for case in pairs)
    assert [case.person for case in smiles] == ["lon001", "lon002", "lon003"]
    assert [case.person for case in large.load_smiles(folder, "train")] == ["lon000"]
    assert len(list(large.load_pairs(folder, 2))) == 2


def test_a_wrong_triple_and_missing_people_are_named(folder: Path) -> None:
    with pytest.raises(ValueError, match="has no real smiles of validation people, in whose rows `split` is"):
        list(large.load_smiles(folder, "validation"))
    table = pq.read_table(folder / "pairs-0.parquet")
    pq.write_table(table.set_column(0, "triple", pa.array([0, 4, -1])), folder / "pairs-0.parquet")
    with pytest.raises(ValueError, match="faces-large, row 1: triple 4 is not one of the 4 in .*faces-pairs"):
        list(large.load_pairs(folder))


def test_held_out_people_are_those_that_training_holds_out(folder: Path) -> None:
    """Both ways between a person's neutral face and expression, and smiles; nobody who is trained on."""
    people = [f"lon00{i}" for i in range(4)]
    write_parquet_table(folder.with_name("faces"), {"person": people * 2})
    (held,) = large.held_out_people(folder)
    generator = np.random.default_rng(2)
    pictures = {name: [picture(generator, 400) for _ in range(4)] for name in ("image", "neutral")}
    write_parquet_table(folder, {"person": people, **pictures})
    opened, closed = (list(large.load_rendered(folder, close, {held})) for close in (False, True))
    assert [case.person for case in opened] == [case.person for case in closed] == [held]
    assert torch.equal(opened[0].photo, closed[0].truth) and torch.equal(opened[0].truth, closed[0].photo)
    assert opened[0].reference is not None and closed[0].reference is None
    more = {name: [picture(generator, 400) for _ in range(4)] for name in ("image", "neutral")}
    write_parquet_table(folder, {"person": people, **more}, "more")
    (other,) = large.load_rendered(folder, True, {held}, file="more")
    assert other.person == held and not torch.equal(other.truth, closed[0].truth)
    with pytest.raises(ValueError, match="no real smiles of the 1 held-out of its test people"):
        list(large.load_smiles(folder, "test", among={"nobody"}))
    assert [case.person for case in large.load_smiles(folder, "train", among={"lon000", "lon001"})] == ["lon000"]
    with pytest.raises(ValueError, match="no training pictures of the 1 people held out"):
        list(large.load_rendered(folder, False, {"nobody"}))


def write_parquet_table(folder: Path, columns: dict, split: str = "train") -> None:
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.table(columns), folder / f"{split}-0.parquet")


def test_command(folder: Path, lively_leed: LEED, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    lively_leed.save_pretrained(tmp_path / "model")
    out = tmp_path / "out"
    large.main(["--model", str(tmp_path / "model"), "--data_dir", str(folder), "--output_dir", str(out)])
    printed = capsys.readouterr().out
    assert "3 true edits" in printed and "3 real smiles closed" in printed
    content = json.loads((out / "large.json").read_text())
    size = lively_leed.config.image_size
    case = next(large.load_pairs(folder))
    values = measure(large.edit(lively_leed, case), case, size)
    crop = Alignment((0.0, 0.0), (float(large.SIDE), 0.0)).crop(to_pil(case.photo[0]), size)
    own = enlarged(to_tensor(lively_leed.edit(crop, case.reference), size))
    assert torch.equal(large.edit(lively_leed, case).enlarged, own)
    alone = evaluate([values], ["person0"])
    assert set(content["edits"]) == set(alone) and alone["mouth_edit_ssim"].value < 1
    assert (out / "edits.png").is_file() and (out / "smiles.png").is_file()
    with pytest.raises(SystemExit):
        large.parse_args(["--model", "m", "--data_dir", str(folder), "--rendered", "more"])
    assert "--rendered serves --people held_out" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="no parquet file of split 'pairs'"):
        large.main(["--model", str(tmp_path / "model"), "--data_dir", str(tmp_path / "faces-pairs")])


def test_the_upper_level_is_measured_unless_it_is_left_out(perturb: Callable) -> None:
    leed = perturb(LEED(replace(TINY, upper_width=8, upper_depth=1))).eval()
    case = Case(noise(0), noise(1), to_pil(noise(2)[0]), "a")
    with_it, without = large.edit(leed, case), large.edit(leed, case, upper_level=False)
    assert torch.equal(with_it.enlarged, without.enlarged) and not torch.equal(with_it.photo, without.photo)
