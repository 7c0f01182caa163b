"""Shapes, gradients and what the networks promise by construction."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leed.config import ACTION_UNITS, PRESETS, TINY, ModelConfig
from leed.networks.classifier import ExpressionClassifier
from leed.networks.critics import AuxiliaryDistribution, ImageCritic, LatentCritic, SiameseNetwork
from leed.networks.editor import Decoder, Encoder, Extractor, Interpolator
from leed.networks.ganimation import GANimation
from leed.networks.layers import PatchTransform, warp
from leed.networks.neutralizer import Neutralizer

BATCH = 4


def inputs(config: ModelConfig) -> dict[str, Tensor]:
    """Random faces, codes and an expression."""
    side, code = config.image_size, (BATCH, config.code_channels, config.code_size, config.code_size)
    delta = (BATCH, config.delta_size) if config.delta_size else code
    return {
        "image": torch.rand(BATCH, 3, side, side) * 2 - 1,
        "neutral": torch.rand(BATCH, 3, side, side) * 2 - 1,
        "code": torch.randn(code),
        "code_neutral": torch.randn(code),
        "delta": torch.randn(delta),
        "features": torch.randn(BATCH, 24),
        "expression": torch.arange(BATCH),
        "action_units": torch.rand(BATCH, len(ACTION_UNITS)),
    }


NETWORKS: dict[str, tuple[Callable[[ModelConfig], nn.Module], Callable]] = {
    "encoder": (Encoder, lambda net, x: [net(x["image"])]),
    "decoder": (Decoder, lambda net, x: [net(x["code"])]),
    "extractor": (Extractor, lambda net, x: [net(x["code"], x["code_neutral"])]),
    "interpolator": (Interpolator, lambda net, x: [y for y in net(x["code"], x["delta"]) if y is not None]),
    "latent critic": (LatentCritic, lambda net, x: [net(x["code"])]),
    "siamese": (SiameseNetwork, lambda net, x: [net.transform_vector(x["image"], x["neutral"])]),
    "auxiliary": (lambda config: AuxiliaryDistribution(config, 24), lambda net, x: list(net(x["features"]))),
    "neutralizer": (Neutralizer, lambda net, x: [net(x["image"], x["expression"])]),
    "image critic": (ImageCritic, lambda net, x: list(net(x["image"]))),
    "ganimation": (GANimation, lambda net, x: [net(x["image"], x["action_units"])]),
    "action unit critic": (
        lambda config: ImageCritic(config, len(ACTION_UNITS)),
        lambda net, x: list(net(x["image"])),
    ),
    "classifier": (ExpressionClassifier, lambda net, x: [net(x["image"], x["neutral"])]),
}


def shapes(config: ModelConfig) -> dict[str, list[tuple[int, ...]]]:
    """The shapes that the networks must return."""
    side, code = config.image_size, (BATCH, config.code_channels, config.code_size, config.code_size)
    delta = (BATCH, config.delta_size) if config.delta_size else code
    flow = [(BATCH, 2, 2 * config.code_size, 2 * config.code_size)] if config.flow else []
    gaussian = (BATCH, config.delta_size) if config.delta_size else (BATCH, config.code_channels, 1, 1)
    return {
        "encoder": [code],
        "decoder": [(BATCH, 3, side, side)],
        "extractor": [delta],
        "interpolator": [code, *flow],
        "latent critic": [(BATCH,)],
        "siamese": [(BATCH, config.siamese_size)],
        "auxiliary": [gaussian, gaussian],
        "neutralizer": [(BATCH, 3, side, side)],
        "image critic": [(BATCH,), (BATCH, 8)],
        "ganimation": [(BATCH, 3, side, side)],
        "action unit critic": [(BATCH,), (BATCH, 17)],
        "classifier": [(BATCH, 8)],
    }


@pytest.mark.parametrize("name", NETWORKS)
def test_shapes_and_gradients(name: str, variant: ModelConfig, perturb: Callable) -> None:
    build, call = NETWORKS[name]
    network = perturb(build(variant))
    outputs = call(network, inputs(variant))
    assert [tuple(y.shape) for y in outputs] == shapes(variant)[name]
    assert all(bool(y.isfinite().all()) for y in outputs)
    sum((y * torch.randn_like(y)).sum() for y in outputs).backward()
    idle = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not idle, f"no gradient on {idle}"
    assert all(bool(p.grad.isfinite().all()) for p in network.parameters())


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_build_every_network(preset: str) -> None:
    with torch.device("meta"):
        for build, _ in NETWORKS.values():
            build(PRESETS[preset])


def test_nothing_moves_at_alpha_zero(perturb: Callable) -> None:
    x = inputs(TINY)
    code, flow = perturb(Interpolator(TINY))(x["code"], 0 * x["delta"])
    assert torch.equal(flow, torch.zeros_like(flow))
    torch.testing.assert_close(code, x["code"], rtol=0, atol=1e-4)  # through the transform and back
    code, _ = perturb(Interpolator(replace(TINY, flow=False)))(x["code"], 0 * x["delta"])
    assert torch.equal(code, x["code"])


@pytest.mark.parametrize("alpha", [0.25, 0.5, 2.0])
def test_flow_and_residual_are_linear_in_alpha(alpha: float, perturb: Callable) -> None:
    x = inputs(TINY)
    network = perturb(Interpolator(TINY))
    whole, part = network(x["code"], x["delta"]), network(x["code"], alpha * x["delta"])
    torch.testing.assert_close(part.flow, alpha * whole.flow, rtol=1e-4, atol=1e-6)
    network = perturb(Interpolator(replace(TINY, flow=False)))
    whole, part = network(x["code"], x["delta"]), network(x["code"], alpha * x["delta"])
    torch.testing.assert_close(part.code - x["code"], alpha * (whole.code - x["code"]), rtol=1e-4, atol=1e-5)


def test_a_neutral_face_has_no_expression() -> None:
    code = inputs(TINY)["code"]
    assert Extractor(TINY)(code, code).abs().max() < 1e-6


def test_codes_survive_the_transform_and_whole_ones_hold_a_picture() -> None:
    x = inputs(TINY)
    transform = PatchTransform(TINY.patch_size, TINY.code_channels)
    torch.testing.assert_close(transform.encode(transform.decode(x["code"])), x["code"], rtol=0, atol=1e-4)
    whole = replace(TINY, code_channels=3 * TINY.patch_size**2)
    code = Encoder(whole)(x["image"])  # what convolutions add starts at zero
    torch.testing.assert_close(Decoder(whole)(code), x["image"], rtol=0, atol=1e-4)


def test_transform_is_exact_under_autocast() -> None:
    x = inputs(TINY)
    transform = PatchTransform(TINY.patch_size, TINY.code_channels)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(transform.encode(x["image"]), transform.encode(x["image"].float()))
        code = transform.encode(x["image"])
    assert code.dtype == torch.float32
    assert torch.equal(code, transform.encode(x["image"]))


def test_warp_takes_the_pictures_precision() -> None:
    image = torch.rand(1, 3, 64, 64)
    flow = torch.zeros(1, 2, 16, 16, dtype=torch.bfloat16)
    torch.testing.assert_close(warp(image, flow), image, rtol=0, atol=1e-5)


def test_warp_moves_by_half_sides() -> None:
    image = torch.zeros(1, 1, 8, 8)
    image[..., 3, 4] = 1
    flow = torch.zeros(1, 2, 8, 8)
    flow[:, 0] = 2 / 8  # one pixel: each place takes what is one to its right
    torch.testing.assert_close(warp(image, flow)[0, 0, 3, 3], torch.tensor(1.0))


def test_neutralizer_starts_near_the_identity() -> None:
    image = inputs(TINY)["image"]
    torch.testing.assert_close(Neutralizer(TINY)(image), image, rtol=0, atol=0.02)


def test_neutralizer_is_bounded_whatever_its_weights() -> None:
    model, image = Neutralizer(TINY), inputs(TINY)["image"].clamp(-1, 1)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=10.0)
    assert model(image).abs().max() <= 3


def test_a_change_is_carried_to_a_larger_picture() -> None:
    model, image = Neutralizer(TINY), F.interpolate(inputs(TINY)["image"][..., :8, :8], 32, mode="bicubic")
    for head in (model.generator.flow, model.generator.mask, model.generator.paint):
        torch.nn.init.constant_(head.bias, 1.0)
    change = model.change(image)
    torch.testing.assert_close(change.apply(image), model(image))
    small_again = F.avg_pool2d(change.apply(F.interpolate(image, scale_factor=4, mode="bicubic")), 4)
    assert (small_again - model(image)).abs().mean() < 0.1 * (image - model(image)).abs().mean()
