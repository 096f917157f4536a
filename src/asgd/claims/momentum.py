"""C4 and C5: what momentum does, one verdict per convention. The rules are in ``asgd.claims.first``."""

import math
from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from asgd.claims.comparisons import both_fail, count_outcomes, describe_tested, explain_no_interval, list_values
from asgd.claims.verdict import Verdict, VerdictName
from asgd.settings.claims import ClaimsConfig
from asgd.tables.arms import Study
from asgd.tables.statistics import (
    adjust_holm,
    equivalence_test,
    estimate_paired_difference,
    mcnemar_test,
    wilson_interval,
)


class Convention(NamedTuple):
    """Who keeps a velocity, and how it is averaged."""

    where: str
    convention: str

    def __str__(self) -> str:
        return f"{self.where}-{self.convention}"


CONVENTIONS = tuple(Convention(where, kind) for where in ("server", "worker") for kind in ("pytorch", "ema"))


def judge_no_difference(study: Study) -> list[Verdict]:
    """C4: the final test accuracy with and without momentum is the same at each small m."""
    return [_judge_convention(study, convention) for convention in CONVENTIONS]


def judge_rescue(study: Study) -> list[Verdict]:
    """C5: with momentum, runs train at the m at which they do not without."""
    margins = study.margins
    plain = study.runs_of(num_workers=margins.fail_workers, momentum=0.0)
    pairs = {c: _pair(plain, _runs_with(study, c, margins.fail_workers)) for c in CONVENTIONS}
    p_values = [_test_failures(*arms) for arms in pairs.values()]
    adjusted = adjust_holm(p_values)
    tested = zip(pairs.items(), p_values, adjusted, strict=True)
    return [_judge_rescued(study, convention, p, holm, *arms) for (convention, arms), p, holm in tested]


def _runs_with(study: Study, convention: Convention, num_workers: int) -> pd.DataFrame:
    settings = {"momentum_where": convention.where, "momentum_convention": convention.convention}
    momentum = study.margins.momentum
    return study.runs_of(study.with_momentum, num_workers=num_workers, momentum=momentum, **settings)


