"""What holds an edit back: measures how well faces are rebuilt from their true neutral faces by other delta_exp.

    python -m leed.evaluation.capacity --model hub/leed-open --dataset_name openfaces-free

Each face of the set's held-out people (those that training holds out too) is rebuilt from its true neutral face with

- its own delta_exp from the extractor, whole and reduced to its first principal components;
- a delta_exp fitted to the face itself by gradient descent: the best that interpolator and decoder can draw.

If few components do as well as all, the length of delta_exp is no limit. If the fit does much better than the
extractor, the extractor is one. What the fit cannot reach, interpolator and decoder cannot draw. Prints a Markdown
table; with --output_dir also writes it (capacity.md), all metrics with 95 % intervals by a bootstrap over people
(capacity.json) and a sheet of faces (capacity.png).
"""

import argparse

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm.auto import tqdm

from leed.commands import at_least, command_line, exit_on
from leed.data.faces import FaceDataset, load_faces, split_by_person
from leed.evaluation import metrics
from leed.evaluation.commands import add_options, present, save_sheets
from leed.evaluation.edits import share_of
from leed.evaluation.free import PARTS, changes
from leed.evaluation.metrics import Estimate, Metric, mean_of
from leed.evaluation.sheets import panel, side_by_side
from leed.evaluation.tables import as_json, markdown_table, show_estimate
from leed.images import denormalize, inner_face, normalize
from leed.model import LEED
from leed.similarity import inner_ssim
from leed.training.losses import image_loss, structure_loss

PROGRAM = "python -m leed.evaluation.capacity"
COMPONENTS = (4, 8, 16, 32)  # of delta_exp that are kept
STEPS = 80  # of the fit
STEP_SIZE = 0.02  # of the fit, relative to the size of the set's delta_exp
EXTRACTED, FITTED = "extracted", "fitted to the face"
SHEET_ROWS = 12
FIGURES = ("share_face", "agreement_eyes", "agreement_mouth")
HEADER = ["delta_exp", "share, inner face", "agreement, eyes", "agreement, mouth"]


class Rebuilding:
    """Faces of one set, which a model rebuilds from their true neutral faces with other delta_exp."""

    def __init__(self, leed: LEED, images: Tensor, neutrals: Tensor) -> None:
        """Faces and their true neutral faces, uint8 (N, 3, S, S)."""
        self.leed, self.images, self.neutrals = leed, images, neutrals

    def __len__(self) -> int:
        return len(self.images)

    def faces(self, rows: slice) -> tuple[Tensor, Tensor]:
        """Some faces and their true neutral faces (B, 3, S, S) in [-1, 1]."""
        return normalize(self.images[rows]), normalize(self.neutrals[rows])

    @torch.no_grad()
    def extracted(self, rows: slice) -> Tensor:
        """The extractor's delta_exp (B, Z) of some faces."""
        image, neutral = self.faces(rows)
        return self.leed.extract(self.leed.encode(image), self.leed.encode(neutral))

    def rebuilt(self, rows: slice, delta_exp: Tensor) -> Tensor:
        """Some faces (B, 3, S, S) rebuilt with delta_exp (B, Z), with gradients, not clamped."""
        code = self.leed.encode(self.faces(rows)[1])
        return self.leed.render(code, self.leed.context(code), delta_exp).image

    def fitted(self, rows: slice, start: Tensor, step_size: float, steps: int = STEPS) -> Tensor:
        """delta_exp (B, Z) that rebuilds each of some faces best, found from `start` by Adam in `steps` steps.

        It minimises image loss and 1 - SSIM of the inner face.
        """
        image, neutral = self.faces(rows)
        code = self.leed.encode(neutral).detach()
        context = self.leed.context(code).detach()
        delta_exp = start.clone().requires_grad_()
        optimizer = torch.optim.Adam([delta_exp], step_size, betas=(0.9, 0.99))
        for _ in range(steps):
            rebuilt = self.leed.render(code, context, delta_exp).image
            loss = image_loss(rebuilt, image, neutral) + structure_loss(inner_face(rebuilt), inner_face(image))
            optimizer.zero_grad()
            (len(image) * loss).backward()  # each face's gradient as if it were fitted alone
            optimizer.step()
        return delta_exp.detach()


def principal_axes(delta_exp: Tensor) -> Tensor:
    """The principal axes (Z, Z) of expressions (N, Z), one a row, strongest first; about zero, the neutral face."""
    return torch.linalg.svd(delta_exp.double(), full_matrices=True).Vh.float()


def reduced(delta_exp: Tensor, axes: Tensor, count: int) -> Tensor:
    """Expressions (N, Z) without what lies off their first `count` axes."""
    kept = axes[:count]
    return delta_exp @ kept.T @ kept


