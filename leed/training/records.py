"""Records that a run writes of itself, and the settings in them that a resumed run must share."""

import json
from dataclasses import fields
from pathlib import Path

from leed.data.faces import FaceDataset
from leed.files import atomic_write
from leed.training.config import Settings, TrainConfig
from leed.training.stage import Stage


def as_json(values: dict) -> bytes:
    """The text of a JSON file."""
    return json.dumps(values, indent=2).encode()


def read_record(file: Path) -> dict:
    """A run's record, a JSON file. Raises `ValueError` naming a file that is damaged."""
    try:
        return json.loads(file.read_bytes())
    except ValueError as error:
        raise ValueError(
            f"{file} is damaged ({error}): remove this file, and what it was written for counts as never finished"
        ) from error


def write_settings(settings: Settings, overwrite: bool = True) -> None:
    """Writes all settings of a run into its `output_dir`; without `overwrite`, only where no run has done so."""
    file = Path(settings.train.output_dir) / f"settings-{settings.train.stage}.json"
    if overwrite or not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(file, lambda path: path.write_bytes(as_json(settings.to_dict())))


def fixed_settings(
    stage: type[Stage], settings: Settings, num_processes: int, data: tuple[FaceDataset, FaceDataset]
) -> dict[str, object]:
    """The settings that decide what a stage of a run computes, flat; a resumed run must share them."""
    plain, recipe = settings.to_dict(), stage.recipe.given(settings.train)
    fixed = {spec.name: plain["train"][spec.name] for spec in fields(TrainConfig) if not spec.metadata["resume"]}
    fixed |= {name: getattr(recipe, name) for name in ("optimizer", "adam_beta1", "adam_beta2")}
    fixed |= {f"weight_{field}": value for field, value in plain["weights"].items()}
    fixed |= {f"model_{field}": value for field, value in plain["model"].items()}
    counts = {"processes": num_processes, "faces": len(data[0]), "held_out": len(data[1])}
    return relevant_settings(stage, fixed) | counts


def relevant_settings(stage: type[Stage], settings: dict[str, object]) -> dict[str, object]:
    """The settings that mean something to a stage: not, for example, the weights of terms that others compute."""
    weights = tuple(f"weight_{name}" for name in stage.weights)

    def relevant(name: str) -> bool:
        return name.startswith(weights) if name.startswith("weight_") else name not in stage.ignores

    return {name: value for name, value in settings.items() if relevant(name)}


def diff_settings(before: dict, now: dict) -> str:
    """The settings in which two runs differ, as a list in words."""
    names = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    return ", ".join(f"{name} {before.get(name)} -> {now.get(name)}" for name in names)


def is_finished(folder: Path, stage: type[Stage], settings: dict) -> bool:
    """Whether this folder holds a stage's published model, of a run with these settings."""
    file = folder / "training.json"
    return file.is_file() and relevant_settings(stage, read_record(file)["settings"]) == json.loads(
        json.dumps(settings)
    )
