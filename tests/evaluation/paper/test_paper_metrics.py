"""What the paper's tables and figures are made of, against values known by arithmetic or by other libraries."""

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import torch
from accelerate import PartialState, debug_launcher

from leed.config import TINY, replace
from leed.evaluation.paper import __main__ as paper
from leed.evaluation.paper import cache, clusters, fidelity, observed
from leed.evaluation.paper.cache import Shards, remembered
from leed.evaluation.paper.classification import Labelled, Recipe, Spread, accuracy, classify, train_classifier
from leed.evaluation.paper.corpus import RealPictures
from leed.evaluation.paper.distances import frechet_distance, kernel_distance
from leed.evaluation.paper.extractors import Lite0Pooled, load_extractor
from leed.evaluation.paper.fidelity import Measuring
from leed.evaluation.paper.methods import Method, Request
from leed.evaluation.paper.plan import Edits, plan_edits
from leed.evaluation.paper.report import best_of

ALONE = SimpleNamespace(
    process_index=0, num_processes=1, is_main_process=True, device=torch.device("cpu"), wait_for_everyone=lambda: None
)


def of_exactly(mean: np.ndarray, covariance: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Features (count, F) whose mean and covariance (of the sample) are these."""
    noise = np.random.default_rng(seed).normal(size=(count, len(mean)))
    noise -= noise.mean(axis=0)
    white = noise @ np.linalg.inv(np.linalg.cholesky(np.cov(noise.T))).T
    return mean + white @ np.linalg.cholesky(covariance).T


def batches(features: np.ndarray, size: int) -> list[torch.Tensor]:
    return list(torch.from_numpy(features).split(size))


# --------------------------------------------------------------------------------------------------------------------
# Table 1


def test_frechet_distance_of_equal_covariances_is_that_of_the_means() -> None:
    covariance = np.array([[2.0, 0.5, 0.0], [0.5, 1.0, 0.3], [0.0, 0.3, 0.7]])
    real = of_exactly(np.zeros(3), covariance, 50, seed=0)
    generated = of_exactly(np.array([3.0, 4.0, 0.0]), covariance, 80, seed=1)
    assert frechet_distance(batches(real, 7), batches(generated, 80), 3) == pytest.approx(25)


def test_frechet_distance_of_known_gaussians() -> None:
    """With covariances that commute, |m|^2 + sum (s_1 - s_2)^2 over the axes' standard deviations."""
    real = of_exactly(np.zeros(3), np.diag([1.0, 4.0, 9.0]), 60, seed=0)
    generated = of_exactly(np.array([1.0, 0.0, 2.0]), np.diag([4.0, 4.0, 1.0]), 90, seed=1)
    expected = 5 + (1 - 2) ** 2 + 0 + (3 - 1) ** 2
    assert frechet_distance(batches(real, 16), batches(generated, 9), 3) == pytest.approx(expected)


def test_frechet_distance_agrees_with_scipy() -> None:
    linalg = pytest.importorskip("scipy.linalg")
    random = np.random.default_rng(0)
    real, generated = random.normal(size=(200, 12)) @ random.normal(size=(12, 12)), random.normal(1, 2, size=(150, 12))
    covariances = np.cov(real.T), np.cov(generated.T)
    root = linalg.sqrtm(covariances[0] @ covariances[1]).real
    expected = ((real.mean(0) - generated.mean(0)) ** 2).sum() + np.trace(covariances[0] + covariances[1] - 2 * root)
    assert frechet_distance(batches(real, 64), batches(generated, 64), 12) == pytest.approx(expected, rel=1e-6)


def test_kernel_distance_agrees_with_a_direct_estimate() -> None:
    """Sets as large as a subset: each subset is the whole set, so there is no deviation."""
    random = np.random.default_rng(0)
    real, generated = random.normal(size=(30, 5)), random.normal(0.5, size=(30, 5))

    def mean_kernel(a: np.ndarray, b: np.ndarray, same: bool) -> float:
        values = [(x @ y / 5 + 1) ** 3 for i, x in enumerate(a) for j, y in enumerate(b) if not (same and i == j)]
        return float(np.mean(values))

    expected = mean_kernel(real, real, True) + mean_kernel(generated, generated, True)
    expected -= 2 * mean_kernel(real, generated, False)
    found = kernel_distance(batches(real, 8), batches(generated, 30))
    assert found.mean == pytest.approx(expected) and found.deviation == pytest.approx(0, abs=1e-12)
    assert found.subset_size == 30
    with pytest.raises(ValueError, match="two pictures of each set, got 30 and 1"):
        kernel_distance(batches(real, 30), batches(generated[:1], 1))


def test_kernel_distance_leaves_random_numbers_alone() -> None:
    features = batches(np.random.default_rng(0).normal(size=(12, 4)), 12)
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    kernel_distance(features, features)
    assert torch.equal(torch.rand(1), expected)


def test_lite0_features_are_those_before_its_classifier() -> None:
    network = Lite0Pooled().eval()
    image = torch.rand(1, 3, 224, 224) * 2 - 1
    with torch.no_grad():
        features = network(image)
        logits = network.network((image * 0.5 + 0.5 - 0.498) / 0.502)
        assert torch.allclose(network.network._fc(features), logits, atol=1e-4)
    assert features.shape == (1, network.num_features)


def test_an_extractor_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    def unreachable() -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("leed.evaluation.paper.extractors.InceptionPooled", unreachable)
    with pytest.raises(OSError, match="no route to host; .* give --extractor efficientnet-lite0"):
        load_extractor("inception")
    assert load_extractor("auto").name.startswith("EfficientNet-Lite0")
    assert "cannot be had here: no route to host" in capsys.readouterr().out
    with pytest.raises(ValueError, match="extractor must be one of .* got 'vgg'"):
        load_extractor("vgg")


def test_the_best_of_a_column() -> None:
    assert best_of([3.0, 1.0, 2.0], smallest=True) == 1
    assert best_of([3.0, math.nan, 2.0], smallest=False) == 0
    assert best_of([3.0, math.nan], smallest=False) is None


# --------------------------------------------------------------------------------------------------------------------
# Which edits are made


class FewFaces:
    """Faces without pictures: labels alone, or pictures of one grey value each."""

    size = 128

    def __init__(self, people: int, expressions: list[int], yaws: list[float]) -> None:
        rows = [(p, e, y) for p in range(people) for e in expressions for y in yaws]
        self.persons = np.array([f"person {p}" for p, _, _ in rows])
        self.expressions = np.array([e for _, e, _ in rows])
        self.yaws = np.array([y for _, _, y in rows], dtype=float)
        self.action_units = torch.full((len(rows), 17), torch.nan)

    def __len__(self) -> int:
        return len(self.persons)

    def take(self, rows: np.ndarray, column: str = "image") -> torch.Tensor:
        return torch.from_numpy(rows % 200).to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, self.size, self.size)


