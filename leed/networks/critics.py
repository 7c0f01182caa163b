"""Networks that only training needs: the critic of codes, S, Q, and the critics of pictures and of windows.

Letters in shapes: B batch, C code channels, c side of a code map, Z length of delta_exp.
"""

import itertools

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from leed.config import EXPRESSIONS, ModelConfig
from leed.networks.layers import SLOPE, conv3x3


class LatentCritic(nn.Module):
    """The critic of codes (Eqs. 12, 13): scores a code, high if it is a real face's."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.critic_width
        self.layers = nn.Sequential(
            conv3x3(config.code_channels, width),
            nn.LeakyReLU(SLOPE),
            conv3x3(width, width, stride=2),
            nn.LeakyReLU(SLOPE),
            conv3x3(width, width, stride=2),
            nn.LeakyReLU(SLOPE),
            nn.Flatten(),
            nn.Linear(width * (config.code_size // 4) ** 2, 1),
        )

    def forward(self, code: Tensor) -> Tensor:
        """Codes (B, C, c, c) to scores (B,)."""
        return self.layers(code).squeeze(1)


class SiameseNetwork(nn.Module):
    """S, the siamese network: features whose change from the neutral face is the same for everyone.

    That change is the expression's transform vector.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.siamese_width
        side = config.image_size // 16
        self.layers = nn.Sequential(
            nn.PixelUnshuffle(4),
            conv3x3(48, width),
            nn.LeakyReLU(SLOPE),
            conv3x3(width, 2 * width, stride=2),
            nn.LeakyReLU(SLOPE),
            conv3x3(2 * width, 2 * width, stride=2),
            nn.LeakyReLU(SLOPE),
            nn.Flatten(),
            nn.Linear(2 * width * side**2, config.siamese_size, bias=False),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Faces (B, 3, H, W) to features (B, siamese_size)."""
        return self.layers(image)

    def transform_vector(self, image: Tensor, image_neutral: Tensor) -> Tensor:
        """v = S(image) - S(neutral image) (Eqs. 9, 10): two faces (B, 3, H, W) -> (B, siamese_size)."""
        features, features_neutral = self(torch.cat([image, image_neutral])).chunk(2)
        return features - features_neutral


class AuxiliaryDistribution(nn.Module):
    """Q, the auxiliary distribution: a Gaussian over delta_exp, given Psi's features of the face."""

    def __init__(self, config: ModelConfig, num_features: int) -> None:
        super().__init__()
        self.shape = (config.delta_size,) if config.delta_size else (config.code_channels, config.code_size)
        size = config.delta_size or config.code_channels
        self.layers = nn.Sequential(nn.Linear(num_features, 128), nn.LeakyReLU(SLOPE), nn.Linear(128, 2 * size))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, num_features) to mean and log-variance.

        Each is (B, Z); for a delta_exp that is a map (B, C, 1, 1), the same at every place.
        """
        mean, log_variance = self.layers(features).chunk(2, dim=1)
        if len(self.shape) > 1:
            mean, log_variance = mean[..., None, None], log_variance[..., None, None]
        return mean, log_variance.clamp(-8, 8)


class ImageCritic(nn.Module):
    """StarGAN's critic of pictures: strided convolutions, a head that scores patches and one that predicts labels.

    The labels are logits of the expression; for GANimation, which has the same critic, the action units.
    """

    def __init__(self, config: ModelConfig, num_labels: int = len(EXPRESSIONS)) -> None:
        super().__init__()
        width, depth = config.neutralizer_critic_width, config.neutralizer_critic_depth
        layers: list[nn.Module] = []
        channels = 3
        for i in range(depth):
            layers += [nn.Conv2d(channels, width * 2**i, 4, stride=2, padding=1), nn.LeakyReLU(0.01)]
            channels = width * 2**i
        self.layers = nn.Sequential(*layers)
        self.score = nn.Conv2d(channels, 1, 3, padding=1, bias=False)
        self.labels = nn.Conv2d(channels, num_labels, config.image_size // 2**depth, bias=False)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures (B, 3, H, W) to mean patch scores (B,) and labels (B, num_labels)."""
        h = self.layers(image)
        return self.score(h).mean(dim=(1, 2, 3)), self.labels(h).flatten(1)


class WindowCritic(nn.Module):
    """The upper level's critic of a window, mouth or eyes: scores of patches of 38 pixels, which show texture.

    Its kernels, as matrices, have spectral norm 1 (Miyato et al., 2018): its gradient is bounded and needs no penalty.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        channels = (3, width, 2 * width, 4 * width)
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(channels):
            layers += [spectral_norm(nn.Conv2d(before, after, 4, stride=2, padding=1)), nn.LeakyReLU(SLOPE)]
        self.layers = nn.Sequential(*layers, spectral_norm(conv3x3(channels[-1], 1)))

    def forward(self, window: Tensor) -> Tensor:
        """Windows (B, 3, h, w) in [-1, 1] to the scores of their patches (B, 1, h/8, w/8)."""
        return self.layers(window)
