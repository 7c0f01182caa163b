"""Smoothing averages noise, keeps motion and blinks, and does not lag."""

import numpy as np
import pytest

from leed.video.smoothing import Smoother, SmootherOfParts, orthonormal, run_around, windows

RATE = 25


def smoothed(values: np.ndarray, reach: int = 3, spread: float = 0.05, times: np.ndarray | None = None) -> np.ndarray:
    """All values (N, Z) smoothed, as a stream."""
    times = np.arange(len(values)) / RATE if times is None else times
    smoother = Smoother(spread, freedom=64)
    return np.stack(
        [
            smoother.smoothed([time for time, _ in near], [value for _, value in near], index)
            for near, index in windows(zip(times, values, strict=True), reach)
        ]
    )


def noise(count: int = 200, size: int = 64, level: float = 0.1) -> np.ndarray:
    return np.random.default_rng(0).normal(0, level, (count, size))


@pytest.mark.parametrize(("count", "reach"), [(0, 2), (1, 2), (4, 2), (9, 2), (5, 0), (3, 7)])
def test_windows(count: int, reach: int) -> None:
    found = list(windows(range(count), reach))
    assert [near[index] for near, index in found] == list(range(count))
    for i, (near, _) in enumerate(found):
        assert near == list(range(max(0, i - reach), min(count, i + reach + 1)))


def test_no_more_than_the_reach_is_read_ahead() -> None:
    read = []
    stream = windows((read.append(i) or i for i in range(100)), 3)
    for i, _ in zip(range(20), stream, strict=False):
        assert len(read) == i + 4


def test_runs() -> None:
    assert run_around([1, 1, 2, 2, 2, 1], 3, lambda a, b: a == b) == range(2, 5)
    assert run_around([1], 0, lambda a, b: a == b) == range(0, 1)


def test_noise_is_averaged() -> None:
    values = noise()
    before, after = (np.square(x[10:-10]).mean() for x in (values, smoothed(values)))
    assert after < 0.35 * before  # the weights' own: 0.28


def test_steady_motion_is_not_late() -> None:
    """Up to both ends."""
    line = np.outer(np.arange(60) / RATE, np.linspace(-1, 1, 8))
    np.testing.assert_allclose(smoothed(line), line, atol=1e-9)


@pytest.mark.parametrize("shape", [(0.5, 1.0, 0.5), (0.3, 0.8, 1.0, 0.8, 0.3)])
def test_a_blink_is_kept(shape: tuple[float, ...]) -> None:
    """One that is five times as large as the noise in a frame."""
    values = noise(level=0.1)
    direction = np.ones(64) / 8
    size = 5 * 0.1 * 8
    for start in (60, 120):
        values[start : start + len(shape)] += size * np.outer(shape, direction)
    result = smoothed(values) @ direction
    for start in (60, 120):
        assert result[start + len(shape) // 2] > 0.85 * size
        assert abs(result[start - 4]) < 0.1 * size


def test_talk_has_no_lag() -> None:
    times = np.arange(200) / RATE
    talk = np.sin(2 * np.pi * 3 * times)  # opens three times a second
    values = noise(level=0.07 / 8) + np.outer(talk, np.ones(64) / 8)  # as in a face: 7 % of what it shows
    result = smoothed(values) @ np.ones(64) / 8
    correlations = {shift: np.corrcoef(np.roll(talk, shift)[20:-20], result[20:-20])[0, 1] for shift in range(-3, 4)}
    assert max(correlations, key=correlations.get) == 0
    assert result[20:-20].std() > 0.9 * talk.std()


def test_what_stands_still_stays() -> None:
    still = np.ones((20, 4))
    np.testing.assert_array_equal(smoothed(still), still)


def blink_beside_talk(smoother: Smoother | SmootherOfParts) -> tuple[float, float]:
    """How much of blinks of 120 to 280 ms is left, and of the noise, in a face that talks: as in made-up clips."""
    rng, times = np.random.default_rng(0), np.arange(400) / RATE
    talk = np.sin(2 * np.pi * 2 * times) * (times % 4 > 2)
    values = rng.normal(0, 0.02, (400, 64)) + rng.normal(0, 0.3, (400, 8)) @ np.eye(64)[8:16]
    values += 8 * np.outer(talk, np.eye(64)[40])
    middles = {70: 0.12, 170: 0.2, 270: 0.28}
    blink = sum(np.exp(-4 * np.log(2) * ((times - middle / RATE) / wide) ** 2) for middle, wide in middles.items())
    values += 2 * np.outer(blink, np.eye(64)[1])
    stream = windows(zip(times, values, strict=True), 3)
    result = np.stack([smoother.smoothed(*zip(*near, strict=True), index) for near, index in stream])
    still = (times > 12.5) & (times < 13.5)
    before, after = (np.square(x[still] - x[still].mean(0)).sum() for x in (values, result))
    return float(result[list(middles), 1].mean() / values[list(middles), 1].mean()), float(after / before)


def test_blinks_of_a_face_that_talks_are_kept() -> None:
    """Along the axes of blinks there is little noise; the whole vector has enough to hide them."""
    (together, noise), (apart, same) = (
        blink_beside_talk(smoother) for smoother in (Smoother(0.05, 8), SmootherOfParts(np.eye(64)[:3], 0.05, 8))
    )
    assert apart > 0.95 > 0.87 > together
    assert same < 1.1 * noise and noise < 0.35


def test_axes_span_vectors() -> None:
    vectors = np.random.default_rng(0).normal(size=(2, 6))
    axes = orthonormal(np.stack([*vectors, vectors[0] - 2 * vectors[1]]))
    np.testing.assert_allclose(axes @ axes.T, np.eye(2), atol=1e-9)
    np.testing.assert_allclose(vectors @ axes.T @ axes, vectors, atol=1e-9)
    assert orthonormal(np.zeros((3, 6))).shape == (0, 6)
