"""Metrics against values worked out by hand, and the commands on a few drawn triples."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from samples import CAMERAS, picture, write_triples

from leed import EXPRESSIONS, LEED, PRESETS, ExpressionClassifier
from leed.evaluation import __main__ as command
from leed.evaluation import edits as ruler
from leed.evaluation import metrics, neutral
from leed.evaluation.pairs import camera_yaws, lip_opening, load_triples
from leed.images import normalize
from leed.similarity import inner_ssim, ssim

TINY = PRESETS["tiny"]


def constant(value: float, size: int = 32) -> torch.Tensor:
    return torch.full((2, 3, size, size), value)


# --------------------------------------------------------------------------------------------------------------------
# Metrics


def test_ssim_of_constant_pictures() -> None:
    """Without variance SSIM is (2 a b + c1) / (a^2 + b^2 + c1), c1 = 0.01^2, of values in [0, 1]."""
    a, b = 0.5, -0.5  # 0.75 and 0.25 in [0, 1]
    expected = (2 * 0.75 * 0.25 + 1e-4) / (0.75**2 + 0.25**2 + 1e-4)
    for function in (ssim, inner_ssim):
        assert function(constant(a), constant(b)).tolist() == pytest.approx([expected] * 2, abs=1e-3)
    assert ssim(constant(a)[:1], constant(b)[:1]).tolist() == pytest.approx([expected], abs=1e-3)


def test_psnr_of_a_known_offset() -> None:
    """An offset of 0.2 in a range of 2: 20 log10(2 / 0.2) = 20 dB; equal pictures get the cap."""
    for function in (metrics.psnr, metrics.inner_psnr):
        assert function(constant(0.1), constant(0.3)).tolist() == pytest.approx([20, 20], abs=1e-4)
        assert function(constant(0.1), constant(0.1)).tolist() == [metrics.MAX_PSNR] * 2


def test_each_picture_is_measured_alone() -> None:
    pictures = torch.stack([constant(0.0)[0], constant(0.2)[0]])  # 0.5 and 0.6 in [0, 1]
    assert metrics.psnr(pictures, constant(0.0)).tolist() == pytest.approx([metrics.MAX_PSNR, 20], abs=1e-4)
    expected = (2 * 0.5 * 0.6 + 1e-4) / (0.5**2 + 0.6**2 + 1e-4)
    assert ssim(pictures, constant(0.0)).tolist() == pytest.approx([1, expected], abs=1e-3)


def test_differences_are_percent_of_the_range() -> None:
    image, target = constant(0.0, 128), constant(0.0, 128)
    target[:, :, 32:116, 24:104] = 1.0  # the inner face: half of the range, 50 %
    outside = metrics.outside_face(128)
    assert outside.sum() == 128 * 128 - 84 * 80
    assert metrics.difference(image, target, outside).tolist() == [0, 0]
    assert metrics.difference(image, target, 1 - outside).tolist() == [50, 50]
    assert metrics.difference(image, target).tolist() == pytest.approx([50 * 84 * 80 / 128**2] * 2)


def test_colour_shift() -> None:
    target = constant(0.0)
    target[:, 0] = 0.3  # red alone is off by 0.3 of 2: a third of 15 %
    assert metrics.colour_shift(constant(0.0), target).tolist() == pytest.approx([5, 5])


def test_accuracy_and_feature_distance() -> None:
    logits = torch.eye(8)[[3, 4]]
    assert metrics.correct(logits, torch.tensor([3, 3])).tolist() == [1, 0]
    assert metrics.feature_distance(torch.tensor([[3.0, 4.0]]), torch.zeros(1, 2)).tolist() == [5]


def test_monotone() -> None:
    strengths = torch.tensor(
        [
            [0.0, 0.1, 0.5, 0.9],  # grows
            [0.0, 0.5, 0.49, 0.9],  # falls within the tolerance
            [0.0, 0.5, 0.4, 0.9],  # falls
            [0.3, 0.3, 0.3, 0.3],  # never falls, but does not grow either
            [0.9, 0.6, 0.3, 0.1],
        ]
    )
    assert metrics.monotone(strengths).tolist() == [1, 1, 0, 0, 0]
    assert metrics.monotone(strengths, tolerance=0.0).tolist() == [1, 0, 0, 0, 0]


def test_share() -> None:
    found = metrics.share(*(np.array([value]) for value in (0.9, 0.8, 1.0)))
    assert found.tolist() == pytest.approx([0.5])
    assert np.isnan(metrics.share(*(np.array([0.8]) for _ in range(3))))


def test_weighted_mean_and_median() -> None:
    values = np.array([1.0, 2.0, 10.0, np.nan])
    weights = np.array([[1, 1, 1, 1], [0, 0, 2, 5], [3, 1, 1, 0], [0, 0, 0, 1]], dtype=float)
    assert metrics.mean(values, weights)[:3].tolist() == pytest.approx([13 / 3, 10, 3])
    assert metrics.median(values, weights)[:3].tolist() == [2, 10, 1]
    assert np.isnan(metrics.mean(values, weights)[3]) and np.isnan(metrics.median(values, weights)[3])


def test_bootstrap_draws_people_with_all_their_pictures() -> None:
    weights = metrics.person_weights(["b", "a", "b", "c"], resamplings=50, seed=1)
    assert weights.shape == (50, 4)
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()
    assert (weights == metrics.person_weights(["b", "a", "b", "c"], resamplings=50, seed=1)).all()


def test_estimate() -> None:
    persons = [str(i // 2) for i in range(40)]
    values = np.repeat(np.arange(20.0), 2)
    weights = metrics.person_weights(persons)
    everyone = metrics.estimate(lambda w: metrics.mean(values, w), weights, np.ones(40, dtype=bool))
    assert everyone.value == pytest.approx(9.5)
    # Standard error of a mean of 20 draws from 0..19: sqrt(399 / 12 / 20) = 1.29; 1.96 times it is 2.53.
    assert everyone.low == pytest.approx(9.5 - 2.53, abs=0.4)
    assert everyone.high == pytest.approx(9.5 + 2.53, abs=0.4)
    one_person = metrics.estimate(lambda w: metrics.mean(values, w), weights, np.arange(40) < 2)
    assert one_person == (0, 0, 0)


def test_camera_yaws_and_lip_opening() -> None:
    assert camera_yaws(np.array(CAMERAS)).tolist() == [-45, -22, 0, 22, 45]
    landmarks = np.zeros((1, 68, 2))
    landmarks[0, [67, 66, 65], 1] = (3, 6, 9)
    assert lip_opening(landmarks).tolist() == [6]


# --------------------------------------------------------------------------------------------------------------------
# A few drawn triples


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("evaluation")
    torch.manual_seed(0)
    LEED(TINY).save_pretrained(root / "leed")
    ExpressionClassifier(TINY).save_pretrained(root / "evaluator")
    return {"root": root, "pairs": write_triples(root, 10), "leed": root / "leed", "evaluator": root / "evaluator"}


def test_load_triples(folders: dict[str, Path]) -> None:
    triples = load_triples(folders["pairs"], image_size=32)
    assert len(triples) == 10
    assert triples.inputs.shape == triples.reference_neutrals.shape == (10, 3, 32, 32)
    assert triples.reference_expressions.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 0, 1]
    assert triples.input_yaws.tolist()[:5] == [-45, -22, 0, 22, 45]
    few = load_triples(folders["pairs"], image_size=32, max_triples=3)
    assert few.reference_expressions.tolist() == [0, 4, 1]  # rows 0, 4, 9
    assert (few.input_neutrals[2] == triples.input_neutrals[9]).all()


def test_missing_twins_are_an_error(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no true neutrals: .* give --twins_dir"):
        load_triples(folders["pairs"], tmp_path, image_size=32)
    twins = pq.read_table(folders["root"] / "faces-twins" / "pairs-0.parquet")
    pq.write_table(twins.slice(0, 4), tmp_path / "pairs-0.parquet")
    with pytest.raises(ValueError, match="no true neutral of 0002_input.webp"):
        load_triples(folders["pairs"], tmp_path, image_size=32)


@torch.no_grad()
def test_learned_neutrals_give_the_users_edit(folders: dict[str, Path]) -> None:
    leed = LEED.from_pretrained(folders["leed"])
    torch.nn.init.normal_(leed.interpolator.head.weight, std=0.1)
    torch.nn.init.normal_(leed.neutralizer.generator.paint.weight, std=0.1)
    triples = load_triples(folders["pairs"], image_size=32)
    image, reference, input_neutral, reference_neutral = (
        normalize(x) for x in (triples.inputs, triples.references, triples.input_neutrals, triples.reference_neutrals)
    )
    true = {"input": input_neutral, "reference": reference_neutral}
    edits = {name: ruler.prepare(leed, image, reference, true, name)[0](1.0) for name in ruler.NEUTRALS}
    assert torch.equal(edits["learned"], leed.edit(image, reference))
    names = list(edits)
    for i, name in enumerate(names):
        for other in names[:i]:
            assert not torch.equal(edits[name], edits[other]), (name, other)


def test_command(folders: dict[str, Path], tmp_path: Path, capsys) -> None:
    arguments = ["--model", str(folders["leed"]), "--evaluator", str(folders["evaluator"])]
    arguments += ["--data_dir", str(folders["pairs"]), "--output_dir", str(tmp_path), "--contact_sheet"]
    command.main([*arguments, "--no-identity", "--batch_size", "4", "--num_alpha", "5", "--device", "cpu"])
    printed = capsys.readouterr().out
    assert (tmp_path / "figures.md").read_text() == printed
    first_columns = [line.split(" | ")[0].removeprefix("| ") for line in printed.splitlines() if line[:1] == "|"]
    assert first_columns == [
        "compared with the truth",
        "---",
        *command.COMPARED_NAMES.values(),
        "figure",
        "---",
        *command.LINES.values(),
        "triples",
        "---",
        "all",
        "yaw 0",
        "yaw +-22",
        "yaw +-45",
        "same camera",
        "other camera",
        *EXPRESSIONS,
    ]
    assert "10 triples; alpha varied on 5" in printed
    content = json.loads((tmp_path / "figures.json").read_text())
    assert content["num_triples"]["all"] == 10 and content["num_triples"]["yaw 0"] == 2
    found = content["figures"]["all"]
    assert found["identity"]["value"] is None and 0 <= found["alpha_zero"]["value"] < 5
    assert found["edit_ssim"]["low"] <= found["edit_ssim"]["value"] <= found["edit_ssim"]["high"]
    assert 0 < found["autoencoded_psnr"]["value"] <= metrics.MAX_PSNR
    # 10 triples of 8 expressions and 5 yaws: all on the sheet, four faces of 32 pixels a row.
    assert Image.open(tmp_path / "contact_sheet.png").size == (4 * 32, 10 * 32)
    assert Image.open(tmp_path / "alphas.png").size == (9 * 32, 10 * 32)


def test_an_untrained_model_edits_nothing(folders: dict[str, Path]) -> None:
    """With zero heads the edit is the autoencoded input: as far from the truth as the input is."""
    leed = LEED.from_pretrained(folders["leed"])
    evaluator = ExpressionClassifier.from_pretrained(folders["evaluator"])
    triples = load_triples(folders["pairs"], image_size=32)
    measured = ruler.measure(leed, evaluator, triples, batch_size=3)
    values = measured.values
    assert values["edit_ssim"] == pytest.approx(values["input_ssim"], abs=0.05)
    found = ruler.evaluate(measured, triples)["all"]
    scores = [values[f"{name}_ssim"].mean() for name in ("edit", "neutral", "autoencoded")]
    assert found["share"].value == pytest.approx((scores[0] - scores[1]) / (scores[2] - scores[1]))
    assert found["accuracy"].value == values["edit_correct"].mean()
    assert np.isfinite(values["monotone"]).sum() == 8 and found["alpha_monotone"].value == 0
    assert found["alpha_monotone_way"].value == 0


def test_the_result_does_not_depend_on_the_batch(folders: dict[str, Path]) -> None:
    leed = LEED.from_pretrained(folders["leed"])
    evaluator = ExpressionClassifier.from_pretrained(folders["evaluator"])
    triples = load_triples(folders["pairs"], image_size=32)
    one, ten = (ruler.measure(leed, evaluator, triples, batch_size=size).values for size in (1, 10))
    for name, values in one.items():
        assert values == pytest.approx(ten[name], rel=1e-3, abs=1e-3, nan_ok=True), name


def mean_colour(images: torch.Tensor) -> np.ndarray:
    """Stands for a face embedding: (B, 3)."""
    return images.double().mean(dim=(2, 3)).numpy()


def test_identity_compares_with_the_input(folders: dict[str, Path]) -> None:
    leed = LEED.from_pretrained(folders["leed"])
    evaluator = ExpressionClassifier.from_pretrained(folders["evaluator"])
    triples = load_triples(folders["pairs"], image_size=32)
    values = ruler.measure(leed, evaluator, triples, embedding=mean_colour, batch_size=4).values
    image, truth = (mean_colour(normalize(x)) for x in (triples.inputs, triples.targets))
    assert values["truth_identity"] == pytest.approx(np.linalg.norm(truth - image, axis=1))
    # Of each camera there are two triples, i and i + 5, of different people.
    assert values["other_identity"] == pytest.approx(np.linalg.norm(np.roll(image, 5, axis=0) - image, axis=1))
    found = ruler.figures(values)
    everyone = np.ones((1, 10))
    within = (values["edit_identity"] <= 0.6).mean()
    assert found["identity_within"](everyone)[0] == pytest.approx(within)
    quotient = np.sort(values["edit_identity"])[4] / np.sort(values["truth_identity"])[4]  # lower medians of ten
    assert found["identity_ratio"](everyone)[0] == pytest.approx(quotient)


def test_identity_of_neutral_faces_is_sampled(folders: dict[str, Path]) -> None:
    triples = load_triples(folders["pairs"], image_size=32)
    values = neutral.measure(lambda faces: faces, triples, mean_colour, batch_size=4)
    assert np.isfinite(values["neutral_identity"]).tolist() == [row % 4 == 0 for row in range(20)]
    image, true = (mean_colour(normalize(x)) for x in (triples.inputs, triples.input_neutrals))
    assert values["neutral_identity"][4] == pytest.approx(np.linalg.norm(true[4] - image[4]))
    assert values["guess_identity"][4] == 0


def test_sheet_shows_every_expression(folders: dict[str, Path]) -> None:
    triples = load_triples(folders["pairs"], image_size=32)
    rows = command.sheet_rows(triples, 8)
    assert len(set(rows)) == 8
    assert sorted(triples.reference_expressions[rows].tolist()) == list(range(8))


# --------------------------------------------------------------------------------------------------------------------
# Neutral faces


def test_moved_pictures() -> None:
    images = torch.arange(128.0).expand(1, 1, 128, 128)
    assert torch.equal(neutral.move(images), images)
    assert neutral.move(images, right=4)[0, 0, 5, 4:].tolist() == pytest.approx(list(range(124)), abs=1e-3)
    assert neutral.move(images.mT, down=4)[0, 0, 4:, 5].tolist() == pytest.approx(list(range(124)), abs=1e-3)
    # 10 % smaller: a pixel 10 columns from the centre comes from 10 / 0.9 columns away.
    smaller = neutral.move(images, scale=0.9)[0, 0, 64]
    assert smaller[64 + 10] - smaller[64 - 10] == pytest.approx(20 / 0.9, abs=1e-3)


def test_most_open() -> None:
    assert neutral.most_open(np.arange(10.0)).tolist() == [False] * 7 + [True] * 3


def test_widest_mouths_are_of_different_people(folders: dict[str, Path]) -> None:
    triples = load_triples(folders["pairs"], image_size=32)
    for rows in neutral.widest_mouths(triples, count=2):
        people = triples.reference_persons[rows]
        assert len(set(people)) == len(people) and len(set(triples.reference_yaws[rows])) == 1
        others = (triples.reference_yaws == triples.reference_yaws[rows[0]]) & (triples.reference_persons == people[0])
        assert triples.reference_openings[rows[0]] == triples.reference_openings[others].max()
    assert len(neutral.widest_mouths(triples)) == len(set(triples.reference_yaws.tolist()))


def test_neutral_command(folders: dict[str, Path], tmp_path: Path, capsys) -> None:
    arguments = ["--model", str(folders["leed"]), "--data_dir", str(folders["pairs"]), "--no-identity"]
    neutral.main([*arguments, "--output_dir", str(tmp_path), "--device", "cpu"])
    printed = capsys.readouterr().out
    rows = {line.split(" | ")[0].removeprefix("| "): line.split(" | ")[1:] for line in printed.splitlines()}
    for line in neutral.LINES.values():
        assert line in rows, line
    # An untrained neutraliser returns the picture, but for the 2 % that its mask starts with.
    found = json.loads((tmp_path / "neutral.json").read_text())["figures"]["all"]
    assert found["ssim_face"]["value"] == pytest.approx(found["picture_ssim_face"]["value"], abs=0.03)
    assert found["left_open"]["value"] == pytest.approx(1, abs=0.03)
    assert found["neutral_in_face"]["value"] == pytest.approx(1, abs=0.03)
    assert math.isclose(found["left_right"]["value"], 1, abs_tol=0.03)
    assert "yaw +-45" in printed
    with Image.open(tmp_path / "mouths.png") as sheet:
        assert sheet.width % (3 * 32) == 0


def test_neutral_command_on_photographs(folders: dict[str, Path], tmp_path: Path, capsys) -> None:
    generator = np.random.default_rng(0)
    wild = tmp_path / "wild"
    wild.mkdir()
    rows = {
        "image": [picture(generator, 128) for _ in range(4)],
        "expression": [1, 0, 1, 2],
        "person": ["a", "b", "c", "d"],
    }
    pq.write_table(pa.table(rows), wild / "test-0.parquet")
    arguments = ["--model", str(folders["leed"]), "--data_dir", str(folders["pairs"]), "--no-identity"]
    arguments += ["--wild_dir", str(wild), "--output_dir", str(tmp_path), "--device", "cpu"]
    neutral.main([*arguments, "--classifier", str(folders["evaluator"])])
    assert (
        "wild faces called neutral: not measured, since this classifier needs a neutral face"
        in capsys.readouterr().out
    )
    assert Image.open(tmp_path / "wild_smiles.png").size == (4 * 32, 32)  # two smiles, before and after

    alone = ExpressionClassifier(replace(TINY, classifier_sees_neutral=False))
    alone.resnet.fc.bias.data[0] = 100.0  # calls every face neutral
    alone.save_pretrained(tmp_path / "alone")
    neutral.main([*arguments, "--classifier", str(tmp_path / "alone")])
    printed = capsys.readouterr().out
    assert "wild faces called neutral: 1.000 of 4 (before: 1.000)" in printed
    assert "smiles among them: 1.000 of 2 (before: 1.000)" in printed
