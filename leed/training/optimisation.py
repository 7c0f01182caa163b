"""Optimisers, the schedule of their rate, and the moving average of the weights."""

import functools
import math
import platform
from typing import Any

import torch
from timm.optim import Muon, muon
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from leed.training.config import Recipe, TrainConfig

Tensors = tuple[Tensor, ...] | list[Tensor]

REFERENCE_BATCH = 16
"""Faces per update for which the learning rates of the stages were chosen."""


class Float32Muon(Muon):
    """Muon that orthogonalises in float32; timm's own does so in bfloat16, and has no option for it."""

    def step(self, closure: Any = None) -> Any:  # the optimiser's overloads
        """An update of the weights."""
        orthogonalise = muon.zeropower_via_newtonschulz
        muon.zeropower_via_newtonschulz = functools.partial(orthogonalise, dtype=torch.float32)
        try:
            return super().step(closure)
        finally:
            muon.zeropower_via_newtonschulz = orthogonalise


def has_bfloat16(device: torch.device) -> bool:
    """Whether a device computes in bfloat16 by instructions of its own; emulated, it is far slower than float32.

    oneDNN counts as support what AVX-512 can emulate, so the CPU is asked as well.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return True
    if not torch.backends.mkldnn.is_available() or not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return False
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return True
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def make_optimizer(groups: list[dict], rate: float, recipe: Recipe, device: torch.device) -> torch.optim.Optimizer:
    """The optimiser of a recipe, for groups of parameters, at a rate.

    Muon makes the update of each layer's weights an orthogonal matrix, as large as Adam's would be at the same rate.
    """
    betas = recipe.adam_beta1, recipe.adam_beta2
    if recipe.optimizer == "muon":
        kind = Muon if has_bfloat16(device) else Float32Muon
        return kind(groups, rate, betas=betas, nesterov=True, adjust_lr_fn="match_rms_adamw")
    return torch.optim.Adam(groups, rate, betas, fused=device.type == "cuda")


def base_rate(config: TrainConfig, recipe: Recipe, num_batches: int) -> float:
    """The learning rate before the schedule; with `scale_lr` in proportion to the faces of an update's batches."""
    if not config.scale_lr:
        return recipe.learning_rate
    faces = config.train_batch_size * num_batches
    return recipe.learning_rate * (faces / REFERENCE_BATCH)


def learning_rate_factor(step: int, num_steps: int, config: TrainConfig) -> float:
    """The factor of the learning rate at a step (from 0) of `num_steps`."""
    warmup = min((step + 1) / max(config.lr_warmup_steps, 1), 1.0)
    if config.lr_scheduler == "constant":
        return warmup
    progress = max(0.0, 2 * step / num_steps - 1)
    return warmup * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))


def moving_average(model: nn.Module, decay: float) -> AveragedModel:
    """Exponential moving average of a model; the decay starts low, so that early weights are soon forgotten.

    Frozen weights keep every bit, also the sign of a zero, and the model its digest.
    """

    def average(means: Tensors, values: Tensors, num_averaged: Tensor | int) -> None:
        count = int(num_averaged)
        weight = 1 - min(decay, (1 + count) / (10 + count))
        if means[0].is_floating_point():  # torch gives tensors of one kind at a time
            difference = torch._foreach_sub(means, values)  # `lerp` would make a 0.0 of two -0.0
            torch._foreach_add_(means, difference, alpha=-weight)
        else:
            torch._foreach_copy_(means, values)

    return AveragedModel(model, multi_avg_fn=average, use_buffers=True)
