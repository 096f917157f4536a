"""When a curve first reaches an accuracy."""

import math

import pytest

from asgd.tables.crossing import time_to


@pytest.mark.parametrize(
    ("accuracy", "time"),
    [
        (0.05, 0.0),
        (0.1, 0.0),  # from the start
        (0.3, 3.0),  # halfway between two evaluations
        (0.4, 4.0),  # at one; that it falls below again does not matter
        (0.5, 7.5),
        (0.6, 8.0),
        (0.61, math.inf),
    ],
)
def test_the_first_crossing_is_linear_between_evaluations(accuracy: float, time: float) -> None:
    assert time_to(accuracy, [0, 2, 4, 6, 8], [0.1, 0.2, 0.4, 0.2, 0.6]) == pytest.approx(time)


def test_without_evaluations_nothing_is_reached() -> None:
    assert time_to(0.5, [], []) == math.inf
