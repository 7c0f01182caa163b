"""Trains Psi, the neutraliser and LEED: `accelerate launch train_accelerate.py --stage all --output_dir runs/first`.

The baselines StarGAN and GANimation are stages of their own: `--stage stargan`, `--stage ganimation`. With no data
given, the built-in procedural faces are used. `--help` lists every option. Several processes share one `output_dir`;
on a machine without GPU they are started by

    ACCELERATE_USE_CPU=true python -m torch.distributed.run --nproc-per-node 2 train_accelerate.py ...
"""

import argparse
import contextlib
import dataclasses
import importlib.util
import inspect
import json
import math
import re
import shutil
import types
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import DataLoaderConfiguration, set_seed
from datasets import concatenate_datasets
from huggingface_hub import whoami
from PIL import Image
from safetensors.torch import load_file, save_file
from timm.optim import Muon
from torch.utils.data import DataLoader, Dataset
from tqdm.auto import tqdm

from leed import LEED, ExpressionClassifier, GANimation, Neutralizer
from leed.config import (
    BASELINES,
    STAGE_DEFAULTS,
    STAGES,
    LossWeights,
    ModelConfig,
    TrainConfig,
    stage_sizes,
    stage_weights,
)
from leed.data.action_units import readable
from leed.data.faces import FaceDataset, check_images, collate, load_faces, split_by_person, without_fold
from leed.files import remove_folder, replace, replace_files, sync
from leed.images import contact_sheet
from leed.networks.classifier import PerceptualFeatures
from leed.training.augmentation import Augmentation
from leed.training.baseline import BaselineStage, GANimationStage, StarGANStage
from leed.training.card import addressed, training_card
from leed.training.stage import (
    AUGMENTATIONS,
    ClassifierStage,
    EditorStage,
    LearnedNeutrals,
    NeutralizerStage,
    Stage,
    average_of,
    balanced,
    keep_on_device,
    only,
)

MODELS = {
    "classifier": ExpressionClassifier,
    "neutralizer": Neutralizer,
    "leed": LEED,
    "stargan": Neutralizer,  # StarGAN's generator
    "ganimation": GANimation,
}

LOG_STEPS = 10

REFERENCE_BATCH = 16
"""Faces per update for which the learning rates of the stages were chosen."""

MAY_CHANGE = {
    *("stage", "output_dir", "resume_from_checkpoint", "num_train_epochs", "max_train_steps", "learning_rate"),
    *("scale_lr", "lr_scheduler", "lr_warmup_steps", "max_grad_norm", "gradient_checkpointing", "allow_tf32"),
    *("dataloader_num_workers", "data_in_memory", "data_on_device", "checkpointing_steps", "checkpoints_total_limit"),
    *("validation_steps", "report_to", "logging_dir", "push_to_hub", "hub_model_id", "hub_token", "dry_run"),
}
"""Fields of `TrainConfig` that a resumed run may change. With any other changed, it would be another run."""

OF_BASELINES = ("critic_steps", "max_action_unit_yaw")
"""Settings that mean nothing to the stages of LEED."""

PENALTY = "weight_gradient_penalty"
WEIGHTS_OF = {
    "classifier": (),
    "neutralizer": ("weight_paired", "weight_stargan_", PENALTY),
    "stargan": ("weight_stargan_", PENALTY),
    "ganimation": ("weight_ganimation_", PENALTY),
}
"""Beginnings of the weights that these stages use. The editor uses all others, and the penalty's."""


# -------------------------------------------------------------------------------------------------------- command line


class Settings(NamedTuple):
    """All that a run is given: its training settings, the weights of its loss terms and the sizes of its networks."""

    train: TrainConfig
    weights: LossWeights
    model: ModelConfig

    def to_dict(self) -> dict[str, dict]:
        """Plain values, without the Hub's token."""
        train = dataclasses.asdict(self.train)
        del train["hub_token"]
        return {"train": train, "weights": dataclasses.asdict(self.weights), "model": self.model.to_dict()}


def tuple_of_ints(text: str) -> tuple[int, ...]:
    """`1,1,1,1` as a tuple."""
    return tuple(int(part) for part in text.split(","))


