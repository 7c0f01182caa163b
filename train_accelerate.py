"""Trains Psi, the neutraliser and LEED: `accelerate launch train_accelerate.py --stage all --output_dir runs/first`.

The baselines StarGAN and GANimation are stages of their own: `--stage stargan`, `--stage ganimation`. With no data
given, the built-in procedural faces are used. `--help` lists every option. Several processes share one `output_dir`;
on a machine without GPU they are started by

    ACCELERATE_USE_CPU=true python -m torch.distributed.run --nproc-per-node 2 train_accelerate.py ...
"""

import importlib.util
import math
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import DataLoaderConfiguration, set_seed
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from tqdm.auto import tqdm

from leed.data.faces import FaceDataset, collate
from leed.files import atomic_write_all
from leed.images import contact_sheet
from leed.training.build import build_stage, fold_neutralizers, load_data, stage_faces
from leed.training.cli import Settings, parse_args, refusing
from leed.training.config import STAGES, TrainConfig
from leed.training.publish import finished, publish, push, write_settings
from leed.training.run import IdleError, Run, as_json, fixed_settings

LOG_STEPS = 10


def make_accelerator(config: TrainConfig) -> Accelerator:
    """The accelerator of the whole run. Raises `ValueError` for a tracker, precision or GPU that will not do here."""
    if config.report_to != "none" and importlib.util.find_spec(config.report_to) is None:
        raise ValueError(f"--report_to {config.report_to} needs that package: pip install {config.report_to}")
    accelerator = Accelerator(
        mixed_precision=config.mixed_precision,
        gradient_accumulation_steps=config.gradient_accumulation_steps,
        log_with=None if config.report_to == "none" else config.report_to,
        project_dir=str(Path(config.output_dir) / config.logging_dir),
        dataloader_config=DataLoaderConfiguration(use_seedable_sampler=True, data_seed=config.seed),
    )
    if config.mixed_precision == "fp16" and accelerator.device.type == "cpu":
        raise ValueError("--mixed_precision fp16 needs a GPU, on a CPU it would be ignored: use bf16 or no")
    if accelerator.device.type == "mps" and torch.__version__ < "2.13":  # a TorchVersion, compared as such
        raise ValueError(
            f"torch {torch.__version__} cannot warp pictures on Apple's GPU (grid_sample with border padding): "
            "install torch 2.13 or newer, or train on the CPU with ACCELERATE_USE_CPU=true"
        )
    if accelerator.device.type == "cuda":
        torch.set_float32_matmul_precision("high" if config.allow_tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = config.allow_tf32
    return accelerator


def validate(run: Run, held_out: Dataset) -> dict[str, float]:
    """Figures on held-out people, logged; figures and contact sheet also as files in `<output_dir>/validation`."""
    if not run.accelerator.is_main_process:
        return {}
    model = run.published
    training = model.training
    figures, rows = run.stage.validate(model.eval(), held_out)
    model.train(training)
    folder = Path(run.config.output_dir) / "validation"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{run.name}-{run.step:07d}"
    file.with_suffix(".json").write_bytes(as_json({"step": run.step, "figures": figures}))
    if rows:
        sheet = contact_sheet(rows, scale=max(128 // rows[0][0].shape[-1], 1))
        sheet.save(file.with_suffix(".png"))
        log_picture(run.accelerator, f"{run.name}/validation/sheet", sheet, run.step)
    tqdm.write(f"{run.name} step {run.step}: " + ", ".join(f"{k} {v:.4f}" for k, v in figures.items()))
    run.accelerator.log({f"{run.name}/validation/{k}": v for k, v in figures.items()}, step=run.step)
    return figures


def log_picture(accelerator: Accelerator, name: str, picture: Image.Image, step: int) -> None:
    """Sends a picture to the tracker, if there is one."""
    for tracker in accelerator.trackers:
        if tracker.name == "tensorboard":
            tracker.log_images({name: np.asarray(picture)[None]}, step=step, dataformats="NHWC")
        elif tracker.name == "wandb":
            tracker.log_images({name: [picture]}, step=step)
        else:
            import trackio

            tracker.log({name: trackio.Image(picture)}, step=step)


def train(run: Run, faces: Dataset, held_out: Dataset) -> dict[str, float]:
    """The loop of one stage. Returns the figures at its end."""
    config, accelerator = run.config, run.accelerator
    loader = DataLoader(
        faces,
        config.train_batch_size,
        shuffle=True,
        drop_last=True,
        collate_fn=collate,
        num_workers=config.dataloader_num_workers,
    )
    loader = accelerator.prepare(loader)
    steps_per_epoch = math.ceil(len(loader) / config.gradient_accumulation_steps)
    num_steps = config.max_train_steps or config.num_train_epochs * steps_per_epoch
    figures: dict[str, float] = {}
    progress = tqdm(total=num_steps, initial=run.step, desc=run.name, disable=not accelerator.is_local_main_process)
    while run.step < num_steps:
        epoch, done = divmod(run.step, steps_per_epoch)
        loader.set_epoch(epoch)
        rest = accelerator.skip_first_batches(loader, done * config.gradient_accumulation_steps) if done else loader
        for batch in rest:
            terms = run.update(batch, num_steps)
            if terms is None:
                continue
            progress.update()
            if run.step % LOG_STEPS == 0 or run.step == num_steps:
                logs = {name: float(value) for name, value in terms.items()}
                progress.set_postfix({k: f"{v:.3f}" for k, v in logs.items()})
                accelerator.log({f"{run.name}/{k}": v for k, v in logs.items()}, step=run.step)
            if run.step % config.checkpointing_steps == 0 or run.step == num_steps:
                run.save()
            if run.step % config.validation_steps == 0 or run.step == num_steps:
                figures = validate(run, held_out)
            if run.step == num_steps:
                break
    progress.close()
    return figures or validate(run, held_out)  # a resumed run may have nothing left to do


def run_stage(name: str, accelerator: Accelerator, settings: Settings, data: tuple[FaceDataset, FaceDataset]) -> None:
    """Builds, trains and publishes one stage's model to `<output_dir>/<stage>`, unless a resumed run has done so."""
    config = settings.train
    fixed = fixed_settings(name, settings, accelerator, data)
    length = {"num_train_epochs": config.num_train_epochs, "max_train_steps": config.max_train_steps}
    folder = Path(config.output_dir) / name
    with refusing(ValueError, ModuleNotFoundError, OSError):
        if config.resume_from_checkpoint and finished(folder, name, fixed | length):
            accelerator.print(f"stage {name} is finished: {folder}")
            return
        set_seed(config.seed)
        stage = build_stage(name, settings, accelerator.device)
        run = Run(accelerator, stage, name, settings, fixed)
        faces = stage_faces(data[0], name, stage, settings, fold_neutralizers(config, accelerator.device))
        held_out = stage_faces(data[1], name, stage, settings, held_out=True)
        if len(faces) < config.train_batch_size * accelerator.num_processes:
            raise ValueError(
                f"{len(faces)} faces do not fill a batch of {config.train_batch_size} for each of "
                f"{accelerator.num_processes} processes: lower --train_batch_size"
            )
        if config.resume_from_checkpoint:
            run.resume(config.resume_from_checkpoint)
        elif run.checkpoints():
            raise ValueError(
                f"{run.folder} holds checkpoints of another run: continue it with --resume_from_checkpoint latest, "
                "or give a new --output_dir"
            )
    if accelerator.is_main_process:
        write_settings(settings)
    if config.report_to != "none":
        accelerator.init_trackers(f"leed-{name}", config={k: str(v) for k, v in fixed.items()})
    with refusing(FloatingPointError, IdleError):
        figures = train(run, faces, held_out)
    if accelerator.is_main_process:
        publish(run, figures, data, folder)
        state = {"stage": name, "step": run.step, "settings": fixed | length}
        atomic_write_all(folder, {"training.json": as_json(state)})
    for tracker in accelerator.trackers:
        tracker.finish()
    accelerator.trackers = []
    accelerator.clear()
    accelerator.wait_for_everyone()


def main(arguments: list[str] | None = None) -> None:
    """Trains the stages that the command line asks for."""
    settings = parse_args(arguments)
    config = settings.train
    with refusing(ValueError):
        accelerator = make_accelerator(config)
    if config.dry_run:
        if accelerator.is_main_process:
            print(as_json(settings.to_dict()).decode())
            write_settings(settings, over=False)
        return
    with refusing(ValueError, OSError):
        data = load_data(accelerator, config, settings.model.image_size)
    names = STAGES if config.stage == "all" else (config.stage,)
    for name in names:
        run_stage(name, accelerator, settings, data)
    if config.push_to_hub and accelerator.is_main_process:
        push(names, config)
    accelerator.wait_for_everyone()


if __name__ == "__main__":
    main()
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
