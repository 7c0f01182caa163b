"""LEED: the neutraliser, E, X, I and D together, so that one `from_pretrained` can edit a face."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar, overload

import torch
from PIL import Image
from torch import Tensor

from leed.config import ModelConfig
from leed.expression import Expression, short
from leed.gallery.expressions import GalleryExpressions
from leed.images import to_pil, to_tensor
from leed.networks.editor import Decoder, Encoder, Extractor, Interpolation, Interpolator
from leed.networks.layers import upsample_to, warp
from leed.networks.neutralizer import Neutralizer
from leed.networks.remains import REMAINS, Remains, RemainsEstimator
from leed.pretrained import CONFIG, WEIGHTS, HubModel, read_digest
from leed.regions import NUM_QUARTERS, is_regional, parts

MAX_ALPHA = 2.0
"""The largest alpha of an edit."""


MAX_SHOWN_ALPHA = 1.5
"""The largest alpha in the demo and in sequences."""


Face = TypeVar("Face", Image.Image, Tensor)
"""The two kinds of faces that the user's calls take: they return the kind that they were given."""


class Warped(NamedTuple):
    """A face (B, 3, H, W), not clamped, and the flow (B, 2, h, w) by which it was warped from another.

    The flow is in units of half a side, x first, and zero where a network has none; all other changes are painted.
    """

    image: Tensor
    flow: Tensor


def no_flow(image: Tensor) -> Tensor:
    """The flow (B, 2, 1, 1) that moves nothing."""
    return image.new_zeros(len(image), 2, 1, 1)


class EditTrace(NamedTuple):
    """An edit and its warp-only component, for pictures larger than the model's.

    `edited` (B, 3, H, W) is the edit; `warped` (B, 3, H, W) the given face after its flows, not painted;
    `flow` (B, 2, H, W) the sum of these flows, in units of half a side, x first.
    """

    edited: Tensor
    warped: Tensor
    flow: Tensor


@dataclass(frozen=True)
class PreparedEdit(Generic[Face]):
    """A face and an expression, with everything computed that does not depend on alpha.

    Called with alpha in [0, 2], it interpolates and decodes: a picture if the face was one, else (B, 3, H, W).
    """

    leed: "FaceModel"
    code_neutral: Tensor
    context: Tensor
    expression: Expression
    show: Callable[[Tensor], Face]  # turns an edit into the kind of the given face
    image: Tensor | None = None  # the face and the flow to its neutral face, both of which `trace` needs
    flow_neutral: Tensor | None = None

    def __call__(self, alpha: float | Tensor = 1.0) -> Face:
        return self.show(self._render(alpha).image)

    @torch.no_grad()
    def trace(self, alpha: float | Tensor = 1.0) -> EditTrace:
        """The edit and what is motion in it. Raises `ValueError` for an edit that was not made by `prepare`."""
        if self.image is None or self.flow_neutral is None:
            raise ValueError(
                "this edit has only codes, not the face that they came from, so it has no trace; make it with "
                "FaceModel.prepare(image, reference)"
            )
        edited, flow = self._render(alpha)
        neutral = torch.cat([warp(self.image, self.flow_neutral), upsample_to(self.flow_neutral, self.image)], 1)
        warped, flow_neutral = warp(neutral, flow).split([3, 2], 1)  # in two steps, as the model does it
        return EditTrace(edited, warped, upsample_to(flow, self.image) + flow_neutral)

    @torch.no_grad()
    def _render(self, alpha: float | Tensor) -> Warped:
        alpha = check_alpha(alpha, self.code_neutral)
        edited, flow = self.leed.render(self.code_neutral, self.context, self.expression.delta_exp, alpha)
        return Warped(edited.clamp(-1, 1), flow)

    def with_expression(self, expression: Expression) -> "PreparedEdit[Face]":
        """The same face with another expression. Raises `ValueError` for another model's."""
        self.leed.check_expression(expression)
        check_count(len(expression.delta_exp), len(self.code_neutral), "references")
        return replace(self, expression=expression.like(self.code_neutral))


def unchanged(face: Tensor) -> Tensor:
    """The face tensor itself."""
    return face


@overload
def shown_like(image: Image.Image) -> Callable[[Tensor], Image.Image]: ...
@overload
def shown_like(image: Tensor) -> Callable[[Tensor], Tensor]: ...
def shown_like(image: Image.Image | Tensor) -> Callable[[Tensor], Image.Image | Tensor]:
    """The function that turns face tensors into the kind of `image`: a picture or a face tensor."""
    return to_pil if isinstance(image, Image.Image) else unchanged


