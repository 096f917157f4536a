"""C3b: some runs fail already at m = 70."""

from asgd.claims.claim import Claim
from asgd.claims.comparisons import count_outcomes
from asgd.claims.verdict import Verdict, VerdictName
from asgd.tables.arms import Evidence
from asgd.tables.statistics import wilson_interval

CLAIM = Claim(
    id="C3b",
    statement="some runs do not train even at m = {{ margins.some_fail_workers }}",
    rule="""Reproduced: some runs die, but not all. Partly: not that, but some runs do not train, and not all. Not
        reproduced: neither, and the interval of P(dead) does not contain one half.""",
    effect="P(dead) at m = {{ margins.some_fail_workers }}",
    reason="""
        {%- if not found.outcomes -%} no runs at m = {{ margins.some_fail_workers }}
        {%- else -%}
            of {{ n }} runs at m = {{ margins.some_fail_workers }}, {{ say.ended(found.outcomes) }}; P(dead) is in
            {{ interval | between(".2f") }}
        {%- endif %}""",
    figure="outcomes",
)


def judge(evidence: Evidence) -> list[Verdict]:
    """Whether some runs die already at a smaller m, and not all."""
    arm = evidence.runs_of(num_workers=evidence.margins.some_fail_workers)
    if arm.empty:
        return [Verdict(claim=CLAIM.id, verdict="not applicable")]
    n, counts = len(arm), count_outcomes(arm)
    dead = wilson_interval(counts["dead"], n, evidence.margins.confidence)
    return [
        Verdict(
            claim=CLAIM.id,
            verdict=_decide(counts["dead"], n - counts["trained"], n, dead),
            effect=counts["dead"] / n,
            unit="probability",
            interval=dead,
            confidence=evidence.margins.confidence,
            n=n,
            details={"outcomes": counts},
        )
    ]


def _decide(dead: int, not_trained: int, n: int, interval: tuple[float, float]) -> VerdictName:
    if 0 < dead < n:
        return "reproduced"
    if 0 < not_trained < n:
        return "partly"
    return "not reproduced" if interval[0] > 0.5 or interval[1] < 0.5 else "inconclusive"
