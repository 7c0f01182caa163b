"""One run of a stage: steps, optimiser, checkpoints, resuming."""

import contextlib
import json
import math
import shutil
from pathlib import Path

import torch
from accelerate import Accelerator
from safetensors.torch import load_file, save_file
from timm.optim import Muon
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from leed.data.faces import FaceDataset
from leed.files import remove_folder, sync
from leed.training.cli import Settings
from leed.training.config import (
    BASELINES,
    TrainConfig,
)
from leed.training.stage import Stage


def average_of(model: nn.Module, decay: float) -> AveragedModel:
    """Exponential moving average of a model; the decay starts low, so that early weights are soon forgotten."""

    def average(means: list[Tensor], values: list[Tensor], num_averaged: Tensor | int) -> None:
        count = int(num_averaged)
        weight = 1 - min(decay, (1 + count) / (10 + count))
        if means[0].is_floating_point():  # torch gives tensors of one kind at a time
            torch._foreach_lerp_(means, values, weight)
        else:
            torch._foreach_copy_(means, values)

    return AveragedModel(model, multi_avg_fn=average, use_buffers=True)


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
