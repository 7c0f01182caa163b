"""Edit metrics of free expressions, on a few drawn triples."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from leed import LEED
from leed.evaluation import __main__ as command
from leed.evaluation import free
from leed.evaluation.sheets import GAP, TITLE_HEIGHT
from leed.images import EYES, normalize, part


def test_what_references_show(free_folder: Path) -> None:
    triples = free.load_free_triples(free_folder, 32)
    named = {name: members.nonzero()[0].tolist() for name, members in free.groups(triples).items()}
    assert named["eyes closed"] == [0, 4] and named["one eye closed"] == [1, 5] and named["open jaw"] == [2, 6]
    assert named["yaw 0"] == [1, 3, 5, 7] and named["same camera"] == [0, 2, 4, 6] and "one-sided" not in named
    few = free.load_free_triples(free_folder, 32, max_triples=2)
    assert few.input_persons.tolist() == ["q0", "q1"] and (few.targets[1] == triples.targets[7]).all()


def test_agreement_and_way_of_known_changes() -> None:
    """The truth's change has agreement and way 1; half of it 1 and 0.5; another as large, unlike it, 0."""
    wanted = torch.zeros(3, 3, 32, 32)
    part(wanted, EYES)[..., ::2] = 0.4
    unlike = torch.zeros(3, 32, 32)
    part(unlike, EYES)[..., 1::2] = 0.4
    change = torch.stack([wanted[0], 0.5 * wanted[1], unlike])
    values = {name: value.numpy() for name, value in free.changes(change, wanted).items()}
    values |= dict.fromkeys(("edit_identity", "truth_identity"), np.full(3, np.nan))
    values |= dict.fromkeys(("edit_distance", "neutral_distance", "monotone_way", "way_at_one"), np.zeros(3))
    values |= {f"{name}_{kind}": np.zeros(3) for kind in ("ssim", "ssim_face") for name in free.COMPARED}
    found = free.free_metrics(values)
    rows = np.eye(3)
    assert found["agreement_eyes"](rows).tolist() == pytest.approx([1, 1, 0])
    assert found["way_eyes"](rows).tolist() == pytest.approx([1, 0.5, 0])
    assert np.isnan(found["agreement_mouth"](rows)).all()  # nothing changes there


@torch.no_grad()
def test_learned_neutral_faces_give_the_users_edit(free_folder: Path, lively_leed: LEED) -> None:
    triples = free.load_free_triples(free_folder, 32)
    image, reference, neutral_face = (normalize(x) for x in (triples.inputs, triples.references, triples.neutrals))
    edits = {name: free.prepare(lively_leed, image, reference, neutral_face, name)(1.0) for name in free.NEUTRALS}
    assert torch.equal(edits["learned"], lively_leed.edit(image, reference))
    assert not torch.equal(edits["learned"], edits["input-true"]) and not torch.equal(edits["none"], edits["learned"])


def test_command(
    free_folder: Path, evaluation_folders: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    arguments = ["--model", str(evaluation_folders["leed"]), "--evaluator", str(evaluation_folders["evaluator"])]
    arguments += ["--data_dir", str(free_folder), "--no-identity", "--batch_size", "3"]
    command.main([*arguments, "--num_alpha", "4", "--output_dir", str(tmp_path), "--contact_sheet", "--device", "cpu"])
    printed = capsys.readouterr().out
    assert (tmp_path / "metrics.md").read_text() == printed and "8 triples of free expressions" in printed
    content = json.loads((tmp_path / "metrics.json").read_text())
    assert content["num_triples"]["eyes closed"] == 2
    found = content["metrics"]["all"]
    assert found["edit_ssim"]["low"] <= found["edit_ssim"]["value"] <= found["edit_ssim"]["high"]
    assert found["identity"]["value"] is None and found["agreement_eyes"]["value"] is not None
    sheet = Image.open(tmp_path / "contact_sheet.png")
    assert sheet.height == TITLE_HEIGHT + 4 * (32 + GAP) - GAP and sheet.width > 8 * 32  # two triples in a row
    with pytest.raises(SystemExit, match="references have no true neutral face"):
        command.main([*arguments, "--neutrals", "true"])
