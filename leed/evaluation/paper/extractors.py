"""The frozen networks whose features Frechet and kernel distances compare. Figures of one are not those of another."""

import importlib.util

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leed.images import denormalize
from leed.networks.perceptual import load_lite0

OTHER = "efficientnet-lite0"
EXTRACTORS = ("inception", OTHER)
LITE0_SIDE = 224  # of the pictures that EfficientNet-Lite0 was trained on


class Lite0Pooled(nn.Module):
    """The 1280 pooled features of EfficientNet-Lite0, whose ImageNet weights ship in a package."""

    name = "EfficientNet-Lite0 (ImageNet, 1280 features)"
    num_features = 1280

    def __init__(self) -> None:
        super().__init__()
        self.network = load_lite0().to(memory_format=torch.channels_last)  # half the time on a CPU

    def forward(self, image: Tensor) -> Tensor:
        """Faces (B, 3, H, W) in [-1, 1] to features (B, 1280)."""
        image = F.interpolate(image, (LITE0_SIDE, LITE0_SIDE), mode="bilinear", align_corners=False)
        image = image.contiguous(memory_format=torch.channels_last)
        return self.network.extract_features((image * 0.5 + 0.5 - 0.498) / 0.502).mean(dim=(2, 3))


class InceptionPooled(nn.Module):
    """The 2048 pooled features of the Inception network of published Frechet distances. Downloads its weights."""

    name = "Inception v3 (2048 features, as in published Frechet distances)"
    num_features = 2048

    def __init__(self) -> None:
        super().__init__()
        if importlib.util.find_spec("torch_fidelity") is None:
            raise ModuleNotFoundError("Inception features need the package torch-fidelity: pip install torch-fidelity")
        from torchmetrics.image.fid import NoTrainInceptionV3

        self.network = NoTrainInceptionV3("inception-v3-compat", [str(self.num_features)])

    def forward(self, image: Tensor) -> Tensor:
        """Faces (B, 3, H, W) in [-1, 1] to features (B, 2048)."""
        return self.network(denormalize(image))


def load_extractor(name: str) -> nn.Module:
    """A network with `name` and `num_features` that maps faces (B, 3, H, W) in [-1, 1] to features (B, num_features).

    `name` is one of EXTRACTORS, or "auto": Inception where it can be had, else EfficientNet-Lite0, which is said.
    Raises `OSError` and `ModuleNotFoundError` with the remedy for a named one that cannot be had.
    """
    if name not in (*EXTRACTORS, "auto"):
        raise ValueError(f"extractor must be one of {(*EXTRACTORS, 'auto')}, got {name!r}")
    if name != OTHER:
        try:
            return _frozen(InceptionPooled())
        except (OSError, ModuleNotFoundError) as error:
            if name == "inception":
                kind = ModuleNotFoundError if isinstance(error, ModuleNotFoundError) else OSError
                raise kind(f"{error}; Inception's weights are fetched: without, give --extractor {OTHER}") from error
            print(f"features of EfficientNet-Lite0 stand for Inception's, which cannot be had here: {error}")
    return _frozen(Lite0Pooled())


def _frozen(network: nn.Module) -> nn.Module:
    return network.requires_grad_(False).eval()
