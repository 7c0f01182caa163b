"""LEED: label-free facial expression editing via disentanglement."""

from leed.config import EXPRESSIONS, PRESETS, ModelConfig
from leed.model import LEED, Expression, PreparedEdit
from leed.networks.classifier import ExpressionClassifier
from leed.networks.ganimation import GANimation
from leed.networks.neutralizer import Neutralizer

__all__ = [
    "EXPRESSIONS",
    "LEED",
    "PRESETS",
    "Expression",
    "ExpressionClassifier",
    "GANimation",
    "ModelConfig",
    "Neutralizer",
    "PreparedEdit",
]