def comments_of(kind: type) -> dict[str, str]:
    """What the comments beside the fields of a dataclass say, by the fields' names; nothing if its source is lost."""
    try:
        source = inspect.getsource(kind)
    except OSError:
        return {}
    return dict(re.findall(r"^    (\w+): .*?  # (.+)$", source, re.MULTILINE))


def add_fields(parser: argparse.ArgumentParser, kind: type, prefix: str = "") -> None:
    """One option for each field of a dataclass; those with a prefix are None unless they are given."""
    group = parser.add_argument_group(f"{kind.__name__} (--{prefix}...)" if prefix else kind.__name__)
    comments = comments_of(kind)
    for field in dataclasses.fields(kind):
        option, default = f"--{prefix}{field.name}", None if prefix else field.default
        options = typing.get_args(field.type) if isinstance(field.type, types.UnionType) else (field.type,)
        value_type = next(option_type for option_type in options if option_type is not type(None))
        if typing.get_origin(value_type) is tuple:
            value_type = tuple_of_ints
        own = "the preset's" if prefix else "the stage's" if field.name in STAGE_DEFAULTS["leed"] else field.default
        text = f"{comments.get(field.name, '')} (default: {'none' if own is None else own})".replace("%", "%%")
        if value_type is bool:
            group.add_argument(option, action=argparse.BooleanOptionalAction, default=default, help=text)
        else:
            group.add_argument(option, type=value_type, default=default, help=text)


def parse_args(arguments: list[str] | None = None) -> Settings:
    """The run's settings. `--weight_<term>` and `--model_<field>` change single values of the preset."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add_fields(parser, TrainConfig)
    add_fields(parser, LossWeights, prefix="weight_")
    add_fields(parser, ModelConfig, prefix="model_")
    values = vars(parser.parse_args(arguments))

    def given(prefix: str) -> dict:
        return {k.removeprefix(prefix): v for k, v in values.items() if k.startswith(prefix) and v is not None}

    try:
        train = TrainConfig(**{field.name: values[field.name] for field in dataclasses.fields(TrainConfig)})
        weights = dataclasses.replace(stage_weights(train.stage, train.preset), **given("weight_"))
        model = dataclasses.replace(stage_sizes(train.stage, train.preset), **given("model_"))
    except ValueError as error:
        parser.error(str(error))
    return Settings(train, weights, model)


@contextlib.contextmanager
def refusing(*kinds: type[Exception]) -> Iterator[None]:
    """Errors of these kinds end the program with their message alone."""
    try:
        yield
    except kinds as error:
        raise SystemExit(f"train_accelerate.py: {error}") from error


# --------------------------------------------------------------------------------------------------- before the loop


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


def load_data(accelerator: Accelerator, config: TrainConfig, size: int) -> tuple[FaceDataset, FaceDataset]:
    """Training faces and held-out people's faces, every picture checked."""
    tables = [
        load_faces(name, config.dataset_reader, config.dataset_split, config.max_train_samples, config.seed)
        for name in config.dataset_name.split(",")
    ]
    if accelerator.is_local_main_process:
        for table in tables:
            check_images(table)
    accelerator.wait_for_everyone()
    # Each set is split by itself, so that who is held out does not depend on the other sets.
    parts = [split_by_person(table, config.validation_fraction) for table in tables]
    if config.fold:
        parts = [(without_fold(training, *config.fold), held_out) for training, held_out in parts]
    data = tuple(
        FaceDataset(concatenate_datasets(part), size, config.data_in_memory) for part in zip(*parts, strict=True)
    )
    if data_on_device(data, config, accelerator.device):
        for faces in data:
            keep_on_device(faces, accelerator.device)
    return data


def data_on_device(data: tuple[FaceDataset, ...], config: TrainConfig, device: torch.device) -> bool:
    """Whether the pictures are kept on the device: as told, else on a GPU with twice the memory that they take."""
    if config.data_on_device is not None:
        return config.data_on_device
    if device.type != "cuda" or config.dataloader_num_workers or not all(faces.in_memory for faces in data):
        return False
    stored = [(faces.images, faces.neutrals, faces.views, faces.view_neutrals) for faces in data]
    num_bytes = sum(pictures.nbytes for four in stored for pictures in four if pictures is not None)
    return 2 * num_bytes < torch.cuda.mem_get_info(device)[0]


