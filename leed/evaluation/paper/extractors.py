"""The frozen networks whose features Frechet and kernel distances compare; never compare across networks."""

import importlib.util
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leed.images import denormalize
from leed.networks.perceptual import load_lite0

OTHER = "efficientnet-lite0"
EXTRACTORS = ("inception", OTHER)
LITE0_SIDE = 224  # of the pictures that EfficientNet-Lite0 was trained on


class FeatureExtractor(nn.Module):
    """A network that maps faces (B, 3, H, W) in [-1, 1] to features (B, num_features); `name` is shown in tables."""

    name: str
    num_features: int


class Lite0Pooled(FeatureExtractor):
    """The 1280 pooled features of EfficientNet-Lite0, whose ImageNet weights ship in a package."""

    name = "EfficientNet-Lite0 (ImageNet, 1280 features)"
    num_features = 1280

    def __init__(self) -> None:
        super().__init__()
        # Any: the package has no types. Channels last takes half the time on a CPU.
        self.network: Any = load_lite0().to(memory_format=torch.channels_last)

    def forward(self, image: Tensor) -> Tensor:
        """Faces (B, 3, H, W) in [-1, 1] to features (B, 1280)."""
        image = F.interpolate(image, (LITE0_SIDE, LITE0_SIDE), mode="bilinear", align_corners=False)
        image = image.contiguous(memory_format=torch.channels_last)
        return self.network.extract_features((image * 0.5 + 0.5 - 0.498) / 0.502).mean(dim=(2, 3))


class InceptionPooled(FeatureExtractor):
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


def load_extractor(name: str) -> FeatureExtractor:
    """The frozen extractor of this name: one of EXTRACTORS, or "auto".

    "auto" is Inception if its weights are available, otherwise EfficientNet-Lite0 (printed). Raises `OSError` and
    `ModuleNotFoundError` with the remedy if a named one is not available, and `ValueError` for another name.
    """
    if name not in (*EXTRACTORS, "auto"):
        raise ValueError(f"extractor must be one of {(*EXTRACTORS, 'auto')}, got {name!r}")
    if name != OTHER:
        try:
            return _frozen(InceptionPooled())
        except (OSError, ModuleNotFoundError) as error:
            if name == "inception":
                kind = ModuleNotFoundError if isinstance(error, ModuleNotFoundError) else OSError
                cure = f"Inception's weights must be downloaded: without them, give --extractor {OTHER}"
                raise kind(f"{error}; {cure}") from error
            print(f"using features of EfficientNet-Lite0, since Inception's weights are not available: {error}")
    return _frozen(Lite0Pooled())


def _frozen(network: FeatureExtractor) -> FeatureExtractor:
    return network.requires_grad_(False).eval()
