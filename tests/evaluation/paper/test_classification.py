"""Table 2's classifiers."""

import math
from pathlib import Path

import pytest
import torch
from samples import ALONE

from leed.config import TINY, replace
from leed.evaluation.paper.classification import Labelled, Recipe, Spread, accuracy, classify, train_classifier

SMALL = replace(TINY, classifier_sees_neutral=False)


def corners(count: int, seed: int) -> Labelled:
    """Noise with a bright patch in one of four places, which is the label."""
    random = torch.Generator().manual_seed(seed)
    pictures = torch.randint(0, 60, (count, 3, 32, 32), dtype=torch.uint8, generator=random)
    labels = torch.randint(0, 4, (count,), generator=random)
    for picture, label in zip(pictures, labels.tolist(), strict=True):
        top = 9 + 5 * label
        picture[:, top : top + 4, 12:20] = 250
    return Labelled(pictures, labels)


def test_a_classifier_learns_and_follows_its_seed() -> None:
    train, test = corners(64, 0), corners(40, 1)
    recipe = Recipe(steps=20, batch_size=16, config=SMALL)
    state = torch.get_rng_state()
    classifier = train_classifier(train, recipe, 0, torch.device("cpu"))
    assert torch.equal(torch.get_rng_state(), state)
    assert accuracy(classifier, test) > 0.8
    short = Recipe(steps=2, batch_size=16, config=SMALL)
    one, same, other = (train_classifier(train, short, seed, torch.device("cpu")).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_classification_of_edits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """G is the accuracy of R's classifiers on the edits, and R + G trains on both; everything is kept."""
    train, test = corners(24, 0), corners(16, 1)
    right = Labelled(test.pictures, torch.tensor([0] * 8 + [1] * 8))
    trained = []

    def remembering(data: Labelled, recipe: Recipe, seed: int, device: torch.device) -> torch.nn.Module:
        trained.append((len(data), seed))
        return train_classifier(data, recipe, seed, device)

    monkeypatch.setattr("leed.evaluation.paper.classification.train_classifier", remembering)
    recipe = Recipe(steps=1, batch_size=8, config=SMALL)
    digests = {"real": ["data"], "ours": ["a"], "theirs": ["b"]}

    def table(names: tuple[str, ...], seeds: int) -> object:
        edits = dict.fromkeys(names, right)
        return classify(train, test, edits, edits, digests, seeds, recipe, tmp_path, ALONE)

    found = table(("ours",), 2)
    assert trained == [(24, 0), (24, 1), (40, 0), (40, 1)]
    classifiers = [train_classifier(train, recipe, seed, torch.device("cpu")) for seed in (0, 1)]
    assert found.generated["ours"] == Spread.of([accuracy(c, right) for c in classifiers])
    assert found.real == Spread.of([accuracy(c, test) for c in classifiers])
    both = [train_classifier(train + right, recipe, seed, torch.device("cpu")) for seed in (0, 1)]
    assert found.both["ours"] == Spread.of([accuracy(c, test) for c in both])
    trained.clear()
    again = table(("ours", "theirs"), 2)
    assert trained == [(40, 0), (40, 1)] and again.generated["ours"] == found.generated["ours"]


def test_spread() -> None:
    assert Spread.of([1.0, 3.0]) == Spread(2.0, math.sqrt(2))
    assert Spread.of([5.0]).mean == 5 and math.isnan(Spread.of([5.0]).deviation)
