"""The baselines' training stages: what each loss trains and when, resuming, the faces they see, what they leave."""

import copy
import json
import shutil
from pathlib import Path

import pytest
import torch
from conftest import ROOT
from PIL import Image
from processes import on_two_processes
from safetensors.torch import load_file

import train_accelerate
from leed import LEED, ExpressionClassifier, GANimation, Neutralizer
from leed.config import ACTION_UNITS, EXPRESSIONS, PRESETS, TINY
from leed.data.drawn import draw_face
from leed.data.faces import FaceDataset
from leed.networks.stargan import StarGANGenerator
from leed.training.augmentation import NONE
from leed.training.baseline import BaselineStage
from leed.training.cli import parse_args
from leed.training.config import PAPER_WEIGHTS, TrainConfig
from leed.training.faces import FaceSubset
from leed.training.ganimation import GANimationStage
from leed.training.inputs import SHEET_ROWS
from leed.training.stages import LEED_STAGES, stages_named
from leed.training.stargan import StarGANStage

STAGES = {"stargan": StarGANStage, "ganimation": GANimationStage}
MODELS = {"stargan": Neutralizer, "ganimation": GANimation}
pytestmark = pytest.mark.usefixtures("fresh_accelerator")


@pytest.fixture(params=list(STAGES))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def make(name: str, psi: ExpressionClassifier | None = None, critic_steps: int = 5) -> BaselineStage:
    return STAGES[name](STAGES[name].sizes("tiny"), PAPER_WEIGHTS, NONE, critic_steps=critic_steps, psi=psi)


@pytest.fixture
def run(name: str, drawn_folder: Path) -> list[str]:
    """Arguments of a short run whose generator learns at every second step."""
    return [
        *("--stage", name, "--preset", "tiny", "--dataset_name", str(drawn_folder), "--critic_steps", "2"),
        *("--train_batch_size", "4", "--max_train_steps", "5", "--checkpointing_steps", "1", "--lr_warmup_steps", "2"),
        *("--checkpoints_total_limit", "9", "--max_action_unit_yaw", "90"),
    ]


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_have_sizes_for_both_baselines(name: str, preset: str) -> None:
    """Pictures of the preset's size through generator and critic, each label its own score."""
    config = STAGES[name].sizes(preset)
    with torch.device("meta"):
        stage = STAGES[name](config, PAPER_WEIGHTS, NONE)
        faces = torch.empty(2, 3, config.image_size, config.image_size)
        labels = torch.zeros(2, len(ACTION_UNITS)) if name == "ganimation" else torch.zeros(2, dtype=torch.long)
        edited = stage.model(faces, labels)
        score, found = stage.objectives["critic"].critic(edited)
    assert edited.shape == faces.shape and score.shape == (2,)
    assert found.shape == (2, len(ACTION_UNITS) if name == "ganimation" else len(EXPRESSIONS))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """All weights in the files of a folder: of networks and of their average."""
    files = sorted(folder.glob("*.safetensors"))
    assert files
    return {f"{file.name} {key}": value for file in files for key, value in load_file(file).items()}


def same(a: Path, b: Path) -> bool:
    first, second = weights(a), weights(b)
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def refusal(arguments: list[str]) -> str:
    with pytest.raises(SystemExit) as caught:
        train_accelerate.main(arguments)
    return str(caught.value.code)


# ------------------------------------------------------------------------------------------------------------ losses


def test_each_loss_trains_its_own_network_and_all_of_it(name: str, faces: FaceDataset) -> None:
    stage = make(name)
    everything = {f"{k} {n}": p for k, o in stage.objectives.items() for n, p in o.named_parameters()}
    values = stage.inputs(faces.__getitems__(list(range(6))))
    for key, objective in stage.objectives.items():
        for parameter in everything.values():
            parameter.grad = None
        total, terms, outputs = objective(values)
        assert total.isfinite() and all(bool(value.isfinite()) for value in terms.values())
        total.backward()
        moved = {n for n, p in everything.items() if p.grad is not None and p.grad.any()}
        assert moved == {n for n in everything if n.startswith(f"{key} ")}
        values = outputs


