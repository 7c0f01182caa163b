"""Trains Psi, the neutraliser and LEED: `accelerate launch train_accelerate.py --stage all --output_dir runs/first`.

The baselines StarGAN and GANimation are stages of their own: `--stage stargan`, `--stage ganimation`. With no data
given, the built-in procedural faces are used. `--help` lists every option. Several processes share one `output_dir`;
on a machine without GPU they are started by

    ACCELERATE_USE_CPU=true python -m torch.distributed.run --nproc-per-node 2 train_accelerate.py ...
"""

import math
from pathlib import Path
from typing import cast

import torch
from accelerate import Accelerator
from accelerate.data_loader import DataLoaderShard
from accelerate.utils import broadcast_object_list, set_seed
from torch.utils.data import DataLoader, Dataset
from tqdm.auto import tqdm

from leed.commands import exit_on
from leed.data.batch import Batch
from leed.data.faces import collate
from leed.files import WriteError
from leed.training.cli import parse_args
from leed.training.config import Settings, TrainConfig
from leed.training.data import RunData, load_data
from leed.training.earlier import load_start, model_digests
from leed.training.faces import Faces
from leed.training.hosts import LostProcessError, agreed, connected, share_folder, together
from leed.training.launch import as_launched, describe, make_accelerator
from leed.training.mixing import shared_draws
from leed.training.publish import hub_names, publish, push
from leed.training.records import DIGESTS, as_json, fixed_settings, is_finished, write_settings
from leed.training.run import IdleError, Run
from leed.training.stage import Stage
from leed.training.stages import stages_named
from leed.training.validation import validate

PROGRAM = "train_accelerate.py"
LOG_STEPS = 10


def main(arguments: list[str] | None = None) -> None:
    """Trains the stages that the command line asks for."""
    settings = parse_args(arguments, __doc__)
    with exit_on(PROGRAM, ValueError):
        accelerator = make_accelerator(settings.train)
        settings = as_launched(settings, accelerator)
    config = settings.train
    if config.dry_run:
        if accelerator.is_main_process:
            print(as_json(settings.to_dict()).decode())
            write_settings(settings, overwrite=False)
        return
    accelerator.print(describe(accelerator, config))
    with exit_on(PROGRAM, LostProcessError), connected():
        run_all(stages_named(config.stage), accelerator, settings)


def run_all(stages: tuple[type[Stage], ...], accelerator: Accelerator, settings: Settings) -> None:
    """Loads the faces, then runs the stages in their order and uploads their models where that is asked for."""
    config = settings.train
    with exit_on(PROGRAM, ValueError, OSError):
        with together():
            uploads = hub_names(stages, config) if config.push_to_hub and accelerator.is_main_process else {}
        data = load_data(accelerator, config, stages[0].picture_size(settings.model))
        shared = share_folder(accelerator, Path(config.output_dir))
    accelerator.project_configuration.save_on_each_node = not shared
    if not shared:
        accelerator.print(f"each host keeps checkpoints and models in a folder {config.output_dir} of its own")
    for stage in stages:
        run_stage(stage, accelerator, settings, data)
    if uploads:
        with exit_on(PROGRAM, ValueError):
            push(stages, uploads, config)
    accelerator.wait_for_everyone()


def run_stage(kind: type[Stage], accelerator: Accelerator, settings: Settings, data: RunData) -> None:
    """Builds, trains and publishes one stage's model to `<output_dir>/<stage>`, unless a resumed run has done so."""
    config = settings.train
    folder = Path(config.output_dir) / kind.name
    length = {"num_train_epochs": config.num_train_epochs, "max_train_steps": config.max_train_steps}
    with exit_on(PROGRAM, ValueError, ModuleNotFoundError, OSError):
        with together():
            models = model_digests(config, kind.earlier(config))
            fixed = fixed_settings(kind, settings, accelerator.num_processes, data, models)
            finished = bool(config.resume_from_checkpoint) and is_finished(folder, kind, fixed | length)
        check_agreement(fixed, finished)
        if finished:
            accelerator.print(f"stage {kind.name} is finished: {folder}")
            return
        set_seed(config.seed)
        with together():
            stage = kind.build(settings, accelerator.device)
            if config.init_from:
                load_start(stage.model, config.init_from)
        run = Run(accelerator, stage, config, fixed)
        faces, held_out = stage.select(data.training, config), stage.select(data.held_out, config, held_out=True)
        check_batch(len(faces), config, accelerator.num_processes)
        run.start()
        if run.writes:
            write_settings(settings)
    if config.report_to != "none":
        accelerator.init_trackers(f"leed-{kind.name}", config={k: str(v) for k, v in fixed.items()})
    with exit_on(PROGRAM, FloatingPointError, IdleError, WriteError):
        figures = broadcast_object_list([train(run, faces, held_out)])[0]
        if run.writes:
            publish(run, figures, (len(data.training), len(data.held_out)), folder, length)
    for tracker in accelerator.trackers:
        tracker.finish()
    accelerator.trackers = []
    accelerator.clear()
    accelerator.wait_for_everyone()


def check_agreement(fixed: dict[str, object], finished: bool) -> None:
    """Raises `ValueError` in all processes if some have other settings than others, or another stage to do."""
    settings = {f"the setting {name}": str(value) for name, value in fixed.items() if name not in DIGESTS}
    agreed(settings, "start all hosts with the same command and the same models")
    cure = "copy the stage's folder to each host, or remove it on all"
    agreed({"whether the stage is finished": finished}, cure)


def train(run: Run, faces: Faces, held_out: Faces) -> dict[str, float]:
    """The loop of one stage. Returns the figures at its end."""
    config, accelerator = run.config, run.accelerator
    with exit_on(PROGRAM, ValueError):
        loader = make_loader(faces, accelerator, config)
    batches_per_step = accelerator.gradient_accumulation_steps
    steps_per_epoch = math.ceil(len(loader) / batches_per_step)
    num_steps = config.max_train_steps or config.num_train_epochs * steps_per_epoch
    figures: dict[str, float] = {}
    progress = tqdm(total=num_steps, initial=run.step, desc=run.name, disable=not accelerator.is_local_main_process)
    while run.step < num_steps:
        epoch, done = divmod(run.step, steps_per_epoch)
        loader.set_epoch(epoch)
        rest = accelerator.skip_first_batches(loader, done * batches_per_step) if done else loader
        for batch in rest:
            terms = run.update(batch, num_steps)
            if terms is None:  # the step needs more batches
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


def make_loader(faces: Faces, accelerator: Accelerator, config: TrainConfig) -> DataLoaderShard:
    """Batches in an order that seed and epoch decide, shared out among the processes.

    Raises `ValueError` if a data set with a share has no face for them.
    """
    sampler = shared_draws(faces, config.dataset_shares, config.seed) if config.dataset_shares else None
    loader: DataLoader[Batch] = DataLoader(
        cast(Dataset[Batch], faces),  # DataLoader takes whole batches from `__getitems__`
        config.train_batch_size,
        shuffle=sampler is None,
        sampler=sampler,
        drop_last=True,
        collate_fn=collate,
        num_workers=config.dataloader_num_workers,
    )
    return accelerator.prepare(loader)


def check_batch(num_faces: int, config: TrainConfig, num_processes: int) -> None:
    """Raises `ValueError` if the faces do not fill a batch for each process."""
    if num_faces < config.train_batch_size * num_processes:
        raise ValueError(
            f"{num_faces} faces do not fill a batch of {config.train_batch_size} for each of {num_processes} "
            "processes: lower --train_batch_size"
        )


if __name__ == "__main__":
    main()
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