def test_planned_edits() -> None:
    faces = FewFaces(3, [0, 1, 2, -1], [-45.0, 0.0])
    edits = plan_edits(faces, 10_000)
    pairs = list(zip(edits.inputs.tolist(), edits.references.tolist(), strict=True))
    # Each of 18 labelled pictures, with either other expression, after either of two others' two pictures.
    assert len(pairs) == len(set(pairs)) == 18 * 2 * 4
    assert (faces.persons[edits.inputs] != faces.persons[edits.references]).all()
    assert (faces.expressions[edits.inputs] != faces.expressions[edits.references]).all()
    assert (faces.expressions[edits.inputs] >= 0).all() and (edits.expressions.numpy() >= 0).all()
    first = {(i, int(e)) for i, e in zip(edits.inputs[:36], edits.expressions[:36], strict=True)}
    assert len(first) == 36  # every picture with every expression, before any anew
    fewer = plan_edits(faces, 20)
    assert fewer.content.tolist() == edits.content[:20].tolist()
    frontal = plan_edits(faces, 50, faces.yaws == 0)
    assert (frontal.reference_yaws == 0).all() and (frontal.input_yaws == 0).all()
    with pytest.raises(ValueError, match="no edit can be made of 2 labelled pictures of 1 people"):
        plan_edits(FewFaces(1, [0, 1], [0.0]), 5)


def test_own_pictures_are_the_nearest_in_pose() -> None:
    faces = FewFaces(2, [0, 1], [-45.0, 0.0, 45.0])  # rows: person * 6 + expression * 3 + yaw
    edits = Edits(faces, inputs=np.array([0, 1, 2]), references=np.array([9, 9, 9]))
    assert edits.own.tolist() == [3, 4, 5]
    faces.expressions[3:6] = 2
    assert Edits(faces, np.array([0]), np.array([9])).own.tolist() == [-1]