def earlier(name: str, given: str | None, output_dir: Path) -> torch.nn.Module:
    """The model of an earlier stage: the given one, or this output folder's."""
    path = given or str(output_dir / name)
    if given is None and not Path(path).exists():
        raise ValueError(
            f"this stage needs a trained {name}: run `--stage {name}` first, or pass --{name} FOLDER_OR_ID"
        )
    return MODELS[name].from_pretrained(path)


def build_stage(name: str, settings: Settings, device: torch.device) -> Stage:
    """The networks and losses of a stage."""
    config, weights, sizes = settings
    output_dir = Path(config.output_dir)
    augmentation = AUGMENTATIONS[config.of_stage("augmentation", name)]
    if name == "classifier":
        stage = ClassifierStage(sizes, augmentation, config.random_flip)
    elif name == "neutralizer":
        psi = earlier("classifier", config.classifier, output_dir) if config.phi == "psi" else None
        phi = PerceptualFeatures(config.phi, psi).to(device)
        stage = NeutralizerStage(sizes, weights, phi, augmentation, config.random_flip)
    elif name in BASELINES:
        stage = baseline_stage(name, settings, augmentation, device)
    else:
        psi = earlier("classifier", config.classifier, output_dir).to(device)
        leed = LEED(sizes)
        copy_neutralizer(leed, earlier("neutralizer", config.neutralizer, output_dir))
        phi = PerceptualFeatures(config.phi, psi).to(device)
        stage = EditorStage(
            leed, psi, phi, weights, augmentation, config.view_probability, config.neutrals, config.random_flip
        )
    if config.init_from:
        start = type(stage.model).from_pretrained(config.init_from)
        if start.config != stage.model.config:
            raise ValueError(f"--init_from {config.init_from} has other sizes: {differences(start, stage.model)}")
        state = {k: v for k, v in start.state_dict().items() if not k.startswith("neutralizer.")}
        stage.model.load_state_dict(state, strict=False)  # what is left out is the neutraliser, loaded above
    return stage


def baseline_stage(name: str, settings: Settings, augmentation: Augmentation, device: torch.device) -> BaselineStage:
    """The stage of a baseline. The classifier, if one is given or this output folder has one, measures its edits."""
    config, weights, sizes = settings
    output_dir = Path(config.output_dir)
    psi = None
    if config.classifier is not None or (output_dir / "classifier").exists():
        psi = earlier("classifier", config.classifier, output_dir).to(device)
    kind = {"stargan": StarGANStage, "ganimation": GANimationStage}[name]
    return kind(sizes, weights, augmentation, config.random_flip, config.critic_steps, psi)


def copy_neutralizer(leed: LEED, neutralizer: Neutralizer) -> None:
    """Puts a trained neutraliser into the editor. Raises `ValueError` if it has other sizes."""
    needed = {"image_size", "neutralizer", "neutralizer_width", "neutralizer_depth"}
    if found := differences(neutralizer, leed, needed):
        raise ValueError(f"the neutraliser has other sizes than this run: {found}; pass its own as --model_<field>")
    leed.neutralizer.load_state_dict(neutralizer.state_dict())


def differences(a: torch.nn.Module, b: torch.nn.Module, names: set[str] | None = None) -> str:
    """Where the sizes of two models differ, in these fields or all."""
    a, b = a.config.to_dict(), b.config.to_dict()
    return ", ".join(f"{name} {a[name]} and {b[name]}" for name in sorted(names or a) if a[name] != b[name])


