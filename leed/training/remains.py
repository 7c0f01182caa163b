"""Fits the estimator of what remains of an expression in a neutral face, and saves it beside the model.

    python -m leed.training.remains --model hub/leed-open --rendered openfaces,openfaces-free \\
        --smiles openfaces-large --photographs wild --max_samples 2500

The estimator sees a neutral face alone. It learns from faces of sets whose true neutral face is known: each picture as
it is, as if a neutraliser had left all; what the model's neutraliser makes of it; and the true neutral face, in which
nothing remains. So it knows little of one neutraliser, and serves the next one until it is fitted again. Real smiles,
whose neutral face is another photograph, are shown as they are and neutral. Everyday photographs have no true neutral
face: those that people call neutral get expressions of the rendered faces by the model itself, so that what remains is
known; of the others the model's neutral face stands for the true one where it visibly changed the mouth.

A tenth of the people is held out, the same that training holds out; `python -m leed.evaluation.remains` measures on
them. Written are `remains/model.safetensors` and `config.json` in the model's folder; a card that is there stays.
"""

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from datasets import Dataset
from torch import Tensor, nn
from tqdm.auto import tqdm

from leed.config import NEUTRAL
from leed.data.faces import FaceDataset, load_faces, split_sets_by_person
from leed.expression import Expression
from leed.images import EYES, MOUTH, denormalize, normalize, part, resize
from leed.model import LEED
from leed.networks.remains import REMAINS, SIDE, VISIBLE, RemainsEstimator
from leed.training.augmentation import STRONG, augment, flip, move

MOUTH_VISIBLE, EYES_VISIBLE = 0.4, 0.5
"""Relative differences to the true neutral face, at the mouth and at one eye, from which on people see them."""

MOST = 3.0  # what is farther from neutral than that counts the same
LITTLE, FALSE_ALARMS = 0.5, 0.03  # faces in which less remains, and the share of them that is warned about
SMOOTH = 0.25  # below this error, in units of what is visible, the loss is quadratic
SMILES_SHARE, PHOTOGRAPHS_SHARE = 0.1, 0.35  # of a batch
NUM_EXPRESSIONS, EDITS = 256, 3  # of rendered faces for photographs, and edits of each photograph
BLENDS = 0.25, 0.75  # of the way to the neutral face
LEAST_ALPHA, MOST_ALPHA = 0.2, 1.5  # of these edits
SNAPSHOT = replace(STRONG, scale=0.0, turn=0.0, shift=0.0, grey=0.0, occlusion=0.0)
HELD_OUT = 0.1  # of the people, as in training
LEARNING_RATE, WEIGHT_DECAY, WARM_UP = 3e-3, 0.02, 0.05  # the last of the steps

Neutralize = Callable[[Tensor], Tensor]
"""Faces (B, 3, S, S) in [-1, 1] to their neutral faces."""


def true_remains(faces: Tensor, neutrals: Tensor) -> Tensor:
    """What remains of an expression in faces (B, 3, H, W) by their true neutral faces, in [-1, 1]: (B, 2).

    At the mouth and at the eyes: 0 is nothing, from 1 on it can be seen. It is the root mean square difference of grey
    levels at SIDE pixels, without the difference of their means, relative to the true neutral face's own deviation
    there, in units of MOUTH_VISIBLE and EYES_VISIBLE; of the two eyes the one with more counts.
    """
    grey, true = (resize(images.mean(dim=1, keepdim=True), SIDE) for images in (faces, neutrals))
    eyes = [part(images, EYES).chunk(2, dim=-1) for images in (grey, true)]
    mouth = _relative_difference(part(grey, MOUTH), part(true, MOUTH)) / MOUTH_VISIBLE
    each_eye = [_relative_difference(*eye) / EYES_VISIBLE for eye in zip(*eyes, strict=True)]
    return torch.stack([mouth, torch.maximum(*each_eye)], dim=1)


def _relative_difference(grey: Tensor, true: Tensor) -> Tensor:
    """Deviation of the difference of pictures (B, 1, h, w), relative to that of the true ones: (B,)."""
    return (grey - true).std(dim=(1, 2, 3), correction=0) / true.std(dim=(1, 2, 3), correction=0).clamp(min=0.03)


@dataclass(frozen=True)
class Examples:
    """Faces, uint8 (N, 3, SIDE, SIDE), and what remains in them (N, 2)."""

    faces: Tensor
    remains: Tensor

    @classmethod
    def joined(cls, parts: Sequence["Examples"]) -> "Examples":
        """All examples of several."""
        return cls(torch.cat([part.faces for part in parts]), torch.cat([part.remains for part in parts]))


def batches_of(marks: Tensor, what: str, batch_size: int) -> Iterable[Tensor]:
    """The rows that are marked, bool (N,), in batches. Raises `ValueError` if there are none."""
    rows = marks.nonzero().squeeze(1)
    if not len(rows):
        raise ValueError(f"none of the {len(marks)} pictures {what}: the estimator cannot learn from them")
    return tqdm(rows.split(batch_size), desc="examples", unit="batch", disable=None)


