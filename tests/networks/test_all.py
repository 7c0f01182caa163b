"""Every network: shapes, and a gradient on each parameter."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from leed.config import ACTION_UNITS, PRESETS, ModelConfig
from leed.networks.classifier import ExpressionClassifier
from leed.networks.critics import AuxiliaryDistribution, ImageCritic, LatentCritic, SiameseNetwork, WindowCritic
from leed.networks.editor import Decoder, Encoder, Extractor, Interpolator
from leed.networks.ganimation import GANimation
from leed.networks.neutralizer import Neutralizer
from leed.networks.remains import RemainsEstimator
from networks.inputs import BATCH, inputs

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
    "window critic": (lambda config: WindowCritic(8), lambda net, x: [net(x["image"])]),
    "ganimation": (GANimation, lambda net, x: [net(x["image"], x["action_units"])]),
    "action unit critic": (
        lambda config: ImageCritic(config, len(ACTION_UNITS)),
        lambda net, x: list(net(x["image"])),
    ),
    "remains estimator": (RemainsEstimator, lambda net, x: [net(x["neutral"])]),
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
        "interpolator": [code, *flow, (BATCH, config.interpolator_width, *code[2:])],
        "latent critic": [(BATCH,)],
        "siamese": [(BATCH, config.siamese_size)],
        "auxiliary": [gaussian, gaussian],
        "neutralizer": [(BATCH, 3, side, side)],
        "image critic": [(BATCH,), (BATCH, 8)],
        "window critic": [(BATCH, 1, side // 8, side // 8)],
        "ganimation": [(BATCH, 3, side, side)],
        "action unit critic": [(BATCH,), (BATCH, 17)],
        "remains estimator": [(BATCH, 2)],
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