def test_real_pictures_and_those_of_triples() -> None:
    faces = FewFaces(2, [0], [0.0])
    others = {name: torch.full((2, 3, 128, 128), 100 + 10 * i, dtype=torch.uint8) for i, name in enumerate("abc")}
    yaws = {"input_yaws": np.array([-45.0, 22.0]), "reference_yaws": np.array([0.0, 45.0])}
    triples = SimpleNamespace(inputs=others["a"], references=others["b"], targets=others["c"], **yaws)
    pictures = RealPictures(faces, triples)
    assert len(pictures) == 8
    assert pictures.yaws.tolist() == [0, 0, -45, 22, 0, 45, -45, 22]  # a true edit is turned as its input
    assert pictures.take(np.array([0, 1, 3, 5, 6]))[:, 0, 0, 0].tolist() == [0, 1, 100, 110, 120]
    assert pictures.take(np.array([7, 0, 4]))[:, 0, 0, 0].tolist() == [120, 0, 110]


# --------------------------------------------------------------------------------------------------------------------
# Work that is kept, shared and resumed


def test_shards_resume_where_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "SHARD", 4)
    made, stops = [], [False] * 20 + [True, False, False]

    def work(rows: np.ndarray) -> dict[str, torch.Tensor]:
        made.append(rows.tolist())
        if stops.pop():
            raise KeyboardInterrupt
        return {"square": torch.from_numpy(rows**2)}

    shards = Shards(tmp_path / "squares", np.arange(14))
    with pytest.raises(KeyboardInterrupt):
        shards.fill(work, ALONE, "squares")
    Shards(tmp_path / "squares", np.arange(14)).fill(work, ALONE, "squares")
    assert made == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11], [8, 9, 10, 11], [12, 13]]
    assert torch.cat(list(shards.read("square"))).tolist() == [i**2 for i in range(14)]
    # More rows reuse whole parts; other content reuses none.
    made.clear()
    Shards(tmp_path / "squares", np.arange(16)).fill(work, ALONE, "squares")
    assert made == [[12, 13, 14, 15]]
    Shards(tmp_path / "squares", np.arange(16) + 1).fill(lambda rows: work(rows[:0]), ALONE, "others")
    assert len(list((tmp_path / "squares").iterdir())) == 4 + 1 + 4


def shared_work(folder: Path) -> None:
    """Two processes fill a table and do tasks; each row and task says which process did it."""
    state = paper.processes()
    cache.SHARD = 2
    shards = Shards(folder / "table", np.arange(7))
    shards.fill(lambda rows: {"by": torch.full((len(rows),), state.process_index)}, state, "table")
    assert torch.cat(list(shards.read("by"))).tolist() == [0, 0, 1, 1, 0, 0, 1]
    tasks = {name: lambda: state.process_index for name in "abc"}
    assert remembered(folder / "tasks", tasks, state, "tasks") == {"a": 0, "b": 1, "c": 0}


@pytest.mark.usefixtures("fresh_accelerator")
def test_a_mac_measures_on_its_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.mps, "is_built", lambda: True)
    assert cache.processes().device == torch.device("cpu")


def test_processes_share_the_work(tmp_path: Path) -> None:
    PartialState._reset_state()  # else they inherit that of this process, which is alone
    debug_launcher(shared_work, (tmp_path,), num_processes=2)


def copying(name: str = "copy") -> Method:
    """A method that gives the reference back."""
    return Method(name, "picture", "digest", 128, torch.device("cpu"), lambda request: request.reference)


