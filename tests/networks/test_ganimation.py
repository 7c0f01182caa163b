"""GANimation: how it blends, what it refuses, how large it is, and that it comes back from a folder."""

from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from leed import GANimation, Neutralizer
from leed.config import ACTION_UNITS, TINY
from leed.networks.ganimation import Painting
from leed.training.ganimation import GANimationStage
from leed.training.stargan import StarGANStage


@pytest.fixture
def face() -> torch.Tensor:
    return torch.rand(2, 3, 32, 32) * 2 - 1


@pytest.fixture
def units() -> torch.Tensor:
    return torch.rand(2, len(ACTION_UNITS))


def test_attention_keeps_the_picture_and_its_absence_paints(face: torch.Tensor) -> None:
    colour, rows = torch.rand(2, 3, 32, 32) * 2 - 1, torch.zeros(2, 1, 32, 32)
    assert torch.equal(Painting(colour, rows + 1).apply(face), face)
    assert torch.equal(Painting(colour, rows).apply(face), colour)
    rows[:, :, :16] = 0.25  # a quarter of the face, three quarters of the colour
    mixed = Painting(colour, rows).apply(face)
    torch.testing.assert_close(mixed[:, :, :16], 0.25 * face[:, :, :16] + 0.75 * colour[:, :, :16])
    assert torch.equal(mixed[:, :, 16:], colour[:, :, 16:])


def test_a_saturated_network_gives_the_picture_back(face: torch.Tensor, units: torch.Tensor) -> None:
    model = GANimation(TINY)
    torch.nn.init.constant_(model.layers[-2].weight, 0)  # the last norm: every feature is its bias, then 100
    torch.nn.init.constant_(model.layers[-2].bias, 100)
    torch.nn.init.constant_(model.attention.weight, 1)
    assert torch.equal(model(face, units), face)


def test_what_is_painted_is_bounded(face: torch.Tensor, units: torch.Tensor) -> None:
    model = GANimation(TINY)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=3.0)
    painting = model.paint(face, units)
    assert painting.colour.abs().max() <= 1 and 0 <= painting.attention.min() <= painting.attention.max() <= 1
    assert model(face, units).abs().max() <= 1


def test_action_units_change_the_picture(face: torch.Tensor, units: torch.Tensor) -> None:
    model = GANimation(TINY)
    assert (model(face, units) - model(face, 0 * units)).abs().max() > 1e-4


@pytest.mark.parametrize("shape", [(2, 16), (1, 17), (17,)])
def test_other_action_units_are_refused(face: torch.Tensor, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"action_units must be \(2, 17\), a row of AU01, .* got"):
        GANimation(TINY)(face, torch.zeros(shape))


def test_attention_is_exact_under_autocast(face: torch.Tensor, units: torch.Tensor) -> None:
    model = GANimation(TINY)
    torch.nn.init.constant_(model.layers[-2].weight, 0)
    torch.nn.init.constant_(model.layers[-2].bias, 1)
    torch.nn.init.constant_(model.attention.weight, 1)
    with torch.autocast("cpu", torch.bfloat16):
        edit = model(face, units)
    assert edit.dtype == torch.float32 and torch.equal(edit, face)


def gmac(preset: str) -> dict[str, float]:
    """Of both generators of a preset, for a picture of its size."""
    config = GANimationStage.sizes(preset)
    found = {}
    with torch.device("meta"):
        calls = {
            "stargan": (Neutralizer(config), torch.zeros(1, dtype=torch.long)),
            "ganimation": (GANimation(config), torch.zeros(1, 17)),
        }
        for name, (model, label) in calls.items():
            with FlopCounterMode(display=False) as counter:
                model(torch.zeros(1, 3, config.image_size, config.image_size), label)
            found[name] = counter.get_total_flops() / 2e9
    return found


def test_sizes_are_those_of_the_papers() -> None:
    """At 128 px: StarGAN's generator with 8 labels 10.1 GMAC, GANimation's with 17 and two heads 10.6."""
    assert GANimationStage.sizes("base") == StarGANStage.sizes("base")
    assert GANimationStage.sizes("tiny").neutralizer_width == 16
    found = gmac("base")
    assert found["stargan"] == pytest.approx(10.11, abs=0.01)  # 9.96 with the 5 labels of StarGAN's code for CelebA
    # 9 more labels into 64 maps and one more head out of them, 7 x 7 each
    assert found["ganimation"] - found["stargan"] == pytest.approx((9 * 64 + 64) * 49 * 128**2 / 1e9)
    assert found["ganimation"] == pytest.approx(10.63, abs=0.01)


def test_sizes_of_the_small_preset() -> None:
    """Half the widths at half the side: about a sixteenth."""
    assert gmac("small") == pytest.approx({"stargan": 0.68, "ganimation": 0.74}, abs=0.005)


def test_saved_and_loaded(face: torch.Tensor, units: torch.Tensor, tmp_path: Path) -> None:
    model = GANimation(TINY).eval()
    model.save_pretrained(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "model.safetensors", "README.md"}
    assert torch.equal(GANimation.from_pretrained(tmp_path)(face, units), model(face, units))
    assert "from leed import GANimation" in (tmp_path / "README.md").read_text()
