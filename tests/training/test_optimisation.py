"""Optimisers, learning rates and the moving average."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator
from timm.optim import muon

from leed.config import TINY
from leed.training import optimisation
from leed.training.augmentation import NONE
from leed.training.classifier import ClassifierStage
from leed.training.config import TrainConfig
from leed.training.editor import EditorStage
from leed.training.optimisation import has_bfloat16, make_optimizer, moving_average
from leed.training.run import Run
from leed.training.stages import STAGES

pytestmark = pytest.mark.usefixtures("fresh_accelerator")


def test_learning_rate_follows_the_faces_per_update() -> None:
    config = replace(TrainConfig(stage="classifier"), scale_lr=True, train_batch_size=8, gradient_accumulation_steps=8)
    accelerator = Accelerator(gradient_accumulation_steps=8)
    run = Run(accelerator, ClassifierStage(TINY, NONE), config, {})
    assert run.base_rate == pytest.approx(1e-3 * 64 / 16)


def test_adam_has_rates_of_its_own_where_muon_is_the_default() -> None:
    for stage, rates in {"classifier": (1e-3, 1e-3), "neutralizer": (1e-3, 5e-4), "leed": (1e-3, 6e-4)}.items():
        assert STAGES[stage].recipe.given(TrainConfig(stage=stage)).learning_rate == rates[0]
        adam = TrainConfig(stage=stage, optimizer="adam")
        assert STAGES[stage].recipe.given(adam).learning_rate == rates[1]
        assert STAGES[stage].recipe.given(replace(adam, learning_rate=2e-3)).learning_rate == 2e-3


def test_an_update_is_as_large_along_all_directions_with_muon_and_for_all_numbers_with_adam() -> None:
    changes = {}
    for optimizer in ("muon", "adam"):
        torch.manual_seed(0)
        layer = torch.nn.Conv2d(8, 16, 3)
        before = layer.weight.detach().clone()
        recipe = replace(EditorStage.recipe, optimizer=optimizer)
        learner = make_optimizer([{"params": layer.parameters()}], 0.1, recipe, before.device)
        layer.weight.grad = torch.randn(16, 1, 1, 1) * torch.randn(8, 3, 3) + 0.1 * torch.randn(16, 8, 3, 3)
        layer.bias.grad = torch.randn(16)
        learner.step()
        changes[optimizer] = (before - layer.weight.detach()).flatten(1)
    assert torch.linalg.svdvals(changes["muon"]) == pytest.approx(16 * [0.1 * 0.2 * math.sqrt(72)], rel=0.25)
    assert changes["adam"].abs().flatten() == pytest.approx(1152 * [0.1], rel=1e-3)
    assert float(torch.linalg.svdvals(changes["adam"])[-1]) < 0.5 * float(torch.linalg.svdvals(changes["adam"])[0])


def update_by_muon(device: torch.device) -> torch.Tensor:
    """The change of a layer's weights (16, 72) at rate 1, over the factor that Muon gives it."""
    torch.manual_seed(0)
    layer = torch.nn.Conv2d(8, 16, 3)
    before = layer.weight.detach().clone()
    learner = make_optimizer([{"params": layer.parameters()}], 1.0, EditorStage.recipe, device)
    layer.weight.grad, layer.bias.grad = torch.randn(16, 8, 3, 3), torch.zeros(16)
    learner.step()
    return (before - layer.weight.detach()).flatten(1) / (0.2 * math.sqrt(72))


def test_muon_works_in_what_the_cpu_does_well(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = muon.zeropower_via_newtonschulz
    torch.manual_seed(0)
    torch.nn.Conv2d(8, 16, 3)
    gradient = torch.randn(16, 8, 3, 3).flatten(1).double()
    coefficients = muon.resolve_ns_coefficients("quintic", muon._COEFFICIENTS)
    exact = whole(gradient, 5, coefficients, dtype=torch.float64).float()
    error = {}
    for native in (True, False):
        monkeypatch.setattr(optimisation, "has_bfloat16", lambda device, native=native: native)
        error[native] = float((update_by_muon(torch.device("cpu")) - exact).abs().max())
        assert muon.zeropower_via_newtonschulz is whole
    assert error[False] < 1e-5 < 1e-3 < error[True] < 0.02


def test_what_counts_as_a_cpu_with_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    one_dnn = SimpleNamespace(_is_mkldnn_bf16_supported=lambda: True)
    monkeypatch.setattr(torch.ops, "mkldnn", one_dnn)
    monkeypatch.setattr(optimisation.platform, "machine", lambda: "x86_64")
    cpu = torch.device("cpu")
    for avx512, amx in ((True, False), (False, True), (False, False)):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda answer=avx512: answer)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda answer=amx: answer)
        assert has_bfloat16(cpu) == (avx512 or amx)
    monkeypatch.setattr(optimisation.platform, "machine", lambda: "aarch64")
    assert has_bfloat16(cpu)
    one_dnn._is_mkldnn_bf16_supported = lambda: False
    assert not has_bfloat16(cpu)


def test_average_forgets_the_first_weights_soon() -> None:
    model = torch.nn.Linear(1, 1)
    average = moving_average(model, 0.9)
    values = []
    for value in (1.0, 2.0, 3.0):
        torch.nn.init.constant_(model.weight, value)
        average.update_parameters(model)
        values.append(average.module.weight.item())
    # The first as it is; then decay (1 + 1) / (10 + 1) and (1 + 2) / (10 + 2)
    second = 2 / 11 * 1 + 9 / 11 * 2
    assert values == pytest.approx([1.0, second, 3 / 12 * second + 9 / 12 * 3])


def test_average_leaves_frozen_weights_to_the_sign_of_zero() -> None:
    """The mean of -0.0 and -0.0 is 0.0 in floating point, which has another digest."""
    model = torch.nn.Linear(2, 1)
    torch.nn.init.constant_(model.weight, -0.0)
    average = moving_average(model, 0.9)
    for value in range(20):
        torch.nn.init.constant_(model.bias, value)
        average.update_parameters(model)
    assert bool(average.module.weight.signbit().all()) and average.module.bias.item() > 1
