"""Pairs for photographs without neutral faces: the tries, their choice, and the table that training reads."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from leed import ExpressionClassifier, Neutralizer
from leed.config import TINY
from leed.data.faces import FaceDataset, load_faces
from leed.images import inner_face, to_pil
from leed.training import pseudo_neutrals as selftraining
from leed.training.pseudo_neutrals import TRIES, Try, attempt, best_try, make_pairs, neutral_certainty


def smooth(count: int = 4, size: int = 64) -> Tensor:
    """Smooth random pictures (count, 3, size, size), which survive resampling."""
    small = torch.rand(count, 3, 5, 5, generator=torch.Generator().manual_seed(0)) - 0.5
    return torch.nn.functional.interpolate(small, (size, size), mode="bicubic", align_corners=True)


@pytest.mark.parametrize("how", TRIES, ids=str)
def test_what_is_shown_is_brought_back_to_its_place(how: Try) -> None:
    pictures = smooth()
    assert inner_face(how.bring_back(how.show(pictures)) - pictures).abs().max() < 0.01
    if how not in (Try(), Try(evened=True)):
        assert inner_face(how.show(pictures) - pictures).abs().max() > 0.03


def test_the_directions_of_a_try() -> None:
    spot = torch.full((1, 3, 64, 64), -1.0)
    spot[:, :, 40, 48] = 1.0
    for how, row, column in ((Try(mirrored=True), 40, 15), (Try(down=0.25), 48, 48), (Try(scale=1.5), 44, 56)):
        found = how.show(spot)[0, 0].flatten().argmax().item()
        assert abs(found // 64 - row) <= 1 and abs(found % 64 - column) <= 1


@pytest.mark.parametrize("how", TRIES, ids=str)
def test_nothing_changed_is_the_photograph_itself(how: Try) -> None:
    pictures = smooth()
    assert torch.allclose(attempt(lambda shown: shown, pictures, how), pictures, atol=1e-5)


def test_evened_light_changes_as_much_as_the_contrast_that_it_came_from() -> None:
    pictures = 0.1 * smooth()
    change = attempt(lambda shown: shown - 0.2, pictures, Try(evened=True)) - pictures
    assert torch.allclose(change, (-0.2 / 0.5 * pictures.std((1, 2, 3), keepdim=True)).expand_as(change), atol=1e-4)


def test_the_best_try_is_kept_and_who_is_done_is_not_tried_again() -> None:
    faces = torch.zeros(3, 3, 8, 8)
    faces[0, :, :, :4] = 0.5  # each is seen as: bright on the left, on the right, nowhere
    faces[1, :, :, 4:] = 0.5
    shown = []

    def only_if_the_left_is_bright(seen: Tensor) -> Tensor:
        shown.append(len(seen))
        return torch.where((seen[..., :4].mean((1, 2, 3)) > 0.2)[:, None, None, None], seen - 0.25, seen)

    def darkness(found: Tensor) -> Tensor:
        return 0.9 - 2 * found.mean((1, 2, 3))

    neutrals, certain = best_try(only_if_the_left_is_bright, darkness, faces, (Try(), Try(mirrored=True), Try()))
    assert torch.allclose(neutrals[:2], faces[:2] - 0.25) and torch.equal(neutrals[2], faces[2])
    assert certain.tolist() == pytest.approx([0.9, 0.9, 0.9])
    assert shown == [3, 1]  # the second face alone needed another try, and nobody a third


def test_certainty_does_not_know_left_from_right() -> None:
    judge = ExpressionClassifier(replace(TINY, classifier_sees_neutral=False)).eval()
    faces = torch.rand(5, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        certain = neutral_certainty(judge, faces)
        assert torch.allclose(certain, neutral_certainty(judge, faces.flip(-1)), atol=1e-6)
        single = (judge(faces).softmax(1)[:, 0] + judge(faces.flip(-1)).softmax(1)[:, 0]) / 2
    assert torch.allclose(certain, single, atol=1e-6) and (certain < 1).all()


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    """Of the command, for seven photographs and networks that know nothing yet."""
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    for i, face in enumerate(smooth(7, 32)):
        to_pil(face).save(photographs / f"{i}.png")
    torch.manual_seed(0)
    Neutralizer(TINY).save_pretrained(tmp_path / "neutralizer")
    ExpressionClassifier(replace(TINY, classifier_sees_neutral=False)).save_pretrained(tmp_path / "judge")
    return [
        *("--neutralizer", str(tmp_path / "neutralizer"), "--classifier", str(tmp_path / "judge")),
        *("--dataset_name", str(photographs), "--output_dir", str(tmp_path / "pairs"), "--batch_size", "3"),
    ]


def test_a_table_of_pairs_to_train_on(arguments: list[str], tmp_path: Path) -> None:
    selftraining.main([*arguments, "--least", "0"])
    photographs = FaceDataset(load_faces(tmp_path / "photographs"), 32)
    pairs = FaceDataset(load_faces(tmp_path / "pairs"), 32)
    assert len(pairs) == 7 and bool(pairs.has_neutral.all())
    assert torch.equal(pairs.images, photographs.images)
    neutralizer = Neutralizer.from_pretrained(tmp_path / "neutralizer").eval()
    judge = ExpressionClassifier.from_pretrained(tmp_path / "judge").eval()
    faces = pairs.images / 127.5 - 1
    expected, _ = best_try(neutralizer, lambda found: neutral_certainty(judge, found), faces)
    assert (pairs.neutrals / 127.5 - 1 - expected).abs().max() < 1.1 / 127.5  # as far as a picture's steps go
    assert (tmp_path / "pairs" / "pairs.png").is_file()
    assert len(make_pairs(neutralizer, judge, pairs, least=0, batch_size=3)) == 0  # they have one


def test_refusals(arguments: list[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="lower --least, which is 1.0"):
        selftraining.main([*arguments, "--least", "1"])
    ExpressionClassifier(TINY).save_pretrained(tmp_path / "judge")
    with pytest.raises(SystemExit, match="cannot judge one by itself"):
        selftraining.main(arguments)