def _pair(plain: pd.DataFrame, arm: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    seeds = plain.index.intersection(arm.index)
    return plain.loc[seeds], arm.loc[seeds]


def _judge_convention(study: Study, convention: Convention) -> Verdict:
    margins = study.margins
    about: dict[str, Any] = {
        "id": f"C4-{convention}",
        "claim": f"momentum makes no difference at {list_values('m', margins.slow_workers)}",
    }
    arms = {m: _pair_arms(study, convention, m) for m in margins.slow_workers}
    present = {m: pair for m, pair in arms.items() if len(pair[0])}
    failing = [m for m, pair in present.items() if both_fail(*pair)]
    found = {m: _compare_final(study, *pair) for m, pair in present.items() if m not in failing}
    tested = describe_tested(list(found), [m for m in arms if m not in present])
    if not present:
        reason = f"no paired runs with and without {convention} momentum at {list_values('m', margins.slow_workers)}"
        return Verdict(**about, verdict="not applicable", reason=reason)
    failed = f"with and without it runs fail at {list_values('m', failing)}"
    if not found:
        return Verdict(**about, verdict="not applicable", n=min(map(_count_pairs, present.values())), reason=failed)
    largest = _choose_decisive(found, margins.equivalence_points)
    decisive, n = found[largest], min(difference["n"] for difference in found.values())
    p_values = [difference["p_value"] for difference in found.values()]
    return Verdict(
        **about,
        verdict=_decide_no_difference(found.values(), bool(failing), margins),
        effect=decisive["mean"],
        unit="points",
        effect_name=f"final accuracy, with minus without momentum at m = {largest} (the m that decides)",
        interval=(decisive["low"], decisive["high"]),
        confidence=margins.confidence,
        p_value=float("nan") if failing else float(np.max(p_values)),  # not a number if one of them is none
        n=n,
        reason="; ".join([_explain_difference(largest, decisive), *([failed] if failing else []), tested]),
        details={"differences": found} | ({"both_fail": failing} if failing else {}),
    )


def _explain_difference(num_workers: int, decisive: dict[str, Any]) -> str:
    if math.isnan(decisive["low"]):
        reason = explain_no_interval(decisive["n"])
        return reason if decisive["n"] < 2 else f"at m = {num_workers} {reason}"
    size = f"{decisive['mean']:+z.1f} points [{decisive['low']:+z.1f}, {decisive['high']:+z.1f}]"
    return f"what decides is m = {num_workers}: {size}"


def _pair_arms(study: Study, convention: Convention, num_workers: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The runs without and with momentum, of the seeds that both have."""
    return _pair(study.runs_of(num_workers=num_workers, momentum=0.0), _runs_with(study, convention, num_workers))


def _count_pairs(arms: tuple[pd.DataFrame, pd.DataFrame]) -> int:
    return len(arms[0])


def _compare_final(study: Study, *arms: pd.DataFrame) -> dict[str, Any]:
    """With minus without momentum, final test accuracy in points: paired estimate and TOST."""
    margins = study.margins
    without, with_it = (100 * arm["final_test_accuracy"].to_numpy(dtype=float) for arm in arms)
    margin = margins.equivalence_points
    p_value = equivalence_test(without, with_it, -margin, margin)
    return {**estimate_paired_difference(without, with_it, margins.confidence)._asdict(), "p_value": p_value}


def _choose_decisive(differences: dict[int, dict[str, Any]], margin: float) -> int:
    """The m furthest outside the margin with its whole interval; if none is, the one least surely inside (TOST).

    One without an interval is surely on neither side.
    """
    distances = {m: max(found["low"], -found["high"]) - margin for m, found in differences.items()}
    if outside := {m: distance for m, distance in distances.items() if distance > 0}:
        return max(outside, key=lambda m: outside[m])
    p_values = {m: np.nan_to_num(found["p_value"], nan=np.inf) for m, found in differences.items()}
    return max(differences, key=lambda m: (p_values[m], abs(differences[m]["mean"])))


def _decide_no_difference(
    differences: Collection[dict[str, Any]], some_fail: bool, margins: ClaimsConfig
) -> VerdictName:
    margin, alpha = margins.equivalence_points, 1 - margins.confidence
    if any(difference["low"] > margin or difference["high"] < -margin for difference in differences):
        return "not reproduced"
    equivalent = all(difference["p_value"] < alpha for difference in differences) and not some_fail
    return "reproduced" if equivalent else "inconclusive"


def _test_failures(plain: pd.DataFrame, arm: pd.DataFrame) -> float:
    if arm.empty:
        return float("nan")
    return mcnemar_test(plain["outcome"] != "trained", arm["outcome"] != "trained")


def _judge_rescued(
    study: Study, convention: Convention, p_value: float, adjusted: float, plain: pd.DataFrame, arm: pd.DataFrame
) -> Verdict:
    m, confidence = study.margins.fail_workers, study.margins.confidence
    about: dict[str, Any] = {"id": f"C5-{convention}", "claim": f"with momentum, m = {m} trains"}
    if arm.empty:
        reason = f"no paired runs at m = {m} without and with {convention} momentum"
        return Verdict(**about, verdict="not applicable", reason=reason)
    n, before, after = len(arm), count_outcomes(plain), count_outcomes(arm)
    interval = wilson_interval(after["trained"], n, confidence)
    fewer_failures = after["trained"] > before["trained"] and adjusted < 1 - confidence
    return Verdict(
        **about,
        verdict=_decide_rescue(fewer_failures, interval),
        effect=after["trained"] / n,
        unit="probability",
        effect_name=f"P(trained with momentum) at m = {m}",
        interval=interval,
        confidence=confidence,
        p_value=p_value,
        n=n,
        reason=f"{after['trained']} of {n} runs train with momentum and {before['trained']} without "
        f"(McNemar p = {adjusted:.2g} after Holm over conventions); P(trained with momentum) is in "
        f"[{interval[0]:.2f}, {interval[1]:.2f}]",
        details={"without": before, "with": after, "p_holm_over_conventions": adjusted},
    )


def _decide_rescue(fewer_failures: bool, trained: tuple[float, float]) -> VerdictName:
    if fewer_failures and trained[0] > 0.5:
        return "reproduced"
    return "not reproduced" if trained[1] < 0.5 else "inconclusive"
