"""Settings of a training run, weights of the loss terms, and what each stage takes by default."""

import re
from dataclasses import dataclass, replace

from leed.config import OPENFACE_MAX_YAW, PRESETS, STARGAN_SIZES, ModelConfig

BASELINE_SIZES = {
    "tiny": {"neutralizer": "stargan"},
    "small": STARGAN_SIZES | {"neutralizer_width": 32, "neutralizer_critic_width": 32, "neutralizer_critic_depth": 5},
    "base": STARGAN_SIZES,
    "paper": STARGAN_SIZES,
}
"""Sizes of the baselines' networks in each preset; "small" halves the published widths with the picture's side."""


@dataclass(frozen=True)
class LossWeights:
    """Weights (lambda in the paper) of the terms, by the term's name. A weight of 0 leaves the term uncomputed."""

    # The editor.
    exp: float = 1.0  # Eq. 2; only for a delta_exp that is a map
    mutual_information: float = 0.005  # Eq. 3
    interp: float = 1.0  # Eq. 6, the linear term; only for a delta_exp that is a map
    idt: float = 1.0  # Eq. 7 on codes
    image: float = 3.0  # Eq. 7 on pictures, L1
    perceptual: float = 1.0  # Eq. 7 on pictures, Phi
    structure: float = 0.5  # Eq. 7 on pictures, 1 - SSIM of the inner face
    psi_maps: float = 0.0  # Eq. 7 on pictures, Psi's early maps
    recon: float = 1.0  # Eqs. 14, 15
    similarity: float = 0.0  # Psi's features of edit and reference
    siamese: float = 0.1  # Eq. 11
    adversarial: float = 0.0  # Eqs. 12, 13
    gradient_penalty: float = 10.0  # of WGAN-GP, wherever a critic learns

    # The neutraliser.
    paired: float = 3.0  # L1 to true neutral faces, where the data set has them
    paired_perceptual: float = 1.0  # Phi, to true neutral faces
    paired_structure: float = 0.5  # 1 - SSIM of the inner face, to true neutral faces
    stargan_adversarial: float = 0.0  # StarGAN's own terms, of faces with and without true neutral faces
    stargan_classification: float = 0.0
    stargan_cycle: float = 0.0

    # GANimation. The paper's weights, for terms that are means over pixels and action units.
    ganimation_adversarial: float = 1.0
    ganimation_attention: float = 0.1
    ganimation_smoothness: float = 0.16  # 0.1 * 1e-4 for a sum over 128 x 128 pixels
    ganimation_action_units: float = 160.0  # 4000 over the authors' batch of 25, by which their code divides
    ganimation_cycle: float = 10.0


PAPER_WEIGHTS = LossWeights(
    mutual_information=0.1,
    image=0.0,
    perceptual=0.0,
    structure=0.0,
    recon=10.0,
    similarity=0.0,
    siamese=1.0,
    adversarial=1.0,
    paired=0.0,
    paired_perceptual=0.0,
    paired_structure=0.0,
    stargan_adversarial=1.0,
    stargan_classification=1.0,
    stargan_cycle=10.0,
)


