"""LEED: label-free facial expression editing via disentanglement."""

from leed.config import EXPRESSIONS, PRESETS, ModelConfig
from leed.features import ExpressionClassifier
from leed.ganimation import GANimation
from leed.model import LEED, Expression, PreparedEdit
from leed.neutralizer import Neutralizer

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
