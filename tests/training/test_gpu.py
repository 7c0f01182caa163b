"""A few steps on a GPU, by the ways that only a GPU has: fused Adam, TF32, pictures on the device."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import ROOT

DRIVER = """
import json, pathlib, sys
import torch
import train_accelerate

train, seen = train_accelerate.train, {}

def recorded(run, faces, held_out):
    seen["fused"] = run.optimizer.optimizer.defaults.get("fused")
    seen["precision"] = torch.get_float32_matmul_precision()
    seen["pictures"] = faces.faces.images.device.type
    return train(run, faces, held_out)

train_accelerate.train = recorded
train_accelerate.main(sys.argv[2:])
pathlib.Path(sys.argv[1]).write_text(json.dumps(seen))
"""


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_steps_on_a_gpu(optimizer: str, earlier_models: tuple[str, ...], drawn_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "driver.py").write_text(DRIVER)
    arguments = [
        *("--stage", "leed", "--preset", "tiny", "--dataset_name", str(drawn_folder), *earlier_models),
        *("--train_batch_size", "8", "--max_train_steps", "3", "--optimizer", optimizer, "--mixed_precision", "fp16"),
        *("--output_dir", str(tmp_path / "run")),
    ]
    command = [sys.executable, str(tmp_path / "driver.py"), str(tmp_path / "seen.json"), *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "ACCELERATE_USE_CPU"}
    environment |= {"PYTHONPATH": os.pathsep.join((str(ROOT), *filter(None, sys.path)))}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads((tmp_path / "seen.json").read_text())
    assert seen == {"fused": True if optimizer == "adam" else None, "precision": "high", "pictures": "cuda"}
    figures = json.loads((tmp_path / "run" / "leed" / "figures.json").read_text())
    assert figures["autoencoded"] > 0.5
