"""One run of a stage: steps, optimiser, checkpoints, resuming."""

import contextlib
import pickle
import shutil
from pathlib import Path
from typing import cast

import torch
from accelerate import Accelerator
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from leed.data.batch import Batch, map_tensors
from leed.files import WriteError, first_line, remove_folder, sync, writing
from leed.pretrained import HubModel, tensors_digest
from leed.training.config import TrainConfig
from leed.training.hosts import agreed, together
from leed.training.optimisation import base_rate, learning_rate_factor, make_optimizer, moving_average
from leed.training.records import ELASTIC, as_json, diff_settings, file_digests, read_record, recorded_settings
from leed.training.stage import Stage


def mix_seed(*numbers: int) -> int:
    """A seed that depends on all the numbers and their order, well mixed in every bit (splitmix64).

    numpy's `SeedSequence` would do the same in a line, with other numbers: it would change every run's results.
    """
    mask, state = 2**64 - 1, 0
    for number in numbers:
        state = ((state ^ number) + 0x9E3779B97F4A7C15) & mask
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & mask
        state ^= state >> 31
    return state


UNREADABLE = (
    OSError,
    RuntimeError,
    SafetensorError,
    EOFError,
    KeyError,
    IndexError,
    ValueError,
    pickle.UnpicklingError,
)
"""What loading a damaged checkpoint raises."""


class IdleError(ValueError):
    """The weights of the loss leave parameters that are to be trained without a gradient."""


