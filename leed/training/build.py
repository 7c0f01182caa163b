"""The data and the networks of a stage, built from the settings."""

from collections.abc import Sequence
from pathlib import Path

import torch
from accelerate import Accelerator
from datasets import concatenate_datasets
from torch.utils.data import Dataset

from leed.data.action_units import within_openface_range
from leed.data.faces import FaceDataset, check_images, load_faces, split_by_person, without_fold
from leed.model import LEED
from leed.networks.classifier import ExpressionClassifier
from leed.networks.ganimation import GANimation
from leed.networks.neutralizer import Neutralizer
from leed.networks.perceptual import PerceptualFeatures
from leed.training.augmentation import AUGMENTATIONS, Augmentation
from leed.training.baseline import BaselineStage
from leed.training.classifier import ClassifierStage
from leed.training.cli import Settings
from leed.training.config import BASELINES, TrainConfig
from leed.training.editor import EditorStage
from leed.training.faces import LearnedNeutrals, balanced, keep_on_device, only
from leed.training.ganimation import GANimationStage
from leed.training.neutralizer import NeutralizerStage
from leed.training.run import read_record
from leed.training.stage import Stage
from leed.training.stargan import StarGANStage

MODELS = {
    "classifier": ExpressionClassifier,
    "neutralizer": Neutralizer,
    "leed": LEED,
    "stargan": Neutralizer,  # StarGAN's generator
    "ganimation": GANimation,
}


def load_data(accelerator: Accelerator, config: TrainConfig, size: int) -> tuple[FaceDataset, FaceDataset]:
    """Training faces and held-out people's faces, every picture checked."""
    tables = [
        load_faces(name, config.dataset_reader, config.dataset_split, config.max_train_samples, config.seed)
        for name in config.dataset_name.split(",")
    ]
    if accelerator.is_local_main_process:
        for table in tables:
            check_images(table)
    accelerator.wait_for_everyone()
    # Each set is split by itself, so that who is held out does not depend on the other sets.
    parts = [split_by_person(table, config.validation_fraction) for table in tables]
    if config.fold:
        parts = [(without_fold(training, *config.fold), held_out) for training, held_out in parts]
    data = tuple(
        FaceDataset(concatenate_datasets(part), size, config.data_in_memory) for part in zip(*parts, strict=True)
    )
    if data_on_device(data, config, accelerator.device):
        for faces in data:
            keep_on_device(faces, accelerator.device)
    return data


def data_on_device(data: tuple[FaceDataset, ...], config: TrainConfig, device: torch.device) -> bool:
    """Whether the pictures are kept on the device: as told, else on a GPU with twice the memory that they take."""
    if config.data_on_device is not None:
        return config.data_on_device
    if device.type != "cuda" or config.dataloader_num_workers or not all(faces.in_memory for faces in data):
        return False
    stored = [(faces.images, faces.neutrals, faces.views, faces.view_neutrals) for faces in data]
    num_bytes = sum(pictures.nbytes for four in stored for pictures in four if pictures is not None)
    return 2 * num_bytes < torch.cuda.mem_get_info(device)[0]


def earlier(name: str, given: str | None, output_dir: Path) -> torch.nn.Module:
    """The model of an earlier stage: the given one, or this output folder's."""
    path = given or str(output_dir / name)
    if given is None and not Path(path).exists():
        raise ValueError(
            f"this stage needs a trained {name}: run `--stage {name}` first, or pass --{name} FOLDER_OR_ID"
        )
    return MODELS[name].from_pretrained(path)


def build_stage(name: str, settings: Settings, device: torch.device) -> Stage:
    """The networks and losses of a stage."""
    config, weights, sizes = settings
    output_dir = Path(config.output_dir)
    augmentation = AUGMENTATIONS[config.of_stage("augmentation", name)]
    if name == "classifier":
        stage = ClassifierStage(sizes, augmentation, config.random_flip)
    elif name == "neutralizer":
        psi = earlier("classifier", config.classifier, output_dir) if config.phi == "psi" else None
        phi = PerceptualFeatures(config.phi, psi).to(device)
        stage = NeutralizerStage(sizes, weights, phi, augmentation, config.random_flip)
    elif name in BASELINES:
        stage = baseline_stage(name, settings, augmentation, device)
    else:
        psi = earlier("classifier", config.classifier, output_dir).to(device)
        leed = LEED(sizes)
        copy_neutralizer(leed, earlier("neutralizer", config.neutralizer, output_dir))
        phi = PerceptualFeatures(config.phi, psi).to(device)
        stage = EditorStage(
            leed, psi, phi, weights, augmentation, config.view_probability, config.neutrals, config.random_flip
        )
    if config.init_from:
        start = type(stage.model).from_pretrained(config.init_from)
        if start.config != stage.model.config:
            raise ValueError(f"--init_from {config.init_from} has other sizes: {differences(start, stage.model)}")
        state = {k: v for k, v in start.state_dict().items() if not k.startswith("neutralizer.")}
        stage.model.load_state_dict(state, strict=False)  # what is left out is the neutraliser, loaded above
    return stage


