"""Configuration of the networks: one flat, frozen dataclass and its presets."""

import types
import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

EXPRESSIONS = ("neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised", "contemptuous")
"""Order of the expression labels everywhere; index 0 is the neutral face."""


UPPER_WIDTHS = {"mouth": "upper_width", "eyes": "upper_eyes_width"}
"""The windows of the upper level, and the fields of `ModelConfig` with the channels of the networks that draw them."""


NEUTRAL = 0
"""Index of the neutral face in EXPRESSIONS."""


ACTION_UNITS = (
    *("AU01", "AU02", "AU04", "AU05", "AU06", "AU07", "AU09", "AU10", "AU12"),
    *("AU14", "AU15", "AU17", "AU20", "AU23", "AU25", "AU26", "AU45"),
)
"""The action units that OpenFace measures the intensity of, in the order of every vector of action units."""


OPENFACE_MAX_YAW = 30.0
"""The yaw, in degrees, up to which OpenFace measures action units reliably."""


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
    before: object = None,
) -> T:
    """A field of a settings dataclass, with its meaning and its range beside it.

    Args:
        default: the field's default.
        help: its meaning, for people and for the command line.
        least, most: the smallest and the largest value that is allowed.
        above, below: bounds that the value itself must not reach.
        resume: whether a resumed run may change it.
        before: the value that files from before there was this setting stand for; None for one as old as the files.
    """
    limits = {"least": least, "most": most, "above": above, "below": below}
    return field(default=default, metadata={"help": help, "resume": resume, "before": before} | limits)


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
    """Sizes of every network.

    One configuration serves all models: the same object builds `LEED`, `Neutralizer`, `ExpressionClassifier` and
    `GANimation`. Each `config.json` therefore also holds settings of networks that its model lacks, and the baselines
    take their sizes from the neutraliser's. That is the price of the Hub's mixin, which wants one flat object.

    Raises `ValueError` for sizes that are out of range or do not fit together.
    """

    image_size: int = setting(128, "side of a face, in pixels", least=1)

    # Encoder and decoder.
    patch_size: int = setting(8, "side of the patch that each place of a code stands for, in pixels", least=1)
    code_channels: int = setting(128, "channels of a code, a map at 1 / patch_size of the image's side", least=1)
    patch_skip: bool = setting(
        True, "E and D add to a cosine transform of patches and its inverse; False: as in the paper"
    )
    encoder_width: int = setting(24, "channels of the encoder", least=1)
    encoder_depth: int = setting(1, "residual blocks of the encoder", least=0)
    decoder_width: int = setting(96, "channels of the decoder", least=1)
    decoder_depth: int = setting(1, "residual blocks of the decoder", least=0)

    # Extractor and interpolator.
    delta_size: int = setting(64, "length of delta_exp; 0: a map of the code's shape, as in the paper", least=0)
    extractor_width: int = setting(128, "channels of the extractor", least=1)
    interpolator_width: int = setting(128, "channels of the interpolator at the side of a code", least=1)
    interpolator_depth: int = setting(2, "residual blocks of the interpolator", least=0)
    flow: bool = setting(True, "the interpolator warps the neutral face, then adds a residual; False: as in the paper")
    flow_cells: int = setting(
        2, "vectors of the flow along a side of each place of a code, at most patch_size", least=1, before=2
    )

    # The upper level.
    upper_width: int = setting(
        0, "channels of the upper level's network that draws mouths, at 3 times the side; 0: none", least=0, before=0
    )
    upper_eyes_width: int = setting(
        0, "channels of the upper level's network that draws eyes, at 3 times the side; 0: none", least=0, before=0
    )
    upper_depth: int = setting(
        2, "residual blocks of the upper level, before and after it sees delta_exp", least=0, before=2
    )

    # Networks that only training needs.
    siamese_size: int = setting(64, "length of a transform vector", least=1)
    siamese_width: int = setting(32, "channels of the siamese network", least=1)
    critic_width: int = setting(96, "channels of the critic of codes", least=1)

    # Neutraliser and its critic, and GANimation's, which have the same layers but for their heads.
    neutralizer: Literal["unet", "stargan"] = setting(
        "unet", "unet: flow, mask and paint from three scales; stargan: StarGAN's own generator"
    )
    neutralizer_width: int = setting(80, "channels of the neutraliser at its finest scale", least=1)
    neutralizer_depth: int = setting(2, "residual blocks of the neutraliser at each scale", least=0)
    neutralizer_critic_width: int = setting(32, "channels of the first layer of the critic of pictures", least=1)
    neutralizer_critic_depth: int = setting(5, "layers of the critic of pictures, each of which halves them", least=0)

    # Expression classifier (Psi).
    classifier_block: Literal["basic", "bottleneck"] = setting("basic", "residual block of torchvision's ResNet")
    classifier_layers: tuple[int, int, int, int] = setting((1, 1, 1, 1), "residual blocks at each of the four scales")
    classifier_size: int = setting(64, "side of the square to which the inner face is resized, in pixels", least=1)
    classifier_sees_neutral: bool = setting(
        True, "the classifier sees (image, image - neutral face); False: the image alone"
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "classifier_layers", tuple(self.classifier_layers))  # JSON turns tuples into lists
        check_settings(self)
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
        if self.upper_widths and not self.flow:
            given = " and ".join(UPPER_WIDTHS[window] for window in self.upper_widths)
            raise ValueError(f"{given} without flow: the upper level draws from the moved picture")
        if self.flow_cells > self.patch_size:
            raise ValueError(f"flow_cells must be at most patch_size = {self.patch_size}, got {self.flow_cells}")
        if len(self.classifier_layers) != 4 or min(self.classifier_layers) < 1:
            raise ValueError(f"classifier_layers must be four counts of blocks, got {self.classifier_layers}")

    @property
    def code_size(self) -> int:
        """Side of a code map."""
        return self.image_size // self.patch_size

    @property
    def upper_widths(self) -> dict[str, int]:
        """Channels of the upper level by the window that it draws, "mouth" and "eyes"; without those it lacks."""
        widths = {window: getattr(self, field) for window, field in UPPER_WIDTHS.items()}
        return {window: width for window, width in widths.items() if width}

    def to_dict(self) -> dict[str, Any]:  # Any: the fields' own types
        """Plain values, as `config.json` holds them.

        A later setting is left out where it has the value from before there was one: older files stay as they are.
        """
        later = {spec.name: spec.metadata["before"] for spec in fields(self)}
        values = asdict(self) | {"classifier_layers": list(self.classifier_layers)}
        return {name: value for name, value in values.items() if later[name] is None or value != later[name]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ModelConfig":
        """Inverse of `to_dict`. Raises `ValueError` naming missing and unknown keys."""
        later = {spec.name: spec.metadata["before"] for spec in fields(cls) if spec.metadata["before"] is not None}
        values = later | dict(values)
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


class NeutralizerSizes(TypedDict, total=False):
    """The settings of `ModelConfig` that the baselines share with the neutraliser."""

    neutralizer: Literal["unet", "stargan"]
    neutralizer_width: int
    neutralizer_depth: int
    neutralizer_critic_width: int
    neutralizer_critic_depth: int


STARGAN_SIZES: NeutralizerSizes = {
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
    classifier_sees_neutral=False,  # of faces that have no true neutral face, as the paper's
    **STARGAN_SIZES,
)

PRESETS = {"base": BASE, "tiny": TINY, "small": SMALL, "paper": PAPER}
