"""Pairs for photographs without neutral faces: the views, their choice, and the table that training reads."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from leed import ExpressionClassifier, Neutralizer
from leed.config import TINY
from leed.data.faces import FaceDataset, load_faces
from leed.images import inner_face, to_pil
from leed.training import pseudo_neutrals
from leed.training.pseudo_neutrals import (
    VIEWS,
    View,
    best_of_views,
    make_pairs,
    neutral_confidence,
    neutralize_view,
)


def smooth(count: int = 4, size: int = 64) -> Tensor:
    """Smooth random pictures (count, 3, size, size), which survive resampling."""
    small = torch.rand(count, 3, 5, 5, generator=torch.Generator().manual_seed(0)) - 0.5
    return torch.nn.functional.interpolate(small, (size, size), mode="bicubic", align_corners=True)


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_what_is_shown_is_brought_back_to_its_place(view: View) -> None:
    pictures = smooth()
    assert inner_face(view.bring_back(view.show(pictures)) - pictures).abs().max() < 0.01
    if view not in (View(), View(evened=True)):
        assert inner_face(view.show(pictures) - pictures).abs().max() > 0.03


def test_the_directions_of_a_view() -> None:
    spot = torch.full((1, 3, 64, 64), -1.0)
    spot[:, :, 40, 48] = 1.0
    for view, row, column in ((View(mirrored=True), 40, 15), (View(down=0.25), 48, 48), (View(scale=1.5), 44, 56)):
        found = view.show(spot)[0, 0].flatten().argmax().item()
        assert abs(found // 64 - row) <= 1 and abs(found % 64 - column) <= 1


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_nothing_changed_is_the_photograph_itself(view: View) -> None:
    pictures = smooth()
    assert torch.allclose(neutralize_view(lambda shown: shown, pictures, view), pictures, atol=1e-5)


def test_evened_light_changes_as_much_as_the_contrast_that_it_came_from() -> None:
    pictures = 0.1 * smooth()
    change = neutralize_view(lambda shown: shown - 0.2, pictures, View(evened=True)) - pictures
    assert torch.allclose(change, (-0.2 / 0.5 * pictures.std((1, 2, 3), keepdim=True)).expand_as(change), atol=1e-4)


def test_the_best_view_is_kept_and_faces_that_are_done_are_not_shown_again() -> None:
    faces = torch.zeros(3, 3, 8, 8)
    faces[0, :, :, :4] = 0.5  # each is seen as: bright on the left, on the right, nowhere
    faces[1, :, :, 4:] = 0.5
    shown = []

    def only_if_the_left_is_bright(seen: Tensor) -> Tensor:
        shown.append(len(seen))
        return torch.where((seen[..., :4].mean((1, 2, 3)) > 0.2)[:, None, None, None], seen - 0.25, seen)

    def darkness(found: Tensor) -> Tensor:
        return 0.9 - 2 * found.mean((1, 2, 3))

    neutrals, confident = best_of_views(
        only_if_the_left_is_bright, darkness, faces, (View(), View(mirrored=True), View())
    )
    assert torch.allclose(neutrals[:2], faces[:2] - 0.25) and torch.equal(neutrals[2], faces[2])
    assert confident.tolist() == pytest.approx([0.9, 0.9, 0.9])
    assert shown == [3, 1]  # the second face alone needed another view, and no face a third


def test_confidence_does_not_know_left_from_right() -> None:
    classifier = ExpressionClassifier(replace(TINY, classifier_sees_neutral=False)).eval()
    faces = torch.rand(5, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        confident = neutral_confidence(classifier, faces)
        assert torch.allclose(confident, neutral_confidence(classifier, faces.flip(-1)), atol=1e-6)
        single = (classifier(faces).softmax(1)[:, 0] + classifier(faces.flip(-1)).softmax(1)[:, 0]) / 2
    assert torch.allclose(confident, single, atol=1e-6) and (confident < 1).all()


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    """Of the command, for seven photographs and networks that know nothing yet."""
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    for i, face in enumerate(smooth(7, 32)):
        to_pil(face).save(photographs / f"{i}.png")
    torch.manual_seed(0)
    Neutralizer(TINY).save_pretrained(tmp_path / "neutralizer")
    ExpressionClassifier(replace(TINY, classifier_sees_neutral=False)).save_pretrained(tmp_path / "classifier")
    return [
        *("--neutralizer", str(tmp_path / "neutralizer"), "--classifier", str(tmp_path / "classifier")),
        *("--dataset_name", str(photographs), "--output_dir", str(tmp_path / "pairs"), "--batch_size", "3"),
    ]


def test_a_table_of_pairs_to_train_on(arguments: list[str], tmp_path: Path) -> None:
    pseudo_neutrals.main([*arguments, "--least", "0"])
    photographs = FaceDataset(load_faces(tmp_path / "photographs"), 32)
    pairs = FaceDataset(load_faces(tmp_path / "pairs"), 32)
    assert len(pairs) == 7 and bool(pairs.has_neutral.all())
    assert torch.equal(pairs.images, photographs.images)
    neutralizer = Neutralizer.from_pretrained(tmp_path / "neutralizer").eval()
    classifier = ExpressionClassifier.from_pretrained(tmp_path / "classifier").eval()
    faces = pairs.images / 127.5 - 1
    expected, _ = best_of_views(neutralizer, lambda found: neutral_confidence(classifier, found), faces)
    assert (pairs.neutrals / 127.5 - 1 - expected).abs().max() < 1.1 / 127.5  # as far as a picture's steps go
    assert (tmp_path / "pairs" / "pairs.png").is_file()
    assert len(make_pairs(neutralizer, classifier, pairs, least=0, batch_size=3)) == 0  # they have one


def test_refusals(arguments: list[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="lower --least, which is 1.0"):
        pseudo_neutrals.main([*arguments, "--least", "1"])
    ExpressionClassifier(TINY).save_pretrained(tmp_path / "classifier")
    with pytest.raises(SystemExit, match="cannot classify one by itself"):
        pseudo_neutrals.main(arguments)