def fold_neutralizers(config: TrainConfig, device: torch.device) -> list[Neutralizer]:
    """The neutralisers of all folds, in their order; none where the run has none.

    Raises `ValueError` for one that, by the record beside it, was trained with another fold left out.
    """
    folders = config.fold_neutralizers.split(",") if config.fold_neutralizers else []
    for fold, folder in enumerate(folders):
        record = Path(folder).expanduser() / "training.json"
        if not record.is_file():
            continue
        left_out = read_record(record)["settings"].get("held_out_fold")
        if left_out != f"{fold}/{len(folders)}":
            raise ValueError(
                f"--fold_neutralizers: {folder} was trained with --held_out_fold {left_out}, and as the "
                f"{fold + 1}. of {len(folders)} it must be {fold}/{len(folders)}"
            )
    return [Neutralizer.from_pretrained(folder).to(device).eval() for folder in folders]


def stage_faces(
    faces: FaceDataset,
    name: str,
    stage: Stage,
    settings: Settings,
    neutralizers: Sequence[Neutralizer] = (),
    held_out: bool = False,
) -> Dataset:
    """The faces that a stage learns from, or is measured on: those that have what its losses need.

    `neutralizers` of all folds give the editor its learned neutral faces, if there are any. `held_out` says whose
    faces these are, for the `ValueError` where none of them will do.
    """

    def those(rows: torch.Tensor, need: str, cure: str = "") -> Dataset:
        if held_out:
            return only(faces, rows, f"{need}, and the held-out people have none: raise --validation_fraction")
        return only(faces, rows, f"{need}, and this data set has none{cure}")

    labelled = faces.expressions >= 0
    if name == "classifier" and stage.model.config.classifier_sees_neutral:
        return those(
            labelled & faces.has_neutral,
            "the classifier needs faces with both a label and a true neutral face",
            "; one that sees no neutral face (--no-model_classifier_sees_neutral) needs labels only",
        )
    if name == "classifier":
        return those(labelled, "the classifier needs labelled faces")
    if name == "stargan":
        return those(labelled, "StarGAN needs labelled faces")
    if name == "ganimation":
        limit = settings.train.max_action_unit_yaw
        return those(
            faces.has_action_units & readable(faces.yaws, limit),
            f"GANimation needs faces with action units that are turned by at most {limit:g} degrees",
            ": docs/action-units.md says where they come from, --max_action_unit_yaw sets the limit",
        )
    if name == "neutralizer":
        if settings.weights.stargan_adversarial:
            return balanced(faces, faces.has_neutral)
        return those(
            faces.has_neutral,
            "the neutraliser needs true neutral faces",
            ": train it with StarGAN's terms (--weight_stargan_adversarial 1 --weight_stargan_classification 1 "
            "--weight_stargan_cycle 10)",
        )
    if settings.train.neutrals == "true":
        return those(faces.has_neutral, "the editor needs true neutral faces", ": train it with --neutrals learned")
    return LearnedNeutrals(faces, *(neutralizers or [stage.model.neutralizer]))


# ------------------------------------------------------------------------------------------------------------ one run


def learning_rate_factor(step: int, num_steps: int, config: TrainConfig) -> float:
    """What the learning rate of a step (from 0) is multiplied by."""
    warmup = min((step + 1) / max(config.lr_warmup_steps, 1), 1.0)
    if config.lr_scheduler == "constant":
        return warmup
    progress = max(0.0, 2 * step / num_steps - 1)
    return warmup * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))


def mix_seed(*numbers: int) -> int:
    """A seed that depends on all the numbers and their order, well mixed in every bit (splitmix64)."""
    mask, state = 2**64 - 1, 0
    for number in numbers:
        state = ((state ^ number) + 0x9E3779B97F4A7C15) & mask
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & mask
        state ^= state >> 31
    return state


def make_optimizer(
    groups: list[dict], rate: float, config: TrainConfig, stage: str, device: torch.device
) -> torch.optim.Optimizer:
    """The optimiser of a stage, for groups of parameters.

    Muon makes the update of each layer's weights an orthogonal matrix, as large as Adam's would be at the same rate.
    """
    betas = (config.of_stage("adam_beta1", stage), config.of_stage("adam_beta2", stage))
    if config.of_stage("optimizer", stage) == "muon":
        return Muon(groups, rate, betas=betas, nesterov=True, adjust_lr_fn="match_rms_adamw")
    return torch.optim.Adam(groups, rate, betas, fused=device.type == "cuda")


