"""The methods that the paper compares, each as a function from a request to edits."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from leed.images import denormalize, normalize, resize
from leed.model import LEED, Rendered, no_flow, scaled
from leed.networks.ganimation import GANimation
from leed.networks.neutralizer import Neutralizer
from leed.pretrained import WEIGHTS, find_folder, read_digest


@dataclass(frozen=True)
class Request:
    """A request for B edits: each method takes from the reference what it understands.

    `image` and `reference` are (B, 3, S, S) in [-1, 1]; `expression` (B,) is the reference's, an index of EXPRESSIONS
    or -1; `action_units` (B, 17) in [0, 1] are the reference's, NaN where unknown.
    """

    image: Tensor
    reference: Tensor
    expression: Tensor
    action_units: Tensor

    def select(self, rows: Tensor | slice) -> "Request":
        """The edits of these rows."""
        return Request(*(values[rows] for values in vars(self).values()))

    def resized(self, size: int) -> "Request":
        """The same with pictures of another size."""
        return replace(self, image=resize(self.image, size), reference=resize(self.reference, size))

    def to(self, device: torch.device | str) -> "Request":
        """The same on a device."""
        return Request(*(values.to(device) for values in vars(self).values()))


Needs = Literal["picture", "expression", "action units"]


@dataclass(frozen=True)
class Method:
    """A way to edit. `needs` is what it takes from the reference; `digest` stands for its weights."""

    name: str
    needs: Needs
    digest: str
    image_size: int
    device: torch.device
    edit: Callable[[Request], Tensor]

    def understands(self, expression: Tensor, action_units: Tensor) -> Tensor:
        """The mask (B,) of references whose expression (B,) and action units (B, 17) suffice for the method."""
        if self.needs == "expression":
            return expression >= 0
        if self.needs == "action units":
            return action_units.isfinite().all(dim=1)
        return torch.ones_like(expression, dtype=torch.bool)

    @torch.no_grad()
    def __call__(self, request: Request) -> Tensor:
        """The edits (B, 3, S, S) in [-1, 1], in 256 steps as pictures have them, where the request lies.

        Raises `ValueError` if a reference lacks what the method needs.
        """
        if not bool(self.understands(request.expression, request.action_units).all()):
            raise ValueError(f"{self.name} needs the {self.needs} of every reference")
        edits = self.edit(request.to(self.device))
        return normalize(denormalize(edits)).to(request.image.device)


def leed_method(path: str, device: torch.device, name: str = "LEED", plain: bool = False) -> Method:
    """`load_leed` as a method."""
    model = load_leed(path, device, plain)
    return Method(
        name, "picture", _digest(path), model.config.image_size, device, lambda r: model.edit(r.image, r.reference)
    )


def load_leed(path: str, device: torch.device, plain: bool = False) -> LEED:
    """LEED from a folder or the Hub; with `plain`, arithmetic on its codes."""
    leed = LEED.from_pretrained(path)
    return (PlainArithmetic(leed) if plain else leed).to(device).eval()


class PlainArithmetic(LEED):
    """Another LEED's neutraliser, E and D, without X and I: D(C_IN + alpha (C_RB - C_RN))."""

    def __init__(self, leed: LEED) -> None:
        nn.Module.__init__(self)
        self.config = leed.config
        self.neutralizer, self.encoder, self.decoder = leed.neutralizer, leed.encoder, leed.decoder

    @property
    def expression_size(self) -> tuple[int, ...]:
        return self.config.code_channels, self.config.code_size, self.config.code_size

    def extract(self, code: Tensor, code_neutral: Tensor) -> Tensor:
        return code - code_neutral

    def context(self, code_neutral: Tensor) -> Tensor:
        return code_neutral

    def render(
        self, code_neutral: Tensor, context: Tensor, delta_exp: Tensor, alpha: float | Tensor = 1.0
    ) -> Rendered:
        return Rendered(self.decode(code_neutral + scaled(alpha, delta_exp)), no_flow(code_neutral))


def stargan_method(path: str, device: torch.device) -> Method:
    """StarGAN from a folder or the Hub. Raises `ValueError` for a neutraliser that is not StarGAN's generator."""
    model = Neutralizer.from_pretrained(path).to(device).eval()
    if model.config.neutralizer != "stargan":
        raise ValueError(
            f"{path} holds a generator of kind {model.config.neutralizer!r}, not StarGAN's: train one with "
            "neutralizer 'stargan'"
        )
    return Method(
        "StarGAN", "expression", _digest(path), model.config.image_size, device, lambda r: model(r.image, r.expression)
    )


def ganimation_method(path: str, device: torch.device) -> Method:
    """GANimation from a folder or the Hub."""
    model = GANimation.from_pretrained(path).to(device).eval()
    return Method(
        "GANimation",
        "action units",
        _digest(path),
        model.config.image_size,
        device,
        lambda r: model(r.image, r.action_units),
    )


def _digest(path: str) -> str:
    """The digest of a model's weights."""
    return read_digest(find_folder(path) / WEIGHTS)


def copying_method(like: Method) -> Method:
    """The input unchanged, for comparison, with the image size and device of another method."""
    return Method("input copied", "picture", "none", like.image_size, like.device, lambda request: request.image)


def load_methods(leed: str, stargan: str | None, ganimation: str | None, device: torch.device) -> list[Method]:
    """The given methods in the paper's order. Raises `ValueError` if they are for pictures of other sizes."""
    methods = [stargan_method(stargan, device)] if stargan else []
    methods += [ganimation_method(ganimation, device)] if ganimation else []
    methods.append(leed_method(leed, device))
    sizes = {method.name: method.image_size for method in methods}
    if len(set(sizes.values())) > 1:
        raise ValueError(f"methods must edit pictures of one size to be compared, got {sizes}")
    return methods
