"""C3b: some runs fail already at m = 70."""

from asgd.claims.cells import describe_setting
from asgd.claims.claim import Claim
from asgd.claims.comparisons import count_outcomes
from asgd.claims.verdict import Verdict, VerdictName
from asgd.tables.arms import Evidence
from asgd.tables.statistics import wilson_interval

CLAIM = Claim(
    id="C3b",
    statement="some runs do not train even at m = {{ margins.some_fail_workers }}",
    rule="""Reproduced: at least one run does not train, but not all. Not reproduced: there are at least
        {{ margins.second.some_fail_seeds }} runs, and all train ("some" is taken to mean at least one in so many).
        Inconclusive: there are fewer runs, and all train; or no run trains. The count is shown. No p-value.""",
    effect="P(not trained) at m = {{ margins.some_fail_workers }}",
    reason="""
        {%- if not found.outcomes -%} no runs at m = {{ margins.some_fail_workers }}
        {%- else -%}
            of {{ n }} runs at m = {{ margins.some_fail_workers }}, {{ say.ended(found.outcomes) }}
            {%- if verdict == "inconclusive" and found.outcomes.trained -%}
                ; fewer than the {{ margins.second.some_fail_seeds }} seeds that the rule asks for
            {%- elif verdict == "inconclusive" -%} ; all fail, which is more than some
            {%- endif -%}
            ; P(not trained) is in {{ interval | between(".2f") }}
        {%- endif %}""",
    figure="outcomes",
)


def judge(evidence: Evidence) -> list[Verdict]:
    """Whether some runs do not train already at a smaller m, and not all."""
    margins, setting = evidence.margins, describe_setting(evidence.base)
    arm = evidence.runs_of(num_workers=margins.some_fail_workers)
    if arm.empty:
        return [Verdict(claim=CLAIM.id, setting=setting, verdict="not applicable")]
    n, counts = len(arm), count_outcomes(arm)
    failed = n - counts["trained"]
    return [
        Verdict(
            claim=CLAIM.id,
            setting=setting,
            verdict=_decide(failed, n, margins.second.some_fail_seeds),
            effect=failed / n,
            unit="probability",
            interval=wilson_interval(failed, n, margins.confidence),
            confidence=margins.confidence,
            n=n,
            details={"outcomes": counts},
        )
    ]


def _decide(failed: int, n: int, asked: int) -> VerdictName:
    if 0 < failed < n:  # more seeds cannot change it
        return "reproduced"
    return "not reproduced" if failed == 0 and n >= asked else "inconclusive"
