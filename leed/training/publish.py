"""A trained stage's folder: model, card, figures; and its upload."""

import json
from pathlib import Path

from huggingface_hub import whoami

from leed.data.faces import FaceDataset
from leed.files import atomic_write, atomic_write_all
from leed.training.build import MODELS
from leed.training.card import addressed, training_card
from leed.training.cli import Settings
from leed.training.config import (
    TrainConfig,
)
from leed.training.run import Run, as_json, read_record, used_by


def write_settings(settings: Settings, over: bool = True) -> None:
    """The record of a run, all its settings, in its `output_dir`; `over` one that is there, or not."""
    file = Path(settings.train.output_dir) / f"settings-{settings.train.stage}.json"
    if over or not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(file, lambda path: path.write_bytes(as_json(settings.to_dict())))


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
    atomic_write_all(folder, {"README.md": str(card).encode(), "figures.json": as_json(figures)})
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
        atomic_write_all(folder, {"README.md": card.encode()})
        address = model.save_pretrained(folder, push_to_hub=True, repo_id=repo_id, token=config.hub_token)
        print(f"published {name}: {address}")