def test_terms_are_those_of_the_papers(faces: FaceDataset) -> None:
    terms = {}
    for name in STAGES:
        stage = make(name)
        generator, critic = stage.objectives.values()
        loss = generator(stage.inputs(faces.__getitems__(list(range(6)))))
        terms[name] = {*loss.terms, *critic(loss.outputs).terms}
        weighed = sum(getattr(PAPER_WEIGHTS, term) * value for term, value in loss.terms.items())
        assert loss.total.item() == pytest.approx(float(weighed), rel=1e-5)
    wgan = {"critic", "critic_penalty"}
    named = {f"stargan_{term}" for term in ("adversarial", "classification", "cycle")}
    assert terms["stargan"] == named | wgan | {"critic_classification"}
    named = {f"ganimation_{term}" for term in ("adversarial", "action_units", "attention", "smoothness", "cycle")}
    assert terms["ganimation"] == named | wgan | {"critic_action_units"}


def test_without_gradients_a_generator_only_makes_edits(name: str, faces: FaceDataset) -> None:
    stage = make(name)
    values = stage.inputs(faces.__getitems__(list(range(6))))
    generator = next(iter(stage.objectives.values()))
    torch.manual_seed(1)
    learning = generator(values)
    torch.manual_seed(1)
    with torch.no_grad():
        between = generator(values)
    assert between.terms == {} and between.outputs.keys() == learning.outputs.keys()
    assert all(torch.equal(between.outputs[key], learning.outputs[key]) for key in learning.outputs)


def test_critic_learns_to_tell_edits_from_faces(name: str, faces: FaceDataset) -> None:
    """Its estimate of the distance, minus "critic", grows from nothing, and its gradient towards length 1."""
    generator, critic = (stage := make(name)).objectives.values()
    optimizer = torch.optim.Adam(critic.parameters(), 1e-3, (0.5, 0.999))
    terms = []
    for _ in range(30):
        with torch.no_grad():
            outputs = generator(stage.inputs(faces.__getitems__(torch.randperm(len(faces))[:8].tolist()))).outputs
        loss = critic(outputs)
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        terms.append(loss.terms)
    assert abs(terms[0]["critic"]) < 0.1 and terms[0]["critic_penalty"] > 0.9
    assert terms[-1]["critic"] < -1 and min(term["critic_penalty"] for term in terms) < 0.5


def test_targets_are_the_labels_of_the_batch(faces: FaceDataset) -> None:
    """An edit is what the model makes of the face and some row's label."""
    for name in STAGES:
        stage = make(name)
        values = stage.inputs(faces.__getitems__(list(range(6))))
        with torch.no_grad():
            fake = next(iter(stage.objectives.values()))(values).outputs["fake"]
            label = values["expression" if name == "stargan" else "action_units"]
            candidates = torch.stack([stage.model(values["image"], label.roll(i, 0)) for i in range(6)])
        distance = (candidates - fake).abs().amax((2, 3, 4))  # (6 rolls, 6 faces)
        assert distance.min(dim=0).values.max() < 1e-5


def test_generator_learns_at_its_steps_only(run: list[str], name: str, tmp_path: Path) -> None:
    train_accelerate.main([*run, "--output_dir", str(tmp_path), "--no-use_ema", "--critic_steps", "3"])
    folder = tmp_path / "checkpoints" / name
    steps = [weights(folder / f"step-{step:07d}") for step in range(1, 6)]
    generator = [key for key in steps[0] if key.startswith("model.safetensors")]
    critic = [key for key in steps[0] if key.startswith("model_1.safetensors")]
    assert generator and critic

    def still(keys: list[str], step: int) -> bool:
        """Whether the step after `step` left these weights alone."""
        return all(torch.equal(steps[step - 1][key], steps[step][key]) for key in keys)

    assert [still(generator, step) for step in (1, 2, 3, 4)] == [True, False, True, True]
    assert not any(still(critic, step) for step in (1, 2, 3, 4))


# -------------------------------------------------------------------------------------------------------------- runs


