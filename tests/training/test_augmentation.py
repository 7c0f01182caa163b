"""Faces and their neutral faces change alike."""

import torch

from leed.training.augmentation import MILD, NONE, STRONG, augment, flip, jpeg_artifacts, occlude, replace_background


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


def test_only_a_plain_background_is_replaced() -> None:
    torch.manual_seed(0)
    plain = torch.full((8, 2, 3, 64, 64), 0.9)
    plain[..., 16:48, 24:40] = 0.3  # a face
    changed = replace_background(plain, 1.0)
    assert torch.equal(changed[..., 16:48, 24:40], plain[..., 16:48, 24:40])
    assert (changed[..., :8, :8] - 0.9).abs().mean() > 0.1
    assert torch.equal(changed[:, 0, :, :8], changed[:, 1, :, :8])  # the same behind both
    restless = torch.rand(8, 2, 3, 64, 64)
    assert torch.equal(replace_background(restless, 1.0), restless)


def test_what_covers_a_face_covers_its_neutral_face() -> None:
    torch.manual_seed(0)
    first = torch.rand(8, 1, 3, 64, 64)
    covered = occlude(torch.cat([first, first + 1], dim=1), 1.0)
    hidden = covered[:, 0] != first[:, 0]
    full = (covered[:, 0] == covered[:, 1]) & hidden
    assert 0.005 < full.float().mean() < 0.4
    assert torch.equal(covered[:, 1][~hidden], first[:, 0][~hidden] + 1)


def test_jpeg_rounds_blocks_and_keeps_their_mean() -> None:
    torch.manual_seed(0)
    image = torch.rand(4, 2, 3, 32, 32) * 0.4 + 0.3
    rounded = jpeg_artifacts(image, 1.0)
    assert 0.001 < (rounded - image).abs().mean() < 0.2
    blocks, before = (x.unflatten(-1, (-1, 8)).unflatten(-3, (-1, 8)).mean((-1, -3)) for x in (rounded, image))
    assert (blocks - before).abs().max() < 0.03
    flat = torch.full((4, 2, 3, 32, 32), 0.5)
    assert (jpeg_artifacts(flat, 1.0) - flat).abs().max() < 0.01
    assert torch.equal(jpeg_artifacts(image, 0.0), image)
