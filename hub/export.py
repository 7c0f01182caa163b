"""Turns the models of a training run into published ones: half precision, one folder each.

    python hub/export.py runs/open leed-open

writes hub/leed-open and hub/leed-open-neutralizer, -classifier, -stargan and -ganimation, those of them that the run
has. The editor gets the run's neutraliser, which may be newer than the one it was trained beside, and its graphs for
ONNX Runtime in hub/leed-open/onnx. A card that is there stays; a new folder gets the run's, which claims no licence:
whether weights may be published is for the agreement on their training faces to say.
"""

import argparse
import shutil
from pathlib import Path

import torch

from leed import LEED, ExpressionClassifier, GANimation, Neutralizer
from leed.export import export_graphs
from leed.pretrained import CARD, HubModel

HUB = Path(__file__).parent

KINDS: dict[str, type[HubModel]] = {
    "leed": LEED,
    "neutralizer": Neutralizer,
    "classifier": ExpressionClassifier,
    "stargan": Neutralizer,  # StarGAN's generator
    "ganimation": GANimation,
}
"""The folders of a run."""


def export(run: Path, name: str) -> list[Path]:
    """Writes a folder for each model of the run and loads it once more, which verifies it.

    Raises `ValueError` if the run has no model.
    """
    models = {kind: model.from_pretrained(run / kind) for kind, model in KINDS.items() if (run / kind).is_dir()}
    if not models:
        raise ValueError(f"{run} has none of the folders {', '.join(KINDS)}: give a run of train_accelerate.py")
    if {"leed", "neutralizer"} <= models.keys():
        models["leed"].neutralizer.load_state_dict(models["neutralizer"].state_dict())
    folders = {HUB / (name if kind == "leed" else f"{name}-{kind}"): kind for kind in models}
    for folder, kind in folders.items():
        model, card = models[kind], run / kind / CARD
        folder.mkdir(parents=True, exist_ok=True)
        if card.is_file() and not (folder / CARD).exists():
            shutil.copyfile(card, folder / CARD)
        model.save_pretrained(folder, dtype=torch.float16)
        type(model).from_pretrained(folder)
    if "leed" in models:
        export_graphs(HUB / name)
    return list(folders)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="output folder of train_accelerate.py")
    parser.add_argument("name", help="name of the model, e.g. leed-open")
    arguments = parser.parse_args()
    try:
        folders = export(arguments.run, arguments.name)
    except ValueError as error:
        parser.error(str(error))
    for folder in folders:
        size = (folder / "model.safetensors").stat().st_size
        print(f"{folder}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