class Run:
    """One stage in training: step, objectives, optimiser and average, saved and resumed as a whole.

    A step is an update of the weights. `fixed` are the settings that a resumed run must share.
    """

    def __init__(self, accelerator: Accelerator, stage: Stage, config: TrainConfig, fixed: dict[str, object]) -> None:
        self.accelerator, self.stage, self.config, self.name, self.fixed = (
            accelerator,
            stage,
            config,
            stage.name,
            fixed,
        )
        recipe = stage.recipe.given(config)
        self.base_rate = base_rate(config, recipe, accelerator.num_processes * accelerator.gradient_accumulation_steps)
        self.max_grad_norm = recipe.max_grad_norm
        self.step = 0
        self.num_batches = 0  # since the last step
        self.sums: dict[str, torch.Tensor] = {}  # of the terms over these batches
        stage.to(accelerator.device)
        self.average = moving_average(stage.model, config.ema_decay) if config.use_ema else None
        if config.gradient_checkpointing:
            stage.checkpoint_activations()
        self.objectives = {key: accelerator.prepare(objective) for key, objective in stage.objectives.items()}
        groups = [{"params": self.trained(key)} for key in self.objectives]
        self.optimizer = accelerator.prepare(make_optimizer(groups, self.base_rate, recipe, accelerator.device))
        self.folder = Path(config.output_dir) / "checkpoints" / stage.name

    @property
    def published(self) -> HubModel:
        """The model as it is validated and published: the average, if there is one."""
        return self.stage.model if self.average is None else cast(HubModel, self.average.module)

    @property
    def writes(self) -> bool:
        """Whether this process writes files: one of the run, or of each host where they have a folder each."""
        each_host = self.accelerator.project_configuration.save_on_each_node
        return self.accelerator.is_local_main_process if each_host else self.accelerator.is_main_process

    @property
    def first_learns(self) -> bool:
        """Whether the first objective learns at this step; the others, its critics, always do."""
        return (self.step + 1) % self.stage.critic_steps == 0

    def trained(self, key: str) -> list[torch.nn.Parameter]:
        """The parameters that an objective trains."""
        return [parameter for parameter in self.objectives[key].parameters() if parameter.requires_grad]

    def update(self, batch: Batch, num_steps: int) -> dict[str, torch.Tensor] | None:
        """The losses and gradients of a batch and, where it completes a step, the update of the weights.

        Returns the terms of the loss, mean over the step's batches, or None within a step. Random numbers follow from
        seed, step, batch and process alone. Raises `FloatingPointError` before NaN reaches the weights.
        """
        accelerator = self.accelerator
        torch.manual_seed(mix_seed(self.config.seed, self.step, self.num_batches, accelerator.process_index))
        precision = accelerator.autocast() if self.stage.networks_make_inputs else contextlib.nullcontext()
        with torch.no_grad(), precision:
            values = self.stage.inputs(map_tensors(batch, lambda tensor: tensor.to(accelerator.device)))
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
            accelerator.unscale_gradients()
            self.weigh_gradients()
            self.clip(terms)
            for group in self.optimizer.param_groups:
                group["lr"] = self.base_rate * learning_rate_factor(self.step, num_steps, self.config)
            self.optimizer.step()
            self.optimizer.zero_grad()
        if self.average is not None and not accelerator.optimizer_step_was_skipped:
            self.average.update_parameters(self.stage.model)
        self.step, self.num_batches, self.sums = self.step + 1, 0, {}
        return terms

    def weigh_gradients(self) -> None:
        """Makes the gradients of a step the mean over its batches, of which an epoch's last step may have fewer.

        Accelerate divides each batch's gradient by the number of a whole step.
        """
        whole = self.accelerator.gradient_accumulation_steps
        if self.num_batches == whole:
            return
        for key in self.objectives:
            for parameter in self.trained(key):
                if parameter.grad is not None:
                    parameter.grad *= whole / self.num_batches

    def clip(self, terms: dict[str, torch.Tensor]) -> None:
        """Limits each objective's gradient. Raises if one is not finite or, once all learn, `IdleError`."""
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
        """Writes a checkpoint to a temporary folder, renames it, then removes those over the limit.

        Raises `WriteError` where that fails; earlier checkpoints are left as they were.
        """
        final = self.folder / f"step-{self.step:07d}"
        temporary = self.folder / f".{final.name}.part"
        cure = f"make room or give another --output_dir; {self.cure()}"
        try:
            with writing(f"the checkpoint {final}", cure):
                self.write(temporary, final)
        except WriteError:
            shutil.rmtree(temporary, ignore_errors=True)
            raise

    def cure(self) -> str:
        """How to go on from the last checkpoint, after a failure."""
        kept = self.checkpoints()
        place = f"at {kept[-1].name}" if kept else "from the beginning"
        return f"with --resume_from_checkpoint latest the run then goes on {place}"

    def write(self, temporary: Path, final: Path) -> None:
        """The steps of `save`."""
        if self.accelerator.project_configuration.save_on_each_node:
            self.share_state()
        if self.writes:
            for left_behind in self.folder.glob(".step-*"):  # by a killed process
                shutil.rmtree(left_behind)
            temporary.mkdir(parents=True)
        self.accelerator.wait_for_everyone()
        self.accelerator.save_state(str(temporary))
        self.accelerator.wait_for_everyone()
        if self.writes:
            if self.average is not None:
                average = {name: value.contiguous() for name, value in self.average.state_dict().items()}
                save_file(average, temporary / "average.safetensors")
            state = {"stage": self.name, "step": self.step, "settings": self.fixed}
            state["digests"] = file_digests(temporary)
            (temporary / "run.json").write_bytes(as_json(state))
            sync(*temporary.iterdir(), temporary)
            remove_folder(final)
            temporary.rename(final)
            sync(self.folder)
            if self.config.checkpoints_total_limit is not None:
                for old in self.checkpoints()[: -self.config.checkpoints_total_limit]:
                    remove_folder(old)
        self.accelerator.wait_for_everyone()

    def share_state(self) -> None:
        """Gives all processes the first one's weights, average and running statistics, of which each has its own."""
        modules = [*self.objectives.values(), *([] if self.average is None else [self.average])]
        for tensor in (tensor for module in modules for tensor in module.state_dict().values()):
            torch.distributed.broadcast(tensor, src=0)

    def checkpoints(self) -> list[Path]:
        """The whole checkpoints of this stage, oldest first."""
        return sorted(path.parent for path in self.folder.glob("step-*/run.json"))

    def start(self) -> None:
        """Resumes where the settings ask for it, on all processes from the same step with the same weights.

        Raises `ValueError`, in all processes, where checkpoints would be mixed up and where processes have others than
        each other.
        """
        with together():
            if not self.config.resume_from_checkpoint and self.checkpoints():
                raise ValueError(
                    f"{self.folder} holds checkpoints of another run: continue it with --resume_from_checkpoint "
                    "latest, or give a new --output_dir"
                )
        cure = f"copy the same checkpoint to {self.folder} on each host, or let all hosts share one --output_dir"
        if self.config.resume_from_checkpoint == "latest":
            agreed({"the latest checkpoint": self.checkpoints()[-1].name if self.checkpoints() else "none"}, cure)
        with together():
            if self.config.resume_from_checkpoint:
                self.resume(self.config.resume_from_checkpoint)
        weights = {key: objective.state_dict() for key, objective in self.objectives.items()}
        digests = {f"the weights of '{key}'": tensors_digest(state) for key, state in weights.items()}
        agreed({"the step": self.step, **digests}, cure)

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
        before = recorded_settings(type(self.stage), state)
        changed = diff_settings(before, self.fixed)
        self.check_changes(which, changed)
        self.check_files(Path(which), state.get("digests"))
        self.load(Path(which))
        self.step = state["step"]
        self.accelerator.print(f"resumed stage {self.name} at step {self.step}")
        earlier = cast(list[str], before.get("earlier", []))
        if changed:
            earlier = [*earlier, f"until step {self.step}: {', '.join(f'{name} {before[name]}' for name in changed)}"]
            self.accelerator.print(f"from here on not bit for bit the unbroken run: {', '.join(changed.values())}")
        if earlier:
            self.fixed["earlier"] = earlier

    def check_changes(self, which: str, changed: dict[str, str]) -> None:
        """Raises `ValueError` for changed settings, but for those that `resume_elastic` allows."""
        elastic = set(changed) <= set(ELASTIC)
        if not changed or (elastic and self.config.resume_elastic):
            return
        other = "--resume_elastic, which is not bit-exact" if elastic else "a new --output_dir"
        raise ValueError(
            f"{which} is of a run with other settings ({', '.join(changed.values())}): give it the same, or {other}"
        )

    def check_files(self, folder: Path, recorded: dict[str, str] | None) -> None:
        """Raises `ValueError` for a checkpoint whose files are not those that the run wrote, by their digests.

        One process of each folder reads them.
        """
        if recorded is None:
            self.accelerator.print(f"{folder} is of an earlier version, without digests: its files are not checked")
            return
        if not self.writes:
            return
        found = file_digests(folder)
        changed = sorted(name for name in found.keys() | recorded if found.get(name) != recorded.get(name))
        if changed:
            raise self.damaged(folder, f"{', '.join(changed)} not as the run wrote it")

    def damaged(self, folder: Path, reason: str) -> ValueError:
        """The error for a checkpoint that the run cannot go on from, with the cure."""
        earlier = [path.name for path in self.checkpoints() if path.name < folder.name]
        place = f"at {earlier[-1]}" if earlier else "at the beginning"
        return ValueError(
            f"{folder} is damaged, or of another version of leed ({reason}): remove this folder, and "
            f"--resume_from_checkpoint latest goes on {place}"
        )

    def load(self, folder: Path) -> None:
        """Weights, optimiser and average of a checkpoint. Raises `ValueError` for one that cannot be read."""
        hook = self.accelerator.register_load_state_pre_hook(self.load_objectives)
        try:
            self.accelerator.load_state(str(folder))
            if self.average is not None:
                self.average.load_state_dict(load_file(folder / "average.safetensors"))
        except UNREADABLE as error:
            raise self.damaged(folder, first_line(error)) from error
        finally:
            hook.remove()

    def load_objectives(self, models: list[torch.nn.Module], folder: str) -> None:
        """Loads the objectives in Accelerate's stead, which several processes name otherwise than one."""
        for number, model in enumerate(models):
            state = load_file(Path(folder) / f"model{f'_{number}' if number else ''}.safetensors")
            state = {name.removeprefix("module."): value for name, value in state.items()}
            self.accelerator.unwrap_model(model).load_state_dict(state)
        models.clear()