def check_alpha(alpha: float | Tensor, like: Tensor) -> Tensor:
    """alpha as a tensor (1,) or (B,), B as in `like`. Raises `ValueError` outside [0, 2] and for another number."""
    alpha = torch.as_tensor(alpha, dtype=like.dtype, device=like.device).reshape(-1)
    check_count(len(alpha), len(like), "alphas")
    if not bool(((alpha >= 0) & (alpha <= MAX_ALPHA)).all()):  # also catches NaN
        raise ValueError(f"alpha must be in [0, {MAX_ALPHA:g}], got {alpha.tolist()}")
    return alpha


def check_count(count: int, num_images: int, what: str) -> None:
    """Raises `ValueError` unless there are as many references, or alphas, as images, or one."""
    if count not in (1, num_images):
        raise ValueError(f"got {num_images} images and {count} {what}: expected as many, or one")


def scaled(alpha: float | Tensor, delta_exp: Tensor) -> Tensor:
    """alpha delta_exp; alpha a number or (B,)."""
    if isinstance(alpha, Tensor):
        alpha = alpha.view(-1, *[1] * (delta_exp.ndim - 1))
    return alpha * delta_exp


class FaceModel(ABC):
    """The calls that a user makes, on five steps that a subclass computes, in PyTorch or in an engine.

    The steps take and give float tensors on `device`, faces (B, 3, H, W) in [-1, 1], without gradients.
    """

    config: ModelConfig
    digest: str | None = None
    """The digest of the file of weights that the model was last loaded from or saved to; None before that."""

    _estimators: tuple[RemainsEstimator, ...] = ()  # none or one; in a tuple, its weights are not among LEED's own

    @property
    def estimator(self) -> RemainsEstimator | None:
        """The estimator of what remains of an expression in a neutral face, from the folder `remains` of the model."""
        return self._estimators[0] if self._estimators else None

    def find_estimator(self, folder: Path) -> None:
        """Takes the estimator from a model's folder, if there is one. Raises `ModelFileError` if it is not intact."""
        if (folder / REMAINS).is_dir():
            self._estimators = (RemainsEstimator.from_pretrained(folder / REMAINS),)

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """The device that the model computes on."""

    @property
    @abstractmethod
    def dtype(self) -> torch.dtype:
        """The precision that the model computes in."""

    @abstractmethod
    def neutral(self, image: Tensor) -> Warped:
        """I_N: the neutral face of `image` (B, 3, H, W), and the flow towards it."""

    @abstractmethod
    def encode(self, image: Tensor) -> Tensor:
        """C = E(image): (B, 3, H, W) -> (B, C, c, c)."""

    @abstractmethod
    def extract(self, code: Tensor, code_neutral: Tensor) -> Tensor:
        """delta_exp = X(C, C_N): two codes (B, C, c, c) -> (B, Z), or (B, C, c, c) for a map."""

    @abstractmethod
    def context(self, code_neutral: Tensor) -> Tensor:
        """The part of I that depends only on the neutral face, once per face: (B, C, c, c) -> (B, K, c, c)."""

    @abstractmethod
    def render(self, code_neutral: Tensor, context: Tensor, delta_exp: Tensor, alpha: Tensor) -> Warped:
        """D(I(C_IN, alpha delta_exp)), a face (B, 3, H, W), and the flow from I_N.

        `alpha` is (1,) or (B,), `delta_exp` of one expression or of B, `context` that of `code_neutral` (B, C, c, c).
        delta_exp may be regional (`leed.regions`).
        """

    # The user's calls: pictures, or float tensors (B, 3, H, W) in [-1, 1].

    def edit(self, image: Face, reference: Image.Image | Tensor | Expression, alpha: float | Tensor = 1.0) -> Face:
        """The aligned face `image` with the expression of `reference`; other aspect ratios are stretched to a square.

        Faces are aligned pictures of any size and mode, or float tensors (B, 3, H, W) in [-1, 1] of the model's size;
        the result is of the kind of `image`. For photographs, `leed.FaceEditor` finds and aligns faces. `alpha` in
        [0, 2], a number or (B,), is the strength of the expression. Raises `ValueError` for other input.
        """
        return self.prepare(image, reference)(alpha)

    @torch.no_grad()
    def prepare(self, image: Face, reference: Image.Image | Tensor | Expression) -> PreparedEdit[Face]:
        """The edit with everything computed that does not depend on alpha; calling it with alpha is cheap."""
        expression = reference if isinstance(reference, Expression) else self.expression(reference)
        face = self._face(image, "image")
        self.check_expression(expression)
        check_count(len(expression.delta_exp), len(face), "references")
        neutral, flow = self.neutral(face)
        code_neutral = self.encode(neutral)
        expression, context = expression.like(code_neutral), self.context(code_neutral)
        return PreparedEdit(self, code_neutral, context, expression, shown_like(image), face, flow)

    @torch.no_grad()
    def expression(self, reference: Image.Image | Tensor) -> Expression:
        """The expression that a reference face shows, for any number of later edits."""
        reference = self._face(reference, "reference")
        reference_neutral = self.neutral(reference).image
        return Expression(self.extract(self.encode(reference), self.encode(reference_neutral)), self.digest)

    @cached_property
    def expressions(self) -> GalleryExpressions:
        """Expressions by name, "happy", "sad" and so on: averages over the gallery's people.

        >>> leed.edit(face, 0.6 * leed.expressions["happy"] + 0.4 * leed.expressions["surprised"])
        """
        return GalleryExpressions(self.expression, self.no_expression)

    @property
    def no_expression(self) -> Expression:
        """That of a neutral face: zero."""
        return Expression(torch.zeros(1, *self.expression_size, dtype=self.dtype, device=self.device), self.digest)

    @property
    def expression_size(self) -> tuple[int, ...]:
        """The shape of one expression: (Z,), or (C, c, c) for a map."""
        config = self.config
        return (config.delta_size,) if config.delta_size else (config.code_channels, *[config.code_size] * 2)

    def check_expression(self, expression: Expression) -> None:
        """Raises `ValueError` for an expression that another model made, as far as that can be told."""
        if None not in (expression.model, self.digest) and expression.model != self.digest:
            raise ValueError(
                f"the expression was made by another model (its weights begin with {short(str(expression.model))}, "
                f"this model's with {short(str(self.digest))}): make it anew with this model, from its references"
            )
        size = self.expression_size
        if expression.delta_exp.shape[1:] not in (size, (NUM_QUARTERS, *size)):
            raise ValueError(
                f"the expression must be of shape (B, {', '.join(map(str, size))}) for this model, got "
                f"{tuple(expression.delta_exp.shape)}: make it anew with this model"
            )

    @torch.no_grad()
    def neutralize(self, image: Face) -> Face:
        """The neutral face of `image`; a picture for a picture, a tensor for a tensor."""
        face = self._face(image, "image")
        return shown_like(image)(self.neutral(face).image.clamp(-1, 1))

    @torch.no_grad()
    def remains(self, image: Image.Image | Tensor) -> Remains | None:
        """What remains of the expressions of `image` in its neutral faces; None if these weights have no estimator.

        From `leed.networks.remains.VISIBLE` on it can be seen: an edit of that face shows it too, beside the chosen
        expression, and as a reference the face gives less than its whole expression. `python -m
        leed.training.remains` makes an estimator for weights that have none.
        """
        if self.estimator is None:
            return None
        neutral = self.neutral(self._face(image, "image")).image.clamp(-1, 1)
        return self.estimator.to(neutral).remains(neutral)

    def _face(self, image: Image.Image | Tensor, name: str) -> Tensor:
        """The face as (B, 3, H, W) on the model's device. Raises `ValueError` for what is not a face tensor."""
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
        elif not len(image):
            raise ValueError(f"{name} must hold at least one face, got an empty batch {tuple(image.shape)}")
        elif not bool(image.isfinite().all()) or image.abs().max() > 1.001:
            raise ValueError(f"{name} must lie in [-1, 1], got [{image.min():.4g}, {image.max():.4g}]")
        return image.to(self.device, self.dtype)


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

    # Its files: those of every model, and the estimator's.

    FILES = (CONFIG, WEIGHTS, f"{REMAINS}/*")

    @classmethod
    def _from_pretrained(cls, *, model_id: str, **options: Any) -> "LEED":
        leed = super()._from_pretrained(model_id=model_id, **options)
        leed.find_estimator(Path(model_id))
        leed.digest = read_digest(Path(model_id) / WEIGHTS)
        return leed

    def _save_pretrained(self, save_directory: Path, dtype: torch.dtype | None = None) -> None:
        """Writes weights and configuration, and the estimator if there is one; without, one that is there stays."""
        super()._save_pretrained(save_directory, dtype)
        self.digest = read_digest(save_directory / WEIGHTS)
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

    def render(self, code_neutral: Tensor, context: Tensor, delta_exp: Tensor, alpha: float | Tensor = 1.0) -> Warped:
        """D(I(C_IN, alpha delta_exp)) (B, 3, H, W), and the flow from I_N; `context` is that of `code_neutral`."""
        if is_regional(delta_exp):
            delta_exp, masks = parts(delta_exp.expand(len(code_neutral), *delta_exp.shape[1:]), self.config.code_size)
            return self.render_parts(code_neutral, context, delta_exp, masks.to(code_neutral), alpha)
        return self.render_parts(code_neutral, context, delta_exp, None, alpha)

    def render_parts(
        self, code_neutral: Tensor, context: Tensor, delta_exp: Tensor, masks: Tensor | None, alpha: float | Tensor
    ) -> Warped:
        """As `render`; with `masks` (R, c, c), delta_exp has R expressions of B faces (`leed.regions.parts`)."""
        code, flow = self.interpolator.interpolate(code_neutral, context, scaled(alpha, delta_exp), masks)
        return Warped(self.decode(code), no_flow(code) if flow is None else flow)

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
