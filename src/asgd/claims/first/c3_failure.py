"""C3: m = 100 does not train, and its loss stays constant."""

from asgd.claims.claim import Claim
from asgd.claims.comparisons import count_outcomes
from asgd.claims.verdict import Verdict, VerdictName
from asgd.settings.claims import ClaimsConfig
from asgd.tables.arms import Evidence
from asgd.tables.statistics import majority_test, wilson_interval

CLAIM = Claim(
    id="C3",
    statement="m = {{ margins.fail_workers }} does not train: the loss stays constant, the accuracy at chance",
    rule="""Reproduced: the lower limit of the probability P(dead) that a run is dead is above one half. Partly: not
        that, but the lower limit of P(not trained) is, so runs fail in other ways. Not reproduced: the upper limit of
        P(dead) is below one half. p-value: exact binomial test of P(dead) above one half.""",
    effect="P(dead) at m = {{ margins.fail_workers }}",
    reason="""
        {%- if not found.outcomes -%} no runs at m = {{ margins.fail_workers }}
        {%- else -%}
            of {{ n }} runs at m = {{ margins.fail_workers }}, {{ say.ended(found.outcomes) }}; P(dead) is in
            {{ interval | between(".2f") }}, P(not trained) in {{ found.not_trained_interval | between(".2f") }}
        {%- endif %}""",
    mapped="rate",
    figure="outcomes",
)


def judge(evidence: Evidence) -> list[Verdict]:
    """The probability that a run dies at the m that does not train."""
    m, confidence = evidence.margins.fail_workers, evidence.margins.confidence
    arm = evidence.runs_of(num_workers=m)
    if arm.empty:
        return [Verdict(claim=CLAIM.id, verdict="not applicable")]
    n, counts = len(arm), count_outcomes(arm)
    dead, failing = (wilson_interval(k, n, confidence) for k in (counts["dead"], n - counts["trained"]))
    return [
        Verdict(
            claim=CLAIM.id,
            verdict=_decide(dead, failing),
            effect=counts["dead"] / n,
            unit="probability",
            interval=dead,
            confidence=confidence,
            p_value=majority_test(counts["dead"], n),
            n=n,
            details={"outcomes": counts, "not_trained_interval": failing},
        )
    ]


def agrees(verdict: Verdict, margins: ClaimsConfig) -> bool:
    """Whether more than half of the runs died."""
    return verdict.effect is not None and verdict.effect > 0.5


def _decide(dead: tuple[float, float], failing: tuple[float, float]) -> VerdictName:
    if dead[0] > 0.5:
        return "reproduced"
    if failing[0] > 0.5:
        return "partly"
    return "not reproduced" if dead[1] < 0.5 else "inconclusive"
