"""The page's tables."""

import math

from leed.evaluation.paper.report import best_of


def test_the_best_of_a_column() -> None:
    assert best_of([3.0, 1.0, 2.0], smallest=True) == 1
    assert best_of([3.0, math.nan, 2.0], smallest=False) == 0
    assert best_of([3.0, math.nan], smallest=False) is None
