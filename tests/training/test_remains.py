"""The truth of what remains in a neutral face, the fit of its estimator, and the command."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from leed import LEED
from leed.config import NEUTRAL, TINY
from leed.data.faces import FaceDataset, load_faces
from leed.images import EYES, MOUTH, part
from leed.networks.remains import SIDE, VISIBLE
from leed.runtime import OnnxLEED
from leed.training import remains
from leed.training.remains import EYES_VISIBLE, MOUTH_VISIBLE, Examples, true_remains


def striped() -> torch.Tensor:
    """A picture (1, 3, SIDE, SIDE) whose deviation in every part of even width is 0.4."""
    columns = torch.tensor([0.4, -0.4]).repeat(SIDE // 2)
    return columns.expand(1, 3, SIDE, SIDE).clone()


def test_the_truth_is_the_difference_relative_to_the_true_face() -> None:
    true = striped()
    assert true_remains(true, true).tolist() == [[0, 0]]
    torch.testing.assert_close(true_remains(true + 0.3, true), torch.zeros(1, 2), rtol=0, atol=1e-5)  # light
    twice = true.clone()
    part(twice, MOUTH)[:] *= 2
    torch.testing.assert_close(true_remains(twice, true), torch.tensor([[1 / MOUTH_VISIBLE, 0]]))


def test_one_closed_eye_counts_as_two() -> None:
    true = striped()
    one, both = true.clone(), true.clone()
    part(both, EYES)[:] *= 1.5
    left = part(one, EYES)
    left[..., : left.shape[-1] // 2] *= 1.5
    expected = torch.tensor([[0, 0.5 / EYES_VISIBLE]])
    for picture in (one, both):
        torch.testing.assert_close(true_remains(picture, true), expected)


def test_an_estimator_learns_what_an_open_mouth_is() -> None:
    count = 64
    faces = (0.2 * torch.randn(count, 3, SIDE, SIDE)).clamp(-1, 1)
    part(faces[: count // 2], MOUTH)[:, :, 4:12, 8:24] = -1.0  # dark
    target = torch.zeros(count, 2)
    target[: count // 2, 0] = 2.0
    examples = Examples(((faces + 1) * 127.5).to(torch.uint8), target)
    estimator = remains.fit(examples, [(examples, 0.25)], steps=40, batch_size=16, device="cpu")
    found = estimator.remains(faces)
    dark, plain = found.mouth.split(count // 2)
    assert dark.min() > plain.max()
    assert (plain >= VISIBLE).sum() <= 0.1 * len(plain) and (dark >= VISIBLE).all()  # calibrated


def test_photographs_are_edited_by_the_model(lively_leed: LEED, drawn_folder: Path) -> None:
    table = load_faces(drawn_folder)
    examples = remains.edit_photographs(lively_leed, table, table, "cpu", batch_size=8, seed=0)
    count = int((FaceDataset(table, 32).expressions == NEUTRAL).sum())
    assert examples.faces.shape == ((2 + remains.EDITS) * count, 3, SIDE, SIDE)
    assert not examples.remains[: 2 * min(count, 8)].any()  # neutral faces, of the first batch
    assert examples.remains.any(dim=1).sum() == remains.EDITS * count


def test_expressive_photographs_are_those_whose_mouth_changes(drawn_folder: Path) -> None:
    table = load_faces(drawn_folder)
    count = int((FaceDataset(table, 32).expressions > NEUTRAL).sum())

    def painted(image: torch.Tensor) -> torch.Tensor:
        image = image.clone()
        part(image, MOUTH)[:, :, ::2] = -1.0
        return image

    assert len(remains.expressive_photographs(lambda image: image, table, 32, "cpu", 8).faces) == 0
    examples = remains.expressive_photographs(painted, table, 32, "cpu", 8)
    assert 0 < len(examples.faces) <= 2 * count and (examples.remains[:, 0] > 0).all()


def test_the_command_writes_an_estimator_that_both_engines_load(
    lively_leed: LEED, drawn_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "leed"
    lively_leed.save_pretrained(folder)
    sets = ["--rendered", str(drawn_folder), "--smiles", str(drawn_folder), "--photographs", str(drawn_folder)]
    remains.main(["--model", str(folder), *sets, "--max_samples", "20", "--steps", "2", "--device", "cpu"])
    image = torch.rand(2, 3, TINY.image_size, TINY.image_size)
    expected = LEED.from_pretrained(folder).remains(image)
    assert expected is not None and expected.most.shape == (2,)
    read: Callable = lambda *_: {}  # noqa: E731  # graphs are not needed here
    monkeypatch.setattr("leed.runtime._read_graphs", read)
    monkeypatch.setattr("leed.runtime._session", lambda *_: None)
    monkeypatch.setattr("leed.runtime.INPUTS", {})
    assert OnnxLEED.from_pretrained(folder).estimator is not None


def test_people_are_held_out(drawn_folder: Path) -> None:
    tables = remains.split_tables([str(drawn_folder)], str(drawn_folder))
    for training, held_out in zip(tables["training"], tables["held_out"], strict=True):
        assert not set(training["person"]) & set(held_out["person"]) and len(held_out)


def test_pictures_without_a_true_neutral_face_teach_nothing(drawn_folder: Path) -> None:
    table = load_faces(drawn_folder)
    table = table.map(lambda row: {"neutral": None}) if "neutral" in table.column_names else table
    with pytest.raises(ValueError, match="none of the 48 pictures has a true neutral face"):
        remains.make_examples(None, table, 32, "cpu", 8)
