"""Trains on a large generated set, by two processes; prints their memory, the times and the loader's rate.

    python benchmarks/large_set.py --folder large [--faces 100000] [--processes 2]

The set has AffectNet's layout: JPEG files of 160 x 160 and a list of boxes. It is generated once and kept; so is what
training remembers, in `<folder>/cache`, so that a second call shows a second start: pictures that were checked and
neutral faces that were computed before. The editor of the tiny preset learns from untrained networks: memory and the
reading of pictures are measured, not learning. Memory is the most that belongs to a process alone, without files that
are mapped into memory (USS). `--small` faces, of the same set, tell what a process takes whatever the set's size.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import torch
from PIL import Image
from torch.utils.data import DataLoader

from leed import ExpressionClassifier, Neutralizer
from leed.config import TINY
from leed.data.drawn import draw_many, drawn_shots
from leed.data.faces import FaceDataset, collate, load_faces

ROOT = Path(__file__).parents[1]
SIDE = 160
LOADED = 20  # batches of 64 by which the loader's rate is measured


def generate(folder: Path, count: int) -> None:
    """Writes faces and their list: 256 drawn ones, each moved, brightened and compressed anew each time."""
    shots = drawn_shots(16, 16, seed=0, first=0)
    actions, yaw = torch.stack(shots["actions"]), torch.tensor(shots["yaw"])
    drawn = draw_many(shots["identity"], actions, yaw, SIDE).permute(0, 2, 3, 1).numpy()
    generator = np.random.default_rng(0)
    header = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
    lines = [header]
    for number in range(count):
        face = drawn[number % len(drawn)]
        shifted = np.roll(face, tuple(generator.integers(-9, 10, 2)), (0, 1))
        lit = np.clip(shifted * generator.uniform(0.7, 1.1), 0, 255).astype(np.uint8)
        name = f"{number // 1000}/{number}.jpg"
        path = folder / "Manually_Annotated_Images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(lit).save(path, quality=90)
        lines.append(f"{name},20,20,120,120,{';'.join(['80.00'] * 136)},{number % 8},0.1,0.2")
    (folder / "training.csv").write_text("\n".join(lines) + "\n")


def train(folder: Path, faces: int | None, processes: int, cache: Path) -> dict[str, object]:
    """Three steps of the editor on some of the set. Returns the memory of each process and the time to the first."""
    models = folder / "models"
    if not models.exists():
        ExpressionClassifier(TINY).save_pretrained(models / "classifier")
        Neutralizer(TINY).save_pretrained(models / "neutralizer")
    with tempfile.TemporaryDirectory() as output:
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
        command += [str(ROOT / "train_accelerate.py"), "--stage", "leed", "--preset", "tiny", "--phi", "psi"]
        command += ["--dataset_name", str(folder), "--neutrals", "learned", "--max_train_steps", "3"]
        command += ["--classifier", str(models / "classifier"), "--neutralizer", str(models / "neutralizer")]
        command += ["--no-data_in_memory", "--cache_dir", str(cache), "--output_dir", output]
        command += ["--validation_fraction", "0.01", "--train_batch_size", "32"]
        command += ["--max_train_samples", str(faces)] if faces else []
        environment = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        start = time.time()
        with open(Path(output) / "log", "w+") as log:
            run = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
            memory, first_step = watch(run, Path(output))
            if run.returncode:
                log.seek(0)
                raise SystemExit(log.read()[-3000:])
    return {
        "memory of each process, MiB": [round(value / 2**20) for value in memory],
        "seconds to the first step": round(first_step - start, 1),
    }


def watch(run: subprocess.Popen, output: Path) -> tuple[list[int], float]:
    """The most memory of its own of each of a run's processes, in bytes, and when the first checkpoint was begun."""
    most: dict[int, int] = {}
    first_step = 0.0
    while run.poll() is None:
        for process in psutil.Process(run.pid).children():
            try:
                most[process.pid] = max(most.get(process.pid, 0), process.memory_full_info().uss)
            except psutil.Error:
                continue
        if not first_step and (output / "settings-leed.json").exists():  # written when everything is ready
            first_step = time.time()
        time.sleep(0.2)
    return list(most.values()), first_step


def loader_rate(folder: Path, workers: int) -> float:
    """Pictures a second that a loader gives, decoded, cropped and resized to 128 pixels."""
    faces = FaceDataset(load_faces(folder, max_samples=64 * (LOADED + 1) * max(workers, 1)), 128, in_memory=False)
    loader = iter(DataLoader(faces, 64, collate_fn=collate, num_workers=workers))
    next(loader)  # the workers' start
    start = time.time()
    seen = sum(len(batch["image"]) for batch in loader)
    return seen / (time.time() - start)


def main() -> None:
    """Measures a first and a second start on the whole set, and a first on a small part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--faces", type=int, default=100_000)
    parser.add_argument("--small", type=int, default=2_000)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    if not (options.folder / "training.csv").exists():
        generate(options.folder, options.faces)
    cache = options.folder / "cache"
    shutil.rmtree(cache, ignore_errors=True)
    for title, faces in (("a part, first start", options.small), ("all, first start", None), ("all, again", None)):
        print(title, json.dumps(train(options.folder, faces, options.processes, cache)), flush=True)
    for workers in (0, 1, 2):
        print(f"loader, {workers} workers: {loader_rate(options.folder, workers):.0f} pictures a second", flush=True)


if __name__ == "__main__":
    main()
