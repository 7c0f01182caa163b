"""Table 2: do classifiers recognise the edits, and do edits help to train classifiers?

R trains on the real training pictures and is tested on the real test pictures. G applies the same classifier to the
edits. R + G trains on real pictures and edits together and is tested on the real test pictures.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState
from torch import Tensor

from leed.config import ModelConfig
from leed.evaluation.paper.cache import Shards, key, remembered
from leed.images import normalize
from leed.networks.classifier import ExpressionClassifier
from leed.training.augmentation import MILD, augment, flip
from leed.training.losses import LABEL_SMOOTHING, label_loss

CLASSIFIER = ModelConfig(classifier_sees_neutral=False)  # real pictures have no true neutral face
LEARNING_RATE = 1e-3


@dataclass(frozen=True)
class Labelled:
    """Pictures uint8 (N, 3, s, s) and their expressions (N,), indices of EXPRESSIONS."""

    pictures: Tensor
    expressions: Tensor

    def __len__(self) -> int:
        return len(self.pictures)

    def to(self, device: torch.device) -> "Labelled":
        """The same on a device."""
        return Labelled(self.pictures.to(device), self.expressions.to(device))

    def __add__(self, other: "Labelled") -> "Labelled":
        return Labelled(torch.cat([self.pictures, other.pictures]), torch.cat([self.expressions, other.expressions]))

    def first(self, count: int) -> "Labelled":
        """The first `count` of them."""
        return Labelled(self.pictures[:count], self.expressions[:count])

    def batches(self, size: int = 256) -> Iterator["Labelled"]:
        """All of them in batches."""
        for pictures, expressions in zip(self.pictures.split(size), self.expressions.split(size), strict=True):
            yield Labelled(pictures, expressions)


@dataclass(frozen=True)
class KeptLabelled:
    """Labelled pictures kept as `small` of `shards`; only one part is in memory at a time."""

    shards: Shards
    expressions: Tensor

    def __len__(self) -> int:
        return len(self.expressions)

    def batches(self) -> Iterator[Labelled]:
        """All of them, part by part."""
        for rows, pictures in zip(self.shards.parts, self.shards.read("small"), strict=True):
            yield Labelled(pictures, self.expressions[rows])

    def first(self, count: int) -> Labelled:
        """The first `count` of them, in memory."""
        found: list[Tensor] = []
        for part in self.batches():
            if sum(map(len, found)) >= count:
                break
            found.append(part.pictures)
        return Labelled(torch.cat(found)[:count], self.expressions[:count])


@dataclass(frozen=True)
class Recipe:
    """Training settings of each classifier: the same for R and R + G, number of updates included."""

    steps: int = 1500
    batch_size: int = 64
    config: ModelConfig = CLASSIFIER
    bf16: bool = False

    def describe(self) -> str:
        """The recipe in a sentence."""
        blocks = "-".join(map(str, self.config.classifier_layers))
        return (
            f"a ResNet ({self.config.classifier_block} blocks, {blocks}) on the inner face at "
            f"{self.config.classifier_size} pixels, {self.steps} updates of {self.batch_size} pictures, Adam at "
            f"{LEARNING_RATE:g} falling along a cosine, label smoothing {LABEL_SMOOTHING:g}, mild augmentation, flips"
            f"{', bfloat16' if self.bf16 else ''}"
        )


def train_classifier(data: Labelled, recipe: Recipe, seed: int, device: torch.device) -> ExpressionClassifier:
    """A classifier trained on these pictures; weights, order and augmentation follow from `seed`."""
    data = data.to(device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        classifier = ExpressionClassifier(recipe.config).to(device).to(memory_format=torch.channels_last).train()
        optimizer = torch.optim.Adam(classifier.parameters(), LEARNING_RATE, fused=True)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.steps)
        order = torch.empty(0, dtype=torch.int64)
        for _ in range(recipe.steps):
            while len(order) < recipe.batch_size:
                order = torch.cat([order, torch.randperm(len(data))])
            rows, order = order[: recipe.batch_size].to(device), order[recipe.batch_size :]
            (image,) = flip(*augment([normalize(data.pictures[rows])], MILD))
            with torch.autocast(device.type, torch.bfloat16, enabled=recipe.bf16):
                logits = classifier(image)
            loss = label_loss(logits.float(), data.expressions[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return classifier.eval()


@torch.no_grad()
def accuracy(classifier: ExpressionClassifier, data: Labelled | KeptLabelled) -> float:
    """The share of pictures whose expression is recognised."""
    device, right = classifier.resnet.fc.weight.device, 0
    for part in data.batches():
        logits = classifier(normalize(part.pictures.to(device)))
        right += int((logits.argmax(dim=1).cpu() == part.expressions).sum())
    return right / len(data)


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation (of the sample) over seeds; the deviation of one seed is NaN."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        """The spread of some values."""
        deviation = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
        return cls(float(np.mean(values)), deviation)


@dataclass(frozen=True)
class Accuracies:
    """Table 2: R, and G and R + G by method."""

    real: Spread
    generated: dict[str, Spread]
    both: dict[str, Spread]


def classify(
    train: Labelled,
    test: Labelled,
    edits: Mapping[str, Labelled | KeptLabelled],
    additions: Mapping[str, Labelled | KeptLabelled],
    digests: Mapping[str, list],
    seeds: int,
    recipe: Recipe,
    cache: Path,
    state: PartialState,
) -> Accuracies:
    """Table 2 over `seeds` seeds: `edits` are tested (G) and `additions` trained on (R + G), by method.

    At most as many additions as real training pictures are used, the first ones. `digests` holds what the results
    depend on: for "real", and for each method.
    """
    identity = (recipe.describe(), len(train), digests["real"])
    folder = cache / key("classifier", *identity)

    def real(seed: int) -> float:
        classifier = train_classifier(train, recipe, seed, state.device)
        classifier.save_pretrained(folder / f"seed-{seed}")
        return accuracy(classifier, test)

    def generated(name: str, seed: int) -> float:
        classifier = ExpressionClassifier.from_pretrained(folder / f"seed-{seed}").to(state.device).eval()
        return accuracy(classifier, edits[name])

    def both(name: str, seed: int) -> float:
        return accuracy(train_classifier(train + additions[name].first(len(train)), recipe, seed, state.device), test)

    numbers = range(seeds)
    tasks = {f"R-{seed}": partial(real, seed) for seed in numbers}
    found = remembered(folder, tasks, state, "classifiers, R")
    files = {name: key(name, digests[name], len(edits[name]), min(len(additions[name]), len(train))) for name in edits}
    tasks = {f"{file}-RG-{seed}": partial(both, name, seed) for name, file in files.items() for seed in numbers}
    tasks |= {f"{file}-G-{seed}": partial(generated, name, seed) for name, file in files.items() for seed in numbers}
    found |= remembered(folder, tasks, state, "classifiers, G and R + G")

    def spread(title: str) -> Spread:
        return Spread.of([found[f"{title}-{seed}"] for seed in numbers])

    return Accuracies(
        real=spread("R"),
        generated={name: spread(f"{file}-G") for name, file in files.items()},
        both={name: spread(f"{file}-RG") for name, file in files.items()},
    )
