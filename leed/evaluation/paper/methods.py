"""The methods that the paper compares, each as a function from a request to edits."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from leed.images import denormalize, normalize, resize
from leed.model import LEED, Warped, no_flow, scaled
from leed.networks.neutralizer import Neutralizer
from leed.pretrained import WEIGHTS, find_folder, read_digest


@dataclass(frozen=True)
class Request:
    """B edits that are asked for: each method takes of the reference what it understands.

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


NEEDS = ("picture", "expression", "action units")


@dataclass(frozen=True)
class Method:
    """A way to edit. `needs`, one of NEEDS, is what it takes of the reference; `digest` stands for its weights."""

    name: str
    needs: str
    digest: str
    image_size: int
    device: torch.device
    edit: Callable[[Request], Tensor]

    def understands(self, expression: Tensor, action_units: Tensor) -> Tensor:
        """Whether references of these expressions (B,) and action units (B, 17) have what the method needs: (B,)."""
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
    return _method(name, "picture", path, model, lambda r: model.edit(r.image, r.reference))


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

    def extract(self, code: Tensor, code_neutral: Tensor) -> Tensor:
        return code - code_neutral

    def context(self, code_neutral: Tensor) -> Tensor:
        return code_neutral

    def render(self, code_neutral: Tensor, context: Tensor, delta_exp: Tensor, alpha: float | Tensor = 1.0) -> Warped:
        return Warped(self.decode(code_neutral + scaled(alpha, delta_exp)), no_flow(code_neutral))


def stargan_method(path: str, device: torch.device) -> Method:
    """StarGAN from a folder or the Hub. Raises `ValueError` for a neutraliser that is not StarGAN's generator."""
    model = Neutralizer.from_pretrained(path).to(device).eval()
    if model.config.neutralizer != "stargan":
        raise ValueError(
            f"{path} holds a generator of kind {model.config.neutralizer!r}, not StarGAN's: train one with "
            "neutralizer 'stargan'"
        )
    return _method("StarGAN", "expression", path, model, lambda r: model(r.image, r.expression))


def ganimation_method(path: str, device: torch.device) -> Method:
    """GANimation from a folder or the Hub."""
    model = importlib.import_module("leed.networks.ganimation").GANimation.from_pretrained(path).to(device).eval()
    return _method("GANimation", "action units", path, model, lambda r: model(r.image, r.action_units))


def _method(name: str, needs: str, path: str, model: torch.nn.Module, edit: Callable[[Request], Tensor]) -> Method:
    digest = read_digest(find_folder(path) / WEIGHTS)
    return Method(name, needs, digest, model.config.image_size, next(model.parameters()).device, edit)


def copying_method(like: Method) -> Method:
    """No method: the input as it is, of the size and on the device of another."""
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
