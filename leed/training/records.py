"""Records that a run writes of itself, and the settings in them that a resumed run must share."""

import hashlib
import json
from dataclasses import fields
from pathlib import Path

from leed.files import atomic_write
from leed.training.config import LossWeights, Settings, TrainConfig
from leed.training.data import RunData
from leed.training.stage import Stage


def as_json(values: dict) -> bytes:
    """The text of a JSON file."""
    return json.dumps(values, indent=2).encode()


def read_record(file: Path) -> dict:
    """A run's record, a JSON file. Raises `ValueError` naming a file that is damaged."""
    try:
        record = json.loads(file.read_bytes())
        if not isinstance(record, dict) or not isinstance(record.get("settings"), dict):
            raise ValueError("it holds no settings")
    except ValueError as error:
        raise ValueError(
            f"{file} is damaged ({error}): remove this file, and what it was written for counts as never finished"
        ) from error
    return record


def file_digests(folder: Path) -> dict[str, str]:
    """SHA-256 (64 digits) of each file of a checkpoint that decides how the run goes on, by its name.

    Not of the states of random generators: random numbers follow from seed and step.
    """
    digests = {}
    for path in sorted(folder.iterdir()):
        if path.name == "run.json" or path.name.startswith("random_states"):
            continue
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(2**20):
                digest.update(chunk)
        digests[path.name] = digest.hexdigest()
    return digests


def write_settings(settings: Settings, overwrite: bool = True) -> None:
    """Writes all settings of a run into its `output_dir`; without `overwrite`, only where no run has done so."""
    file = Path(settings.train.output_dir) / f"settings-{settings.train.stage}.json"
    if overwrite or not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(file, lambda path: path.write_bytes(as_json(settings.to_dict())))


DIGESTS = {
    "dataset_name": "dataset_digest",
    "classifier": "classifier_digest",
    "neutralizer": "neutralizer_digest",
    "leed": "leed_digest",
    "init_from": "init_from_digest",
    "fold_neutralizers": "fold_neutralizers_digest",
}
"""Settings that say where something lies, and the record of its content, which counts where both runs have it."""


ELASTIC = ("processes", "train_batch_size", "gradient_accumulation_steps")
"""What `--resume_elastic` lets a resumed run change."""


def fixed_settings(
    stage: type[Stage], settings: Settings, num_processes: int, data: RunData, models: dict[str, str]
) -> dict[str, object]:
    """The settings that decide what a stage of a run computes, flat; a resumed run must share them.

    `models` are the digests of the models that it is given, as `leed.training.earlier.model_digests` has them.
    """
    plain, recipe = settings.to_dict(), stage.recipe.given(settings.train)
    fixed = {spec.name: plain["train"][spec.name] for spec in fields(TrainConfig) if not spec.metadata["resume"]}
    fixed |= {name: getattr(recipe, name) for name in ("optimizer", "adam_beta1", "adam_beta2")}
    fixed |= {f"weight_{field}": value for field, value in plain["weights"].items()}
    fixed |= {f"model_{field}": value for field, value in plain["model"].items()}
    counts = {"processes": num_processes, "faces": len(data.training), "held_out": len(data.held_out)}
    return relevant_settings(stage, fixed) | counts | {"dataset_digest": data.digest} | models


def relevant_settings(stage: type[Stage], settings: dict[str, object]) -> dict[str, object]:
    """The settings that mean something to a stage: not, for example, the weights of terms that others compute."""
    weights = tuple(f"weight_{name}" for name in stage.weights)

    def relevant(name: str) -> bool:
        return name.startswith(weights) if name.startswith("weight_") else name not in stage.ignores

    return {name: value for name, value in settings.items() if relevant(name)}


def recorded_settings(stage: type[Stage], record: dict) -> dict[str, object]:
    """The settings in a record that mean something to a stage; weights newer than it are the defaults."""
    defaults = {f"weight_{spec.name}": spec.default for spec in fields(LossWeights)}
    return relevant_settings(stage, defaults | record["settings"])


def diff_settings(before: dict, now: dict) -> dict[str, str]:
    """The settings in which two runs differ, each with both values in words.

    Where data and models lie is no difference if both have their digests; records of earlier versions have none.
    """
    before, now = ({k: v for k, v in settings.items() if k != "earlier"} for settings in (before, now))
    for place, digest in DIGESTS.items():
        dropped = place if digest in before and digest in now else digest
        before.pop(dropped, None)
        now.pop(dropped, None)
    names = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    content = {digest: f"content of {place}" for place, digest in DIGESTS.items()}
    return {name: f"{content.get(name, name)} {before.get(name)} -> {now.get(name)}" for name in names}


def is_finished(folder: Path, stage: type[Stage], settings: dict) -> bool:
    """Whether this folder holds a stage's published model, of a run with these settings.

    Raises `ValueError` for a damaged record.
    """
    file = folder / "training.json"
    if not file.is_file():
        return False
    return not diff_settings(recorded_settings(stage, read_record(file)), json.loads(json.dumps(settings)))
