"""Identity: dlib's face recognition network, of an extra (in a clone: `pip install ".[evaluation]"`)."""

import hashlib
import importlib.util
from pathlib import Path

import numpy as np
from torch import Tensor

from leed.images import denormalize, resize

SAME_PERSON = 0.6
"""dlib calls two faces the same person's below this distance."""

SIDE = 150  # the network's input
WEIGHTS = "dlib_face_recognition_resnet_model_v1.dat"


def missing_package() -> str | None:
    """The package that identity needs and that is not installed, or None."""
    for package, module in (("dlib-bin", "dlib"), ("face-recognition-models", "face_recognition_models")):
        if importlib.util.find_spec(module) is None:
            return package
    return None


class FaceEmbedding:
    """Embeddings of aligned faces. Raises `ModuleNotFoundError` if its packages are not installed."""

    def __init__(self) -> None:
        if package := missing_package():
            raise ModuleNotFoundError(f'identity needs the package {package}; in a clone: pip install ".[evaluation]"')
        import dlib

        # Importing the package of weights would need pkg_resources; its files are enough.
        spec = importlib.util.find_spec("face_recognition_models")
        assert spec is not None and spec.submodule_search_locations
        folder = Path(spec.submodule_search_locations[0])
        self.network = dlib.face_recognition_model_v1(str(folder / "models" / WEIGHTS))
        self.known: dict[bytes, np.ndarray] = {}

    def __call__(self, images: Tensor) -> np.ndarray:
        """Faces (B, 3, H, W) in [-1, 1] to embeddings (B, 128). Those of faces seen before are remembered."""
        pictures = denormalize(resize(images, SIDE)).permute(0, 2, 3, 1).contiguous().cpu().numpy()
        return np.array([self._describe(picture) for picture in pictures]).reshape(-1, 128)

    def _describe(self, picture: np.ndarray) -> np.ndarray:
        digest = hashlib.sha256(picture.tobytes()).digest()
        if digest not in self.known:
            self.known[digest] = np.array(self.network.compute_face_descriptor(picture))
        return self.known[digest]


def identity_embedding(wanted: bool | None) -> FaceEmbedding | None:
    """The embedding if it is wanted, or installed and not unwanted; None otherwise.

    With None for `wanted`, a missing package is printed.
    """
    if wanted is None and (package := missing_package()):
        print(f'identity is not measured: {package} is not installed (in a clone: pip install ".[evaluation]")')
        return None
    return None if wanted is False else FaceEmbedding()


def distance(embedding: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Distance (...) of embeddings (..., 128)."""
    return np.linalg.norm(embedding - other, axis=-1)
