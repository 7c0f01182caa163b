"""The gradients of steps that hold several batches, or fewer at an epoch's end; run by one process and by two."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import torch
from accelerate import Accelerator

import train_accelerate
from leed.training.config import Recipe, TrainConfig
from leed.training.faces import Faces
from leed.training.launch import make_accelerator
from leed.training.run import Run
from leed.training.stage import Loss, Stage


class Slope(torch.nn.Module):
    """A loss w * x: its gradient is the mean of the batch's numbers x."""

    def __init__(self) -> None:
        super().__init__()
        self.w = torch.nn.Parameter(torch.zeros(()))

    def forward(self, inputs: dict[str, torch.Tensor]) -> Loss:
        total = self.w * inputs["x"].mean()
        return Loss(total, {"slope": total.detach()}, {})


class Numbers:
    """Rows 0, 1, 2, ... in place of faces."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitems__(self, rows: list[int]) -> dict[str, torch.Tensor]:
        return {"x": torch.tensor(rows, dtype=torch.float32)}


def steps_of(count: int) -> list[tuple[list[list[float]], float]]:
    """Each step of an epoch over `count` rows, 3 batches of 2 a step: this process's batches, and the gradient."""
    config = replace(TrainConfig(stage="classifier"), train_batch_size=2, gradient_accumulation_steps=3, use_ema=False)
    accelerator = make_accelerator(config)
    slope = Slope()
    stage = SimpleNamespace(
        name="slope",
        recipe=Recipe(learning_rate=1e-3, max_grad_norm=1e9),
        critic_steps=1,
        networks_make_inputs=False,
        model=slope,
        objectives={"slope": slope},
        inputs=lambda batch: batch,
        to=lambda device: None,
    )
    run = Run(accelerator, cast(Stage, stage), config, {})
    found: list[tuple[list[list[float]], float]] = []
    held: list[list[float]] = []
    clip = run.clip

    def recorded(terms: dict[str, torch.Tensor]) -> None:
        found.append((held.copy(), float(slope.w.grad)))
        clip(terms)

    run.clip = recorded  # type: ignore[method-assign]
    for batch in train_accelerate.make_loader(cast(Faces, Numbers(count)), accelerator, config):
        held.append(batch["x"].tolist())
        if run.update(batch, 10) is not None:
            held.clear()
    return found


if __name__ == "__main__":
    steps = steps_of(int(sys.argv[2]))
    Path(sys.argv[1], f"{Accelerator().process_index}.json").write_text(json.dumps(steps))
    torch.distributed.destroy_process_group()
