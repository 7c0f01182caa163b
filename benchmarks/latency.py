"""Times an edit beside StarGAN's generator, interleaved in one process, and counts multiply-adds.

    python benchmarks/latency.py [--model hub/leed-open] [--threads 2] [--repeats 15]

Batch 1, float32, eager. Without --model the default configuration with random weights is timed: time does not depend
on weights. The budgets are ratios of medians: a new photo with a prepared reference takes at most 0.5 times
StarGAN's generator (64 channels, 6 blocks, 128x128, live instance norm), one slider step at most 0.15 times.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

from leed import LEED, PRESETS, ModelConfig
from leed.config import NEUTRAL
from leed.neutralizer import StarGANGenerator

EDIT_BUDGET, SLIDER_BUDGET = 0.5, 0.15


@torch.no_grad()
def count_gmac(call: Callable[[], object]) -> float:
    """Multiply-adds of convolutions and matrix products of a call, in 1e9."""
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops() / 2e9


@torch.no_grad()
def gmac_of_parts(leed: LEED) -> dict[str, float]:
    """GMAC of each network for one face, by its name in LEED."""
    face = torch.zeros(1, 3, leed.config.image_size, leed.config.image_size)
    code = leed.encode(face)
    delta_exp = leed.extract(code, code)
    return {
        "neutralizer": count_gmac(lambda: leed.neutralizer(face)),
        "encoder": count_gmac(lambda: leed.encode(face)),
        "extractor": count_gmac(lambda: leed.extract(code, code)),
        "interpolator": count_gmac(lambda: leed.interpolate(code, delta_exp)),
        "decoder": count_gmac(lambda: leed.decode(code)),
    }


@torch.no_grad()
def interleaved_medians(calls: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each call; they take turns, so that a busy moment meets all of them."""
    for call in calls.values():
        call()  # warm up
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="LEED: a folder or a name on the Hub")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args(arguments)

    torch.set_num_threads(options.threads)
    leed = LEED.from_pretrained(options.model) if options.model else LEED(ModelConfig())
    leed.eval()
    side = leed.config.image_size
    stargan = StarGANGenerator(PRESETS["paper"]).eval()  # its instance norm has no running averages
    face, reference = torch.rand(2, 1, 3, side, side) * 2 - 1
    domain = torch.tensor([NEUTRAL])
    expression = leed.expression(reference)
    prepared = leed.prepare(face, expression)

    star = count_gmac(lambda: stargan(face, domain))
    parts = gmac_of_parts(leed)
    print(f"GMAC for one face of {side}x{side}")
    for name, gmac in ({"StarGAN's generator": star} | parts).items():
        print(f"  {name:24s} {gmac:7.3f}")
    edit_gmac = sum(parts[name] for name in ("neutralizer", "encoder", "interpolator", "decoder"))
    slider_gmac = parts["interpolator"] + parts["decoder"]

    medians = interleaved_medians(
        {
            "StarGAN's generator": lambda: stargan(face, domain),
            "edit": lambda: leed.edit(face, expression),
            "slider step": lambda: prepared(0.7),
        },
        options.repeats,
    )
    anchor = medians["StarGAN's generator"]
    print(f"median of {options.repeats} turns, {options.threads} threads")
    for name, seconds in medians.items():
        print(f"  {name:24s} {seconds * 1000:7.1f} ms")
    for name, gmac, budget in (("edit", edit_gmac, EDIT_BUDGET), ("slider step", slider_gmac, SLIDER_BUDGET)):
        ratio = medians[name] / anchor
        verdict = "kept" if ratio <= budget else "MISSED"
        print(f"{name}: {ratio:.3f} of StarGAN's time (budget {budget}: {verdict}), {gmac / star:.3f} of its GMAC")


if __name__ == "__main__":
    main()
