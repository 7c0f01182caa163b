"""The command line: its help, and settings that it refuses."""

from dataclasses import fields
from typing import get_args, get_type_hints

import pytest
from training_runs import refusal

from leed.config import PRESETS, ModelConfig
from leed.training.augmentation import AUGMENTATIONS
from leed.training.cli import parse_args
from leed.training.config import LossWeights, TrainConfig
from leed.training.editor import LEARNED_SHARE

pytestmark = pytest.mark.usefixtures("fresh_accelerator")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--stage", "editor"], "stage must be one of"),
        (["--no_such_option", "1"], "unrecognized arguments"),
        (["--output", "x"], "unrecognized arguments"),  # no abbreviations
        (["--train_batch_size", "0"], "train_batch_size must be at least 1"),
        (["--learning_rate", "0"], "learning_rate must be greater than 0"),
        (["--max_grad_norm", "nan"], "max_grad_norm must be greater than 0"),
        (["--ema_decay", "1"], "ema_decay must be in"),
        (["--report_to", "csv"], "report_to must be one of"),
        (["--init_from", "x"], "choose that --stage instead of all"),
        (["--stage", "classifier", "--gradient_checkpointing"], "not for the classifier"),
        (["--stage", "leed", "--train_batch_size", "1"], "must be at least 2"),
        (["--data_on_device", "--dataloader_num_workers", "2"], "set dataloader_num_workers to 0"),
        (["--data_on_device", "--no-data_in_memory"], "leave out --no-data_in_memory"),
        (["--hub_model_id", "a/b"], "only with --push_to_hub"),
        (["--no-use_ema", "--ema_decay", "0.9"], "no effect with --no-use_ema"),
        (["--resume_elastic"], "an effect only with --resume_from_checkpoint"),
        (["--resume_from_checkpoint", "runs/x"], "a checkpoint folder is of one stage"),
        (["--model_image_size", "100"], "image_size must be a multiple"),
        (["--model_image_size", "0"], "image_size must be at least 1"),
        (["--model_image_size", "96", "--model_patch_size", "6"], "patch_size must be a power of two and at least 4"),
        (["--model_patch_size", "2"], "patch_size must be a power of two and at least 4"),
        (["--model_neutralizer_critic_depth", "8"], "at most 7 with an image_size of 128"),
        (["--model_encoder_width", "0"], "encoder_width must be at least 1"),
        (["--model_interpolator_depth", "-1"], "interpolator_depth must be at least 0"),
        (["--model_classifier_layers", "1,1"], "classifier_layers"),
    ],
)
def test_settings_that_make_no_sense(arguments: list[str], message: str, capsys: pytest.CaptureFixture) -> None:
    assert message in refusal(arguments, capsys)


def test_help_says_what_every_setting_means(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")  # no line is broken within a setting's meaning
    with pytest.raises(SystemExit) as stopped:
        parse_args(["--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert stopped.value.code == 0
    for kind in (TrainConfig, LossWeights, ModelConfig):
        for field in fields(kind):
            assert field.metadata["help"] and field.metadata["help"] in shown
    assert "constant or cosine (flat for half the run, then cosine to 2 %) (default: cosine)" in shown
    assert "learning rate of the optimiser (default: the stage's)" in shown
    assert "side of a face, in pixels (default: the preset's)" in shown
    assert "--stage {classifier,neutralizer,leed,upper,stargan,ganimation,all}" in shown
    assert "--optimizer {adam,muon}" in shown


def test_choices_are_those_that_there_are() -> None:
    hints = get_type_hints(TrainConfig)
    assert get_args(hints["preset"]) == tuple(PRESETS)
    assert get_args(get_args(hints["augmentation"])[0]) == tuple(AUGMENTATIONS)
    assert get_args(hints["neutrals"]) == ("true", "learned", "mixed")
    assert set(LEARNED_SHARE) == set(get_args(hints["neutrals"]))


def test_all_stages_may_save_memory() -> None:
    """The classifier, which cannot, is trained as ever."""
    assert parse_args(["--gradient_checkpointing"]).train.gradient_checkpointing
