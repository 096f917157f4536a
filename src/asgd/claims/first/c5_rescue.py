"""C5: with momentum m = 100 trains; one verdict for each kind of momentum."""

import pandas as pd

from asgd.claims.claim import Claim
from asgd.claims.comparisons import count_outcomes
from asgd.claims.conventions import CONVENTIONS, Convention, pair_arms
from asgd.claims.verdict import Verdict, VerdictName
from asgd.settings.claims import ClaimsConfig
from asgd.simulator.outcome import TRAINED
from asgd.tables.arms import Evidence
from asgd.tables.statistics import adjust_holm, mcnemar_test, wilson_interval

CLAIM = Claim(
    id="C5",
    statement="with momentum, m = {{ margins.fail_workers }} trains",
    rule="""Judged for each kind of momentum, with b = {{ margins.momentum | num("g") }}. Reproduced: fewer runs fail
        with momentum than without (exact McNemar test, {{ (1 - margins.confidence) | percent("g") }}, Holm's adjustment
        over the kinds), and the lower limit of P(trained with momentum) is above one half. Not reproduced: its upper
        limit is below one half.""",
    effect="P(trained with momentum) at m = {{ margins.fail_workers }}",
    reason="""
        {%- if not found["with"] -%}
            no paired runs at m = {{ margins.fail_workers }} without and with {{ variant }} momentum
        {%- else -%}
            {{ found["with"].trained }} of {{ n }} runs train with momentum and {{ found.without.trained }} without
            (McNemar p = {{ found.p_holm_over_conventions | num(".2g") }} after Holm over conventions);
            P(trained with momentum) is in {{ interval | between(".2f") }}
        {%- endif %}""",
    mapped="pair",
    figure="outcomes",
)


def judge(evidence: Evidence) -> list[Verdict]:
    """With momentum, runs train at the m at which they do not without."""
    pairs = {convention: pair_arms(evidence, convention, evidence.margins.fail_workers) for convention in CONVENTIONS}
    p_values = [_test_failures(*arms) for arms in pairs.values()]
    tested = zip(pairs.items(), p_values, adjust_holm(p_values), strict=True)
    return [_judge_kind(evidence, convention, p, holm, *arms) for (convention, arms), p, holm in tested]


def agrees(verdict: Verdict, margins: ClaimsConfig) -> bool:
    """Whether more than half of the runs trained with momentum, and more than without."""
    counts = verdict.details
    most = verdict.effect is not None and verdict.effect > 0.5
    return most and bool(counts["with"]["trained"] > counts["without"]["trained"])


def _test_failures(plain: pd.DataFrame, arm: pd.DataFrame) -> float:
    if arm.empty:
        return float("nan")
    return mcnemar_test(plain["outcome"] != TRAINED, arm["outcome"] != TRAINED)


def _judge_kind(
    evidence: Evidence, convention: Convention, p_value: float, adjusted: float, plain: pd.DataFrame, arm: pd.DataFrame
) -> Verdict:
    confidence = evidence.margins.confidence
    if arm.empty:
        return Verdict(claim=CLAIM.id, variant=str(convention), verdict="not applicable")
    n, before, after = len(arm), count_outcomes(plain), count_outcomes(arm)
    interval = wilson_interval(after["trained"], n, confidence)
    fewer_failures = after["trained"] > before["trained"] and adjusted < 1 - confidence
    return Verdict(
        claim=CLAIM.id,
        variant=str(convention),
        verdict=_decide(fewer_failures, interval),
        effect=after["trained"] / n,
        unit="probability",
        interval=interval,
        confidence=confidence,
        p_value=p_value,
        n=n,
        details={"without": before, "with": after, "p_holm_over_conventions": adjusted},
    )


def _decide(fewer_failures: bool, trained: tuple[float, float]) -> VerdictName:
    if fewer_failures and trained[0] > 0.5:
        return "reproduced"
    return "not reproduced" if trained[1] < 0.5 else "inconclusive"
