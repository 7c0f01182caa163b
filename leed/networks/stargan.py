"""StarGAN's own generator (Choi et al., CVPR 2018)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leed.config import EXPRESSIONS, ModelConfig
from leed.networks.layers import residual_blocks


def stargan_layers(config: ModelConfig, num_labels: int) -> list[nn.Module]:
    """The layers of StarGAN's generator up to its head: two halvings, residual blocks, two doublings.

    They map (B, 3 + num_labels, H, W), as `with_labels` gives it, to (B, neutralizer_width, H, W).
    """
    width = config.neutralizer_width

    def norm_relu(channels: int) -> list[nn.Module]:
        return [nn.InstanceNorm2d(channels, affine=True), nn.ReLU()]

    return [
        nn.Conv2d(3 + num_labels, width, 7, padding=3, bias=False),
        *norm_relu(width),
        nn.Conv2d(width, 2 * width, 4, stride=2, padding=1, bias=False),
        *norm_relu(2 * width),
        nn.Conv2d(2 * width, 4 * width, 4, stride=2, padding=1, bias=False),
        *norm_relu(4 * width),
        residual_blocks(4 * width, config.neutralizer_depth, bias=False, norm=True),
        nn.ConvTranspose2d(4 * width, 2 * width, 4, stride=2, padding=1, bias=False),
        *norm_relu(2 * width),
        nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1, bias=False),
        *norm_relu(width),
    ]


def with_labels(image: Tensor, labels: Tensor) -> Tensor:
    """Pictures (B, 3, H, W) and labels (B, L) as constant maps behind them: (B, 3 + L, H, W)."""
    maps = labels.to(image.dtype)[..., None, None].expand(-1, -1, *image.shape[-2:])
    return torch.cat([image, maps], dim=1)


class StarGANGenerator(nn.Module):
    """StarGAN's generator, which paints the whole picture; the expression enters as constant maps."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        head = nn.Conv2d(config.neutralizer_width, 3, 7, padding=3, bias=False)
        self.layers = nn.Sequential(*stargan_layers(config, len(EXPRESSIONS)), head, nn.Tanh())

    def forward(self, image: Tensor, expression: Tensor) -> Tensor:
        """Faces (B, 3, H, W) with expressions (B,), indices of EXPRESSIONS: (B, 3, H, W)."""
        return self.layers(with_labels(image, F.one_hot(expression, len(EXPRESSIONS))))
