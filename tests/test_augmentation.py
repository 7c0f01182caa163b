"""Faces and their neutral twins change alike."""

import torch

from leed.augmentation import MILD, NONE, STRONG, augment, flip


def faces() -> torch.Tensor:
    return torch.rand(6, 3, 32, 32) * 1.6 - 0.8


def test_the_same_change_on_face_and_neutral_face() -> None:
    image = faces()
    for augmentation in (MILD, STRONG):
        first, second = augment([image, image.clone()], augmentation)
        assert torch.equal(first, second)
        assert not torch.allclose(first, image, atol=0.01)


def test_faces_of_a_batch_change_differently() -> None:
    image = faces()[:1].expand(6, -1, -1, -1)
    changed, _ = augment([image, image], STRONG)
    assert all(not torch.allclose(changed[0], other, atol=0.01) for other in changed[1:])


def test_none_changes_nothing() -> None:
    image, neutral = faces(), faces()
    first, second = augment([image, neutral], NONE)
    assert first is image and second is neutral


def test_values_stay_in_range() -> None:
    for _ in range(3):
        changed = torch.cat(augment([faces(), faces()], STRONG))
        assert changed.isfinite().all() and changed.abs().max() <= 1


def test_random_numbers_alone_decide() -> None:
    image = faces()
    torch.manual_seed(5)
    first = augment([image, image], STRONG)[0]
    torch.manual_seed(5)
    assert torch.equal(first, augment([image, image], STRONG)[0])


def test_flip_mirrors_the_same_rows_of_all() -> None:
    image = torch.rand(32, 3, 8, 8)
    first, second = flip(image, 2 * image)
    assert torch.equal(second, 2 * first)
    mirrored = [torch.equal(a, b.flip(-1)) for a, b in zip(first, image, strict=True)]
    kept = [torch.equal(a, b) for a, b in zip(first, image, strict=True)]
    assert all(a != b for a, b in zip(mirrored, kept, strict=True))
    assert 4 < sum(mirrored) < 28
