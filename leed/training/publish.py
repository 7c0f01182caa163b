"""A trained stage's folder: model, card, figures; and its upload."""

from collections.abc import Sequence
from pathlib import Path

from huggingface_hub.errors import HTTPError

from leed.files import atomic_write_all, first_line, writing
from leed.training.card import addressed, model_name, training_card
from leed.training.config import TrainConfig
from leed.training.records import as_json
from leed.training.run import Run
from leed.training.stage import Stage
from leed.uploading import check_uploads


def publish(
    run: Run, figures: dict[str, float], num_faces: tuple[int, int], folder: Path, length: dict[str, int | None]
) -> None:
    """Writes a stage's model with its card and figures, and then the record that all of the folder is of this run.

    `num_faces` are those of training and held-out people; `length` says how long the run was asked to be.
    """
    card = training_card(
        run.stage,
        model_name(run_name(run.config), run.name),
        dataset=", ".join(Path(name).resolve().name for name in run.config.dataset_name.split(",")),
        num_train=num_faces[0],
        num_held_out=num_faces[1],
        steps=run.step,
        figures=figures,
        settings={k: v for k, v in run.fixed.items() if not str(v).startswith("/")} | {"learning_rate": run.base_rate},
    )
    state = {"stage": run.name, "step": run.step, "settings": run.fixed | length}
    with writing(f"the model {folder}", f"make room; {run.cure()}"):
        (folder / "training.json").unlink(missing_ok=True)
        atomic_write_all(folder, {"README.md": str(card).encode(), "figures.json": as_json(figures)})
        run.published.save_pretrained(folder)
        atomic_write_all(folder, {"training.json": as_json(state)})


def run_name(config: TrainConfig) -> str:
    """The name of a run's editor, on the Hub too: with its owner if `hub_model_id` names one."""
    return config.hub_model_id or Path(config.output_dir).resolve().name


def hub_names(stages: Sequence[type[Stage]], config: TrainConfig) -> dict[str, str]:
    """The full names "owner/name" on the Hub of these stages' models, by stage.

    Raises `ValueError` unless the Hub knows the token, and lets it write them.
    """
    names = [model_name(run_name(config), stage.name) for stage in stages]
    return dict(zip((stage.name for stage in stages), check_uploads(names, config.hub_token), strict=True))


def push(stages: Sequence[type[Stage]], names: dict[str, str], config: TrainConfig) -> None:
    """Uploads the published models of these stages: weights, configuration and card, no pictures of the data set.

    `names` are those of `hub_names`. Raises `ValueError` for a model that could not be uploaded.
    """
    for stage in stages:
        folder, repo_id = Path(config.output_dir) / stage.name, names[stage.name]
        model = stage.model_class.from_pretrained(folder)
        card = addressed((folder / "README.md").read_text(encoding="utf-8"), repo_id)
        try:
            atomic_write_all(folder, {"README.md": card.encode()})
            address = model.save_pretrained(folder, push_to_hub=True, repo_id=repo_id, token=config.hub_token)
        except (HTTPError, OSError, ValueError) as error:
            raise ValueError(
                f"stage {stage.name} is trained and lies in {folder}, and was not uploaded to {repo_id} "
                f"({first_line(error)}): the same command with --resume_from_checkpoint latest uploads it without "
                "training again"
            ) from error
        print(f"published {stage.name}: {address}")
