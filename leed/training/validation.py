"""Validation during a run: figures and contact sheets, as files and for the tracker."""

from pathlib import Path

import numpy as np
from accelerate import Accelerator
from PIL import Image
from torch import Tensor
from tqdm.auto import tqdm

from leed.files import writing
from leed.images import contact_sheet
from leed.pretrained import HubModel
from leed.training.faces import Faces, FaceSubset
from leed.training.mixing import by_set
from leed.training.records import as_json
from leed.training.run import Run
from leed.training.stage import Stage, Validation


def validate(run: Run, held_out: Faces) -> dict[str, float]:
    """Figures on held-out people, logged; figures and contact sheet also as files in `<output_dir>/validation`."""
    if not run.accelerator.is_main_process:
        return {}
    model = run.published
    training = model.training
    figures, rows = validate_sets(run.stage, model.eval(), held_out)
    model.train(training)
    file = Path(run.config.output_dir) / "validation" / f"{run.name}-{run.step:07d}"
    sheet = contact_sheet(rows, scale=max(128 // model.config.image_size, 1)) if rows else None
    with writing(f"the figures {file}", f"make room; {run.cure()}"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.with_suffix(".json").write_bytes(as_json({"step": run.step, "figures": figures}))
        if sheet is not None:
            sheet.save(file.with_suffix(".png"))
    if sheet is not None:
        log_picture(run.accelerator, f"{run.name}/validation/sheet", sheet, run.step)
    tqdm.write(f"{run.name} step {run.step}: " + ", ".join(f"{k} {v:.4f}" for k, v in figures.items()))
    run.accelerator.log({f"{run.name}/validation/{k}": v for k, v in figures.items()}, step=run.step)
    return figures


def validate_sets(stage: Stage, model: HubModel, faces: Faces) -> Validation:
    """A stage's figures; of several sets those of each, as `<set>/<figure>`, and the rows of all for the sheet."""
    groups = by_set(faces)
    if len(groups) == 1:
        return stage.validate(model, faces)
    found: dict[str, float] = {}
    sheet: list[list[Tensor | None]] = []
    for name, places in groups.items():
        figures, rows = stage.validate(model, FaceSubset(faces, places.tolist()))
        found |= {f"{name}/{figure}": value for figure, value in figures.items()}
        sheet += rows
    return Validation(found, sheet)


def log_picture(accelerator: Accelerator, name: str, picture: Image.Image, step: int) -> None:
    """Sends a picture to the trackers, if there are any."""
    for tracker in accelerator.trackers:
        if tracker.name == "tensorboard":
            tracker.log_images({name: np.asarray(picture)[None]}, step=step, dataformats="NHWC")
        elif tracker.name == "wandb":
            tracker.log_images({name: [picture]}, step=step)
        else:
            import trackio

            tracker.log({name: trackio.Image(picture)}, step=step)
