"""The share of 95 % intervals that hold the truth when raters answer several times each, for three kinds of interval.

    python benchmarks/study_intervals.py

Raters differ: their own shares follow a beta distribution, of standard deviation 0.08 to 0.15. A fifth stops early.
"""

import argparse

import numpy as np
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from leed.evaluation.tables import markdown_table
from leed.study.table import share

ANSWERS = 8  # by a rater to a question about one source
SPREAD = 10  # of the beta distribution, a + b


def simulate(rng: np.random.Generator, num_raters: int, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Answers (N,) and the raters that gave them (N,)."""
    stops = rng.random(num_raters) < 0.2
    counts = np.where(stops, rng.integers(1, ANSWERS, num_raters), ANSWERS)
    raters = np.repeat(np.arange(num_raters), counts)
    own = rng.beta(SPREAD * rate, SPREAD * (1 - rate), num_raters)
    return rng.random(len(raters)) < own[raters], raters


def independent(yes: np.ndarray, raters: np.ndarray) -> tuple[float, float]:
    """Wilson's interval as if no two answers came from one rater."""
    return proportion_confint(yes.sum(), len(yes), method="wilson")


def bootstrap(yes: np.ndarray, raters: np.ndarray) -> tuple[float, float]:
    """Percentiles over raters drawn with replacement."""
    data = (np.bincount(raters, yes), np.bincount(raters))
    result = stats.bootstrap(
        data, lambda a, n, axis: a.sum(axis) / n.sum(axis), paired=True, vectorized=True, method="percentile",
        n_resamples=1000, rng=0,
    )  # fmt: skip
    return result.confidence_interval


def clustered(yes: np.ndarray, raters: np.ndarray) -> tuple[float, float]:
    """The interval of the study's table."""
    return share(yes, raters)[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=500, help="simulated for each line")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    rows = []
    for num_raters in (8, 15, 30, 100):
        for rate in (0.07, 0.5, 0.78):
            held = np.zeros(3)
            for _ in range(args.studies):
                data = simulate(rng, num_raters, rate)
                intervals = [method(*data) for method in (independent, bootstrap, clustered)]
                held += [low <= rate <= high for low, high in intervals]
            rows.append([str(num_raters), str(rate), *(f"{value:.3f}" for value in held / args.studies)])
    header = ["raters", "true share", "answers independent", "bootstrap over raters", "the table's"]
    print(markdown_table(header, rows))


if __name__ == "__main__":
    main()