def test_resumed_equals_unbroken(run: list[str], name: str, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    train_accelerate.main([*run, "--output_dir", str(whole)])
    for step in (1, 2):  # between two steps of the generator, and right after one
        again = tmp_path / f"from-{step}"
        checkpoint = Path("checkpoints") / name / f"step-{step:07d}"
        shutil.copytree(whole / checkpoint, again / checkpoint)
        train_accelerate.main([*run, "--output_dir", str(again), "--resume_from_checkpoint", "latest"])
        assert same(again / name, whole / name)
        last = Path("checkpoints") / name / "step-0000005"
        assert same(again / last, whole / last)
    assert "critic_steps 2 -> 3" in refusal(
        [*run, "--output_dir", str(whole), "--resume_from_checkpoint", "latest", "--critic_steps", "3"]
        + ["--max_train_steps", "6"]
    )


def test_two_processes(drawn_folder: Path, tmp_path: Path) -> None:
    """A run of two processes, resumed, is the unbroken one."""
    arguments = [
        *("--stage", "ganimation", "--preset", "tiny", "--dataset_name", str(drawn_folder), "--critic_steps", "2"),
        *("--train_batch_size", "4", "--max_train_steps", "3", "--checkpointing_steps", "1"),
        *("--checkpoints_total_limit", "9", "--max_action_unit_yaw", "90"),
    ]
    checkpoint = Path("checkpoints/ganimation/step-0000001")
    for name, more in (("whole", []), ("again", ["--resume_from_checkpoint", "latest"])):
        script = ROOT / "train_accelerate.py"
        on_two_processes(script, *arguments, "--output_dir", str(tmp_path / name), *more)
        if name == "whole":
            shutil.copytree(tmp_path / "whole" / checkpoint, tmp_path / "again" / checkpoint)
    assert json.loads((tmp_path / "again/ganimation/training.json").read_text())["settings"]["processes"] == 2
    assert same(tmp_path / "again" / "ganimation", tmp_path / "whole" / "ganimation")


def test_what_a_run_leaves(run: list[str], name: str, tmp_path: Path) -> None:
    ExpressionClassifier(TINY).save_pretrained(tmp_path / "psi")
    train_accelerate.main(
        [
            *run,
            "--output_dir",
            str(tmp_path / "run"),
            "--classifier",
            str(tmp_path / "psi"),
            "--mixed_precision",
            "bf16",
        ]
    )
    model = MODELS[name].from_pretrained(tmp_path / "run" / name)
    assert model.config == STAGES[name].sizes("tiny") and model.config.neutralizer == "stargan"
    figures = json.loads((tmp_path / "run" / name / "figures.json").read_text())
    assert set(figures) == {"ssim", "ssim_unchanged", "accuracy"} and figures["ssim"] < figures["ssim_unchanged"]
    assert (tmp_path / "run" / "validation" / f"{name}-0000005.png").is_file()
    card = (tmp_path / "run" / name / "README.md").read_text()
    assert f"from leed import {type(model).__name__}" in card and f"stage `{name}`" in card
    assert "| adam_beta1 | 0.5 |" in card and "| learning_rate | 0.0001 |" in card
    face, label = torch.zeros(1, 3, 32, 32), torch.tensor([3])
    label = label if name == "stargan" else torch.rand(1, len(ACTION_UNITS))
    assert model(face, label).shape == face.shape


def test_all_means_the_stages_of_leed() -> None:
    assert [stage.name for stage in stages_named("all")] == ["classifier", "neutralizer", "leed"]
    assert LEED_STAGES[-1].model_class is LEED


def test_sizes_and_weights_of_the_command_line() -> None:
    plain = parse_args(["--stage", "stargan"])
    assert (plain.model.neutralizer, plain.model.neutralizer_width, plain.model.neutralizer_depth) == (
        "stargan",
        64,
        6,
    )
    weights = plain.weights
    assert (weights.stargan_adversarial, weights.stargan_classification, weights.stargan_cycle) == (1, 1, 10)
    changed = parse_args(
        ["--stage", "ganimation", "--model_neutralizer_width", "32", "--weight_ganimation_attention", "0.5"]
    )
    assert (changed.model.neutralizer_width, changed.weights.ganimation_attention) == (32, 0.5)
    assert parse_args([]).model.neutralizer == "unet"  # LEED's own is left alone
    with torch.device("meta"):
        assert isinstance(Neutralizer(plain.model).generator, StarGANGenerator)


# ---------------------------------------------------------------------------------------------------- data, validation


def chosen(name: str, faces: FaceDataset, max_yaw: float = 30.0) -> list[int]:
    part = make(name).select(faces, TrainConfig(stage=name, preset="tiny", max_action_unit_yaw=max_yaw))
    assert isinstance(part, FaceSubset)
    return part.indices


def test_faces_whose_action_units_are_unknown_or_unreadable_are_withheld(faces: FaceDataset) -> None:
    some = copy.copy(faces)
    some.yaws = torch.tensor([0.0, 29, -31, 45, -45, float("nan")]).repeat(8)
    some.has_action_units = torch.arange(48) >= 6
    some.expressions = torch.where(torch.arange(48) == 7, -1, faces.expressions)
    near = {row for row in range(6, 48) if row % 6 in (0, 1, 5)}
    assert set(chosen("ganimation", some)) == near
    assert set(chosen("ganimation", some, max_yaw=90)) == set(range(6, 48))
    assert set(chosen("stargan", some)) == set(range(48)) - {7}  # StarGAN sees them all, if they have labels
    some.has_action_units = torch.zeros(48, dtype=torch.bool)
    with pytest.raises(ValueError, match="GANimation needs faces with action units that are turned by at most 30 deg"):
        chosen("ganimation", some)
    some.expressions = torch.full((48,), -1)
    with pytest.raises(ValueError, match="StarGAN needs labelled faces"):
        chosen("stargan", some)


def test_a_batch_of_one_is_refused(capsys: pytest.CaptureFixture, name: str) -> None:
    assert refusal(["--stage", name, "--train_batch_size", "1"]) == "2"
    assert "train_batch_size must be at least 2" in capsys.readouterr().err


def test_validation_knows_an_untouched_face(faces: FaceDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Models that give the face back: the neutral face is as like the true one as the face is."""
    psi = ExpressionClassifier(TINY).eval()
    columns = {"stargan": 2 + 8, "ganimation": 2 + 4}
    for name in STAGES:
        stage = make(name, psi)
        if name == "stargan":
            monkeypatch.setattr(StarGANGenerator, "forward", lambda generator, image, expression: image)
        else:  # A = 1 everywhere
            torch.nn.init.constant_(stage.model.layers[-2].weight, 0)
            torch.nn.init.constant_(stage.model.layers[-2].bias, 100)
            torch.nn.init.constant_(stage.model.attention.weight, 1)
        figures, rows = stage.validate(stage.model.eval(), faces)
        assert figures["ssim"] == pytest.approx(figures["ssim_unchanged"]) and 0 < figures["ssim"] < 1
        assert 0 <= figures["accuracy"] <= 1
        assert len(rows) == SHEET_ROWS and all(len(row) == columns[name] for row in rows)
        assert torch.equal(rows[0][0], rows[0][2])


def test_validation_without_true_neutrals_or_a_classifier(name: str, faces: FaceDataset) -> None:
    bare = copy.copy(faces)
    bare.has_neutral = torch.zeros_like(faces.has_neutral)
    figures, rows = make(name).validate(make(name).model.eval(), bare)
    assert figures == {} and all(row[1] is None for row in rows)
    assert "accuracy" not in make(name).validate(make(name).model.eval(), faces)[0]


def test_a_set_without_neutral_faces_is_learned_from_its_own_stargan(tmp_path: Path) -> None:
    """README's second way for RaFD, on files with its names: a classifier of the face alone, StarGAN, LEED."""
    for person in range(1, 5):
        for i, name in enumerate(EXPRESSIONS):
            face = draw_face(person, i, size=32).permute(1, 2, 0).numpy()
            file = tmp_path / "rafd" / f"Rafd090_{person:02d}_Caucasian_female_{name}_frontal.png"
            file.parent.mkdir(exist_ok=True)
            Image.fromarray(face).save(file)
    common = ["--preset", "tiny", "--dataset_name", str(tmp_path / "rafd"), "--dataset_reader", "rafd", "--phi", "psi"]
    common += ["--train_batch_size", "4", "--max_train_steps", "2", "--validation_fraction", "0.25"]
    common += ["--output_dir", str(tmp_path / "run")]
    train_accelerate.main([*common, "--stage", "classifier", "--no-model_classifier_sees_neutral"])
    train_accelerate.main([*common, "--stage", "stargan", "--critic_steps", "1"])
    drawn_by_stargan = ["--neutralizer", str(tmp_path / "run" / "stargan"), "--model_neutralizer", "stargan"]
    train_accelerate.main([*common, "--stage", "leed", "--neutrals", "learned", *drawn_by_stargan])
    leed, stargan = (
        LEED.from_pretrained(tmp_path / "run" / "leed"),
        Neutralizer.from_pretrained(tmp_path / "run" / "stargan"),
    )
    inside = leed.neutralizer.state_dict()
    assert all(torch.equal(inside[key], value) for key, value in stargan.state_dict().items())
    assert json.loads((tmp_path / "run" / "stargan" / "figures.json").read_text())["accuracy"] >= 0
