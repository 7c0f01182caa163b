"""Configuration of the networks: one flat, frozen dataclass and its presets."""

import types
import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

EXPRESSIONS = ("neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised", "contemptuous")
"""Order of the expression labels everywhere; index 0 is the neutral face."""


NEUTRAL = 0
OPENFACE_MAX_YAW = 30.0
"""How far, in degrees, a head may be turned for its action units to be trusted: OpenFace's own range."""


T = TypeVar("T")


def setting(
    default: T,
    help: str,
    *,
    least: float | None = None,
    most: float | None = None,
    resume: bool = False,
    above: float | None = None,
    below: float | None = None,
) -> T:
    """A field of a settings dataclass, with its meaning and its range beside it.

    Args:
        default: the field's default.
        help: its meaning, for people and for the command line.
        least, most: the smallest and the largest value that is allowed.
        above, below: bounds that the value itself must not reach.
        resume: whether a resumed run may change it.
    """
    limits = {"least": least, "most": most, "above": above, "below": below}
    return field(default=default, metadata={"help": help, "resume": resume} | limits)


def check_settings(config: "DataclassInstance") -> None:
    """Raises `ValueError` for a field outside its range, or with a value that its `Literal` type does not list.

    A field may be None if its type says so.
    """
    kinds = _kinds(type(config))
    for spec in fields(config):
        value, (choices, optional) = getattr(config, spec.name), kinds[spec.name]
        if value is None:
            if not optional:
                raise ValueError(f"{spec.name} must have a value, got None")
        elif choices and value not in choices:
            raise ValueError(f"{spec.name} must be one of {choices}, got {value!r}")
        elif not _inside(value, spec.metadata):
            raise ValueError(f"{spec.name} must be {_range(spec.metadata)}, got {value}")


@cache
def _kinds(kind: type) -> dict[str, tuple[tuple[object, ...], bool]]:
    """For each field of a dataclass its choices, and whether it may be None."""
    kinds = {}
    for name, hint in typing.get_type_hints(kind).items():
        parts = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
        literals = [part for part in parts if typing.get_origin(part) is Literal]
        kinds[name] = tuple(value for part in literals for value in typing.get_args(part)), type(None) in parts
    return kinds


def _inside(value: float, limits: Mapping[str, Any]) -> bool:  # Any: metadata holds values of any type
    """Whether a value keeps its limits; NaN keeps none."""
    return (
        (limits.get("least") is None or value >= limits["least"])
        and (limits.get("most") is None or value <= limits["most"])
        and (limits.get("above") is None or value > limits["above"])
        and (limits.get("below") is None or value < limits["below"])
    )


