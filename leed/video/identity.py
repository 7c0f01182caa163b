"""Telling one person of a clip from others, cheaply: by the neutral face, in which the expression does not count."""

import numpy as np
import torch
from PIL import Image

from leed.images import inner_face, resize, to_tensor
from leed.model import FaceModel
from leed.photo.geometry import Alignment

SIDE = 8  # of the small pictures that are compared [px]
SAME_MOMENT = 0.9
SAME_PERSON = 0.75
"""How alike two small pictures of one person's neutral face are at least, from frame to frame and after a while.

Of 30 training people, pictures of one person from the front with other expressions are alike by 0.86 or more in 95 %,
those of two people in 5 %. From another side the same person is less alike, so that several views are remembered.
"""

VIEWS = 12  # that are remembered
NEW_VIEW = 0.9  # a view that is less like all others is remembered


class Person:
    """What is known of one person's looks, and whether a face is that person's."""

    def __init__(self, leed: FaceModel) -> None:
        self.leed = leed
        self.views: list[np.ndarray] = []
        self.last: np.ndarray | None = None

    @property
    def is_known(self) -> bool:
        """Whether the person was seen before."""
        return bool(self.views)

    def likeness(self, picture: Image.Image, place: Alignment) -> float:
        """How like the person is whose face lies at a place of an RGB picture: 1 is the same view."""
        return max(float(view @ self._look(picture, place)) for view in self.views)

    def stays(self, picture: Image.Image, place: Alignment) -> bool:
        """Whether a face that was followed is still the person's; if so, its looks are remembered."""
        look = self._look(picture, place)
        if self.last is not None and float(self.last @ look) < SAME_MOMENT:
            return False
        self._remember(look)
        return True

    def meet(self, picture: Image.Image, place: Alignment) -> None:
        """Remembers a face as the person's."""
        self._remember(self._look(picture, place))

    def _remember(self, look: np.ndarray) -> None:
        if all(float(view @ look) < NEW_VIEW for view in self.views):
            self.views = [*self.views[-(VIEWS - 1) :], look]
        self.last = look

    @torch.no_grad()
    def _look(self, picture: Image.Image, place: Alignment) -> np.ndarray:
        """A vector of length 1: the neutral face, very small, without its mean colour."""
        size = self.leed.config.image_size
        face = to_tensor(place.crop(picture, size), size).to(self.leed.device, self.leed.dtype)
        small = resize(inner_face(self.leed.neutral(face).image.float()), SIDE)
        vector = (small - small.mean((2, 3), keepdim=True)).flatten().cpu().numpy()
        return vector / max(float(np.linalg.norm(vector)), 1e-6)
