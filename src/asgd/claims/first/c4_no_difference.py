"""C4: momentum makes no difference; one verdict for each kind of momentum."""

from collections.abc import Collection
from typing import Any

from asgd.claims.claim import Claim
from asgd.claims.comparisons import both_fail, choose_decisive, compare_final, find_largest_p
from asgd.claims.conventions import CONVENTIONS, Convention, pair_arms
from asgd.claims.verdict import Verdict, VerdictName
from asgd.settings.claims import ClaimsConfig
from asgd.tables.arms import Evidence

CLAIM = Claim(
    id="C4",
    statement='momentum makes no difference at {{ say.values("m", margins.slow_workers) }}',
    rule="""Judged for each kind of momentum, with b = {{ margins.momentum | num("g") }}, by the final accuracy with
        minus without it at each m of {{ margins.slow_workers | listed }} that has runs. Reproduced: TOST within
        +-{{ margins.equivalence_points | num("g") }} points significant ({{ (1 - margins.confidence) | percent("g") }})
        at each. Not reproduced: any interval wholly outside. An m at which both arms fail has no interval; if they
        fail at each m, the claim is not applicable. p-value: the largest of the TOSTs, if there is one at each m.""",
    effect="final accuracy, with minus without momentum at m = {{ found.decisive }} (the m that decides)",
    reason="""
        {%- set where = say.values("m", found.both_fail) if found.both_fail -%}
        {%- set failed = "runs fail both with and without it at " ~ where if found.both_fail -%}
        {%- if not found.tested and not found.both_fail -%}
            no paired runs with and without {{ variant }} momentum at {{ say.values("m", margins.slow_workers) }}
        {%- elif not found.tested -%} {{ failed }}
        {%- else -%}
            {%- set decisive = found.differences[found.decisive | string] -%}
            {%- if decisive.low is none -%}
                {%- if decisive.n > 1 -%} at m = {{ found.decisive }} {% endif %}{{ say.no_interval(decisive.n) }}
            {%- else -%} m = {{ found.decisive }} decides: {{ say.size(decisive, "points") }}
            {%- endif -%}
            {%- if failed -%} ; {{ failed }}{% endif %}; {{ say.tested(found) }}
        {%- endif %}""",
    mapped="pair",
    figure="figure2_momentum",
)


def judge(evidence: Evidence) -> list[Verdict]:
    """The final test accuracy with and without momentum is the same at each small m."""
    return [_judge_kind(evidence, convention) for convention in CONVENTIONS]


def agrees(verdict: Verdict, margins: ClaimsConfig) -> bool:
    """Whether every mean difference lies inside its margin, and the arms fail together at no m."""
    inside = (abs(found["mean"]) <= margins.equivalence_points for found in verdict.details["differences"].values())
    return not verdict.details["both_fail"] and all(inside)


def _judge_kind(evidence: Evidence, convention: Convention) -> Verdict:
    margins = evidence.margins
    margin, confidence = margins.equivalence_points, margins.confidence
    arms = {m: pair_arms(evidence, convention, m) for m in margins.slow_workers}
    present = {m: pair for m, pair in arms.items() if len(pair[0])}
    failing = [m for m, pair in present.items() if both_fail(*pair)]
    found = {m: compare_final(*pair, margin, confidence) for m, pair in present.items() if m not in failing}
    workers = {"tested": list(found), "absent": [m for m in arms if m not in present], "both_fail": failing}
    if not found:
        n = min((len(pair[0]) for pair in present.values()), default=0)
        return Verdict(claim=CLAIM.id, variant=str(convention), verdict="not applicable", n=n, details=workers)
    decisive = choose_decisive(found, margin)
    return Verdict(
        claim=CLAIM.id,
        variant=str(convention),
        verdict=_decide(found.values(), bool(failing), margins),
        effect=found[decisive]["mean"],
        unit="points",
        interval=(found[decisive]["low"], found[decisive]["high"]),
        confidence=margins.confidence,
        p_value=float("nan") if failing else find_largest_p(found.values()),
        n=min(difference["n"] for difference in found.values()),
        details={**workers, "differences": found, "decisive": decisive},
    )


def _decide(differences: Collection[dict[str, Any]], some_fail: bool, margins: ClaimsConfig) -> VerdictName:
    margin, alpha = margins.equivalence_points, 1 - margins.confidence
    if any(difference["low"] > margin or difference["high"] < -margin for difference in differences):
        return "not reproduced"
    equivalent = all(difference["p_value"] < alpha for difference in differences) and not some_fail
    return "reproduced" if equivalent else "inconclusive"
