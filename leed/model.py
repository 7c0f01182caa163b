"""LEED: the neutraliser, E, X, I and D together, so that one `from_pretrained` can edit a face."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor

from leed.config import ModelConfig
from leed.images import to_pil, to_tensor
from leed.networks.editor import Decoder, Encoder, Extractor, Interpolation, Interpolator
from leed.networks.layers import fit, warp
from leed.networks.neutralizer import Neutralizer
from leed.pretrained import HubModel
from leed.similarity import inner_ssim

MAX_ALPHA = 2.0  # that an edit takes
MAX_SHOWN_ALPHA = 1.5  # as far as the demo and the sequences go

SETTLED = 0.95
"""Below this neutrality, a rest of the expression is usually seen in a neutral face."""


@dataclass(frozen=True)
class Expression:
    """An expression taken from references: delta_exp (B, Z), or (B, C, c, c) for a map."""

    delta_exp: Tensor


class Moved(NamedTuple):
    """A face (B, 3, H, W), not clamped, and the flow (B, 2, h, w) that took the pixels of another there.

    The flow is in units of half a side, x first, and zero where a network has none; whatever else changed is painted.
    """

    image: Tensor
    flow: Tensor


def no_flow(image: Tensor) -> Tensor:
    """The flow (B, 2, 1, 1) that moves nothing."""
    return image.new_zeros(len(image), 2, 1, 1)


class Trace(NamedTuple):
    """An edit, and what of it is mere motion; for pictures larger than the model's.

    `edited` (B, 3, H, W) is the edit; `moved` the given face, carried by the flows alone; `flow` (B, 2, H, W) says
    from where, as in `Moved`.
    """

    edited: Tensor
    moved: Tensor
    flow: Tensor


@dataclass(frozen=True)
class PreparedEdit:
    """A face and an expression of which everything is computed that does not depend on alpha.

    Calling it with alpha in [0, 2] interpolates and decodes: a picture if the face was one, else (B, 3, H, W).
    """

    leed: "FaceModel"
    code_neutral: Tensor
    context: Tensor
    expression: Expression
    as_picture: bool
    image: Tensor | None = None  # the face, and the flow to its neutral one, if `trace` is to be called
    flow_neutral: Tensor | None = None

    def __call__(self, alpha: float | Tensor = 1.0) -> Image.Image | Tensor:
        edited = self._render(alpha).image
        return to_pil(edited) if self.as_picture else edited

    @torch.no_grad()
    def trace(self, alpha: float | Tensor = 1.0) -> Trace:
        """The edit with what moved in it. Needs an edit that `FaceModel.prepare` prepared."""
        edited, flow = self._render(alpha)
        size = self.image.shape[-2:]
        neutral = torch.cat([warp(self.image, self.flow_neutral), fit(self.flow_neutral, size)], 1)
        moved, flow_neutral = warp(neutral, flow).split([3, 2], 1)  # as the model does it, in two steps
        return Trace(edited, moved, fit(flow, size) + flow_neutral)

    @torch.no_grad()
    def _render(self, alpha: float | Tensor) -> Moved:
        alpha = check_alpha(alpha, self.code_neutral)
        edited, flow = self.leed.render(self.code_neutral, self.context, self.expression.delta_exp, alpha)
        return Moved(edited.clamp(-1, 1), flow)

    def with_expression(self, expression: Expression) -> "PreparedEdit":
        """The same face with another expression."""
        return replace(self, expression=expression)


def check_alpha(alpha: float | Tensor, like: Tensor) -> Tensor:
    """alpha as a tensor (1,) or (B,). Raises `ValueError` outside [0, 2]."""
    alpha = torch.as_tensor(alpha, dtype=like.dtype, device=like.device).reshape(-1)
    if not bool(((alpha >= 0) & (alpha <= MAX_ALPHA)).all()):  # also catches NaN
        raise ValueError(f"alpha must be in [0, {MAX_ALPHA:g}], got {alpha.tolist()}")
    return alpha


def times(alpha: float | Tensor, delta_exp: Tensor) -> Tensor:
    """alpha delta_exp; alpha a number or (B,)."""
    if isinstance(alpha, Tensor):
        alpha = alpha.view(-1, *[1] * (delta_exp.ndim - 1))
    return alpha * delta_exp


class FaceModel(ABC):
    """The calls that a user makes, on five steps that a subclass computes, in PyTorch or in an engine.

    The steps take and give float tensors on `device`, faces (B, 3, H, W) in [-1, 1], without gradients.
    """

    config: ModelConfig
    device: torch.device
    dtype: torch.dtype

    @abstractmethod
    def neutral(self, image: Tensor) -> Moved:
        """I_N: the neutral face of `image`, and the flow towards it."""

    @abstractmethod
    def encode(self, image: Tensor) -> Tensor:
        """C = E(image): (B, 3, H, W) -> (B, C, c, c)."""

    @abstractmethod
    def extract(self, code: Tensor, code_neutral: Tensor) -> Tensor:
        """delta_exp = X(C, C_N)."""

    @abstractmethod
    def context(self, code_neutral: Tensor) -> Tensor:
        """What in I depends on the neutral face alone: (B, C, c, c) -> (B, K, c, c)."""

    @abstractmethod
    def render(self, code_neutral: Tensor, context: Tensor, delta_exp: Tensor, alpha: Tensor) -> Moved:
        """D(I(C_IN, alpha delta_exp)), and the flow from I_N; alpha (1,) or (B,), one delta_exp or (B).

        `context` is that of `code_neutral`.
        """

    # The user's calls: pictures, or float tensors (B, 3, H, W) in [-1, 1].

    def edit(
        self, image: Image.Image | Tensor, reference: Image.Image | Tensor | Expression, alpha: float | Tensor = 1.0
    ) -> Image.Image | Tensor:
        """The face `image` with the expression of `reference`, alpha in [0, 2] times as strong.

        Aligned faces as pictures of any size and mode, or as float tensors (B, 3, H, W) in [-1, 1] of the model's
        size; the result is of the kind of `image`. Raises `ValueError` for other input.
        """
        return self.prepare(image, reference)(alpha)

    @torch.no_grad()
    def prepare(self, image: Image.Image | Tensor, reference: Image.Image | Tensor | Expression) -> PreparedEdit:
        """Does once what does not depend on alpha; the result's call `prepared(alpha)` is cheap."""
        expression = reference if isinstance(reference, Expression) else self.expression(reference)
        face = self._face(image, "image")
        neutral, flow = self.neutral(face)
        code_neutral = self.encode(neutral)
        counts = len(code_neutral), len(expression.delta_exp)
        if counts[0] != counts[1] and counts[1] != 1:
            raise ValueError(f"got {counts[0]} images and {counts[1]} references: expected as many, or one reference")
        context = self.context(code_neutral)
        return PreparedEdit(self, code_neutral, context, expression, isinstance(image, Image.Image), face, flow)

    @torch.no_grad()
    def expression(self, reference: Image.Image | Tensor) -> Expression:
        """The expression that a reference face shows, for any number of later edits."""
        reference = self._face(reference, "reference")
        reference_neutral = self.neutral(reference).image
        return Expression(self.extract(self.encode(reference), self.encode(reference_neutral)))

    @torch.no_grad()
    def neutralize(self, image: Image.Image | Tensor) -> Image.Image | Tensor:
        """The neutral face of `image`; a picture for a picture, a tensor for a tensor."""
        neutral = self.neutral(self._face(image, "image")).image.clamp(-1, 1)
        return to_pil(neutral) if isinstance(image, Image.Image) else neutral

    @torch.no_grad()
    def neutrality(self, image: Image.Image | Tensor) -> Tensor:
        """How neutral the neutral faces of `image` are: (B,), at most 1.

        SSIM of the inner face between the neutral face and its own neutral face: near 1 where the neutraliser finds
        nothing left to do. Below SETTLED, an edit of that face, or with that face as its reference, is not to be
        trusted.
        """
        once = self.neutral(self._face(image, "image")).image.clamp(-1, 1)
        return inner_ssim(self.neutral(once).image.clamp(-1, 1), once)

    def _face(self, image: Image.Image | Tensor, name: str) -> Tensor:
        """The face as (B, 3, H, W) where the model computes. Raises `ValueError` for what is not a face tensor."""
        side = self.config.image_size
        if isinstance(image, Image.Image):
            image = to_tensor(image, side)
        elif not isinstance(image, Tensor):
            raise ValueError(f"{name} must be a PIL image or a float tensor, got {type(image).__name__}")
        elif image.ndim != 4 or image.shape[1:] != (3, side, side) or not image.is_floating_point():
            raise ValueError(
                f"{name} must be a float tensor (B, 3, {side}, {side}) in [-1, 1], got {tuple(image.shape)} "
                f"{image.dtype}; a single face needs image[None], uint8 needs leed.images.normalize"
            )
        elif not bool(image.isfinite().all()) or image.abs().max() > 1.001:
            raise ValueError(f"{name} must lie in [-1, 1], got [{image.min():.4g}, {image.max():.4g}]")
        return image.to(self.device, self.dtype)


