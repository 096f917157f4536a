"""What runs have at the same training loss."""

import math

import pytest

from asgd.tables.matching import find_common_level, match_values, value_at

FAST = [2.0, 1.0, 0.5, 0.7, 0.3]
SLOW = [2.0, 1.5, 1.2]


def test_runs_are_compared_at_the_lowest_loss_that_all_reach() -> None:
    assert find_common_level([FAST, SLOW]) == 1.2
    assert find_common_level([FAST, FAST]) == 0.3
    assert find_common_level([FAST, FAST], lowest=0.5) == 0.5
    level, values = match_values([FAST, SLOW], [[0, 10, 20, 30, 40], [0, 5, 8]])
    assert level == 1.2
    assert values == pytest.approx([8, 8])  # a loss of 1.2 is four fifths of the way from 2 to 1; the slow run's last


@pytest.mark.parametrize(
    ("level", "value"),
    [(2.0, 0), (3.0, 0), (1.0, 10), (0.75, 15), (0.5, 20), (0.4, 37.5), (0.3, 40), (0.2, math.nan)],
)
def test_the_first_place_at_a_level_counts(level: float, value: float) -> None:
    assert value_at(level, FAST, [0, 10, 20, 30, 40]) == pytest.approx(value, nan_ok=True)
