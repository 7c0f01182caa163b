"""Settings of a training run, weights of the loss terms, and how a stage is optimised."""

import math
import re
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Literal, NamedTuple

from huggingface_hub.constants import HF_HOME

from leed.config import OPENFACE_MAX_YAW, ModelConfig, check_settings, setting


@dataclass(frozen=True)
class LossWeights:
    """Weights (lambda in the paper) of the terms, by the term's name. A weight of 0 leaves the term uncomputed."""

    # The editor.
    exp: float = setting(1.0, "Eq. 2; only for a delta_exp that is a map")
    mutual_information: float = setting(0.005, "Eq. 3")
    interp: float = setting(1.0, "Eq. 6, the linear term; only for a delta_exp that is a map")
    idt: float = setting(1.0, "Eq. 7 on codes")
    image: float = setting(3.0, "Eq. 7 on pictures, L1")
    perceptual: float = setting(1.0, "Eq. 7 on pictures, Phi")
    structure: float = setting(0.5, "Eq. 7 on pictures, 1 - SSIM of the inner face")
    eyes: float = setting(0.0, "Eq. 7 on pictures, L1 and 1 - SSIM of the part about the eyes")
    psi_maps: float = setting(0.0, "Eq. 7 on pictures, Psi's early maps")
    recon: float = setting(1.0, "Eqs. 14, 15")
    recon_image: float = setting(1.0, "L1 beside the distance of Eqs. 14, 15, within that term")
    similarity: float = setting(0.0, "Psi's features of edit and reference")
    siamese: float = setting(0.1, "Eq. 11")
    adversarial: float = setting(0.0, "Eqs. 12, 13")
    gradient_penalty: float = setting(10.0, "of WGAN-GP, wherever a critic learns")

    # The neutraliser.
    paired: float = setting(3.0, "L1 to true neutral faces, where the data set has them")
    paired_perceptual: float = setting(1.0, "Phi, to true neutral faces")
    paired_structure: float = setting(0.5, "1 - SSIM of the inner face, to true neutral faces")
    paired_eyes: float = setting(0.0, "L1 and 1 - SSIM of the part about the eyes, to true neutral faces")
    stargan_adversarial: float = setting(0.0, "StarGAN's own term, of faces with and without true neutral faces")
    stargan_classification: float = setting(0.0, "StarGAN's own term: the critic tells the expression of an edit")
    stargan_cycle: float = setting(0.0, "StarGAN's own term: an edit changed back is the face again")

    # The upper level.
    upper_image: float = setting(3.0, "L1 to the true mouth and eyes")
    upper_structure: float = setting(1.0, "1 - SSIM, to the true mouth and eyes")
    upper_gradient: float = setting(2.0, "L1 of the differences of neighbouring pixels, to the true ones")
    upper_adversarial: float = setting(0.0, "critics score patches of the drawn mouth and eyes")

    # GANimation. The paper's weights, for terms that are means over pixels and action units.
    ganimation_adversarial: float = setting(1.0, "GANimation's critic scores an edit")
    ganimation_attention: float = setting(0.1, "how much of the face is painted over")
    ganimation_smoothness: float = setting(0.16, "total variation of the attention; 0.1 * 1e-4 for a sum of 128 x 128")
    ganimation_action_units: float = setting(160.0, "action units of an edit; 4000 over the authors' batch of 25")
    ganimation_cycle: float = setting(10.0, "an edit changed back is the face again")

    def __post_init__(self) -> None:
        check_settings(self)