class IdleError(ValueError):
    """The weights of the loss leave parameters that are to be trained without a gradient."""


class Run:
    """Where one stage of a run stands: step, objectives, optimiser, average; saved and resumed as a whole.

    A step is an update of the weights. `fixed` are the settings that a resumed run must share.
    """

    def __init__(self, accelerator: Accelerator, stage: Stage, name: str, settings: Settings, fixed: dict) -> None:
        config = settings.train
        self.accelerator, self.stage, self.config, self.name, self.fixed = accelerator, stage, config, name, fixed
        self.base_rate = config.of_stage("learning_rate", name)
        self.max_grad_norm = config.of_stage("max_grad_norm", name)
        if config.scale_lr:
            faces = config.train_batch_size * config.gradient_accumulation_steps * accelerator.num_processes
            self.base_rate *= faces / REFERENCE_BATCH
        self.step = 0
        self.num_batches = 0  # since the last step
        self.sums: dict[str, torch.Tensor] = {}  # of the terms over these batches
        stage.to(accelerator.device)
        self.average = average_of(stage.model, config.ema_decay) if config.use_ema else None
        if config.gradient_checkpointing:
            stage.checkpoint_activations()
        self.objectives = {key: accelerator.prepare(objective) for key, objective in stage.objectives.items()}
        groups = [{"params": self.trained(key)} for key in self.objectives]
        self.optimizer = accelerator.prepare(make_optimizer(groups, self.base_rate, config, name, accelerator.device))
        self.folder = Path(config.output_dir) / "checkpoints" / name

    @property
    def published(self) -> torch.nn.Module:
        """The model as it is validated and published: the average, if there is one."""
        return self.average.module if self.average is not None else self.stage.model

    @property
    def first_learns(self) -> bool:
        """Whether the first objective learns at this step; the others, its critics, always do."""
        return (self.step + 1) % self.stage.critic_steps == 0

    def trained(self, key: str) -> list[torch.nn.Parameter]:
        """The parameters that an objective trains."""
        return [parameter for parameter in self.objectives[key].parameters() if parameter.requires_grad]

    def update(self, batch: dict[str, torch.Tensor], num_steps: int) -> dict[str, torch.Tensor] | None:
        """The losses and gradients of a batch and, where it completes a step, the update of the weights.

        Returns the terms of the loss, mean over the step's batches, or None within a step. Random numbers follow from
        seed, step, batch and process alone. Raises `FloatingPointError` before NaN reaches the weights.
        """
        accelerator = self.accelerator
        torch.manual_seed(mix_seed(self.config.seed, self.step, self.num_batches, accelerator.process_index))
        with torch.no_grad():
            values = self.stage.inputs({k: v.to(accelerator.device) for k, v in batch.items()})
        self.num_batches += 1
        with accelerator.accumulate(*self.objectives.values()):
            for number, objective in enumerate(self.objectives.values()):
                learns = number > 0 or self.first_learns
                with contextlib.nullcontext() if learns else torch.no_grad():
                    total, terms, outputs = objective(values)
                if learns:
                    accelerator.backward(total)
                for name, value in terms.items():
                    self.sums[name] = self.sums.get(name, 0) + value
                values = outputs or values
            if not accelerator.sync_gradients:
                return None
            terms = {name: value / self.num_batches for name, value in self.sums.items()}
            self.clip(terms)
            for group in self.optimizer.param_groups:
                group["lr"] = self.base_rate * learning_rate_factor(self.step, num_steps, self.config)
            self.optimizer.step()
            self.optimizer.zero_grad()
        if self.average is not None and not accelerator.optimizer_step_was_skipped:
            self.average.update_parameters(self.stage.model)
        self.step, self.num_batches, self.sums = self.step + 1, 0, {}
        return terms

    def clip(self, terms: dict[str, torch.Tensor]) -> None:
        """Limits each objective's gradient. Raises if one is not finite or, once all learn, `IdleError`."""
        self.accelerator.unscale_gradients()
        for key, objective in self.objectives.items():
            if self.step + 1 == self.stage.critic_steps:
                idle = [n for n, p in objective.named_parameters() if p.requires_grad and p.grad is None]
                if idle:
                    raise IdleError(
                        f"no term of the loss trains {len(idle)} parameters of '{key}', such as {idle[0]}: give one "
                        "that does a weight (--weight_...)"
                    )
            norm = torch.nn.utils.clip_grad_norm_(self.trained(key), self.max_grad_norm)
            # With fp16 an infinite gradient is a matter of the loss scale, which then is lowered.
            checked = [norm] if self.accelerator.scaler is None else list(terms.values())
            if not all(bool(value.isfinite()) for value in checked):
                shown = ", ".join(f"{name} {float(value):.4g}" for name, value in terms.items())
                raise FloatingPointError(
                    f"the gradient of '{key}' is not finite at step {self.step} of stage {self.name} ({shown}); "
                    f"the weights were not changed, and the last checkpoint in {self.folder} is from before; "
                    "resume from it with a lower --learning_rate or --max_grad_norm"
                )

    def save(self) -> None:
        """Writes a checkpoint to a temporary folder, renames it, then removes those over the limit."""
        final = self.folder / f"step-{self.step:07d}"
        temporary = self.folder / f".{final.name}.part"
        if self.accelerator.is_main_process:
            for left_behind in self.folder.glob(".step-*"):  # by a killed process
                shutil.rmtree(left_behind)
            temporary.mkdir(parents=True)
        self.accelerator.wait_for_everyone()
        self.accelerator.save_state(str(temporary))
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            if self.average is not None:
                average = {name: value.contiguous() for name, value in self.average.state_dict().items()}
                save_file(average, temporary / "average.safetensors")
            state = {"stage": self.name, "step": self.step, "settings": self.fixed}
            (temporary / "run.json").write_bytes(as_json(state))
            sync(*temporary.iterdir(), temporary)
            remove_folder(final)
            temporary.rename(final)
            sync(self.folder)
            if self.config.checkpoints_total_limit is not None:
                for old in self.checkpoints()[: -self.config.checkpoints_total_limit]:
                    remove_folder(old)
        self.accelerator.wait_for_everyone()

    def checkpoints(self) -> list[Path]:
        """The whole checkpoints of this stage, oldest first."""
        return sorted(path.parent for path in self.folder.glob("step-*/run.json"))

    def resume(self, which: str) -> None:
        """Continues from a checkpoint folder or from the "latest"; starts anew if there is none yet.

        Raises `ValueError` for what is no checkpoint and for one of a run with other settings.
        """
        if which == "latest":
            if not self.checkpoints():
                self.accelerator.print(f"no checkpoint of stage {self.name} yet: starting from the beginning")
                return
            which = str(self.checkpoints()[-1])
        if not (Path(which) / "run.json").is_file():
            raise ValueError(f"{which} is no checkpoint: it has no run.json")
        state = read_record(Path(which) / "run.json")
        if state["stage"] != self.name:
            raise ValueError(f"{which} is a checkpoint of stage {state['stage']}, and this is stage {self.name}")
        if changed := changes(used_by(self.name, state["settings"]), self.fixed):
            raise ValueError(
                f"{which} is of a run with other settings ({changed}): give it the same, or start a new --output_dir"
            )
        self.accelerator.load_state(which)
        if self.average is not None:
            self.average.load_state_dict(load_file(Path(which) / "average.safetensors"))
        self.step = state["step"]
        self.accelerator.print(f"resumed stage {self.name} at step {self.step}")


