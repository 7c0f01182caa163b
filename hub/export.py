"""Turns the models of a training run into published ones: half precision, one folder each.

    python hub/export.py runs/open leed-open

writes hub/leed-open and hub/leed-open-<stage> for each other stage that the run has: neutralizer, classifier, stargan,
ganimation. The editor, that of the stage upper where the run has one, gets the run's neutraliser, which may be newer
than the one it was trained beside, and its graphs for ONNX Runtime in hub/leed-open/onnx. A card that is there stays;
a new folder gets the run's, which claims no licence: check the agreement on the training faces before publishing
weights.
"""

import shutil
from pathlib import Path

import torch

from leed.commands import command_line, exit_on
from leed.export import export_graphs
from leed.files import existing
from leed.model import LEED
from leed.networks.neutralizer import Neutralizer
from leed.pretrained import CARD
from leed.training.card import model_name
from leed.training.stages import STAGES

PROGRAM = "python hub/export.py"
HUB = Path(__file__).parent


def export(run: Path, name: str) -> list[Path]:
    """Writes a folder for each model of the run and loads it once more, which verifies it.

    Raises `ValueError` if the run has no model.
    """
    found = [stage for stage in STAGES.values() if (existing(run) / stage.name).is_dir()]
    if not found:
        raise ValueError(f"{run} has none of the folders {', '.join(STAGES)}: give a run of train_accelerate.py")
    models = {stage.name: stage.model_class.from_pretrained(run / stage.name) for stage in found}
    editor = "upper" if "upper" in models else "leed"
    if editor == "upper":
        models.pop("leed", None)
    leed, neutralizer = models.get(editor), models.get("neutralizer")
    if isinstance(leed, LEED) and isinstance(neutralizer, Neutralizer):
        leed.neutralizer.load_state_dict(neutralizer.state_dict())
    folders = []
    for stage, model in models.items():
        folder, card = HUB / model_name(name, "leed" if stage == editor else stage), run / stage / CARD
        folder.mkdir(parents=True, exist_ok=True)
        if card.is_file() and not (folder / CARD).exists():
            shutil.copyfile(card, folder / CARD)
        model.save_pretrained(folder, dtype=torch.float16)
        type(model).from_pretrained(folder)
        folders.append(folder)
    if leed is not None:
        export_graphs(HUB / name)
    return folders


@exit_on(PROGRAM)
def main(given: list[str] | None = None) -> None:
    """Exports the run that the command line names."""
    parser = command_line(PROGRAM, __doc__)
    parser.add_argument("run", type=Path, help="output folder of train_accelerate.py")
    parser.add_argument("name", help="name of the model, e.g. leed-open")
    arguments = parser.parse_args(given)
    for folder in export(arguments.run, arguments.name):
        size = (folder / "model.safetensors").stat().st_size
        print(f"{folder}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
