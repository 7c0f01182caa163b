"""LEED: the neutraliser, E, X, I and D together, so that one `from_pretrained` can edit a face."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from leed.config import UPPER_WIDTHS, ModelConfig
from leed.model.alpha import check_count, scaled
from leed.model.face_model import FaceModel
from leed.model.faces import Rendered, Warped, no_flow
from leed.networks.editor import Decoder, Encoder, Extractor, Interpolation, Interpolator
from leed.networks.neutralizer import Neutralizer
from leed.networks.remains import REMAINS
from leed.networks.upper import UpperLevel
from leed.pretrained import CONFIG, WEIGHTS, HubModel, read_digest, read_digest_without
from leed.regions import is_regional, parts

UPPER_LEVELS = {"mouth": "upper", "eyes": "upper_eyes"}
"""The windows of the upper level, and the parts of a LEED that draw them."""


def expression_digest(path: Path, config: ModelConfig) -> str:
    """The digest of the weights that expressions go with: of a LEED's file, without the upper level if it has one.

    An upper level draws edits and changes no expression: those saved before a model got one, or a new one, stay valid.
    Raises `ModelFileError` for a file that cannot be read.
    """
    if not config.upper_widths:
        return read_digest(path)
    sizes = {name: getattr(ModelConfig, name) for name in (*UPPER_WIDTHS.values(), "upper_depth")}
    plain = replace(config, **sizes)
    return read_digest_without(UPPER_LEVELS.values(), path, LEED.__name__, plain)


class LEED(HubModel, FaceModel):
    """LEED, label-free expression editing: the face of one picture with the expression of another.

    >>> leed = LEED.from_pretrained("hub/leed-open")
    >>> edited = leed.edit(face, reference, alpha=1.0)
    """

    def __init__(self, config: ModelConfig = ModelConfig()) -> None:  # noqa: B008 (frozen)
        super().__init__()
        self.config = config
        self.neutralizer = Neutralizer(config)
        self.encoder = Encoder(config)
        self.extractor = Extractor(config)
        self.interpolator = Interpolator(config)
        self.decoder = Decoder(config)
        self.upper = UpperLevel(config, "mouth") if config.upper_width else None
        self.upper_eyes = UpperLevel(config, "eyes") if config.upper_eyes_width else None

    # Its files: those of every model, and the estimator's.

    FILES = (CONFIG, WEIGHTS, f"{REMAINS}/*")

    @classmethod
    def _from_pretrained(cls, *, model_id: str, **options: Any) -> "LEED":
        leed = super()._from_pretrained(model_id=model_id, **options)
        leed.find_estimator(Path(model_id))
        leed.digest = expression_digest(Path(model_id) / WEIGHTS, leed.config)
        return leed

    def _save_pretrained(self, save_directory: Path, dtype: torch.dtype | None = None) -> None:
        """Writes weights and configuration, and the estimator if there is one; without, one that is there stays."""
        super()._save_pretrained(save_directory, dtype)
        self.digest = expression_digest(save_directory / WEIGHTS, self.config)
        if self.estimator is not None:
            self.estimator._save_pretrained(save_directory / REMAINS, dtype)  # a card there is kept

    def train(self, mode: bool = True) -> "LEED":
        """As every module's; weights that may change from here on have no digest until they are saved."""
        if mode:
            self.digest = None
            vars(self).pop("expressions", None)
        return super().train(mode)

    # The mathematics: float tensors in [-1, 1].

    def neutral(self, image: Tensor) -> Warped:
        """I_N: the neutral face of `image` (B, 3, H, W), and the flow towards it."""
        if self.config.neutralizer != "unet":  # StarGAN's generator paints the whole face anew
            return Warped(self.neutralizer(image), no_flow(image))
        change = self.neutralizer.change(image)
        return Warped(change.apply(image), change.flow)

    def encode(self, image: Tensor) -> Tensor:
        """C = E(image): (B, 3, H, W) -> (B, C, c, c)."""
        return self.encoder(image)

    def extract(self, code: Tensor, code_neutral: Tensor) -> Tensor:
        """delta_exp = X(C, C_N): two codes (B, C, c, c) -> (B, Z), or (B, C, c, c) for a map."""
        return self.extractor(code, code_neutral)

    def interpolate(self, code_neutral: Tensor, delta_exp: Tensor, alpha: float | Tensor = 1.0) -> Interpolation:
        """C_IB = I(C_IN, alpha delta_exp) (B, C, c, c), and the flow; alpha a number or (B,)."""
        return self.interpolator(code_neutral, scaled(alpha, delta_exp))

    def decode(self, code: Tensor) -> Tensor:
        """image = D(C): (B, C, c, c) -> (B, 3, H, W)."""
        return self.decoder(code)

    def context(self, code_neutral: Tensor) -> Tensor:
        """The part of I that depends only on the neutral face, once per face: (B, C, c, c) -> (B, K, c, c)."""
        return self.interpolator.context(code_neutral)

    def render(
        self, code_neutral: Tensor, context: Tensor, delta_exp: Tensor, alpha: float | Tensor = 1.0
    ) -> Rendered:
        """D(I(C_IN, alpha delta_exp)) (B, 3, H, W), and what it is made of; `context` is that of `code_neutral`."""
        return self.render_parts(code_neutral, context, *self._parts(delta_exp, context), alpha)

    def render_parts(
        self, code_neutral: Tensor, context: Tensor, delta_exp: Tensor, masks: Tensor | None, alpha: float | Tensor
    ) -> Rendered:
        """As `render`; with `masks` (R, c, c), delta_exp has R expressions of B faces (`leed.regions.parts`)."""
        code, flow, features = self.interpolator.interpolate(code_neutral, context, scaled(alpha, delta_exp), masks)
        flow = no_flow(code) if flow is None else flow
        return Rendered(self.decode(code), flow, features if self.config.upper_widths else None)

    def refine(
        self,
        window: str,
        moved: Tensor,
        edit: Tensor,
        features: Tensor,
        delta_exp: Tensor,
        alpha: float | Tensor = 1.0,
    ) -> tuple[Tensor, Tensor]:
        """The upper level: `replaced` and `added` of a window's `Refinement`; arguments as in `FaceModel`.

        Raises `ValueError` for a window that the model does not draw.
        """
        if window not in self.upper_levels:
            raise ValueError(f"this model has no upper level for {window}: train one with --stage upper")
        delta_exp, masks = self._parts(delta_exp, features)
        return self.upper_levels[window](moved, edit, features, scaled(alpha, delta_exp), masks)

    @property
    def upper_levels(self) -> dict[str, UpperLevel]:
        """The networks of the upper level, by the window that each draws; none in weights that lack it."""
        levels = {window: getattr(self, name) for window, name in UPPER_LEVELS.items()}
        return {window: level for window, level in levels.items() if level is not None}

    def _parts(self, delta_exp: Tensor, maps: Tensor) -> tuple[Tensor, Tensor | None]:
        """delta_exp and None; where it is regional, its parts for the B faces of `maps` (B, ...), and their masks."""
        if not is_regional(delta_exp):
            return delta_exp, None
        delta_exp, masks = parts(delta_exp.expand(len(maps), *delta_exp.shape[1:]), self.config.code_size)
        return delta_exp, masks.to(maps)

    def forward(self, image: Tensor, reference: Tensor, alpha: float | Tensor = 1.0) -> Tensor:
        """The whole edit with gradients; face tensors (B, 3, H, W) in [-1, 1], the output not clamped.

        `reference` has B faces or one, `alpha` is a number or (B,). Raises `ValueError` for other numbers.
        """
        check_count(len(reference), len(image), "references")
        check_count(torch.as_tensor(alpha).numel(), len(image), "alphas")
        neutrals = self.neutralizer(torch.cat([image, reference]))
        image_neutral, reference_neutral = neutrals[: len(image)], neutrals[len(image) :]
        delta_exp = self.extract(self.encode(reference), self.encode(reference_neutral))
        return self.decode(self.interpolate(self.encode(image_neutral), delta_exp, alpha).code)
