"""Trains Psi, the neutraliser and LEED: `accelerate launch train_accelerate.py --stage all --output_dir runs/first`.

With no data given, the built-in procedural faces are used. `--help` lists every option.
"""

import argparse
import dataclasses
import json
import math
import shutil
import types
import typing
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.logging import get_logger
from accelerate.utils import DataLoaderConfiguration, set_seed
from safetensors.torch import load_file, save_file
from torch.utils.data import DataLoader, Dataset
from tqdm.auto import tqdm

from leed import LEED, ExpressionClassifier, Neutralizer
from leed.config import PAPER_WEIGHTS, PRESETS, STAGE_DEFAULTS, STAGES, LossWeights, TrainConfig
from leed.data import FaceDataset, check_images, collate, load_faces, split_by_person
from leed.features import PerceptualFeatures
from leed.images import contact_sheet
from leed.training import (
    AUGMENTATIONS,
    ClassifierStage,
    EditorStage,
    LearnedNeutrals,
    NeutralizerStage,
    Stage,
    average_of,
    with_true_neutrals,
)

logger = get_logger(__name__)


def add_fields(parser: argparse.ArgumentParser, kind: type, prefix: str = "") -> None:
    """One option for each field of a dataclass."""
    for field in dataclasses.fields(kind):
        option, default = f"--{prefix}{field.name}", None if prefix else field.default
        options = typing.get_args(field.type) if isinstance(field.type, types.UnionType) else (field.type,)
        value_type = next(option_type for option_type in options if option_type is not type(None))
        if value_type is bool:
            parser.add_argument(option, action=argparse.BooleanOptionalAction, default=default)
        else:
            parser.add_argument(option, type=value_type, default=default, help=f"default: {field.default}")


def parse_args(arguments: list[str] | None = None) -> tuple[TrainConfig, LossWeights]:
    """The run's settings and the weights of its loss terms (`--weight_<term>`)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_fields(parser, TrainConfig)
    add_fields(parser, LossWeights, prefix="weight_")
    values = vars(parser.parse_args(arguments))
    given = {name.removeprefix("weight_"): v for name, v in values.items() if name.startswith("weight_") and v is not None}
    try:
        config = TrainConfig(**{name: v for name, v in values.items() if not name.startswith("weight_")})
    except ValueError as error:
        parser.error(str(error))
    weights = PAPER_WEIGHTS if config.preset == "paper" else LossWeights()
    return config, dataclasses.replace(weights, **given)


def learning_rate_factor(step: int, num_steps: int, config: TrainConfig) -> float:
    """What the learning rate of a step (from 0) is multiplied by."""
    warmup = min((step + 1) / max(config.lr_warmup_steps, 1), 1.0)
    if config.lr_scheduler == "constant":
        return warmup
    progress = max(0.0, 2 * step / num_steps - 1)
    return warmup * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))


def load_data(config: TrainConfig, size: int) -> tuple[FaceDataset, FaceDataset]:
    """Training faces and held-out people's faces, every picture checked."""
    table = load_faces(
        config.dataset_name, config.dataset_reader, config.dataset_split, config.max_train_samples, config.seed
    )
    check_images(table)
    train, held_out = split_by_person(table, config.validation_fraction)
    return FaceDataset(train, size), FaceDataset(held_out, size)


def earlier(kind: type, name: str, given: str | None, output_dir: Path) -> torch.nn.Module:
    """The model of an earlier stage: the given one, or this output folder's."""
    path = given or str(output_dir / name)
    if given is None and not Path(path).exists():
        raise SystemExit(f"this stage needs a trained {name}: run `--stage {name}` first, or pass --{name} FOLDER_OR_ID")
    return kind.from_pretrained(path)


def build_stage(name: str, config: TrainConfig, weights: LossWeights, device: torch.device) -> Stage:
    """The networks and losses of a stage."""
    sizes, output_dir = PRESETS[config.preset], Path(config.output_dir)
    augmentation = AUGMENTATIONS[config.augmentation or STAGE_DEFAULTS[name]["augmentation"]]
    if name == "classifier":
        stage = ClassifierStage(sizes, augmentation)
    elif name == "neutralizer":
        psi = earlier(ExpressionClassifier, "classifier", config.classifier, output_dir) if config.phi == "psi" else None
        stage = NeutralizerStage(sizes, weights, PerceptualFeatures(config.phi, psi).to(device), augmentation)
    else:
        psi = earlier(ExpressionClassifier, "classifier", config.classifier, output_dir).to(device)
        leed = LEED(sizes)
        neutralizer = earlier(Neutralizer, "neutralizer", config.neutralizer, output_dir)
        leed.neutralizer.load_state_dict(neutralizer.state_dict())
        phi = PerceptualFeatures(config.phi, psi).to(device)
        stage = EditorStage(leed, psi, phi, weights, augmentation, config.view_probability)
    if config.init_from:
        start = type(stage.model).from_pretrained(config.init_from)
        state = {k: v for k, v in start.state_dict().items() if not k.startswith("neutralizer.")}
        missing = stage.model.load_state_dict(state, strict=False).missing_keys
        assert all(key.startswith("neutralizer.") for key in missing), missing
    return stage


