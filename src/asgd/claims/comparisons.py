"""What several rules share: paired comparisons of arms."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from asgd.simulator.outcome import OUTCOMES, TRAINED
from asgd.tables.arms import Curves, Evidence, pair
from asgd.tables.statistics import average_over_steps, describe_paired, estimate_paired_difference, sign_flip_test

Trend = Literal["rises", "falls", "undecided"]


def both_fail(first: pd.DataFrame, second: pd.DataFrame) -> bool:
    """Whether neither run trained in at least half of the pairs of two arms, row by row: then they agree in nothing."""
    failed = (first["outcome"].to_numpy() != TRAINED) & (second["outcome"].to_numpy() != TRAINED)
    return bool(len(failed)) and bool(failed.mean() >= 0.5)


def split_present(evidence: Evidence, workers: Sequence[int]) -> dict[str, list[int]]:
    """Those of ``workers`` that have runs, `tested`, and the others, `absent`."""
    present = [m for m in workers if len(evidence.runs_of(num_workers=m))]
    return {"tested": present, "absent": [m for m in workers if m not in present]}


def compare_areas(evidence: Evidence, key: str, values: Sequence[Any], **fixed: Any) -> list[dict[str, Any]]:
    """Paired differences, second minus first, of the area under the train_loss curve between adjacent ``values``."""
    curves = [evidence.curves_of("train_loss", **fixed, **{key: value}) for value in values]
    found = []
    for i in range(len(values) - 1):
        first, second = (average_over_steps(c.epochs, c.values) for c in pair(curves[i], curves[i + 1]))
        difference = estimate_paired_difference(first, second, evidence.margins.confidence)
        p_value = sign_flip_test(second - first, "greater")
        found.append({"from": values[i], "to": values[i + 1], **difference._asdict(), "p_value": p_value})
    return found


def judge_trend(comparisons: Sequence[dict[str, Any]]) -> tuple[Trend, dict[str, Any]]:
    """Whether the area rises at every step, and the comparison that decides: the lowest one."""
    if falling := [found for found in comparisons if found["high"] < 0]:
        return "falls", min(falling, key=lambda found: found["high"])
    weakest = min(comparisons, key=lambda found: np.nan_to_num(found["low"], nan=-np.inf))
    return ("rises" if all(found["low"] > 0 for found in comparisons) else "undecided"), weakest


def difference_after_first_epoch(first: Curves, second: Curves, confidence: float) -> pd.DataFrame:
    """Paired difference first - second of accuracy, in points, at each evaluation after the first epoch.

    Columns epoch, mean, low, high (two-sided interval of ``confidence``, or nan where there is none).
    """
    a, b = (curves.after_first_epoch() for curves in pair(first, second))
    found = describe_paired(b.values, a.values, confidence, scale=100)
    return pd.DataFrame({"epoch": a.epochs, "mean": found.mean, "low": found.low, "high": found.high})


def count_outcomes(arm: pd.DataFrame) -> dict[str, int]:
    """Number of runs for each outcome."""
    return {outcome: int((arm["outcome"] == outcome).sum()) for outcome in OUTCOMES}
