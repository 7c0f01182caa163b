"""LEED's public calls: kinds in and out, errors, preparing, saving and loading."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from leed import LEED, Expression, PreparedEdit
from leed.config import TINY, ModelConfig
from leed.images import resize
from leed.model import unchanged
from leed.networks.critics import ImageCritic, LatentCritic, SiameseNetwork
from leed.networks.remains import RemainsEstimator
from leed.pretrained import ModelFileError

SIDE = TINY.image_size


@pytest.fixture
def leed(perturb: Callable) -> LEED:
    return perturb(LEED(TINY)).eval()


def tensor(count: int = 2, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def picture(size: tuple[int, int] = (SIDE, SIDE), mode: str = "RGB") -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


def test_tensors_in_tensors_out(leed: LEED) -> None:
    image = tensor()
    edited = leed.edit(image, tensor(seed=1), alpha=0.7)
    assert edited.shape == image.shape and edited.dtype == torch.float32 and edited.abs().max() <= 1
    assert not edited.requires_grad
    assert leed.neutralize(image).shape == image.shape
    assert leed(image, tensor(seed=1)).requires_grad


@pytest.mark.parametrize(
    ("size", "mode"), [((SIDE, SIDE), "RGB"), ((50, 71), "L"), ((200, 90), "RGBA"), ((9, 9), "P")]
)
def test_pictures_in_pictures_out(leed: LEED, size: tuple[int, int], mode: str) -> None:
    edited = leed.edit(picture(size, mode), picture(), alpha=1.0)
    assert isinstance(edited, Image.Image) and edited.size == (SIDE, SIDE) and edited.mode == "RGB"
    assert leed.neutralize(picture(size, mode)).size == (SIDE, SIDE)


def test_the_result_is_of_the_kind_of_the_image(leed: LEED) -> None:
    assert isinstance(leed.edit(tensor(1), picture()), torch.Tensor)
    assert isinstance(leed.edit(picture(), tensor(1)), Image.Image)


def test_prepared_edits_are_the_edits(leed: LEED) -> None:
    image, reference = tensor(), tensor(seed=1)
    prepared = leed.prepare(image, reference)
    for alpha in (0.0, 0.5, 2.0):
        assert torch.equal(prepared(alpha), leed.edit(image, reference, alpha))
    assert torch.equal(prepared(), leed.edit(image, reference))
    expression = leed.expression(tensor(seed=2))
    assert torch.equal(prepared.with_expression(expression)(), leed.edit(image, tensor(seed=2)))


def test_a_trace_tells_motion_from_paint(leed: LEED, variant: ModelConfig, perturb: Callable) -> None:
    leed = perturb(LEED(variant)).eval()
    faces = [torch.rand(2, 3, variant.image_size, variant.image_size) * 2 - 1 for _ in range(2)]
    prepared = leed.prepare(*faces)
    trace = prepared.trace(0.7)
    assert torch.equal(trace.edited, prepared(0.7)) and not trace.flow.requires_grad
    assert trace.warped.shape == faces[0].shape and trace.flow.shape == (2, 2, *faces[0].shape[-2:])
    moves = variant.flow or variant.neutralizer == "unet"
    assert bool(trace.flow.any()) == moves
    if not moves:
        torch.testing.assert_close(trace.warped, faces[0], rtol=0, atol=1e-5)


def test_an_edit_of_codes_has_no_trace(leed: LEED) -> None:
    expression, code = leed.expression(tensor()), leed.encode(tensor())
    edit = PreparedEdit(leed, code, leed.context(code), expression, unchanged)
    assert edit(0.5).shape == tensor().shape
    with pytest.raises(ValueError, match="has no trace; make it with FaceModel.prepare"):
        edit.trace(0.5)


def test_one_reference_serves_many_and_alpha_can_differ(leed: LEED) -> None:
    image, reference = tensor(3), tensor(1, seed=1)
    together = leed.edit(image, reference, torch.tensor([0.0, 0.5, 1.0]))
    apart = [leed.edit(image[i : i + 1], reference, alpha) for i, alpha in enumerate((0.0, 0.5, 1.0))]
    torch.testing.assert_close(together, torch.cat(apart), rtol=0, atol=1e-4)
    assert torch.equal(leed.edit(image, leed.expression(reference)), leed.edit(image, reference))


def test_forward_takes_one_reference_for_many(variant: ModelConfig, perturb: Callable) -> None:
    leed = perturb(LEED(variant)).eval()
    side = variant.image_size
    image, reference = torch.rand(3, 3, side, side) * 2 - 1, torch.rand(1, 3, side, side) * 2 - 1
    alpha = torch.tensor([0.0, 0.5, 1.0])
    with torch.no_grad():
        together = leed(image, reference, alpha)
    assert together.shape == image.shape
    torch.testing.assert_close(together.clamp(-1, 1), leed.edit(image, reference, alpha), rtol=0, atol=1e-4)
    with pytest.raises(ValueError, match="got 3 images and 2 references"):
        leed(image, image[:2])
    with pytest.raises(ValueError, match="got 3 images and 2 alphas: expected as many, or one"):
        leed(image, reference, alpha[:2])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_edits_in_half_precision(dtype: torch.dtype, variant: ModelConfig, perturb: Callable, tmp_path: Path) -> None:
    leed = perturb(LEED(variant)).eval()
    side = variant.image_size
    image, reference = (resize(torch.rand(2, 3, 4, 4) * 2 - 1, side).clamp(-1, 1) for _ in range(2))
    exact, expression = leed.edit(image, reference, 0.7), leed.expression(reference)
    leed.save_pretrained(tmp_path)
    half = LEED.from_pretrained(tmp_path, dtype=dtype)
    for model in (half, leed.to(dtype)):
        edited = model.edit(image, reference, 0.7)
        assert edited.dtype == dtype and model.neutralize(image).dtype == dtype
        trace = model.prepare(image, reference).trace(0.7)
        assert bool(trace.warped.isfinite().all()) and bool(trace.flow.isfinite().all())
        error = (edited.float() - exact).abs().mean()
        assert error < (0.02 if dtype == torch.bfloat16 else 0.004)
        assert (model.edit(image, expression, 0.7).float() - exact).abs().mean() < 0.02  # of the float32 model
        with torch.no_grad():
            assert model(image.to(dtype), reference.to(dtype)).dtype == dtype
        assert isinstance(model.edit(picture((side, side)), picture()), Image.Image)


def test_alpha_zero_gives_the_decoded_neutral_face(leed: LEED) -> None:
    image = tensor()
    with torch.no_grad():
        neutral = leed.decode(leed.encode(leed.neutralizer(image))).clamp(-1, 1)
    torch.testing.assert_close(leed.edit(image, tensor(seed=1), 0.0), neutral, rtol=0, atol=1e-3)


@pytest.mark.parametrize("alpha", [-0.1, 2.1, float("nan"), float("inf")])
def test_alpha_out_of_range(leed: LEED, alpha: float) -> None:
    with pytest.raises(ValueError, match=r"alpha must be in \[0, 2\]"):
        leed.edit(tensor(), tensor(), alpha)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("face.png", "got str"),
        (tensor()[0], "a single face needs image"),
        (tensor()[..., :16], "got .2, 3, 32, 16."),
        ((tensor() * 127 + 128).to(torch.uint8), "uint8 needs leed.images.normalize"),
        (tensor() * 255, r"lie in \[-1, 1\]"),
        (tensor() * float("nan"), r"lie in \[-1, 1\]"),
        (tensor()[:0], "hold at least one face, got an empty batch"),
    ],
)
def test_other_input_is_refused(leed: LEED, image: object, message: str) -> None:
    with pytest.raises(ValueError, match=f"image must .*{message}"):
        leed.edit(image, tensor())
    with pytest.raises(ValueError, match=f"reference must .*{message}"):
        leed.edit(tensor(), image)


def test_numbers_of_images_and_references_must_agree(leed: LEED) -> None:
    with pytest.raises(ValueError, match="got 3 images and 2 references"):
        leed.edit(tensor(3), tensor(2))
    with pytest.raises(ValueError, match="got 3 images and 2 references"):
        leed.prepare(tensor(3), tensor(3)).with_expression(leed.expression(tensor(2)))
    with pytest.raises(ValueError, match="got 3 images and 2 alphas: expected as many, or one"):
        leed.edit(tensor(3), tensor(3), torch.tensor([0.5, 1.0]))
    with pytest.raises(ValueError, match="got 1 images and 2 alphas"):
        leed.edit(tensor(1), tensor(1), torch.tensor([0.5, 1.0]))


def test_saved_and_loaded_the_same_bit_for_bit(tmp_path: Path, variant: ModelConfig, perturb: Callable) -> None:
    leed = perturb(LEED(variant)).eval()
    leed.save_pretrained(tmp_path)
    loaded = LEED.from_pretrained(tmp_path)
    assert loaded.config == variant
    side = variant.image_size
    image, reference = torch.rand(2, 1, 3, side, side) * 2 - 1
    assert torch.equal(leed.edit(image, reference, 0.8), loaded.edit(image, reference, 0.8))
    assert torch.equal(leed.neutralize(image), loaded.neutralize(image))
    state, again = leed.neutralizer.state_dict(), loaded.neutralizer.state_dict()
    assert state.keys() == again.keys() and all(torch.equal(state[name], again[name]) for name in state)


def test_expressions_are_values(leed: LEED) -> None:
    expression = leed.expression(picture())
    assert isinstance(expression, Expression) and expression.delta_exp.shape == (1, TINY.delta_size)


def test_what_remains_is_estimated_on_the_neutral_face(leed: LEED) -> None:
    assert leed.remains(tensor(3)) is None  # without an estimator
    leed._estimators = (RemainsEstimator(TINY),)
    remains = leed.remains(tensor(3))
    expected = leed.estimator.remains(leed.neutralize(tensor(3)))
    assert torch.equal(remains.mouth, expected.mouth) and torch.equal(remains.eyes, expected.eyes)
    assert leed.remains(picture()).most.shape == (1,)


def test_the_estimator_lies_beside_the_weights(leed: LEED, tmp_path: Path) -> None:
    names = leed.state_dict().keys()
    leed._estimators = (RemainsEstimator(TINY),)
    assert leed.state_dict().keys() == names
    leed.save_pretrained(tmp_path)
    loaded = LEED.from_pretrained(tmp_path)
    assert torch.equal(loaded.remains(tensor()).most, leed.remains(tensor()).most)
    LEED(TINY).save_pretrained(tmp_path)  # new weights keep it, until it is fitted again
    assert LEED.from_pretrained(tmp_path).estimator is not None
    weights = tmp_path / "remains" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4])
    with pytest.raises(ModelFileError, match="remains"):
        LEED.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    "sizes",
    [
        {"image_size": 16, "patch_size": 4, "neutralizer_critic_depth": 4},
        {"image_size": 48, "patch_size": 4, "neutralizer_critic_depth": 5},
        {"image_size": 64, "patch_size": 16, "neutralizer_critic_depth": 6},
        {"encoder_depth": 0, "decoder_depth": 0, "interpolator_depth": 0, "neutralizer_critic_depth": 0},
    ],
)
def test_sizes_that_are_not_refused_work(sizes: dict[str, int]) -> None:
    config = replace(TINY, **sizes)
    leed = LEED(config).eval()
    faces = torch.zeros(2, 3, config.image_size, config.image_size)
    with torch.no_grad():
        assert leed.edit(faces, faces).shape == faces.shape
        assert leed.encode(faces).shape[-1] == config.code_size
        scores = (ImageCritic(config)(faces)[0], LatentCritic(config)(leed.encode(faces)))
    assert all(score.shape == (2,) for score in scores)
    assert SiameseNetwork(config)(faces).shape == (2, config.siamese_size)


def test_the_upper_level_is_absent_unless_it_has_a_width(leed: LEED) -> None:
    """Older configurations and weights load as they are."""
    assert leed.upper is None and "upper_width" not in leed.config.to_dict()
    prepared = leed.prepare(tensor(), leed.no_expression)
    with pytest.raises(ValueError, match="has no upper level for eyes: train one with --stage upper"):
        leed.refine("eyes", *[torch.zeros(1)] * 4)
    with pytest.raises(ValueError, match="has no upper level: train one with --stage upper"):
        prepared.refine(torch.zeros(2, 3, 3 * SIDE, 3 * SIDE), prepared.trace())


@pytest.mark.parametrize("widths", [{"mouth": 8}, {"eyes": 8}, {"mouth": 8, "eyes": 12}])
def test_the_upper_level_draws_its_windows(widths: dict[str, int], perturb: Callable, tmp_path: Path) -> None:
    config = replace(TINY, upper_width=widths.get("mouth", 0), upper_eyes_width=widths.get("eyes", 0))
    perturb(LEED(config)).save_pretrained(tmp_path)
    leed = LEED.from_pretrained(tmp_path)
    picture = torch.rand(2, 3, 3 * SIDE, 3 * SIDE) * 2 - 1
    expression = leed.expression(tensor(1, seed=5))
    prepared = leed.prepare(tensor(), expression)
    trace = prepared.trace(0.7)
    refinements = prepared.refine(picture, trace, 0.7)
    assert leed.config.upper_widths == widths and set(refinements) == set(widths)
    regional = prepared.with_expression(expression.at("mouth") + expression.at("eyes"))
    everywhere = regional.refine(picture, regional.trace(0.7), 0.7)
    weaker = prepared.refine(picture, trace, 0.2)
    for window, drawn in refinements.items():
        assert drawn.drawn.shape == drawn.moved.shape and drawn.replaced.shape[1] == 1
        torch.testing.assert_close(everywhere[window].drawn, drawn.drawn, rtol=0, atol=1e-5)
        assert not torch.equal(weaker[window].drawn, drawn.drawn)
    with pytest.raises(ValueError, match=r"picture must be of shape \(2, 3, 96, 96\)"):
        prepared.refine(picture[..., 1:], trace)
    with pytest.raises(ValueError, match="has no features to draw from"):
        prepared.refine(picture, trace._replace(features=None))


def test_the_upper_level_draws_each_region_s_expression(perturb: Callable) -> None:
    """Of a batch as of each of its faces alone."""
    leed = perturb(LEED(replace(TINY, upper_width=8, upper_eyes_width=8))).eval()
    picture, faces = torch.rand(2, 3, 3 * SIDE, 3 * SIDE) * 2 - 1, tensor()
    first, second = (leed.expression(tensor(seed=seed)) for seed in (5, 6))
    regional = first.at("mouth") + second.at("eyes", "left")
    both = leed.prepare(faces, regional)
    drawn = both.refine(picture, both.trace(0.7), 0.7)
    for k in range(2):
        alone = leed.prepare(faces[k : k + 1], regional[k])
        for window, found in alone.refine(picture[k : k + 1], alone.trace(0.7), 0.7).items():
            torch.testing.assert_close(drawn[window].drawn[k : k + 1], found.drawn, rtol=0, atol=1e-4)
