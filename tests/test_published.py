"""The models under `hub/` still compute what they computed when they were published.

Each output is pinned at 8 x 8 places of the picture (or as logits), and of the mouth that an upper level draws, in
`published.json`. After weights are replaced on purpose, `python tests/test_published.py` pins them anew.
"""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from leed import LEED, ExpressionClassifier, GANimation, Neutralizer, gallery
from leed.images import INNER_CROP, to_tensor
from leed.model import FaceModel
from leed.networks.remains import VISIBLE
from leed.networks.upper import UPPER_SCALE
from leed.runtime import OnnxLEED

ROOT = Path(__file__).resolve().parents[1]
PINS = Path(__file__).with_name("published.json")
TOLERANCE = 1e-3
"""In [-1, 1]: instruction sets differ by about 1e-5; half a grey level is 4e-3."""

FACE = "090_comp02_male_happy_v1.webp"
REFERENCE = "090_comp07_female_surprised_v1.webp"
TYPES = {
    "LEED": LEED,
    "Neutralizer": Neutralizer,
    "ExpressionClassifier": ExpressionClassifier,
    "GANimation": GANimation,
}

FOLDERS = sorted(path.parent for path in (ROOT / "hub").glob("*/config.json"))
WITH_GRAPHS = [folder for folder in FOLDERS if (folder / "onnx").is_dir()]


def face(name: str, size: int) -> Tensor:
    """A face of the gallery in the models' crop, (1, 3, size, size) in [-1, 1]."""
    with Image.open(ROOT / "leed" / "gallery" / "faces" / name) as picture:
        sides = (picture.width, picture.height, picture.width, picture.height)
        box = tuple(round(edge * side) for edge, side in zip(INNER_CROP, sides, strict=True))
        return to_tensor(picture.crop(box), size)


def load(folder: Path) -> nn.Module:
    """The model of a folder, of the type that its configuration names."""
    kind = json.loads((folder / "config.json").read_text())["model_type"]
    return TYPES[kind].from_pretrained(folder)


@torch.no_grad()
def output(model: nn.Module | FaceModel) -> Tensor:
    """One output: an edit, a neutral face, logits, or a face without any action unit."""
    size = model.config.image_size
    image, reference = face(FACE, size), face(REFERENCE, size)
    if isinstance(model, FaceModel):
        return model.edit(image, reference, alpha=1.0)
    if isinstance(model, ExpressionClassifier):
        return model(image, reference)
    if isinstance(model, GANimation):
        return model(image, torch.zeros(1, 17))
    return model(image)


@torch.no_grad()
def drawn(model: FaceModel) -> list[Tensor]:
    """The windows of the same edit, as the upper level draws them."""
    size = model.config.image_size
    prepared = model.prepare(face(FACE, size), face(REFERENCE, size))
    refinements = prepared.refine(face(FACE, UPPER_SCALE * size), prepared.trace(1.0), 1.0)
    return [found.drawn for found in refinements.values()]


def outputs(model: nn.Module | FaceModel) -> Tensor:
    """All that is pinned of a model, as numbers in a row."""
    values = [output(model)]
    if isinstance(model, FaceModel) and model.config.upper_widths:
        values += drawn(model)
    return torch.cat([places(value).flatten() for value in values])


def places(values: Tensor) -> Tensor:
    """What is pinned of an output: logits whole, pictures at 8 x 8 places."""
    step = values.shape[-1] // 8
    return values if values.ndim == 2 else values[..., step // 2 :: step, step // 2 :: step]


def pinned(folder: Path) -> Tensor:
    """What the folder's model computed when it was published."""
    pins = json.loads(PINS.read_text())
    assert folder.name in pins, f"{folder.name} has no pinned output: run python tests/test_published.py"
    return torch.tensor(pins[folder.name])


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_published_weights_compute_what_they_did(folder: Path) -> None:
    torch.testing.assert_close(outputs(load(folder)), pinned(folder), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("folder", WITH_GRAPHS, ids=lambda folder: folder.name)
def test_published_graphs_compute_what_the_weights_do(folder: Path) -> None:
    graphs = outputs(OnnxLEED.from_pretrained(folder))
    torch.testing.assert_close(graphs, pinned(folder), rtol=0, atol=TOLERANCE)


def test_what_remains_is_seen_at_the_mouth_and_nothing_in_calm_faces() -> None:
    """Wide-open mouths, as if the neutraliser had left them, and neutral faces, of ten people."""
    leed = LEED.from_pretrained(ROOT / "hub/leed-open")
    assert leed.estimator is not None
    shown = {(f.person, f.expression): f for f in gallery.faces(gallery.FRONTAL)}  # of each, the strongest
    people = sorted({person for person, _ in shown})
    surprised, calm = (torch.cat([face(shown[p, e].path.name, 128) for p in people]) for e in ("surprised", "neutral"))
    assert (leed.estimator.remains(surprised).mouth >= VISIBLE).all()
    assert (leed.estimator.remains(calm).most < VISIBLE).all()
    remains = leed.remains(calm)
    assert remains is not None and (remains.most < VISIBLE).all()


def main() -> None:
    """Pins one output of each model."""
    rows = (f'  "{f.name}": {[round(x, 4) for x in outputs(load(f)).tolist()]}' for f in FOLDERS)
    PINS.write_text("{\n" + ",\n".join(rows) + "\n}\n")


if __name__ == "__main__":
    main()