@torch.no_grad()
def make_examples(neutralize: Neutralize | None, table: Dataset, size: int, device: str, batch_size: int) -> Examples:
    """The pictures of a table that have a true neutral face, `size` pixels a side, as examples.

    The picture and its true neutral face, and with `neutralize` the neutral face that it makes, and a blend.
    """
    data = FaceDataset(table, size, in_memory=False)
    parts = []
    for rows in batches_of(data.has_neutral, "has a true neutral face", batch_size):
        batch = data.__getitems__(rows.tolist())
        image, neutral = normalize(batch["image"].to(device)), normalize(batch["neutral"].to(device))
        kinds = [image, neutral]
        if neutralize is not None:
            kinds += [neutralize(image).clamp(-1, 1), blend(image, neutral)]
        for faces in kinds:
            parts.append(Examples(denormalize(resize(faces, SIDE)).cpu(), true_remains(faces, neutral).cpu()))
    return Examples.joined(parts)


def blend(faces: Tensor, neutrals: Tensor) -> Tensor:
    """Pictures (B, 3, H, W) on the way to their neutral faces, as if an expression were covered only in part."""
    low, high = BLENDS
    return torch.lerp(faces, neutrals, low + (high - low) * torch.rand(len(faces), 1, 1, 1, device=faces.device))


@torch.no_grad()
def expressive_photographs(
    neutralize: Neutralize, table: Dataset, size: int, device: str, batch_size: int
) -> Examples:
    """Photographs that people do not call neutral as examples: as they are, and blends.

    Only those whose mouth the neutraliser visibly changes: what it made is then taken for their true neutral face.
    """
    data = FaceDataset(table, size, in_memory=False)
    parts = []
    for rows in batches_of(data.expressions > NEUTRAL, "is labelled with an expression", batch_size):
        image = normalize(data.__getitems__(rows.tolist())["image"].to(device))
        neutral = neutralize(image).clamp(-1, 1)
        for faces in (image, blend(image, neutral)):
            clear = true_remains(image, neutral)[:, 0] >= 1
            remains = true_remains(faces, neutral)[clear]
            parts.append(Examples(denormalize(resize(faces[clear], SIDE)).cpu(), remains.cpu()))
    return Examples.joined(parts)


@torch.no_grad()
def edit_photographs(
    leed: LEED, photographs: Dataset, references: Dataset, device: str, batch_size: int, seed: int
) -> Examples:
    """Photographs that people call neutral, with expressions of the references by the model, as examples.

    Five of each: EDITS with random expressions and strengths, the edit at alpha = 0, in which nothing remains and to
    which the others are compared, and the neutral face.
    """
    size, generator = leed.config.image_size, torch.Generator().manual_seed(seed)
    shown = FaceDataset(references, size, in_memory=False)
    chosen = torch.randperm(len(shown), generator=generator)[:NUM_EXPRESSIONS].split(batch_size)
    faces = (normalize(shown.__getitems__(rows.tolist())["image"].to(device)) for rows in chosen)
    expressions = torch.cat([leed.expression(reference).delta_exp for reference in faces])
    data = FaceDataset(photographs, size, in_memory=False)
    parts = []
    for rows in batches_of(data.expressions == NEUTRAL, "is labelled neutral", batch_size):
        image = normalize(data.__getitems__(rows.tolist())["image"].to(device))
        prepared = leed.prepare(image, Expression(expressions[:1]))
        plain = prepared(0.0)
        kinds = [leed.neutralize(image), plain]
        for _ in range(EDITS):
            which = torch.randint(len(expressions), (len(image),), generator=generator)
            alpha = LEAST_ALPHA + (MOST_ALPHA - LEAST_ALPHA) * torch.rand(len(image), generator=generator)
            kinds.append(prepared.with_expression(Expression(expressions[which.to(device)]))(alpha))
        remains = [torch.zeros(len(image), 2), *(true_remains(face, plain).cpu() for face in kinds[1:])]
        small = (denormalize(resize(faces, SIDE)).cpu() for faces in kinds)
        parts += [Examples(*example) for example in zip(small, remains, strict=True)]
    return Examples.joined(parts)


