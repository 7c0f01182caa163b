"""Table 1: Frechet and kernel distance of edits to real pictures, and SSIM to the same person's picture.

Pictures are edited, measured and dropped, part by part: the cache keeps each edit's features, its SSIM and a small
copy for the classifiers of Table 2.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState
from torch import Tensor

from leed.evaluation import metrics
from leed.evaluation.metrics import UNKNOWN, Estimate
from leed.evaluation.paper.cache import Shards, key, remembered
from leed.evaluation.paper.corpus import Faces, RealPictures
from leed.evaluation.paper.distances import KernelDistance, frechet_distance, kernel_distance
from leed.evaluation.paper.extractors import FeatureExtractor
from leed.evaluation.paper.methods import Method
from leed.evaluation.paper.plan import Edits, TrueEdits
from leed.images import denormalize, normalize, resize
from leed.similarity import ssim

SMALL_SIDE = 96  # of the copies for classifiers, which see the inner face at 64 pixels


def small(image: Tensor) -> Tensor:
    """Faces (B, 3, H, W) in [-1, 1] as uint8 of side SMALL_SIDE at most."""
    return denormalize(resize(image, min(SMALL_SIDE, image.shape[-1])))


def contents(method: Method, edits: Edits | TrueEdits) -> np.ndarray:
    """Numbers (N, K) that tell edits from others of the same face set by the same method."""
    content = edits.content.reshape(len(edits), -1)
    if method.needs != "action units":
        return content
    units = np.nan_to_num(edits.action_units.numpy() * 1e6, nan=-1).astype(np.int64)
    return np.concatenate([content, units], axis=1)


@dataclass(frozen=True)
class Measuring:
    """Extractor of features, and cache of what is measured. `fingerprint` stands for the data and how it is read."""

    extractor: FeatureExtractor
    cache: Path
    state: PartialState
    fingerprint: tuple
    batch_size: int = 32

    def real(self, pictures: RealPictures | Faces, rows: np.ndarray, title: str) -> Shards:
        """`features` (N, F) of these rows of real pictures of "test" or "training" people, the `title`."""
        shards = Shards(self.cache / key(f"real-{title}", *self.fingerprint, self.extractor.name), rows)
        shards.fill(
            lambda part: {"features": self._features(normalize(pictures.take(rows[part])))},
            self.state,
            f"real pictures of {title} people, features",
        )
        return shards

    def small(self, faces: Faces, title: str) -> Shards:
        """`small` (N, 3, s, s) of all pictures of `faces`."""
        shards = Shards(self.cache / key(f"small-{title}", *self.fingerprint), np.arange(len(faces)))
        shards.fill(
            lambda part: {"small": small(normalize(faces.take(part)))}, self.state, f"real pictures of {title} people"
        )
        return shards

    def edits(self, method: Method, edits: Edits | TrueEdits, title: str, features: bool = True) -> Shards:
        """`ssim` (N,), NaN without a truth, `small` (N, 3, s, s) and, if wanted, `features` (N, F) of edits."""
        named = self.extractor.name if features else None
        folder = key(f"{method.name}-{title}", method.digest, *self.fingerprint, named)
        shards = Shards(self.cache / folder, contents(method, edits))

        def work(part: np.ndarray) -> dict[str, Tensor]:
            request = edits.request(part)
            made = torch.cat([method(request.select(rows)) for rows in self._batches(len(part))])
            truths, known = edits.truths(part)
            found = {"small": small(made), "ssim": ssim(made, truths).where(known, torch.nan).double()}
            return found | ({"features": self._features(made)} if features else {})

        shards.fill(work, self.state, f"{method.name}, {title}")
        return shards

    @torch.no_grad()
    def _features(self, images: Tensor) -> Tensor:
        parts = [self.extractor(images[rows].to(self.state.device)).cpu() for rows in self._batches(len(images))]
        return torch.cat(parts)

    def _batches(self, count: int) -> Iterator[slice]:
        for start in range(0, count, self.batch_size):
            yield slice(start, start + self.batch_size)


@dataclass(frozen=True)
class Distances:
    """Distances of some pictures to the real ones, and the number of these pictures."""

    frechet: float
    kernel: KernelDistance
    count: int


def distances(real: Shards | Tensor, made: Shards | Tensor, num_features: int) -> Distances:
    """Distances of the `features` of pictures, kept or given as (N, F), to those of the real ones."""

    def read(features: Shards | Tensor) -> Iterator[Tensor]:
        return iter([features]) if isinstance(features, Tensor) else features.read("features")

    count = len(made) if isinstance(made, Tensor) else len(made.content)
    return Distances(
        frechet_distance(read(real), read(made), num_features), kernel_distance(read(real), read(made)), count
    )


def remembered_distances(
    made: dict[str, Shards], real: Shards, halved: str, measuring: Measuring
) -> dict[str, Distances]:
    """Distances of kept pictures to the real ones by name, kept themselves, and computed by processes in turn.

    Under the name `halved` stands the distance of one half of the real pictures to the other.
    """
    num_features = measuring.extractor.num_features

    def measure(shards: Shards) -> dict:
        return asdict(distances(real, shards, num_features))

    def half_to_half() -> dict:
        return asdict(distances(*halves(real), num_features))

    files = {name: key(name, real.identity, shards.identity) for name, shards in made.items()}
    tasks = {files[name]: partial(measure, shards) for name, shards in made.items()}
    files[halved] = key(halved, real.identity)
    tasks[files[halved]] = partial(half_to_half)
    found = remembered(measuring.cache / "distances", tasks, measuring.state, "distances")
    return {
        name: Distances(values["frechet"], KernelDistance(*values["kernel"]), values["count"])
        for name, values in ((name, found[file]) for name, file in files.items())
    }


def halves(shards: Shards, seed: int = 0) -> tuple[Tensor, Tensor]:
    """The `features` of kept pictures in two random halves."""
    features = torch.cat(list(shards.read("features")))
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(features)))
    first, second = order.tensor_split(2)
    return features[first], features[second]


def likeness(compared: Shards | None, persons: np.ndarray) -> Estimate:
    """Mean SSIM of edits, with its interval over people; NaN without edits."""
    if compared is None:
        return UNKNOWN
    values = torch.cat(list(compared.read("ssim"))).numpy()
    weights = metrics.person_weights(persons)
    return metrics.estimate(metrics.mean_of(values), weights, np.isfinite(values))
