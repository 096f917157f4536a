"""C1, C2, C3 and C3b: what delay alone does. The rules are in ``asgd.claims.first``."""

import math
from typing import Any

from asgd.claims.comparisons import (
    Trend,
    both_fail,
    compare_areas,
    count_outcomes,
    difference_after_first_epoch,
    explain_no_interval,
    judge_trend,
    list_values,
    split_present,
)
from asgd.claims.verdict import Verdict, VerdictName
from asgd.tables.arms import Study, pair
from asgd.tables.statistics import equivalence_test, estimate_paired_difference, majority_test, wilson_interval


def judge_slowing(study: Study) -> Verdict:
    """C1: paired area under the loss curve between adjacent m."""
    about: dict[str, Any] = {"id": "C1", "claim": "the larger m, the slower the loss falls per server step"}
    workers, tested = split_present(study, study.margins.slow_workers)
    if len(workers) < 2:
        return Verdict(**about, verdict="not applicable", reason=f"fewer than two m have runs: {tested}")
    comparisons = compare_areas(study, "num_workers", workers)
    trend, decisive = judge_trend(comparisons)
    verdicts: dict[Trend, VerdictName] = {"rises": "reproduced", "falls": "not reproduced", "undecided": "inconclusive"}
    n = min(found["n"] for found in comparisons)
    return Verdict(
        **about,
        verdict=verdicts[trend],
        effect=decisive["mean"],
        unit="nats",
        effect_name=f"mean training loss, m = {decisive['to']} minus m = {decisive['from']} (the step that decides)",
        interval=(decisive["low"], decisive["high"]),
        confidence=study.margins.confidence,
        p_value=max(found["p_value"] for found in comparisons),
        n=n,
        reason=_explain_slowing(trend, decisive, n, tested),
        details={"comparisons": comparisons},
    )


def _explain_slowing(trend: Trend, decisive: dict[str, Any], n: int, tested: str) -> str:
    if math.isnan(decisive["low"]):
        return f"{explain_no_interval(decisive['n'])}; {tested}"
    where = f"from m = {decisive['from']} to {decisive['to']}"
    size = f"{decisive['mean']:+z.3f} nats [{decisive['low']:+z.3f}, {decisive['high']:+z.3f}]"
    said = {
        "rises": f"the mean loss rises at every step of m, least {where}: {size}",
        "falls": f"the mean loss falls {where}: {size}",
        "undecided": f"the interval {where} contains 0: {size}",
    }
    return f"{said[trend]}; {tested}"


def judge_gap(study: Study) -> Verdict:
    """C2: the gap in accuracy between two m at every evaluation after the first epoch."""
    margins, (few, many) = study.margins, study.margins.gap_workers
    about: dict[str, Any] = {
        "id": "C2",
        "claim": f"m = {few} and m = {many} differ by about 5 points of test accuracy at any time",
    }
    absent = [m for m in (few, many) if study.runs_of(num_workers=m).empty]
    if absent:
        return Verdict(**about, verdict="not applicable", reason=f"no runs at {list_values('m', absent)}")
    first, second = pair(*(study.curves_of("test_accuracy", num_workers=m) for m in (few, many)))
    plain, delayed = (study.runs_of(num_workers=m).loc[first.seeds] for m in (few, many))
    if both_fail(plain, delayed):
        return Verdict(**about, verdict="not applicable", n=len(plain), reason="runs fail with either m")
    level = 2 * margins.confidence - 1
    gaps = difference_after_first_epoch(first, second, level)
    n = len(first.seeds)
    if gaps.empty:
        reason = f"the rule needs evaluations after the first epoch, and the runs end at epoch {max(first.epochs):g}"
        return Verdict(**about, verdict="not applicable", n=n, reason=reason)
    low, high = margins.gap_points
    inside = float(((gaps["low"] >= low) & (gaps["high"] <= high)).mean())
    outside = float(((gaps["low"] > high) | (gaps["high"] < low)).mean())
    less, more = (100 * curves.after_first_epoch().values.mean(axis=1) for curves in (second, first))
    mean = estimate_paired_difference(less, more, level)
    undefined = gaps["low"].isna().all()
    shares = (
        f"{inside:.0%} of {len(gaps)} intervals lie inside [{low:g}, {high:g}] points, {outside:.0%} wholly outside"
    )
    return Verdict(
        **about,
        verdict=_decide_gap(inside, outside, margins.gap_share),
        effect=mean.mean,
        unit="points",
        effect_name=f"accuracy, m = {few} minus m = {many}, mean of the evaluations after the first epoch",
        interval=(mean.low, mean.high),
        confidence=level,
        p_value=equivalence_test(less, more, low, high),
        n=n,
        reason=explain_no_interval(n) if undefined else f"the gap is {mean.mean:+z.1f} points on average; {shares}",
        details={"share_inside": inside, "share_outside": outside, "gaps": gaps.to_dict("records")},
    )


