"""LEED: label-free facial expression editing via disentanglement."""

import importlib
from typing import TYPE_CHECKING

from leed.config import EXPRESSIONS, PRESETS, ModelConfig
from leed.expression import Expression, ExpressionCollection, between
from leed.model import LEED, PreparedEdit
from leed.networks.classifier import ExpressionClassifier
from leed.networks.ganimation import GANimation
from leed.networks.neutralizer import Neutralizer
from leed.networks.remains import RemainsEstimator

if TYPE_CHECKING:
    from leed.photo.editor import FaceEditor
    from leed.photo.opening import open_photo
    from leed.runtime import load

__all__ = [
    "EXPRESSIONS",
    "LEED",
    "PRESETS",
    "Expression",
    "ExpressionClassifier",
    "ExpressionCollection",
    "FaceEditor",
    "GANimation",
    "ModelConfig",
    "Neutralizer",
    "PreparedEdit",
    "RemainsEstimator",
    "between",
    "load",
    "open_photo",
]

_OF_PHOTO = {"FaceEditor": "leed.photo.editor", "open_photo": "leed.photo.opening", "load": "leed.runtime"}
"""Names that need the packages of the extra "photo", and their modules, which are imported at the first use."""


def __getattr__(name: str) -> object:
    if name not in _OF_PHOTO:
        raise AttributeError(f"module 'leed' has no attribute {name!r}")
    try:
        found: object = getattr(importlib.import_module(_OF_PHOTO[name]), name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"leed.{name} needs the package {error.name}; in a clone: pip install '.[photo]'", name=error.name
        ) from error
    globals()[name] = found
    return found