def baseline_stage(name: str, settings: Settings, augmentation: Augmentation, device: torch.device) -> BaselineStage:
    """The stage of a baseline. The classifier, if one is given or this output folder has one, measures its edits."""
    config, weights, sizes = settings
    output_dir = Path(config.output_dir)
    psi = None
    if config.classifier is not None or (output_dir / "classifier").exists():
        psi = earlier("classifier", config.classifier, output_dir).to(device)
    kind = {"stargan": StarGANStage, "ganimation": GANimationStage}[name]
    return kind(sizes, weights, augmentation, config.random_flip, config.critic_steps, psi)


def copy_neutralizer(leed: LEED, neutralizer: Neutralizer) -> None:
    """Puts a trained neutraliser into the editor. Raises `ValueError` if it has other sizes."""
    needed = {"image_size", "neutralizer", "neutralizer_width", "neutralizer_depth"}
    if found := differences(neutralizer, leed, needed):
        raise ValueError(f"the neutraliser has other sizes than this run: {found}; pass its own as --model_<field>")
    leed.neutralizer.load_state_dict(neutralizer.state_dict())


def differences(a: torch.nn.Module, b: torch.nn.Module, names: set[str] | None = None) -> str:
    """Where the sizes of two models differ, in these fields or all."""
    a, b = a.config.to_dict(), b.config.to_dict()
    return ", ".join(f"{name} {a[name]} and {b[name]}" for name in sorted(names or a) if a[name] != b[name])


def fold_neutralizers(config: TrainConfig, device: torch.device) -> list[Neutralizer]:
    """The neutralisers of all folds, in their order; none where the run has none.

    Raises `ValueError` for one that, by the record beside it, was trained with another fold left out.
    """
    folders = config.fold_neutralizers.split(",") if config.fold_neutralizers else []
    for fold, folder in enumerate(folders):
        record = Path(folder).expanduser() / "training.json"
        if not record.is_file():
            continue
        left_out = read_record(record)["settings"].get("held_out_fold")
        if left_out != f"{fold}/{len(folders)}":
            raise ValueError(
                f"--fold_neutralizers: {folder} was trained with --held_out_fold {left_out}, and as the "
                f"{fold + 1}. of {len(folders)} it must be {fold}/{len(folders)}"
            )
    return [Neutralizer.from_pretrained(folder).to(device).eval() for folder in folders]


def stage_faces(
    faces: FaceDataset,
    name: str,
    stage: Stage,
    settings: Settings,
    neutralizers: Sequence[Neutralizer] = (),
    held_out: bool = False,
) -> Dataset:
    """The faces that a stage learns from, or is measured on: those that have what its losses need.

    `neutralizers` of all folds give the editor its learned neutral faces, if there are any. `held_out` says whose
    faces these are, for the `ValueError` where none of them will do.
    """

    def those(rows: torch.Tensor, need: str, cure: str = "") -> Dataset:
        if held_out:
            return only(faces, rows, f"{need}, and the held-out people have none: raise --validation_fraction")
        return only(faces, rows, f"{need}, and this data set has none{cure}")

    labelled = faces.expressions >= 0
    if name == "classifier" and stage.model.config.classifier_sees_neutral:
        return those(
            labelled & faces.has_neutral,
            "the classifier needs faces with both a label and a true neutral face",
            "; one that sees no neutral face (--no-model_classifier_sees_neutral) needs labels only",
        )
    if name == "classifier":
        return those(labelled, "the classifier needs labelled faces")
    if name == "stargan":
        return those(labelled, "StarGAN needs labelled faces")
    if name == "ganimation":
        limit = settings.train.max_action_unit_yaw
        return those(
            faces.has_action_units & within_openface_range(faces.yaws, limit),
            f"GANimation needs faces with action units that are turned by at most {limit:g} degrees",
            ": docs/action-units.md says where they come from, --max_action_unit_yaw sets the limit",
        )
    if name == "neutralizer":
        if settings.weights.stargan_adversarial:
            return balanced(faces, faces.has_neutral)
        return those(
            faces.has_neutral,
            "the neutraliser needs true neutral faces",
            ": train it with StarGAN's terms (--weight_stargan_adversarial 1 --weight_stargan_classification 1 "
            "--weight_stargan_cycle 10)",
        )
    if settings.train.neutrals == "true":
        return those(faces.has_neutral, "the editor needs true neutral faces", ": train it with --neutrals learned")
    return LearnedNeutrals(faces, *(neutralizers or [stage.model.neutralizer]))
