"""What several test files share."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import torch

from leed import LEED, PRESETS

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def lively_leed() -> LEED:
    """A tiny model with random weights that changes faces visibly; a fresh one starts as the identity."""
    torch.manual_seed(0)
    leed = LEED(PRESETS["tiny"]).eval()
    with torch.no_grad():
        for parameter in leed.parameters():
            parameter.add_(0.03 * torch.randn_like(parameter))
        leed.extractor.features[-1].weight.mul_(5)
    return leed


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def app_url(lively_leed: LEED, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`python app.py` with a tiny model."""
    folder = tmp_path_factory.mktemp("app")
    lively_leed.save_pretrained(folder / "model")

    url = f"http://127.0.0.1:{(port := free_port())}"
    environment = os.environ | {
        "LEED_MODEL": str(folder / "model"),
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(folder / "cache"),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }
    log = folder / "log.txt"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        for _ in range(600):
            assert process.poll() is None, log.read_text()
            try:
                httpx.get(url)
                break
            except httpx.TransportError:
                time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait(30)