def as_json(values: dict) -> bytes:
    """The text of a JSON file."""
    return json.dumps(values, indent=2).encode()


def read_record(file: Path) -> dict:
    """What a run wrote of itself into a JSON file. Raises `ValueError` naming a file that is damaged."""
    try:
        return json.loads(file.read_bytes())
    except ValueError as error:
        raise ValueError(
            f"{file} is damaged ({error}): remove this file, and what it was written for counts as never finished"
        ) from error


def used_by(name: str, fixed: dict[str, object]) -> dict[str, object]:
    """Without the settings that mean nothing to a stage."""
    others = tuple({start for starts in WEIGHTS_OF.values() for start in starts} - {PENALTY})

    def used(key: str) -> bool:
        if not key.startswith("weight_"):
            return name in BASELINES or key not in OF_BASELINES
        return key.startswith(WEIGHTS_OF[name]) if name in WEIGHTS_OF else not key.startswith(others)

    return {key: value for key, value in fixed.items() if used(key)}


def changes(before: dict, now: dict) -> str:
    """What differs between two sets of settings, as a list in words."""
    names = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    return ", ".join(f"{name} {before.get(name)} -> {now.get(name)}" for name in names)


def fixed_settings(
    name: str, settings: Settings, accelerator: Accelerator, data: tuple[FaceDataset, FaceDataset]
) -> dict[str, object]:
    """The settings that decide what a stage of a run computes, flat; a resumed run must share them."""
    plain = settings.to_dict()
    fixed = {field: value for field, value in plain["train"].items() if field not in MAY_CHANGE}
    fixed |= {key: settings.train.of_stage(key, name) for key in ("optimizer", "adam_beta1", "adam_beta2")}
    fixed |= {f"weight_{field}": value for field, value in plain["weights"].items()}
    fixed |= {f"model_{field}": value for field, value in plain["model"].items()}
    return used_by(name, fixed) | {
        "processes": accelerator.num_processes,
        "faces": len(data[0]),
        "held_out": len(data[1]),
    }