def stage_faces(faces: FaceDataset, name: str, stage: Stage, config: TrainConfig, device: torch.device) -> Dataset:
    """The faces that a stage learns from, with true neutral faces or with those of the frozen neutraliser."""
    if name == "neutralizer" or (name == "classifier" and not stage.model.config.classifier_sees_neutral):
        return faces
    if name == "classifier" or config.neutrals == "true":
        return with_true_neutrals(faces)
    return LearnedNeutrals(faces, stage.model.neutralizer.to(device), mixed=config.neutrals == "mixed")


class Run:
    """Where one stage of a run stands: step, objectives, optimisers, average; saved and resumed as a whole."""

    def __init__(self, accelerator: Accelerator, stage: Stage, config: TrainConfig, name: str) -> None:
        self.accelerator, self.stage, self.config, self.name = accelerator, stage, config, name
        self.base_rate = config.learning_rate or STAGE_DEFAULTS[name]["learning_rate"]
        self.step = 0
        stage.to(accelerator.device)
        betas = (config.adam_beta1, config.adam_beta2)
        self.objectives, self.optimizers = {}, {}
        for key, objective in stage.objectives.items():
            optimizer = torch.optim.Adam([p for p in objective.parameters() if p.requires_grad], self.base_rate, betas)
            self.objectives[key], self.optimizers[key] = accelerator.prepare(objective, optimizer)
        self.average = average_of(stage.model, config.ema_decay) if config.use_ema else None
        self.folder = Path(config.output_dir) / "checkpoints" / name

    @property
    def published(self) -> torch.nn.Module:
        """The model as it is validated and published: the average, if there is one."""
        return self.average.module if self.average is not None else self.stage.model

    def update(self, batch: dict[str, torch.Tensor], num_steps: int) -> dict[str, float]:
        """One step of every objective in turn. Returns the terms of the loss. Raises on NaN."""
        torch.manual_seed(hash((self.config.seed, self.step, self.accelerator.process_index)) % 2**63)
        with torch.no_grad():
            values = self.stage.inputs({k: v.to(self.accelerator.device) for k, v in batch.items()})
        logs = {}
        for key, objective in self.objectives.items():
            optimizer = self.optimizers[key]
            for group in optimizer.param_groups:
                group["lr"] = self.base_rate * learning_rate_factor(self.step, num_steps, self.config)
            with self.accelerator.accumulate(objective), self.accelerator.autocast():
                total, terms, outputs = objective(values)
                if not torch.isfinite(total):
                    broken = {name: float(value) for name, value in terms.items()}
                    raise FloatingPointError(
                        f"the loss of '{key}' is {float(total)} at step {self.step} (terms: {broken}); the last good "
                        f"checkpoint is in {self.folder}; a lower --learning_rate or --max_grad_norm may help"
                    )
                self.accelerator.backward(total)
                if self.accelerator.sync_gradients:
                    self.accelerator.clip_grad_norm_(objective.parameters(), self.config.max_grad_norm)
                optimizer.step()
                optimizer.zero_grad()
            logs |= {name: float(value) for name, value in terms.items()}
            values = outputs or values
        self.step += 1
        if self.average is not None and self.accelerator.sync_gradients:
            self.average.update_parameters(self.stage.model)
        return logs

    def save(self) -> None:
        """Writes a checkpoint to a temporary folder, renames it, then removes those over the limit."""
        final = self.folder / f"step-{self.step:07d}"
        temporary = self.folder / f".{final.name}.part"
        if self.accelerator.is_main_process:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
        self.accelerator.wait_for_everyone()
        self.accelerator.save_state(str(temporary))
        self.accelerator.wait_for_everyone()
        if not self.accelerator.is_main_process:
            return
        if self.average is not None:
            average = {name: value.contiguous() for name, value in self.average.state_dict().items()}
            save_file(average, temporary / "average.safetensors")
        (temporary / "run.json").write_text(json.dumps({"step": self.step, "stage": self.name}))
        shutil.rmtree(final, ignore_errors=True)
        temporary.rename(final)
        if self.config.checkpoints_total_limit is not None:
            for old in sorted(self.folder.glob("step-*"))[: -self.config.checkpoints_total_limit]:
                shutil.rmtree(old)

    def resume(self, which: str) -> None:
        """Continues from a checkpoint folder or from the "latest"; starts anew if there is none yet."""
        if which == "latest":
            found = sorted(self.folder.glob("step-*"))
            if not found:
                logger.info("no checkpoint of stage %s yet: starting from the beginning", self.name)
                return
            which = str(found[-1])
        self.accelerator.load_state(which)
        if self.average is not None:
            self.average.load_state_dict(load_file(Path(which) / "average.safetensors"))
        self.step = json.loads((Path(which) / "run.json").read_text())["step"]
        logger.info("resumed stage %s at step %d", self.name, self.step)


