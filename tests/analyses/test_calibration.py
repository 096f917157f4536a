"""The rule that chooses the learning rate."""

import math

import pandas as pd
import pytest

from asgd.analyses.calibration import format_choice, rank_learning_rates


def runs_of(accuracies: dict[float, list[float]]) -> pd.DataFrame:
    rows = [
        {"learning_rate": rate, "final_test_accuracy": value, "outcome": "trained" if value > 0.15 else "plateau"}
        for rate, values in accuracies.items()
        for value in values
    ]
    return pd.DataFrame(rows)


def test_the_best_mean_wins_and_an_overflow_counts_as_chance() -> None:
    table = rank_learning_rates(runs_of({0.01: [0.5, 0.6], 0.02: [0.8, math.nan], 0.001: [0.3, 0.3]}))
    assert table["learning_rate"].tolist() == [0.01, 0.02, 0.001]
    assert table["mean"].tolist() == pytest.approx([0.55, 0.45, 0.3])
    assert table["trained"].tolist() == [2, 1, 2]
    assert format_choice(table).splitlines()[-1] == "chosen: 0.01, by the best mean test accuracy"


def test_of_equals_the_smaller_rate_wins() -> None:
    assert rank_learning_rates(runs_of({0.02: [0.5], 0.01: [0.5]}))["learning_rate"].iloc[0] == 0.01
