"""`LEED`, the calls that it shares with other engines, and what they take and give."""

from leed.model.alpha import MAX_ALPHA, MAX_SHOWN_ALPHA, scaled
from leed.model.face_model import FaceModel
from leed.model.faces import Rendered, Warped, no_flow, unchanged
from leed.model.leed import LEED, expression_digest
from leed.model.prepared import EditTrace, PreparedEdit

__all__ = [
    "LEED",
    "MAX_ALPHA",
    "MAX_SHOWN_ALPHA",
    "EditTrace",
    "FaceModel",
    "PreparedEdit",
    "Rendered",
    "Warped",
    "expression_digest",
    "no_flow",
    "scaled",
    "unchanged",
]