# ----------------------------------------------------------------------------------------------------------- the loop


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
        replace_files(folder, {"training.json": as_json(state)})
    for tracker in accelerator.trackers:
        tracker.finish()
    accelerator.trackers = []
    accelerator.clear()
    accelerator.wait_for_everyone()


def write_settings(settings: Settings, over: bool = True) -> None:
    """The record of a run, all its settings, in its `output_dir`; `over` one that is there, or not."""
    file = Path(settings.train.output_dir) / f"settings-{settings.train.stage}.json"
    if over or not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        replace(file, lambda path: path.write_bytes(as_json(settings.to_dict())))


def finished(folder: Path, name: str, settings: dict) -> bool:
    """Whether this folder holds a stage's published model, of a run with these settings."""
    file = folder / "training.json"
    return file.is_file() and used_by(name, read_record(file)["settings"]) == json.loads(json.dumps(settings))


def publish(run: Run, figures: dict[str, float], data: tuple[FaceDataset, FaceDataset], folder: Path) -> None:
    """Writes a stage's model with its card and figures."""
    (folder / "training.json").unlink(missing_ok=True)  # says that all of the folder is of one run
    card = training_card(
        run.name,
        model_name(run.name, run.config),
        dataset=", ".join(Path(name).resolve().name for name in run.config.dataset_name.split(",")),
        num_train=len(data[0]),
        num_held_out=len(data[1]),
        steps=run.step,
        figures=figures,
        settings={k: v for k, v in run.fixed.items() if not str(v).startswith("/")} | {"learning_rate": run.base_rate},
    )
    replace_files(folder, {"README.md": str(card).encode(), "figures.json": as_json(figures)})
    run.published.save_pretrained(folder)


def model_name(name: str, config: TrainConfig) -> str:
    """What a stage's model is called, on the Hub too: with its owner if `hub_model_id` names one."""
    return (config.hub_model_id or Path(config.output_dir).resolve().name) + ("" if name == "leed" else f"-{name}")


def push(names: tuple[str, ...], config: TrainConfig) -> None:
    """Uploads the published models of these stages: weights, configuration and card, no pictures of the data set."""
    for name in names:
        folder = Path(config.output_dir) / name
        model = MODELS[name].from_pretrained(folder)
        repo_id = model_name(name, config)
        if "/" not in repo_id:
            repo_id = f"{whoami(config.hub_token)['name']}/{repo_id}"
        card = addressed((folder / "README.md").read_text(encoding="utf-8"), repo_id)
        replace_files(folder, {"README.md": card.encode()})
        address = model.save_pretrained(folder, push_to_hub=True, repo_id=repo_id, token=config.hub_token)
        print(f"published {name}: {address}")


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
