"""The machine of a run: Accelerate's settings, the command line's before the launcher's."""

import importlib.util
import os
from dataclasses import replace
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import DataLoaderConfiguration, GradientAccumulationPlugin

from leed.training.config import Settings, TrainConfig
from leed.training.optimisation import has_bfloat16


def make_accelerator(config: TrainConfig) -> Accelerator:
    """The accelerator of the whole run; what the settings leave out is as the launcher says, else Accelerate's own.

    Raises `ValueError` for a tracker that is not installed, and for a precision or GPU that will not do here.
    """
    if config.report_to != "none" and importlib.util.find_spec(config.report_to) is None:
        raise ValueError(f"--report_to {config.report_to} needs that package: pip install {config.report_to}")
    steps = config.gradient_accumulation_steps  # as a number, Accelerate would prefer the launcher's
    accelerator = Accelerator(
        mixed_precision=config.mixed_precision,
        gradient_accumulation_plugin=None if steps is None else GradientAccumulationPlugin(num_steps=steps),
        log_with=None if config.report_to == "none" else config.report_to,
        project_dir=str(Path(config.output_dir) / config.logging_dir),
        dataloader_config=DataLoaderConfiguration(use_seedable_sampler=True, data_seed=config.seed),
    )
    check_together(accelerator.num_processes, int(os.environ.get("WORLD_SIZE", 1)))
    if accelerator.mixed_precision == "fp16" and accelerator.device.type == "cpu":
        raise ValueError("mixed precision fp16 needs a GPU, on a CPU it would be ignored: give --mixed_precision no")
    if accelerator.device.type == "mps" and torch.__version__ < "2.13":  # a TorchVersion, compared as such
        raise ValueError(
            f"torch {torch.__version__} cannot warp pictures on Apple's GPU (grid_sample with border padding): "
            "install torch 2.13 or newer, or train on the CPU with ACCELERATE_USE_CPU=true"
        )
    if accelerator.device.type == "cuda":
        torch.set_float32_matmul_precision("high" if config.allow_tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = config.allow_tf32
    return accelerator


def check_together(num_processes: int, launched: int) -> None:
    """Raises `ValueError` if a launcher has started more processes than Accelerate brings together.

    Each would train alone, and write into the same folder.
    """
    if launched > num_processes:
        raise ValueError(
            f"the launcher started {launched} processes, and they would train apart from each other: without a GPU, "
            "set ACCELERATE_USE_CPU=true"
        )


def as_launched(settings: Settings, accelerator: Accelerator) -> Settings:
    """The settings with the precision and the accumulation that the accelerator has, for records of the run.

    Raises `ValueError` for a precision of the launcher's that training does not know.
    """
    found = {
        "mixed_precision": accelerator.mixed_precision,
        "gradient_accumulation_steps": accelerator.gradient_accumulation_steps,
    }
    return settings._replace(train=replace(settings.train, **found))


def describe(accelerator: Accelerator, config: TrainConfig) -> str:
    """What a run computes on and how, in a line; a second one where bfloat16 is slow."""
    line = (
        f"{accelerator.num_processes} x {accelerator.device.type}, mixed precision {accelerator.mixed_precision}, "
        f"an update: {accelerator.gradient_accumulation_steps} x {config.train_batch_size} faces of each process"
    )
    if has_bfloat16(accelerator.device):
        return line
    slow = accelerator.mixed_precision == "bf16"
    advice = "; mixed precision bf16 will be many times slower than --mixed_precision no" if slow else ""
    return f"{line}\nbfloat16 is emulated on this machine: Muon works in float32{advice}"