def validate(run: Run, held_out: Dataset) -> dict[str, float]:
    """Figures on held-out people, logged, with a contact sheet beside the checkpoints."""
    if not run.accelerator.is_main_process:
        return {}
    model = run.published
    training = model.training
    figures, rows = run.stage.validate(model.eval(), held_out)
    model.train(training)
    if rows:
        folder = Path(run.config.output_dir) / "validation"
        folder.mkdir(parents=True, exist_ok=True)
        contact_sheet(rows).save(folder / f"{run.name}-{run.step:07d}.png")
    tqdm.write(f"{run.name} step {run.step}: " + ", ".join(f"{k} {v:.4f}" for k, v in figures.items()))
    run.accelerator.log({f"{run.name}/validation/{k}": v for k, v in figures.items()}, step=run.step)
    return figures


def train(run: Run, faces: Dataset, held_out: Dataset) -> dict[str, float]:
    """The loop of one stage."""
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
    num_steps = config.max_train_steps or config.num_train_epochs * len(loader)
    figures: dict[str, float] = {}
    progress = tqdm(total=num_steps, initial=run.step, desc=run.name, disable=not accelerator.is_main_process)
    while run.step < num_steps:
        epoch, done = divmod(run.step, len(loader))
        loader.set_epoch(epoch)
        for batch in accelerator.skip_first_batches(loader, done) if done else loader:
            logs = run.update(batch, num_steps)
            progress.update()
            if run.step % 10 == 0:
                progress.set_postfix({k: f"{v:.3f}" for k, v in logs.items()})
                accelerator.log({f"{run.name}/{k}": v for k, v in logs.items()}, step=run.step)
            if run.step % config.checkpointing_steps == 0:
                run.save()
            if run.step % config.validation_steps == 0:
                figures = validate(run, held_out)
            if run.step >= num_steps:
                break
    progress.close()
    if run.step % config.checkpointing_steps:
        run.save()
    if run.step % config.validation_steps or not figures:
        figures = validate(run, held_out)
    return figures


def run_stage(name: str, config: TrainConfig, weights: LossWeights, data: tuple[FaceDataset, FaceDataset]) -> None:
    """Builds, trains and publishes one stage's model to `<output_dir>/<stage>`."""
    accelerator = Accelerator(
        mixed_precision=config.mixed_precision,
        gradient_accumulation_steps=config.gradient_accumulation_steps,
        log_with=None if config.report_to == "none" else config.report_to,
        project_dir=str(Path(config.output_dir) / config.logging_dir),
        dataloader_config=DataLoaderConfiguration(use_seedable_sampler=True),
    )
    set_seed(config.seed)
    if config.report_to != "none":
        accelerator.init_trackers(f"leed-{name}")
    stage = build_stage(name, config, weights, accelerator.device)
    faces, held_out = (stage_faces(faces, name, stage, config, accelerator.device) for faces in data)
    run = Run(accelerator, stage, config, name)
    if config.resume_from_checkpoint:
        run.resume(config.resume_from_checkpoint)
    figures = train(run, faces, held_out)
    if accelerator.is_main_process:
        folder = Path(config.output_dir) / name
        run.published.save_pretrained(folder)
        (folder / "figures.json").write_text(json.dumps(figures, indent=2))
    accelerator.wait_for_everyone()
    accelerator.end_training()


def main(arguments: list[str] | None = None) -> None:
    config, weights = parse_args(arguments)
    output_dir = Path(config.output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    settings = {"train": dataclasses.asdict(config), "weights": dataclasses.asdict(weights)}
    (output_dir / f"settings-{config.stage}.json").write_text(json.dumps(settings, indent=2))
    if config.dry_run:
        print(json.dumps(settings, indent=2))
        return
    data = load_data(config, PRESETS[config.preset].image_size)
    for name in STAGES if config.stage == "all" else (config.stage,):
        run_stage(name, config, weights, data)


if __name__ == "__main__":
    main()