def test_many_edits_do_not_fill_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """2,000 edits at 128 pixels would take 98 MB as pictures and 393 MB as tensors; what is held does not grow."""
    faces = FewFaces(20, list(range(8)), [-45.0, -20.0, 0.0, 20.0, 45.0])
    held = []

    def no_ssim(image: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        held.append(psutil.Process().memory_info().rss)
        return torch.zeros(len(image))

    class Nothing(torch.nn.Module):
        name, num_features = "one feature", 1

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return image[:, :1, 0, 0]

    monkeypatch.setattr(fidelity, "ssim", no_ssim)
    measuring = Measuring(Nothing(), tmp_path, ALONE, ("data",))
    shards = measuring.edits(copying(), plan_edits(faces, 2000), "edits")
    assert sum(len(part) for part in shards.read("features")) == 2000
    assert len(held) == 32 and min(held[-8:]) - held[3] < 50e6  # the least: what else goes on makes it waver


def test_methods_are_asked_for_what_they_understand() -> None:
    request = Request(
        torch.zeros(3, 3, 4, 4), torch.ones(3, 3, 4, 4), torch.tensor([1, -1, 2]), torch.full((3, 17), 0.5)
    )
    request.action_units[2] = torch.nan
    understood = {
        needs: replace_needs(copying(), needs).understands(request.expression, request.action_units).tolist()
        for needs in ("picture", "expression", "action units")
    }
    assert understood == {
        "picture": [True, True, True],
        "expression": [True, False, True],
        "action units": [True, True, False],
    }
    with pytest.raises(ValueError, match="copy needs the action units of every reference"):
        replace_needs(copying(), "action units")(request)
    assert torch.equal(replace_needs(copying(), "picture")(request), request.reference)


def replace_needs(method: Method, needs: str) -> Method:
    return Method(**(vars(method) | {"needs": needs}))


# --------------------------------------------------------------------------------------------------------------------
# Table 2

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
    recipe = Recipe(steps=30, batch_size=16, config=SMALL)
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


# --------------------------------------------------------------------------------------------------------------------
# Figure 4, and action units


def test_silhouette_of_four_points() -> None:
    """(b - a) / max(a, b) with a the distance within and b that to the other pair: 9.5 / 10.5 and 8.5 / 9.5."""
    pytest.importorskip("sklearn")
    found = clusters.silhouette(np.array([[0.0], [1.0], [10.0], [11.0]]), np.array([0, 0, 1, 1]))
    assert found == pytest.approx((9.5 / 10.5 + 8.5 / 9.5) / 2)


def test_neighbours_are_of_other_people() -> None:
    pytest.importorskip("sklearn")
    persons, labels = np.repeat(np.arange(6), 4), np.tile([0, 0, 1, 1], 6)
    jitter = np.random.default_rng(0).normal(0, 0.01, (24, 2))
    by_label = np.stack([labels, labels], axis=1) + jitter
    assert clusters.neighbour_accuracy(by_label, labels, persons) == 1
    # Nearest of all are the same person's pictures; were they allowed, one neighbour would tell the label.
    by_person = np.stack([100.0 * persons, np.where(persons % 2, labels, 1 - labels)], axis=1) + jitter
    assert clusters.neighbour_accuracy(by_person, labels, persons) < 0.6


def test_action_units_are_read_off_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures whose grey value says all, and an evaluator that sees it."""
    pytest.importorskip("sklearn")
    greys = torch.linspace(0, 1, 17)

    def faces(values: torch.Tensor) -> FewFaces:
        made = FewFaces(len(values), [0], [0.0])
        made.action_units = values[:, None] * greys / 200
        made.has_neutral = np.ones(len(values), dtype=bool)
        made.take = lambda rows, column="image": values[rows].to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 8, 8)
        return made

    pictures = torch.tensor([20, 100, 180], dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 8, 8)
    triples = type("Triples", (), {"references": pictures, "reference_neutrals": pictures, "__len__": lambda _: 3})
    train, test = faces(torch.arange(0.0, 200.0, 4)), faces(torch.arange(1.0, 200.0, 20))
    corpus = SimpleNamespace(train=train, test=test, triples=triples())
    evaluator = SimpleNamespace(features=lambda image, neutral: image.mean(dim=(2, 3)))
    evaluator.to = evaluator.eval = lambda *_: evaluator
    monkeypatch.setattr(observed.ExpressionClassifier, "from_pretrained", lambda path: evaluator)
    monkeypatch.setattr(observed, "find_folder", Path)
    monkeypatch.setattr(observed, "read_digest", str)
    found = observed.observe_references(corpus, "evaluator", ("data",), tmp_path, ALONE)
    expected = torch.tensor([20.0, 100.0, 180.0])[:, None] * greys / 200
    assert torch.allclose(found.action_units, expected, atol=0.01) and found.explained > 0.99
    corpus.train.action_units[:] = torch.nan
    assert observed.observe_references(corpus, "evaluator", ("data",), tmp_path, ALONE) is None