def _decide_gap(inside: float, outside: float, share: float) -> VerdictName:
    tolerance = 1e-9  # 1 - 0.9 is a little less than 0.1
    if inside >= share - tolerance:
        return "reproduced"
    return "not reproduced" if outside > 1 - share + tolerance else "inconclusive"


def judge_failure(study: Study) -> Verdict:
    """C3: the probability that a run dies at the m that does not train."""
    m, confidence = study.margins.fail_workers, study.margins.confidence
    about: dict[str, Any] = {
        "id": "C3",
        "claim": f"m = {m} does not train: the loss stays constant, the accuracy at chance",
    }
    arm = study.runs_of(num_workers=m)
    if arm.empty:
        return Verdict(**about, verdict="not applicable", reason=f"no runs at m = {m}")
    n, counts = len(arm), count_outcomes(arm)
    dead, failing = (wilson_interval(k, n, confidence) for k in (counts["dead"], n - counts["trained"]))
    return Verdict(
        **about,
        verdict=_decide_failure(dead, failing),
        **_probability(f"P(dead) at m = {m}", counts["dead"] / n, dead, confidence),
        p_value=majority_test(counts["dead"], n),
        n=n,
        reason=f"of {n} runs at m = {m} {_list_counts(counts)}; P(dead) is in [{dead[0]:.2f}, {dead[1]:.2f}], "
        f"P(not trained) in [{failing[0]:.2f}, {failing[1]:.2f}]",
        details={"outcomes": counts, "not_trained_interval": failing},
    )


def _decide_failure(dead: tuple[float, float], failing: tuple[float, float]) -> VerdictName:
    if dead[0] > 0.5:
        return "reproduced"
    if failing[0] > 0.5:
        return "partly"
    return "not reproduced" if dead[1] < 0.5 else "inconclusive"


def judge_some_failures(study: Study) -> Verdict:
    """C3b: whether some runs die already at a smaller m, and not all."""
    m, confidence = study.margins.some_fail_workers, study.margins.confidence
    about: dict[str, Any] = {"id": "C3b", "claim": f"in some runs already m = {m} does not train"}
    arm = study.runs_of(num_workers=m)
    if arm.empty:
        return Verdict(**about, verdict="not applicable", reason=f"no runs at m = {m}")
    n, counts = len(arm), count_outcomes(arm)
    dead = wilson_interval(counts["dead"], n, confidence)
    return Verdict(
        **about,
        verdict=_decide_some(counts["dead"], n - counts["trained"], n, dead),
        **_probability(f"P(dead) at m = {m}", counts["dead"] / n, dead, confidence),
        n=n,
        reason=f"of {n} runs at m = {m} {_list_counts(counts)}; P(dead) is in [{dead[0]:.2f}, {dead[1]:.2f}]",
        details={"outcomes": counts},
    )


def _decide_some(dead: int, not_trained: int, n: int, interval: tuple[float, float]) -> VerdictName:
    if 0 < dead < n:
        return "reproduced"
    if 0 < not_trained < n:
        return "partly"
    return "not reproduced" if interval[0] > 0.5 or interval[1] < 0.5 else "inconclusive"


def _probability(name: str, value: float, interval: tuple[float, float], confidence: float) -> dict[str, Any]:
    return {"effect": value, "unit": "probability", "effect_name": name, "interval": interval, "confidence": confidence}


def _list_counts(counts: dict[str, int]) -> str:
    words = {"trained": "trained", "plateau": "stayed alive at chance", "dead": "died", "non_finite": "overflowed"}
    return ", ".join(f"{count} {words[outcome]}" for outcome, count in counts.items() if count)
