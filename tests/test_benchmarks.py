"""Budgets of the default configuration, and that the benchmark runs."""

import importlib.util
import re
from pathlib import Path

import pytest
import torch

from leed import LEED, PRESETS

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "latency.py"


@pytest.fixture(scope="module")
def latency():
    spec = importlib.util.spec_from_file_location("latency", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_gmac_budgets(latency) -> None:
    parts = latency.gmac_of_parts(LEED().eval())
    assert min(parts.values()) > 0
    assert parts["decoder"] + parts["interpolator"] <= 2.0
    assert parts["encoder"] + parts["extractor"] <= 1.0
    assert parts["neutralizer"] <= 3.0


def test_stargan_is_the_one_of_the_paper(latency) -> None:
    """64 channels, 6 blocks, 128x128: about 10 GMAC, and statistics taken live."""
    stargan = latency.StarGANGenerator(PRESETS["paper"]).eval()
    face, domain = torch.zeros(1, 3, 128, 128), torch.tensor([0])
    assert latency.count_gmac(lambda: stargan(face, domain)) == pytest.approx(10, rel=0.05)
    assert not any(name.endswith("running_mean") for name in stargan.state_dict())


def test_count_of_a_known_product(latency) -> None:
    a, b = torch.zeros(10, 20), torch.zeros(20, 30)
    assert latency.count_gmac(lambda: a @ b) == pytest.approx(10 * 20 * 30 / 1e9)


def test_latency_prints_the_ratios(latency, capsys, tmp_path: Path) -> None:
    LEED(PRESETS["tiny"]).save_pretrained(tmp_path)
    threads = torch.get_num_threads()
    try:
        latency.main(["--model", str(tmp_path), "--repeats", "1", "--threads", "1"])
    finally:
        torch.set_num_threads(threads)
    output = capsys.readouterr().out
    assert re.search(r"^edit: \d+\.\d{3} of StarGAN's time \(budget 0\.5: \w+\)", output, re.MULTILINE)
    assert re.search(r"^slider step: \d+\.\d{3} of StarGAN's time \(budget 0\.15: \w+\)", output, re.MULTILINE)
