"""The gallery's expressions by name, each the average of what a model sees on its people."""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import torch.nn.functional as F
from PIL import Image

from leed import gallery
from leed.expression import Expression, unknown
from leed.gallery import EXPRESSIONS
from leed.regions import in_quarters

NEUTRAL = EXPRESSIONS[0]
ALIKE = 0.5  # cosine to the most typical face from which one shows the same; the other side of contempt has 0.4
STRONG, MOST = "surprised", 4.0
"""An expression that is of use is at most so many times as strong as the gallery's strongest."""


class GalleryExpressions(Mapping[str, Expression]):
    """The expressions that the gallery shows, as one model sees them.

    Each is the mean of ten frontal faces, the strongest of each person, computed when it is asked for: so it is as
    strong as a single face's and holds little of any one person. People differ in the side of a one-sided expression,
    such as contempt, which a mean would take away: there each counts with the strongest of the commoner side.
    "neutral" is zero.
    """

    def __init__(self, express: Callable[[Image.Image], Expression], nothing: Expression) -> None:
        """`express` is the model's own, the expression of an aligned face; `nothing` is a neutral face's."""
        self._express = express
        self._found = {NEUTRAL: named(nothing, NEUTRAL)}

    def __getitem__(self, name: str) -> Expression:
        if name not in EXPRESSIONS:
            raise KeyError(unknown(name, EXPRESSIONS))
        if name not in self._found:
            self._found[name] = named(self._mean(name), name)
        return self._found[name]

    def _mean(self, name: str) -> Expression:
        faces: defaultdict[str, list[gallery.GalleryFace]] = defaultdict(list)
        for face in gallery.faces(gallery.FRONTAL):
            if face.expression == name:
                faces[face.person].append(face)  # by strength: the last is the strongest
        strongest = [self._express(shown[-1].open()) for shown in faces.values()]
        typical = most_typical(strongest)
        chosen: list[Expression] = []
        for found, shown in zip(strongest, faces.values(), strict=True):
            weaker = (self._express(face.open()) for face in reversed(shown[:-1]))
            alike = (one for one in itertools.chain([found], weaker) if similarity(one, typical) >= ALIKE)
            chosen.extend(itertools.islice(alike, 1))
        return Expression.mean(chosen or strongest)  # none is like another where a model sees nothing at all

    def check_strength(self, expression: Expression) -> None:
        """Raises `ValueError` for an expression that no face could show, such as a hundred times "happy"."""
        times = length(expression) / length(self[STRONG])
        if times > MOST:
            raise ValueError(
                f"the expression is {times:.3g} times as strong as the gallery's {STRONG!r}: expected at most "
                f"{MOST:g} times, make it weaker"
            )

    def __iter__(self) -> Iterator[str]:
        return iter(EXPRESSIONS)

    def __len__(self) -> int:
        return len(EXPRESSIONS)


def similarity(first: Expression, second: Expression) -> float:
    """The cosine of two single expressions, in [-1, 1]; 0 for one that is zero."""
    a, b = (one.delta_exp.double().flatten() for one in (first, second))
    return float(F.cosine_similarity(a, b, dim=0))


def most_typical(expressions: Sequence[Expression]) -> Expression:
    """That of some single expressions which is most like all of them."""
    return max(expressions, key=lambda one: sum(similarity(one, other) for other in expressions))


def named(expression: Expression, name: str) -> Expression:
    """The expression as one of the gallery's."""
    return replace(expression, name=name, maker="the gallery")


def length(expression: Expression) -> float:
    """The length of the longest delta_exp, over faces and quarters."""
    return float(in_quarters(expression.delta_exp).double().flatten(2).norm(dim=2).max())