@torch.no_grad()
def measure(rebuilding: Rebuilding, rows: slice, rebuilt: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """The values (B,) by which `metrics_of` judges some faces, by the name of what rebuilt them."""
    image, neutral = rebuilding.faces(rows)
    autoencoded = rebuilding.leed.decode(rebuilding.leed.encode(image)).clamp(-1, 1)
    shared = {"neutral_ssim_face": inner_ssim(neutral, image), "autoencoded_ssim_face": inner_ssim(autoencoded, image)}
    return {
        name: shared | {"edit_ssim_face": inner_ssim(faces, image)} | changes(faces - neutral, image - neutral)
        for name, faces in rebuilt.items()
    }


def metrics_of(values: dict[str, np.ndarray]) -> dict[str, Metric]:
    """The figures of rebuilt faces, of the values of `measure`."""
    agreements = {f"agreement_{name}": mean_of(values[f"{name}_cosine"]) for name in PARTS}
    return {"share_face": share_of(values, "ssim_face")} | agreements


def rebuild_all(
    rebuilding: Rebuilding, axes: Tensor, steps: int, batch_size: int
) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, Tensor]]:
    """The values of all faces, and the rebuilt faces as uint8, by the name of the delta_exp that rebuilt them."""
    values: dict[str, list[dict[str, np.ndarray]]] = {}
    pictures: dict[str, list[Tensor]] = {}
    for start in tqdm(range(0, len(rebuilding), batch_size), "faces", unit="batch", disable=None):
        rows = slice(start, start + batch_size)
        extracted = rebuilding.extracted(rows)
        step_size = STEP_SIZE * float(extracted.norm(dim=1).mean())
        kinds = {
            f"{count} components of it": reduced(extracted, axes, count) for count in COMPONENTS if count < len(axes)
        }
        kinds |= {
            f"{EXTRACTED}, {len(axes)} numbers": extracted,
            FITTED: rebuilding.fitted(rows, extracted, step_size, steps),
        }
        with torch.no_grad():
            rebuilt = {name: rebuilding.rebuilt(rows, delta_exp).clamp(-1, 1) for name, delta_exp in kinds.items()}
        for name, measured in measure(rebuilding, rows, rebuilt).items():
            values.setdefault(name, []).append(metrics.as_arrays(measured))
            pictures.setdefault(name, []).append(denormalize(rebuilt[name]))
    return {name: metrics.joined(parts) for name, parts in values.items()}, {
        name: torch.cat(parts) for name, parts in pictures.items()
    }


def evaluate(values: dict[str, dict[str, np.ndarray]], persons: np.ndarray) -> dict[str, dict[str, Estimate]]:
    """Every figure with its 95 % interval over people, by the name of the delta_exp."""
    everyone = {"all": metrics.everyone(len(persons))}
    return {
        name: metrics.estimates(metrics_of(measured), persons, everyone)["all"] for name, measured in values.items()
    }


def report(found: dict[str, dict[str, Estimate]], title: str) -> str:
    """The table."""
    rows = [[name, *(show_estimate(named[figure]) for figure in FIGURES)] for name, named in found.items()]
    return f"{title}\n\n{markdown_table(HEADER, rows)}"


def load_held_out(
    leed: LEED, source: str, fraction: float, max_faces: int | None
) -> tuple[Rebuilding, np.ndarray, Tensor]:
    """The held-out people's faces, their people, and the principal axes of the others' delta_exp.

    Faces without a true neutral face are left out. Raises `ValueError` if there are none.
    """
    parts = split_by_person(load_faces(source), fraction)
    rebuildings, people = [], []
    for table in parts:
        known = FaceDataset(table, leed.config.image_size, in_memory=False).has_neutral.nonzero().flatten().numpy()
        if not len(known):
            raise ValueError(f"{source} has no true neutral faces, from which faces are rebuilt: choose another set")
        rows = known if max_faces is None else metrics.spread(known, max_faces)
        batch = FaceDataset(table.select(rows), leed.config.image_size).__getitems__(list(range(len(rows))))
        rebuildings.append(Rebuilding(leed, batch["image"], batch["neutral"]))
        people.append(np.array(table.select_columns("person").select(rows)["person"]))
    others = [rebuildings[0].extracted(slice(start, start + 64)) for start in range(0, len(rebuildings[0]), 64)]
    return rebuildings[1], people[1], principal_axes(torch.cat(others))


def sheet(rebuilding: Rebuilding, pictures: dict[str, Tensor]) -> Image.Image:
    """Neutral face, face, and the face rebuilt with each delta_exp, of faces spread over all."""
    rows = metrics.spread(np.arange(len(rebuilding)), SHEET_ROWS)
    shown = [rebuilding.neutrals, rebuilding.images, *pictures.values()]
    return panel(side_by_side(*(normalize(faces[rows]) for faces in shown)), ["neutral", "face", *pictures])


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = command_line(PROGRAM, __doc__)
    add_options(parser, "model")
    parser.add_argument("--dataset_name", required=True, help="a face set with true neutral faces, as for training")
    parser.add_argument("--validation_fraction", type=float, default=0.1, help="of the people, as in training")
    parser.add_argument("--max_faces", type=at_least(1), default=128, help="spread over all (default 128)")
    parser.add_argument("--steps", type=at_least(1), default=STEPS, help=f"of the fit (default {STEPS})")
    add_options(parser, "batch_size", output_dir="for table, metrics and sheet")
    return parser.parse_args(arguments)


@exit_on(PROGRAM)
def main(arguments: list[str] | None = None) -> None:
    """Prints the table and, if asked to, writes it."""
    options = parse_args(arguments)
    leed = LEED.from_pretrained(options.model).eval().requires_grad_(False)
    faces, persons, axes = load_held_out(leed, options.dataset_name, options.validation_fraction, options.max_faces)
    values, pictures = rebuild_all(faces, axes, options.steps, options.batch_size)
    found = evaluate(values, persons)
    text = report(found, f"{len(faces)} faces of {len(set(persons.tolist()))} held-out people")
    content = {name: as_json(named) for name, named in found.items()}
    if present(options.output_dir, "capacity", text, content):
        save_sheets(options.output_dir, {"capacity.png": sheet(faces, pictures)})


if __name__ == "__main__":
    main()