class LEED(FaceModel, HubModel):
    """Label-free expression editing: the face of one picture with the expression of another.

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

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        return next(self.parameters()).dtype

    # The mathematics: float tensors in [-1, 1].

    def neutral(self, image: Tensor) -> Moved:
        """I_N: the neutral face of `image`, and the flow towards it."""
        if self.config.neutralizer != "unet":
            return Moved(self.neutralizer(image), no_flow(image))
        change = self.neutralizer.change(image)
        return Moved(change.apply(image), change.flow)

    def encode(self, image: Tensor) -> Tensor:
        """C = E(image): (B, 3, H, W) -> (B, C, c, c)."""
        return self.encoder(image)

    def extract(self, code: Tensor, code_neutral: Tensor) -> Tensor:
        """delta_exp = X(C, C_N)."""
        return self.extractor(code, code_neutral)

    def interpolate(self, code_neutral: Tensor, delta_exp: Tensor, alpha: float | Tensor = 1.0) -> Interpolation:
        """C_IB = I(C_IN, alpha delta_exp), and the flow; alpha a number or (B,)."""
        return self.interpolator(code_neutral, times(alpha, delta_exp))

    def decode(self, code: Tensor) -> Tensor:
        """image = D(C): (B, C, c, c) -> (B, 3, H, W)."""
        return self.decoder(code)

    def context(self, code_neutral: Tensor) -> Tensor:
        """What in I depends on the neutral face alone: (B, C, c, c) -> (B, K, c, c)."""
        return self.interpolator.context(code_neutral)

    def render(self, code_neutral: Tensor, context: Tensor, delta_exp: Tensor, alpha: float | Tensor = 1.0) -> Moved:
        """D(I(C_IN, alpha delta_exp)), and the flow from I_N; `context` is that of `code_neutral`."""
        code, flow = self.interpolator.interpolate(code_neutral, context, times(alpha, delta_exp))
        return Moved(self.decode(code), no_flow(code) if flow is None else flow)

    def forward(self, image: Tensor, reference: Tensor, alpha: float | Tensor = 1.0) -> Tensor:
        """The whole edit with gradients; face tensors (B, 3, H, W) in [-1, 1], the output not clamped."""
        image_neutral, reference_neutral = self.neutralizer(torch.cat([image, reference])).chunk(2)
        delta_exp = self.extract(self.encode(reference), self.encode(reference_neutral))
        return self.decode(self.interpolate(self.encode(image_neutral), delta_exp, alpha).code)
