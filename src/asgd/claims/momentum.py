"""C4 and C5: what momentum does, one verdict per convention. The rules are in the package's docstring."""

from typing import Any, NamedTuple

import pandas as pd

from asgd.claims.comparisons import NO_INTERVAL, count_outcomes, describe_tested, list_values
from asgd.claims.selection import Study
from asgd.claims.verdict import Verdict, VerdictName
from asgd.statistics import adjust_holm, equivalence_test, estimate_paired_difference, mcnemar_test, wilson_interval


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
    compared = {m: _compare_final(study, convention, m) for m in margins.slow_workers}
    found = {m: difference for m, difference in compared.items() if difference["n"]}
    tested = describe_tested(list(found), [m for m in compared if m not in found])
    if not found:
        reason = f"no paired runs with and without {convention} momentum at {list_values('m', margins.slow_workers)}"
        return Verdict(**about, verdict="not applicable", reason=reason)
    largest = _choose_decisive(found, margins.equivalence_points)
    decisive, n = found[largest], min(difference["n"] for difference in found.values())
    size = f"{decisive['mean']:+z.1f} points [{decisive['low']:+z.1f}, {decisive['high']:+z.1f}]"
    return Verdict(
        **about,
        verdict=_decide_no_difference(list(found.values()), margins.equivalence_points, 1 - margins.confidence),
        effect=decisive["mean"],
        unit="points",
        effect_name=f"final accuracy, with minus without momentum at m = {largest} (the m that decides)",
        interval=(decisive["low"], decisive["high"]),
        confidence=margins.confidence,
        p_value=max(difference["p_value"] for difference in found.values()),
        n=n,
        reason=f"{NO_INTERVAL if n < 2 else f'what decides is m = {largest}: {size}'}; {tested}",
        details={"differences": found},
    )


def _compare_final(study: Study, convention: Convention, num_workers: int) -> dict[str, Any]:
    """With minus without momentum, final test accuracy in points: paired estimate and TOST."""
    margins = study.margins
    arms = _pair(study.runs_of(num_workers=num_workers, momentum=0.0), _runs_with(study, convention, num_workers))
    without, with_it = (100 * arm["final_test_accuracy"].to_numpy(dtype=float) for arm in arms)
    margin = margins.equivalence_points
    p_value = equivalence_test(without, with_it, -margin, margin)
    return {**estimate_paired_difference(without, with_it, margins.confidence)._asdict(), "p_value": p_value}


def _choose_decisive(differences: dict[int, dict[str, Any]], margin: float) -> int:
    """The m furthest outside the margin with its whole interval; if none is, the one least surely inside (TOST)."""
    outside = {m: max(found["low"], -found["high"]) - margin for m, found in differences.items()}
    if any(value > 0 for value in outside.values()):
        return max(outside, key=lambda m: outside[m])
    return max(differences, key=lambda m: (differences[m]["p_value"], abs(differences[m]["mean"])))


def _decide_no_difference(differences: list[dict[str, Any]], margin: float, alpha: float) -> VerdictName:
    if any(difference["low"] > margin or difference["high"] < -margin for difference in differences):
        return "not reproduced"
    return "reproduced" if all(difference["p_value"] < alpha for difference in differences) else "inconclusive"


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
