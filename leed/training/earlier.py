"""Models that a stage starts from: of earlier stages, of the folds, or its own of another run."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

import torch

from leed.model import LEED
from leed.networks.neutralizer import Neutralizer
from leed.pretrained import WEIGHTS, HubModel, find_folder, read_digest
from leed.training.config import TrainConfig
from leed.training.records import read_record

Model = TypeVar("Model", bound=HubModel)

GIVEN = ("classifier", "neutralizer", "leed", "init_from", "fold_neutralizers")
"""Settings that name models."""


def load_stage_model(name: str, model_class: type[Model], given: str | None, output_dir: str) -> Model:
    """The model of the stage `name`: the given one, or this output folder's.

    Raises `ValueError` if there is none, and what loading raises.
    """
    path = given or str(Path(output_dir) / name)
    if given is None and not Path(path).exists():
        raise ValueError(
            f"this stage needs a trained {name}: run `--stage {name}` first, or pass --{name} FOLDER_OR_ID"
        )
    return model_class.from_pretrained(path)


def model_digests(config: TrainConfig, needed: Sequence[str]) -> dict[str, str]:
    """The digests of the models that a stage is given, by the setting's name with `_digest`.

    `needed` names those that, where none is given, are this output folder's; such a one may not be there yet. Raises
    `ModelFileError` for a given one that is not there.
    """
    own = {name: Path(config.output_dir) / name for name in needed}
    places = {name: str(place) for name, place in own.items() if (place / WEIGHTS).is_file()}
    given = {name: getattr(config, name) for name in GIVEN}
    places |= {name: place for name, place in given.items() if place}
    return {
        f"{name}_digest": ",".join(read_digest(find_folder(place) / WEIGHTS)[:32] for place in listed.split(","))
        for name, listed in places.items()
    }


def load_start(model: HubModel, path: str) -> None:
    """Gives a new model the weights of another of its kind, but for the neutraliser's, which an editor has already.

    Raises `ValueError` if they have other sizes.
    """
    start = type(model).from_pretrained(path)
    if start.config != model.config:
        raise ValueError(f"--init_from {path} has other sizes: {diff_sizes(start, model)}")
    state = {k: v for k, v in start.state_dict().items() if not k.startswith("neutralizer.")}
    model.load_state_dict(state, strict=False)


def copy_neutralizer(leed: LEED, neutralizer: Neutralizer) -> None:
    """Puts a trained neutraliser into the editor. Raises `ValueError` if it has other sizes."""
    needed = {"image_size", "neutralizer", "neutralizer_width", "neutralizer_depth"}
    if found := diff_sizes(neutralizer, leed, needed):
        raise ValueError(f"the neutraliser has other sizes than this run: {found}; pass its own as --model_<field>")
    leed.neutralizer.load_state_dict(neutralizer.state_dict())


def diff_sizes(a: HubModel, b: HubModel, names: set[str] | None = None) -> str:
    """The sizes in which two models differ, among these fields or all, as a list in words."""
    first, second = asdict(a.config), asdict(b.config)  # all of them: `to_dict` leaves out what old configs lack
    wrong = [name for name in sorted(names or first) if first[name] != second[name]]
    return ", ".join(f"{name} {first[name]} and {second[name]}" for name in wrong)


def load_fold_neutralizers(config: TrainConfig, device: torch.device) -> list[Neutralizer]:
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
