"""A prepared edit: everything computed that does not depend on alpha."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, NamedTuple, Protocol

import torch
from torch import Tensor

from leed.config import ModelConfig
from leed.expression import Expression
from leed.model.alpha import check_alpha, check_count
from leed.model.faces import Face, Rendered
from leed.networks.layers import upsample_to, warp
from leed.networks.upper import UPPER_SCALE, Refinement, seen_of


class Renderer(Protocol):
    """What a prepared edit asks of a model; `leed.model.face_model.FaceModel` says what each call does."""

    config: ModelConfig

    def render(self, code_neutral: Tensor, context: Tensor, delta_exp: Tensor, alpha: Tensor) -> Rendered: ...

    def refine(
        self, window: str, moved: Tensor, edit: Tensor, features: Tensor, delta_exp: Tensor, alpha: Tensor
    ) -> tuple[Tensor, Tensor]: ...

    def check_expression(self, expression: Expression) -> None: ...


class EditTrace(NamedTuple):
    """An edit and its warp-only component, for pictures larger than the model's.

    `edited` (B, 3, H, W) is the edit; `warped` (B, 3, H, W) the given face after its flows, not painted;
    `flow` (B, 2, H, W) the sum of these flows, in units of half a side, x first; `features` (B, width, c, c) what an
    upper level draws from, None for a model without one.
    """

    edited: Tensor
    warped: Tensor
    flow: Tensor
    features: Tensor | None = None


@dataclass(frozen=True)
class PreparedEdit(Generic[Face]):
    """A face and an expression, with everything computed that does not depend on alpha.

    Called with alpha in [0, 2], it interpolates and decodes: a picture if the face was one, else (B, 3, H, W).
    """

    leed: Renderer
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
        edited, flow, features = self._render(alpha)
        neutral = torch.cat([warp(self.image, self.flow_neutral), upsample_to(self.flow_neutral, self.image)], 1)
        warped, flow_neutral = warp(neutral, flow).split([3, 2], 1)  # in two steps, as the model does it
        return EditTrace(edited, warped, upsample_to(flow, self.image) + flow_neutral, features)

    @torch.no_grad()
    def refine(self, picture: Tensor, trace: EditTrace, alpha: float | Tensor = 1.0) -> dict[str, Refinement]:
        """The windows of an edit, "mouth" and "eyes", that the upper level draws in a larger picture of the face.

        `picture` (B, 3, 3S, 3S) in [-1, 1] is the face that was given, `trace` the edit with the same alpha. Raises
        `ValueError` for a model that has no upper level and for a picture of another size.
        """
        if not self.leed.config.upper_widths:
            raise ValueError("this model has no upper level: train one with --stage upper")
        if trace.features is None:
            raise ValueError("the trace has no features to draw from: it must come from this edit's `trace`")
        expected = (len(trace.edited), 3, *[UPPER_SCALE * self.leed.config.image_size] * 2)
        if picture.shape != expected:
            raise ValueError(f"picture must be of shape {expected}, got {tuple(picture.shape)}")
        alpha = check_alpha(alpha, self.code_neutral)
        picture, refinements = picture.to(self.code_neutral), {}
        for window in self.leed.config.upper_widths:
            moved, edit = seen_of(window, picture, trace.edited, trace.flow)
            drawn = self.leed.refine(window, moved, edit, trace.features, self.expression.delta_exp, alpha)
            refinements[window] = Refinement(moved, *drawn)
        return refinements

    @torch.no_grad()
    def _render(self, alpha: float | Tensor) -> Rendered:
        alpha = check_alpha(alpha, self.code_neutral)
        rendered = self.leed.render(self.code_neutral, self.context, self.expression.delta_exp, alpha)
        return rendered._replace(image=rendered.image.clamp(-1, 1))

    def with_expression(self, expression: Expression) -> "PreparedEdit[Face]":
        """The same face with another expression. Raises `ValueError` for another model's."""
        self.leed.check_expression(expression)
        check_count(len(expression.delta_exp), len(self.code_neutral), "references")
        return replace(self, expression=expression.like(self.code_neutral))