def _range(limits: Mapping[str, Any]) -> str:
    """The limits in words, to follow "must be"."""
    least, most, above, below = (limits.get(name) for name in ("least", "most", "above", "below"))
    lower = f"[{least:g}" if least is not None else f"({above:g}" if above is not None else None
    upper = f"{most:g}]" if most is not None else f"{below:g})" if below is not None else None
    if lower and upper:
        return f"in {lower}, {upper}"
    if lower:
        return f"at least {least:g}" if least is not None else f"greater than {above:g}"
    return f"at most {most:g}" if most is not None else f"less than {below:g}"


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of every network. The same object builds `LEED`, `Neutralizer` and `ExpressionClassifier`.

    Raises `ValueError` for sizes that do not fit together.
    """

    image_size: int = 128  # [px] side of a face

    # Encoder and decoder. A code is a map of `code_channels` at 1 / `patch_size` of the image's side.
    patch_size: int = 8  # [px] side of the patch that a place of a code stands for
    code_channels: int = 128  # of a code map
    patch_skip: bool = True  # E and D add to a cosine transform of patches and its inverse; False: as in the paper
    encoder_width: int = 24  # channels; depth: residual blocks, here and below
    encoder_depth: int = 1
    decoder_width: int = 96
    decoder_depth: int = 1

    # Extractor and interpolator.
    delta_size: int = 64  # length of delta_exp; 0: a map of the code's own shape, as in the paper
    extractor_width: int = 128  # channels
    interpolator_width: int = 128  # channels at the side of a code
    interpolator_depth: int = 2
    flow: bool = True  # the interpolator warps the neutral face before it adds a residual; False: as in the paper

    # Networks that only training needs.
    siamese_size: int = 64  # length of a transform vector
    siamese_width: int = 32
    critic_width: int = 96

    # Neutraliser and its critic; GANimation's generator and critic too, which are StarGAN's but for their heads.
    neutralizer: str = "unet"  # "unet": flow, mask and paint from three scales; "stargan": StarGAN's own generator
    neutralizer_width: int = 80  # channels at the finest scale
    neutralizer_depth: int = 2
    neutralizer_critic_width: int = 32
    neutralizer_critic_depth: int = 5

    # Expression classifier (Psi).
    classifier_block: str = "basic"  # residual block of torchvision's ResNet: "basic" or "bottleneck"
    classifier_layers: tuple[int, int, int, int] = (1, 1, 1, 1)  # blocks at each of its four scales
    classifier_size: int = 64  # side of the square to which the inner face is resized
    classifier_sees_neutral: bool = True  # it sees (image, image - neutral face); False: the image alone

    def __post_init__(self) -> None:
        object.__setattr__(self, "classifier_layers", tuple(self.classifier_layers))  # JSON turns tuples into lists
        for spec in fields(self):
            least = 0 if spec.name == "delta_size" or spec.name.endswith("_depth") else 1
            if spec.type is int and getattr(self, spec.name) < least:
                raise ValueError(f"{spec.name} must be at least {least}, got {getattr(self, spec.name)}")
        if self.patch_size < 4 or self.patch_size & (self.patch_size - 1):
            raise ValueError(f"patch_size must be a power of two and at least 4, got {self.patch_size}")
        if self.image_size % (4 * self.patch_size):
            raise ValueError(
                f"image_size must be a multiple of 4 * patch_size = {4 * self.patch_size}, got {self.image_size}"
            )
        if self.patch_skip and self.code_channels > 3 * self.patch_size**2:
            raise ValueError(
                f"code_channels must be at most 3 * patch_size**2 = {3 * self.patch_size**2} with patch_skip, "
                f"got {self.code_channels}"
            )
        if 2**self.neutralizer_critic_depth > self.image_size:
            raise ValueError(
                f"neutralizer_critic_depth must be at most {self.image_size.bit_length() - 1} with an image_size of "
                f"{self.image_size}, which each layer halves, got {self.neutralizer_critic_depth}"
            )
        if self.flow and (not self.patch_skip or self.delta_size == 0):
            raise ValueError("flow needs patch_skip and a vector delta_exp (delta_size > 0)")
        if len(self.classifier_layers) != 4 or min(self.classifier_layers) < 1:
            raise ValueError(f"classifier_layers must be four counts of blocks, got {self.classifier_layers}")
        for name, choices in (("neutralizer", ("unet", "stargan")), ("classifier_block", ("basic", "bottleneck"))):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {choices}, got {getattr(self, name)!r}")

    @property
    def code_size(self) -> int:
        """Side of a code map."""
        return self.image_size // self.patch_size

    def to_dict(self) -> dict:
        """Plain values, as `config.json` holds them."""
        return asdict(self) | {"classifier_layers": list(self.classifier_layers)}

    @classmethod
    def from_dict(cls, values: dict) -> "ModelConfig":
        """Inverse of `to_dict`. Raises `ValueError` naming missing and unknown keys."""
        known = {field.name for field in fields(cls)}
        missing, unknown = sorted(known - set(values)), sorted(set(values) - known)
        if missing or unknown:
            raise ValueError(f"configuration has missing keys {missing} and unknown keys {unknown}")
        return cls(**values)


BASE = ModelConfig()

TINY = ModelConfig(
    image_size=32,
    patch_size=4,
    code_channels=32,
    encoder_width=16,
    decoder_width=32,
    delta_size=16,
    extractor_width=32,
    interpolator_width=32,
    interpolator_depth=1,
    siamese_size=16,
    siamese_width=16,
    critic_width=16,
    neutralizer_width=16,
    neutralizer_depth=1,
    neutralizer_critic_width=16,
    neutralizer_critic_depth=3,
    classifier_size=32,
)

STARGAN_SIZES = {
    "neutralizer": "stargan",
    "neutralizer_width": 64,
    "neutralizer_depth": 6,
    "neutralizer_critic_width": 64,
    "neutralizer_critic_depth": 6,
}
"""Sizes of StarGAN's networks, and of GANimation's, as published."""


SMALL = replace(BASE, image_size=64, patch_size=4, code_channels=48, neutralizer_width=64)

PAPER = replace(
    BASE,
    patch_skip=False,
    encoder_width=64,
    encoder_depth=2,
    decoder_width=128,
    decoder_depth=2,
    delta_size=0,
    flow=False,
    **STARGAN_SIZES,
)

PRESETS = {"base": BASE, "tiny": TINY, "small": SMALL, "paper": PAPER}

ACTION_UNITS = (
    *("AU01", "AU02", "AU04", "AU05", "AU06", "AU07", "AU09", "AU10", "AU12"),
    *("AU14", "AU15", "AU17", "AU20", "AU23", "AU25", "AU26", "AU45"),
)