def fit(
    rendered: Examples,
    others: Sequence[tuple[Examples, float]],
    steps: int,
    batch_size: int,
    device: str,
) -> RemainsEstimator:
    """An estimator that has learned from rendered faces and from other examples, with their shares of each batch."""
    counts = [round(share * batch_size) for _, share in others]
    sources = [
        (rendered, batch_size - sum(counts)),
        *((other, n) for (other, _), n in zip(others, counts, strict=True)),
    ]
    estimator = RemainsEstimator().to(device)
    optimizer = torch.optim.AdamW(estimator.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=steps + 1, pct_start=WARM_UP, cycle_momentum=False
    )
    with tqdm(range(steps), desc="fit", disable=None) as bar:
        for _ in bar:
            batch = Examples.joined([draw(examples, count) for examples, count in sources])
            faces = move(flip(normalize(batch.faces.to(device)))[0], STRONG)
            target = batch.remains.to(device).clamp(max=MOST)
            loss = F.smooth_l1_loss(estimator(faces), target, beta=SMOOTH)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
    return calibrated(estimator.eval(), [examples for examples, _ in sources], batch_size)


@torch.no_grad()
def calibrated(estimator: RemainsEstimator, sources: Sequence[Examples], batch_size: int) -> RemainsEstimator:
    """The estimator, scaled so that VISIBLE warns about FALSE_ALARMS of the faces in which little remains.

    That is so for mouth and eyes, and for the mean of the sources. Without it a network that is unsure stays below
    what it was asked for, and warns about nothing.
    """
    for part_of_face, head in enumerate((estimator.mouth, estimator.eyes)):
        limits = []
        for examples in sources:
            faces = examples.faces[examples.remains[:, part_of_face] < LITTLE]
            if len(faces):
                batches = faces.to(estimator.device).split(batch_size)
                found = torch.cat([estimator(normalize(batch))[:, part_of_face] for batch in batches])
                limits.append(float(found.quantile(1 - FALSE_ALARMS)))
        scale = VISIBLE / max(sum(limits) / max(len(limits), 1), LITTLE / 2)
        last = head[-1]
        assert isinstance(last, nn.Linear)
        last.weight.mul_(scale)
        last.bias.mul_(scale)
    return estimator


def relit(examples: Examples, batch_size: int) -> Examples:
    """The examples as snapshots show them: each in another light, some blurred, noisy or as JPEG leaves them."""
    parts = [augment([normalize(faces)], SNAPSHOT)[0] for faces in examples.faces.split(batch_size)]
    return Examples(denormalize(torch.cat(parts)), examples.remains)


def draw(examples: Examples, count: int) -> Examples:
    """So many of the examples, drawn at random with replacement."""
    rows = torch.randint(len(examples.faces), (count,))
    return Examples(examples.faces[rows], examples.remains[rows])


def split_tables(rendered: Sequence[str], smiles: str | None) -> dict[str, list[Dataset]]:
    """The tables of rendered sets and, as the last, of real smiles: `training`, and `held_out` people's."""
    tables = [load_faces(name) for name in [*rendered, *([smiles] if smiles else [])]]
    training, held_out = zip(*split_sets_by_person(tables, HELD_OUT), strict=True)
    return {"training": list(training), "held_out": list(held_out)}


def at_most(table: Dataset, count: int | None, seed: int) -> Dataset:
    """So many rows of a table at most, drawn at random, in their order."""
    if count is None or len(table) <= count:
        return table
    rows = torch.randperm(len(table), generator=torch.Generator().manual_seed(seed))[:count]
    return table.select(rows.sort().values.tolist())


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m leed.training.remains",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", type=Path, required=True, help="folder of a LEED")
    parser.add_argument(
        "--rendered",
        required=True,
        help="sets with exact true neutral faces, joined by commas; the last one's expressions go to the photographs",
    )
    parser.add_argument("--smiles", help="set whose neutral faces are other photographs")
    parser.add_argument("--photographs", help="everyday photographs, of which those labelled neutral are edited")
    parser.add_argument("--max_samples", type=int, help="of each set but the smiles, drawn at random; default: all")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Fits an estimator and saves it beside the model."""
    options = parse_args(arguments)
    leed = LEED.from_pretrained(options.model, map_location=options.device)
    size, device, batch_size = leed.config.image_size, options.device, options.batch_size
    torch.manual_seed(options.seed)
    tables = split_tables(options.rendered.split(","), options.smiles)["training"]
    others = []
    if options.smiles:
        others.append((make_examples(None, tables.pop(), size, device, batch_size), SMILES_SHARE))
    if options.photographs:
        photographs = load_faces(options.photographs, max_samples=options.max_samples)
        edits = edit_photographs(leed, photographs, tables[-1], device, batch_size, options.seed)
        real = expressive_photographs(leed.neutralizer, photographs, size, device, batch_size)
        others.append((Examples.joined([edits, real]), PHOTOGRAPHS_SHARE))
    tables = [at_most(table, options.max_samples, options.seed) for table in tables]
    examples = [make_examples(leed.neutralizer, table, size, device, batch_size) for table in tables]
    estimator = fit(Examples.joined(examples), others, options.steps, batch_size, device)
    folder = options.model / REMAINS
    estimator.save_pretrained(folder, dtype=torch.float16)
    print(f"wrote {folder}; measure it with python -m leed.evaluation.remains")


if __name__ == "__main__":
    main()
