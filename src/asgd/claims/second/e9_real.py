"""E9: the simulator reproduces runs with real workers."""

from asgd.claims.claim import Claim
from asgd.claims.verdict import Verdict, VerdictName
from asgd.tables.arms import Evidence

CLAIM = Claim(
    id="E9",
    statement="the simulator reproduces runs with real workers",
    rule="""The simulator replays each recorded run of real workers on its recorded schedule. Supported: every
        replay ends at the same weights, bit for bit. Contradicted: one does not. Inconclusive: a recorded run was not
        replayed.""",
    effect="share of the replayed runs that end at the same weights",
    reason="""
        {%- if not n -%} no recorded run was replayed
        {%- else -%}
            {{ found.identical }} of {{ n }} replayed runs end at the same weights, bit for bit
            {%- if found.recorded > n -%} ; {{ found.recorded - n }} more were not replayed {%- endif -%}
        {%- endif %}""",
    figure="real_replayed",
)

#: Whether a replayed run ended at the recorded weights: a column of the table runs, empty for other runs.
COLUMN = "replayed_identical"


def judge(evidence: Evidence) -> list[Verdict]:
    """All replayed runs, whatever their settings: each is compared with its own recording."""
    executions = [config.execution for config in evidence.configs]
    recorded = executions.count("real")
    if COLUMN not in evidence.runs:
        return [Verdict(claim=CLAIM.id, verdict="not applicable", details={"recorded": recorded})]
    same = evidence.runs[COLUMN].dropna().astype(str).str.lower() == "true"
    n, identical = len(same), int(same.sum())
    if not n:
        return [Verdict(claim=CLAIM.id, verdict="not applicable", details={"recorded": recorded})]
    return [
        Verdict(
            claim=CLAIM.id,
            verdict=_decide(identical, n, recorded),
            effect=identical / n,
            unit="probability",
            n=n,
            details={"identical": identical, "recorded": recorded},
        )
    ]


def _decide(identical: int, n: int, recorded: int) -> VerdictName:
    if identical < n:
        return "contradicted"
    return "inconclusive" if recorded > n else "supported"