PAPER_WEIGHTS = LossWeights(
    mutual_information=0.1,
    image=0.0,
    perceptual=0.0,
    structure=0.0,
    recon=10.0,
    recon_image=0.0,
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


PAPER_SETTINGS: dict[str, object] = {
    "phi": "vgg19",
    "optimizer": "adam",
    "adam_beta1": 0.5,
    "adam_beta2": 0.999,
    "learning_rate": 1e-4,  # StarGAN's: the paper names none
    "lr_scheduler": "constant",
    "lr_warmup_steps": 0,
    "max_grad_norm": 1e9,  # never reached
    "use_ema": False,
    "augmentation": "none",
    "random_flip": False,
    "view_probability": 0.0,
    "neutrals": "learned",
    "rafd_cameras": "000,045,090,135,180",
}
"""Settings of the preset "paper": the paper's, and nothing that it does not mention."""


@dataclass(frozen=True)
class Recipe:
    """A stage's optimiser, rates and augmentation, for settings of a run that are None."""

    learning_rate: float
    optimizer: str = "adam"
    augmentation: str = "mild"
    adam_rate: float | None = None  # where Muon is the default and Adam is asked for: at Muon's rate its loss spikes
    adam_beta1: float = 0.9
    adam_beta2: float = 0.99  # after quiet steps a longer memory makes a large gradient a huge step
    max_grad_norm: float = 0.3

    def given(self, config: "TrainConfig") -> "Recipe":
        """The recipe, changed by the settings of a run that are not None."""
        names = {field.name for field in fields(self)} - {"adam_rate"}
        values = {name: getattr(config, name) for name in names if getattr(config, name) is not None}
        if self.adam_rate is not None and config.optimizer == "adam":
            values = {"learning_rate": self.adam_rate} | values
        return replace(self, **values)


@dataclass(frozen=True)
class TrainConfig:
    """Settings of a training run; the command line of `train_accelerate.py` is made of these fields.

    Names follow the diffusers training scripts. `None` means "the stage's own default" (see `Recipe`). A step
    is an update of the weights, whatever `gradient_accumulation_steps` is. Raises `ValueError` for values out of range
    and for settings that would have no effect.
    """

    stage: str = setting("all", "one stage, or all: those of LEED in their order, without the baselines", resume=True)
    preset: Literal["base", "tiny", "small", "paper"] = setting(
        "base",
        "sizes of the networks, single ones by --model_<field>; small: for 64 px; paper: LEED's settings as well",
    )
    dataset_name: str = setting(
        "drawn", 'a folder, a Hub id, or "drawn" for the built-in procedural faces; several: a,b'
    )
    dataset_shares: tuple[float, ...] | None = setting(
        None, "share of each data set in the faces of an epoch: 0.5,0.3,0.2; without, each face comes once"
    )
    dataset_reader: str | None = setting(
        None, "reader of the data sets, one for all or a,b; guessed from name and content if left out"
    )
    rafd_cameras: str = setting("045,090,135", "cameras of RaFD to read, of 000,045,090,135,180", resume=True)
    dataset_split: str = setting("train", "split to train on, of a data set that has several")
    max_train_samples: int | None = setting(
        None, "greatest number of faces from each data set, chosen at random", least=1
    )
    validation_fraction: float = setting(
        0.1, "share of the people held out; the data set alone decides which, not the seed", above=0, below=1
    )
    output_dir: str = setting(
        "runs/leed", "folder for the stages' models, checkpoints, settings and logs", resume=True
    )
    seed: int = setting(0, "seed of weights, order and augmentation")

    # Networks of earlier stages.
    classifier: str | None = setting(None, "Psi: a folder or Hub id; None: output_dir's own, else an error")
    neutralizer: str | None = setting(
        None, "neutraliser of the editor: a folder or Hub id; None: as for the classifier"
    )
    leed: str | None = setting(
        None, "LEED to draw an upper level for: a folder or Hub id; None: as for the classifier"
    )
    upper_window: Literal["mouth", "eyes"] | None = setting(
        None, "window of the upper level that learns, the other being frozen; None: all that it has"
    )
    init_from: str | None = setting(None, "weights of this stage's model to start from")
    phi: str = setting("efficientnet-lite0", "perceptual network: efficientnet-lite0, vgg19, psi")
    held_out_fold: str | None = setting(None, 'part of the training people to leave out: "0/2" is the first of two')
    fold_neutralizers: str | None = setting(
        None, "neutralisers a,b trained with held_out_fold 0/2 and 1/2, for neutral faces out of fold"
    )
    neutrals: Literal["true", "learned", "mixed"] = setting(
        "true",
        "neutral faces that the editor uses as input and as expression origin; mixed: true ones as input",
    )
    freeze_encoder: bool = setting(
        False, "the editor's encoder keeps the weights that it starts with: codes cannot drift in a long finetuning"
    )
    neutral_share: float = setting(
        0.0,
        "share of the neutraliser's faces shown as their true neutral face, which it has to leave as it is",
        least=0,
        below=1,
    )
    view_probability: float = setting(
        0.5, "share of faces whose delta_exp comes from the second camera's picture of the shot", least=0, most=1
    )
    augmentation: Literal["none", "mild", "strong"] | None = setting(None, "random changes of the training pictures")
    random_flip: bool = setting(True, "mirror half of the faces")
    critic_steps: int = setting(5, "steps of a baseline's critic for each one of its generator", least=1)
    max_action_unit_yaw: float = setting(
        OPENFACE_MAX_YAW, "[degrees] ganimation learns from faces turned by at most this; 90: from all", above=0
    )

    train_batch_size: int = setting(16, "faces in a batch of one process", least=1)
    num_train_epochs: int = setting(20, "passes through all faces", least=1, resume=True)
    max_train_steps: int | None = setting(
        None, "updates of the weights; overrides num_train_epochs", least=1, resume=True
    )
    gradient_accumulation_steps: int | None = setting(
        None, "batches for each update of the weights; None: as the launcher says, else 1", least=1
    )
    gradient_checkpointing: bool = setting(
        False, "needs less memory and more time; not for the classifier", resume=True
    )
    optimizer: Literal["adam", "muon"] | None = setting(None, "adam, or muon (orthogonalised momentum updates)")
    learning_rate: float | None = setting(None, "learning rate of the optimiser", above=0, resume=True)
    scale_lr: bool = setting(
        False, "multiply the rate by (faces per update) / 16; diffusers multiplies by all faces", resume=True
    )
    lr_scheduler: Literal["constant", "cosine"] = setting(
        "cosine", "constant or cosine (flat for half the run, then cosine to 2 %)", resume=True
    )
    lr_warmup_steps: int = setting(100, "steps over which the rate grows to its full size", least=0, resume=True)
    adam_beta1: float | None = setting(
        None, "Adam's first beta; with muon, for biases and other parameters that it leaves to Adam", least=0, below=1
    )
    adam_beta2: float | None = setting(None, "Adam's second beta; with muon, as adam_beta1", least=0, below=1)
    max_grad_norm: float | None = setting(None, "norm to which gradients are clipped", above=0, resume=True)
    use_ema: bool = setting(True, "publish the moving average of the weights")
    ema_decay: float = setting(0.999, "decay of the moving average at each step", least=0, below=1)
    mixed_precision: Literal["no", "fp16", "bf16"] | None = setting(
        None, "precision of the networks, fp16 on a GPU only; None: as the launcher says (accelerate config), else no"
    )
    allow_tf32: bool = setting(True, "use TF32 on GPUs that have it", resume=True)
    dataloader_num_workers: int = setting(
        0, "processes that load pictures; 0: the training process itself", least=0, resume=True
    )
    cache_dir: str | None = setting(
        None,
        "folder for learned neutral faces and lists of checked pictures; None: leed in the Hub's cache",
        resume=True,
    )
    check_pictures: bool = setting(
        True,
        "open every picture before the first step; pictures that did not change are not opened again",
        resume=True,
    )
    data_in_memory: bool | None = setting(None, "decode all pictures once; None: if they fit into 4 GiB", resume=True)
    data_on_device: bool | None = setting(
        None, "keep all pictures on the device; None: on a GPU, if half its free memory holds them", resume=True
    )

    checkpointing_steps: int = setting(500, "steps from one checkpoint to the next", least=1, resume=True)
    checkpoints_total_limit: int | None = setting(
        2, "number of checkpoints to keep; older ones are removed", least=1, resume=True
    )
    resume_from_checkpoint: str | None = setting(None, 'a checkpoint folder, or "latest"', resume=True)
    resume_elastic: bool = setting(
        False,
        "let a resumed run have other processes, batch size or accumulation; from there on not bit-exact",
        resume=True,
    )
    validation_steps: int = setting(
        500, "steps from one validation to the next, on held-out people", least=1, resume=True
    )
    report_to: Literal["none", "tensorboard", "trackio", "wandb"] = setting(
        "none", "tracker of losses, figures and sheets", resume=True
    )
    logging_dir: str = setting("logs", "folder of the tracker's files inside output_dir", resume=True)
    push_to_hub: bool = setting(
        False, "upload the models: leed as <hub_model_id>, another stage's as <hub_model_id>-<stage>", resume=True
    )
    hub_model_id: str | None = setting(None, "name of the model on the Hub; None: the name of output_dir", resume=True)
    hub_token: str | None = setting(None, "token for the Hub; never written to a file", resume=True)
    dry_run: bool = setting(False, "print the settings, write them unless a run has done so, then stop", resume=True)

    def __post_init__(self) -> None:
        check_settings(self)
        self._check_datasets()
        self._check_combinations()

    @property
    def fold(self) -> tuple[int, int] | None:
        """`held_out_fold` as numbers: which, of how many."""
        if self.held_out_fold is None:
            return None
        fold, count = (int(part) for part in self.held_out_fold.split("/"))
        return fold, count

    @property
    def cache(self) -> Path:
        """The folder of `cache_dir`."""
        return Path(self.cache_dir or Path(HF_HOME) / "leed").expanduser()

    @property
    def datasets(self) -> list[str]:
        """The data sets that `dataset_name` lists."""
        return self.dataset_name.split(",")

    @property
    def readers(self) -> list[str | None]:
        """The reader of each data set; None for one to be guessed, which is left empty in `dataset_reader`."""
        given = [reader or None for reader in (self.dataset_reader or "").split(",")]
        return given * len(self.datasets) if len(given) == 1 else given

    def _check_datasets(self) -> None:
        names, shares = self.datasets, self.dataset_shares
        if len(self.readers) != len(names):
            raise ValueError(
                f"dataset_reader must be one for all or one for each of {len(names)} data sets, {names}, "
                f"got {self.dataset_reader!r}"
            )
        if shares is None:
            return
        if len(shares) != len(names):
            raise ValueError(
                f"dataset_shares must be a number for each of {len(names)} data sets, {names}, got {shares}"
            )
        if not all(math.isfinite(share) and share >= 0 for share in shares) or not any(shares):
            raise ValueError(f"dataset_shares must not be negative, and one must be above 0, got {shares}")

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
        if self.data_on_device and self.dataloader_num_workers:
            raise ValueError(
                "data_on_device leaves nothing for worker processes to do: set dataloader_num_workers to 0"
            )
        if self.data_on_device and self.data_in_memory is False:
            raise ValueError("data_on_device needs the pictures decoded: leave out --no-data_in_memory")
        if (self.hub_model_id or self.hub_token) and not self.push_to_hub:
            raise ValueError("hub_model_id and hub_token have an effect only with --push_to_hub")
        if (self.leed or self.upper_window) and self.stage != "upper":
            raise ValueError("leed and upper_window serve --stage upper")
        if self.neutral_share and self.stage not in ("neutralizer", "all"):
            raise ValueError("neutral_share serves the neutraliser: --stage neutralizer or all")
        if self.freeze_encoder and self.stage not in ("leed", "all"):
            raise ValueError("freeze_encoder serves the editor: --stage leed or all")
        if self.resume_elastic and not self.resume_from_checkpoint:
            raise ValueError("resume_elastic has an effect only with --resume_from_checkpoint")
        if not self.use_ema and self.ema_decay != TrainConfig.ema_decay:
            raise ValueError("ema_decay has no effect with --no-use_ema")


class Settings(NamedTuple):
    """All that a run is given: its training settings, the weights of its loss terms and the sizes of its networks."""

    train: TrainConfig
    weights: LossWeights
    model: ModelConfig

    def to_dict(self) -> dict[str, dict[str, object]]:
        """Plain values, without the Hub's token."""
        train = asdict(self.train)
        del train["hub_token"]
        if self.train.dataset_shares is not None:
            train["dataset_shares"] = list(self.train.dataset_shares)  # as JSON gives them back
        return {"train": train, "weights": asdict(self.weights), "model": self.model.to_dict()}