@dataclass(frozen=True)
class TrainConfig:
    """Settings of a training run; the command line of `train_accelerate.py` is made of these fields.

    Names follow the diffusers training scripts. `None` means "the stage's own default" (see `of_stage`). A step
    is an update of the weights, whatever `gradient_accumulation_steps` is. Raises `ValueError` for values out of range
    and for settings that would have no effect.
    """

    stage: str = "all"  # classifier, neutralizer, leed, or all three in that order; or a baseline: stargan, ganimation
    preset: str = "base"  # sizes of the networks: base, tiny, small (64 px), paper; single ones by --model_<field>
    dataset_name: str = "drawn"  # a folder, a Hub id, or "drawn" for the built-in procedural faces; several: a,b
    dataset_reader: str | None = None  # how to read them; guessed from name and content if left out
    dataset_split: str = "train"  # of a data set that has several
    max_train_samples: int | None = None  # so many of each data set's faces, drawn at random
    validation_fraction: float = 0.1  # of the people; who they are depends on the data set alone, not on the seed
    output_dir: str = "runs/leed"  # a folder for each stage's model, and its checkpoints, settings and log
    seed: int = 0  # of weights, order and augmentation

    # Networks of earlier stages.
    classifier: str | None = None  # Psi: a folder or Hub id; None: output_dir's own, else an error
    neutralizer: str | None = None  # that the editor gets: folder or Hub id; None: as for the classifier
    init_from: str | None = None  # weights of this stage's model to start from
    phi: str = "efficientnet-lite0"  # perceptual network: efficientnet-lite0, vgg19, psi
    held_out_fold: str | None = None  # "0/2": leave out the first of two parts of the training people
    fold_neutralizers: str | None = None  # a,b: trained with held_out_fold 0/2 and 1/2, for neutrals out of fold
    neutrals: str = "true"  # what the editor draws on and subtracts: true, learned, or mixed (draws on true ones)
    view_probability: float = 0.5  # how often delta_exp comes from the second camera's picture of the moment
    augmentation: str | None = None  # none, mild or strong
    random_flip: bool = True  # mirror half of the faces
    critic_steps: int = 5  # of the baselines: steps of the critic for each one of the generator
    max_action_unit_yaw: float = OPENFACE_MAX_YAW  # ganimation learns from faces turned less; 90: from all

    train_batch_size: int = 16  # of one process, before accumulation
    num_train_epochs: int = 20  # times through all faces
    max_train_steps: int | None = None  # overrides the epochs
    gradient_accumulation_steps: int = 1  # batches for each update of the weights
    gradient_checkpointing: bool = False  # less memory, more time; not for the classifier
    optimizer: str | None = None  # adam; or muon, which turns the weights of layers along all directions alike
    learning_rate: float | None = None  # of the optimiser
    scale_lr: bool = False  # rate times (faces per update) / 16; diffusers multiplies by all of them
    lr_scheduler: str = "cosine"  # constant or cosine (flat for half the run, then cosine to 2 %)
    lr_warmup_steps: int = 100  # steps through which the rate grows to its full size
    adam_beta1: float | None = None  # with muon, of the biases and what else it leaves to Adam
    adam_beta2: float | None = None  # as adam_beta1
    max_grad_norm: float | None = None  # gradients are clipped to it
    use_ema: bool = True  # publish the moving average of the weights
    ema_decay: float = 0.999  # of the moving average, for each step
    mixed_precision: str = "no"  # no, fp16 (GPU only), bf16
    allow_tf32: bool = True  # on GPUs that have it
    dataloader_num_workers: int = 0  # processes that load pictures; 0: the training process itself
    data_in_memory: bool | None = None  # decode all pictures once; None: if they fit into 4 GiB
    data_on_device: bool | None = None  # keep all pictures there; None: on a GPU, if half its free memory holds them

    checkpointing_steps: int = 500  # a checkpoint after so many steps
    checkpoints_total_limit: int | None = 2  # that are kept; older ones are removed
    resume_from_checkpoint: str | None = None  # a checkpoint folder, or "latest"
    validation_steps: int = 500  # figures and a contact sheet of held-out people after so many steps
    report_to: str = "none"  # none, tensorboard, trackio, wandb
    logging_dir: str = "logs"  # inside output_dir
    push_to_hub: bool = False  # leed as <hub_model_id>, the others as <hub_model_id>-classifier and -neutralizer
    hub_model_id: str | None = None  # the name of output_dir if left out
    hub_token: str | None = None  # never written to a file
    dry_run: bool = False  # print the configuration, write it unless a run has done so, then stop

    def __post_init__(self) -> None:
        choices = {
            "stage": (*STAGES, *BASELINES, "all"),
            "preset": tuple(PRESETS),
            "neutrals": ("true", "learned", "mixed"),
            "augmentation": (None, "none", "mild", "strong"),
            "optimizer": (None, "adam", "muon"),
            "lr_scheduler": ("constant", "cosine"),
            "mixed_precision": ("no", "fp16", "bf16"),
            "report_to": ("none", "tensorboard", "trackio", "wandb"),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {allowed}, got {getattr(self, name)!r}")
        self._check_ranges()
        self._check_combinations()

    def of_stage(self, name: str, stage: str) -> float | str:
        """The value of a field of `STAGE_DEFAULTS` in a stage: as given, else the stage's own."""
        value = getattr(self, name)
        if value is None and name == "learning_rate" and self.optimizer == "adam":
            value = ADAM_RATES.get(stage)
        return STAGE_DEFAULTS[stage][name] if value is None else value

    def _check_ranges(self) -> None:
        counts = ("max_train_samples", "train_batch_size", "num_train_epochs", "max_train_steps")
        counts += ("gradient_accumulation_steps", "checkpointing_steps", "checkpoints_total_limit", "validation_steps")
        counts += ("critic_steps",)
        for name in counts:
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("learning_rate", "max_grad_norm", "max_action_unit_yaw"):
            if getattr(self, name) is not None and not getattr(self, name) > 0:
                raise ValueError(f"{name} must be greater than 0, got {getattr(self, name)}")
        for name in ("adam_beta1", "adam_beta2", "ema_decay"):
            if getattr(self, name) is not None and not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be in [0, 1), got {getattr(self, name)}")
        if not 0 <= self.view_probability <= 1:
            raise ValueError(f"view_probability must be in [0, 1], got {self.view_probability}")
        if not 0 < self.validation_fraction < 1:
            raise ValueError(f"validation_fraction must be between 0 and 1, got {self.validation_fraction}")

    @property
    def fold(self) -> tuple[int, int] | None:
        """`held_out_fold` as numbers: which, of how many."""
        if self.held_out_fold is None:
            return None
        fold, count = (int(part) for part in self.held_out_fold.split("/"))
        return fold, count

    def _check_combinations(self) -> None:
        if self.held_out_fold is not None and not re.fullmatch(r"\d+/\d+", self.held_out_fold):
            raise ValueError(f"held_out_fold must be like 0/2, the first of two parts, got {self.held_out_fold!r}")
        if self.fold and not self.fold[0] < self.fold[1] >= 2:
            raise ValueError(f"held_out_fold must count from 0/2 to 1/2 (or of 3, 4, ...), got {self.held_out_fold!r}")
        if self.fold_neutralizers is not None:
            if self.stage != "leed" or self.neutrals == "true":
                raise ValueError("fold_neutralizers serve --stage leed with --neutrals mixed or learned")
            if "," not in self.fold_neutralizers:
                raise ValueError(f"fold_neutralizers must be at least two, as a,b: got {self.fold_neutralizers!r}")
        if self.stage == "all" and self.init_from:
            raise ValueError("init_from holds one stage's model: choose that --stage instead of all")
        if self.stage == "all" and self.resume_from_checkpoint not in (None, "latest"):
            raise ValueError("a checkpoint folder is of one stage: choose that --stage instead of all, or 'latest'")
        if self.stage in ("leed", "all", *BASELINES) and self.train_batch_size < 2:
            raise ValueError("this stage exchanges expressions within a batch: train_batch_size must be at least 2")
        if self.stage == "classifier" and self.gradient_checkpointing:
            raise ValueError(
                "gradient_checkpointing is not for the classifier, whose batch normalisation would count a batch twice"
            )
        if self.data_on_device and self.dataloader_num_workers:
            raise ValueError(
                "data_on_device leaves nothing for worker processes to do: set dataloader_num_workers to 0"
            )
        if self.data_on_device and self.data_in_memory is False:
            raise ValueError("data_on_device needs the pictures decoded: leave out --no-data_in_memory")
        if (self.hub_model_id or self.hub_token) and not self.push_to_hub:
            raise ValueError("hub_model_id and hub_token have an effect only with --push_to_hub")
        if not self.use_ema and self.ema_decay != TrainConfig.ema_decay:
            raise ValueError("ema_decay has no effect with --no-use_ema")


STAGES = ("classifier", "neutralizer", "leed")
"""The stages of LEED, in their order."""


BASELINES = ("stargan", "ganimation")
"""Stages of their own: the models that the paper compares LEED with."""


_SHORT_MEMORY = {  # after quiet steps a long memory makes a large gradient a huge step
    "adam_beta1": 0.9,
    "adam_beta2": 0.99,
    "max_grad_norm": 0.3,
}

_AS_PUBLISHED = {
    "optimizer": "adam",
    "learning_rate": 1e-4,
    "augmentation": "none",
    "adam_beta1": 0.5,
    "adam_beta2": 0.999,
    "max_grad_norm": 1e6,  # as good as none
}

STAGE_DEFAULTS = {
    "classifier": {"optimizer": "adam", "learning_rate": 1e-3, "augmentation": "mild"} | _SHORT_MEMORY,
    "neutralizer": {"optimizer": "muon", "learning_rate": 1e-3, "augmentation": "strong"} | _SHORT_MEMORY,
    "leed": {"optimizer": "muon", "learning_rate": 1e-3, "augmentation": "mild"} | _SHORT_MEMORY,
    "stargan": _AS_PUBLISHED,
    "ganimation": _AS_PUBLISHED,
}
"""What the fields of `TrainConfig` that are None mean in each stage."""


ADAM_RATES = {"neutralizer": 5e-4, "leed": 6e-4}
"""Learning rates of the stages that Muon trains by default where Adam does: at Muon's they spike."""


def stage_sizes(stage: str, preset: str) -> ModelConfig:
    """Sizes of the networks in a preset; of the baselines' networks, those of `BASELINE_SIZES`."""
    return replace(PRESETS[preset], **BASELINE_SIZES[preset]) if stage in BASELINES else PRESETS[preset]


def stage_weights(stage: str, preset: str) -> LossWeights:
    """Weights of the terms in a preset. The baselines have those of their papers."""
    return PAPER_WEIGHTS if preset == "paper" or stage in BASELINES else LossWeights()
