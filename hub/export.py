"""Turns the models of a training run into published ones: half precision, one folder each, cards left as they are.

    python hub/export.py runs/open leed-open

writes hub/leed-open, hub/leed-open-neutralizer and hub/leed-open-classifier. The editor gets the run's neutraliser,
which may be newer than the one it was trained beside, and its graphs for ONNX Runtime in hub/leed-open/onnx.
"""

import argparse
from pathlib import Path

import torch

from leed import LEED, ExpressionClassifier, Neutralizer
from leed.runtime import export_graphs

HUB = Path(__file__).parent


def export(run: Path, name: str) -> list[Path]:
    """Writes the three folders and loads each once more, which verifies it."""
    leed = LEED.from_pretrained(run / "leed")
    neutralizer = Neutralizer.from_pretrained(run / "neutralizer")
    leed.neutralizer.load_state_dict(neutralizer.state_dict())
    classifier = ExpressionClassifier.from_pretrained(run / "classifier")
    folders = {HUB / name: leed, HUB / f"{name}-neutralizer": neutralizer, HUB / f"{name}-classifier": classifier}
    for folder, model in folders.items():
        model.save_pretrained(folder, dtype=torch.float16)
        type(model).from_pretrained(folder)
    export_graphs(HUB / name)
    return list(folders)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="output folder of train_accelerate.py")
    parser.add_argument("name", help="name of the model, e.g. leed-open")
    arguments = parser.parse_args()
    for folder in export(arguments.run, arguments.name):
        size = (folder / "model.safetensors").stat().st_size
        print(f"{folder}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
