"""Smoothing in time without lag: what is noise is averaged, what moves stays.

Each value is drawn towards the mean of its neighbours before and after it, which are weighed alike, so that steady
motion does not come late. It is drawn entirely where it differs from that mean by no more than noise does, and hardly
where it differs by much, as in a blink (James and Stein's shrinkage). The noise is measured on the way, from how far
values lie from the line between their neighbours in the quietest moments.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")

QUIET = 0.2  # of the moments; in them, second differences are taken for noise
QUIET_DEVIATION = -0.8416  # below which a normal distribution has that part
MEMORY = 128  # moments in which the noise is measured
FEWEST = 5  # moments from which on it is
DOUBT = 2.0  # standard deviations by which noise alone may exceed its mean


def windows(items: Iterable[Item], reach: int) -> Iterator[tuple[list[Item], int]]:
    """Each item's neighbourhood, up to `reach` items before and after it, and the item's index in it.

    No more than `reach` items are read ahead.
    """
    seen: deque[Item] = deque(maxlen=2 * reach + 1)
    waiting = 0  # items at the end of `seen` that were not in the middle yet
    for item in items:
        seen.append(item)
        waiting += 1
        if waiting > reach:
            yield list(seen), len(seen) - waiting
            waiting -= 1
    while waiting:
        yield list(seen)[max(0, len(seen) - waiting - reach) :], min(len(seen) - waiting, reach)
        waiting -= 1


def run_around(near: Sequence[Item], index: int, belong_together: Callable[[Item, Item], bool]) -> range:
    """The indices around one of a neighbourhood in which every two neighbours belong together."""
    start = end = index
    while start > 0 and belong_together(near[start - 1], near[start]):
        start -= 1
    while end < len(near) - 1 and belong_together(near[end], near[end + 1]):
        end += 1
    return range(start, end + 1)


class Smoother:
    """Smooths vectors one after the other, and remembers how noisy they were.

    `spread` is the standard deviation of the neighbours' weights, in seconds; `freedom` the number of independent
    directions in which the noise lies, about.
    """

    def __init__(self, spread: float, freedom: int) -> None:
        self.spread, self.freedom = spread, freedom
        self.energies: deque[float] = deque(maxlen=MEMORY)

    def smoothed(self, times: Sequence[float], values: Sequence[np.ndarray], index: int) -> np.ndarray:
        """The value (Z,) at an index of a neighbourhood, `values`, which were seen at `times` [s]."""
        if 0 < index < len(values) - 1:
            self.energies.append(second_difference(times, values, index))
        near = min(index, len(values) - 1 - index)  # as far before as after
        places = slice(index - near, index + near + 1)
        weights = np.exp(-0.5 * (np.subtract(times[places], times[index]) / self.spread) ** 2)
        weights /= weights.sum()
        value = values[index]
        if near == 0 or len(self.energies) < FEWEST:
            return value
        mean = weights @ np.stack(values[places])
        of_noise = self.noise() * (1 - 2 * weights[near] + weights @ weights)
        of_noise *= 1 + DOUBT * (2 / self.freedom) ** 0.5
        energy = float(np.square(value - mean).sum())
        kept = max(0.0, 1 - of_noise / energy) if energy > 0 else 0.0
        return mean + kept * (value - mean)

    def noise(self) -> float:
        """The energy of the noise in a value, the sum of its numbers' variances."""
        part = 2 / (9 * self.freedom)  # of a chi-squared distribution's quantile, after Wilson and Hilferty
        return float(np.quantile(self.energies, QUIET)) / (1 - part + QUIET_DEVIATION * part**0.5) ** 3


class SmootherOfParts:
    """Smooths what vectors are along some axes, and all else that they are, each for itself.

    So a quick motion along the axes, which is small beside the noise of the rest, is told from the noise there.
    """

    def __init__(self, axes: np.ndarray, spread: float, freedom: int) -> None:
        """`axes` (K, Z) are orthonormal; `spread` and `freedom`, that of the rest, are `Smoother`'s."""
        self.axes = axes
        self.along = Smoother(spread, max(1, len(axes)))
        self.rest = Smoother(spread, freedom)

    def smoothed(self, times: Sequence[float], values: Sequence[np.ndarray], index: int) -> np.ndarray:
        """As `Smoother.smoothed`."""
        along = [self.axes @ value for value in values]
        rest = [value - part @ self.axes for value, part in zip(values, along, strict=True)]
        moved = self.along.smoothed(times, along, index) @ self.axes
        return moved + self.rest.smoothed(times, rest, index)


def orthonormal(vectors: np.ndarray) -> np.ndarray:
    """Axes (K, Z) of the space that vectors (N, Z) span."""
    _, lengths, axes = np.linalg.svd(vectors, full_matrices=False)
    return axes[lengths > 1e-6 * max(1e-6, lengths.max(initial=0))]


def second_difference(times: Sequence[float], values: Sequence[np.ndarray], index: int) -> float:
    """The energy of the noise that would place a value as far from the line between its neighbours as it lies."""
    before, here, after = times[index - 1 : index + 2]
    share = (here - before) / (after - before)
    apart = values[index] - (1 - share) * values[index - 1] - share * values[index + 1]
    return float(np.square(apart).sum()) / (1 + share**2 + (1 - share) ** 2)
