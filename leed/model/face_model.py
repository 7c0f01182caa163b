"""The calls that a user makes of a model, and the steps that they are made of."""

from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from leed.config import ModelConfig
from leed.expression import Expression, short
from leed.gallery.expressions import GalleryExpressions
from leed.images import to_tensor
from leed.model.alpha import check_count
from leed.model.faces import Face, Rendered, Warped, shown_like
from leed.model.prepared import PreparedEdit
from leed.networks.remains import REMAINS, Remains, RemainsEstimator
from leed.regions import NUM_QUARTERS


class FaceModel(ABC):
    """The calls that a user makes, on five steps that a subclass computes, in PyTorch or in an engine.

    The steps take and give float tensors on `device`, faces (B, 3, H, W) in [-1, 1], without gradients.
    """

    config: ModelConfig
    digest: str | None = None
    """The digest of the weights without an upper level's, as they were last loaded or saved; None before that."""

    _estimators: tuple[RemainsEstimator, ...] = ()  # none or one; in a tuple, its weights are not among LEED's own

    @property
    def estimator(self) -> RemainsEstimator | None:
        """The estimator of what remains of an expression in a neutral face, from the folder `remains` of the model."""
        return self._estimators[0] if self._estimators else None

    def find_estimator(self, folder: Path) -> None:
        """Takes the estimator from a model's folder, if there is one. Raises `ModelFileError` if it is not intact."""
        if (folder / REMAINS).is_dir():
            self._estimators = (RemainsEstimator.from_pretrained(folder / REMAINS),)

    def share_estimator(self, other: "FaceModel") -> None:
        """Takes the estimator of another model, if it has one."""
        self._estimators = other._estimators

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
    def render(self, code_neutral: Tensor, context: Tensor, delta_exp: Tensor, alpha: Tensor) -> Rendered:
        """D(I(C_IN, alpha delta_exp)), a face (B, 3, H, W), the flow from I_N, and what an upper level draws from.

        `alpha` is (1,) or (B,), `delta_exp` of one expression or of B, `context` that of `code_neutral` (B, C, c, c).
        delta_exp may be regional (`leed.regions`).
        """

    @abstractmethod
    def refine(
        self, window: str, moved: Tensor, edit: Tensor, features: Tensor, delta_exp: Tensor, alpha: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The upper level: `replaced` and `added` of the `Refinement` of a window in `config.upper_widths`.

        `moved` and `edit` (B, 3, h, w) are those of `leed.networks.upper.seen_of`; `features` come from `render` with
        this `delta_exp` and `alpha`.
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
