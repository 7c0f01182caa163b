"""Figure 4: do features gather by expression? A t-SNE map of three kinds of features, and two metrics for each."""

import importlib.util
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from leed.config import EXPRESSIONS
from leed.evaluation.paper.corpus import Faces
from leed.images import normalize
from leed.model import LEED

PACKAGES = {"sklearn": "scikit-learn", "matplotlib": "matplotlib"}
COMPONENTS = 50  # of a principal component analysis before t-SNE, as its authors do
NEIGHBOURS = 5
FOLDS = 5
KINDS = ("Encoder", "Residual", "Extractor")


def missing_packages() -> list[str]:
    """The packages that are needed here and not installed."""
    return [package for module, package in PACKAGES.items() if importlib.util.find_spec(module) is None]


@torch.no_grad()
def expression_features(leed: LEED, faces: Faces, rows: np.ndarray, batch_size: int = 32) -> dict[str, np.ndarray]:
    """Features (N, F) by name: of the encoder, C_R; residuals, C_R - C_RN; of the extractor, delta_exp."""
    found: dict[str, list[Tensor]] = {name: [] for name in KINDS}
    for start in range(0, len(rows), batch_size):
        image = normalize(faces.take(rows[start : start + batch_size])).to(leed.device)
        code, code_neutral = leed.encode(image), leed.encode(leed.neutralize(image))
        for name, values in zip(found, (code, code - code_neutral, leed.extract(code, code_neutral)), strict=True):
            found[name].append(values.flatten(1).cpu())
    return {name: torch.cat(parts).numpy() for name, parts in found.items()}


@dataclass(frozen=True)
class Clusters:
    """Features of one kind: their map (N, 2), silhouette by expression, and k-NN accuracy on unseen people."""

    map: list[list[float]]
    silhouette: float
    accuracy: float


def silhouette(features: np.ndarray, labels: np.ndarray) -> float:
    """Mean silhouette of features (N, F) by labels (N,), Euclidean: 1 compact and apart, 0 mixed."""
    from sklearn.metrics import silhouette_score

    return float(silhouette_score(features, labels))


def neighbour_accuracy(features: np.ndarray, labels: np.ndarray, persons: np.ndarray) -> float:
    """Share of pictures whose label the NEIGHBOURS nearest pictures of people of other folds give."""
    from sklearn.model_selection import GroupKFold, cross_val_score
    from sklearn.neighbors import KNeighborsClassifier

    people = len(np.unique(persons))
    folds = GroupKFold(min(FOLDS, people))
    smallest = min(len(train) for train, _ in folds.split(features, labels, persons))
    classifier = KNeighborsClassifier(min(NEIGHBOURS, smallest))
    found = cross_val_score(classifier, features, labels, groups=persons, cv=folds)
    sizes = [len(test) for _, test in folds.split(features, labels, persons)]
    return float(np.average(found, weights=sizes))


def cluster(features: np.ndarray, labels: np.ndarray, persons: np.ndarray, seed: int = 0) -> Clusters:
    """The map and the metrics of features (N, F); the metrics are of the features themselves, not of the map."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    count = min(COMPONENTS, *features.shape)
    reduced = PCA(count, random_state=seed).fit_transform(features)
    perplexity = min(30.0, (len(features) - 1) / 3)
    place = TSNE(perplexity=perplexity, random_state=seed, init="pca").fit_transform(reduced)
    return Clusters(place.tolist(), silhouette(features, labels), neighbour_accuracy(features, labels, persons))


def scatter(clusters: dict[str, Clusters], labels: np.ndarray) -> Image.Image:
    """Figure 4: the maps side by side, a colour for each expression, the metrics below."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4 * len(clusters), 4.6), layout="constrained")
    for i, (name, found) in enumerate(clusters.items()):
        axes = figure.add_subplot(1, len(clusters), i + 1)
        for expression in np.unique(labels):
            x, y = np.array(found.map)[labels == expression].T
            axes.scatter(x, y, s=7, color=f"C{expression}", label=EXPRESSIONS[expression])
        axes.set(xticks=[], yticks=[], title=f"{name} features")
        axes.set_xlabel(f"silhouette {found.silhouette:.3f}, {NEIGHBOURS}-NN accuracy {found.accuracy:.3f}")
    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(names), markerscale=2)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
