"""What several rules share: paired comparisons of arms."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from asgd.settings.run import RunConfig
from asgd.simulator.outcome import OUTCOMES, TRAINED
from asgd.tables.arms import Curves, Evidence, pair
from asgd.tables.statistics import (
    average_over_steps,
    describe_paired,
    equivalence_test,
    estimate_paired_difference,
    sign_flip_test,
)

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


def find_largest_p(comparisons: Iterable[dict[str, Any]]) -> float:
    """The p-value of a rule that must hold in all ``comparisons``: the largest, nan if one of them has none."""
    return float(np.max([found["p_value"] for found in comparisons]))


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


def compare_final(without: pd.DataFrame, with_it: pd.DataFrame, margin: float, confidence: float) -> dict[str, Any]:
    """With minus without, final test accuracy in points of two arms, row by row: paired estimate and TOST p-value."""
    a, b = (100 * arm["final_test_accuracy"].to_numpy(dtype=float) for arm in (without, with_it))
    p_value = equivalence_test(a, b, -margin, margin)
    return {**estimate_paired_difference(a, b, confidence)._asdict(), "p_value": p_value}


def choose_decisive(differences: dict[int, dict[str, Any]], margin: float) -> int:
    """The m furthest outside the margin with its whole interval; if none is, the one least surely inside (TOST).

    One without an interval is surely on neither side.
    """
    distances = {m: max(found["low"], -found["high"]) - margin for m, found in differences.items()}
    if outside := {m: distance for m, distance in distances.items() if distance > 0}:
        return max(outside, key=lambda m: outside[m])
    p_values = {m: np.nan_to_num(found["p_value"], nan=np.inf) for m, found in differences.items()}
    return max(differences, key=lambda m: (p_values[m], abs(differences[m]["mean"])))


def find_longest(evidence: Evidence, arms: Sequence[dict[str, Any]], free: Sequence[str]) -> dict[str, Any] | None:
    """The values of the keys ``free`` at which all ``arms`` have runs, of the longest such runs; None without any.

    Of equally long runs those with the most evaluations. ``free`` are of: epochs, steps, evaluations_per_epoch.
    """
    like = [config for config in evidence.configs if any(_has(config, arm) for arm in arms)]
    known = {tuple(getattr(config, key) for key in free): config.evaluations_per_epoch for config in like}
    found = []
    for values, evaluations in known.items():
        settings = dict(zip(free, values, strict=True))
        lengths = [evidence.runs_of(**arm, **settings, probes={})["total_steps"] for arm in arms]
        if all(map(len, lengths)):
            found.append((min(length.max() for length in lengths), evaluations, settings))
    return max(found, key=lambda entry: entry[:2])[2] if found else None


def _has(config: RunConfig, settings: dict[str, Any]) -> bool:
    return all(getattr(config, key) == value for key, value in settings.items())


def count_outcomes(arm: pd.DataFrame) -> dict[str, int]:
    """Number of runs for each outcome."""
    return {outcome: int((arm["outcome"] == outcome).sum()) for outcome in OUTCOMES}
