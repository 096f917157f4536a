"""C1: delay slows training."""

from asgd.claims.claim import Claim
from asgd.claims.comparisons import Trend, compare_areas, find_largest_p, judge_trend, split_present
from asgd.claims.verdict import Verdict, VerdictName
from asgd.tables.arms import Evidence

CLAIM = Claim(
    id="C1",
    statement="the larger m, the slower the loss falls per server step",
    rule="""The area under the curve of the training loss over steps, divided by their range, is compared between
        adjacent m of {{ margins.slow_workers | listed }} that have runs. Reproduced: all lower limits of its rise are
        above 0. Not reproduced: any upper limit is below 0. p-value: the largest of the one-sided sign-flip tests.""",
    effect="mean training loss, m = {{ found.decisive.to }} minus m = {{ found.decisive.from }} "
    "(the pair that decides)",
    reason="""
        {%- set where = "from m = %d to %d" % (found.decisive.from, found.decisive.to) if found.decisive -%}
        {%- if not found.decisive -%} there are runs at fewer than two m
        {%- elif found.decisive.low is none -%} {{ say.no_interval(found.decisive.n) }}
        {%- elif found.trend == "rises" -%}
            the mean loss rises from each m to the next, least surely {{ where }}:
            {{ say.size(found.decisive, "nats") }}
        {%- elif found.trend == "falls" -%} the mean loss falls {{ where }}: {{ say.size(found.decisive, "nats") }}
        {%- else -%} the interval {{ where }} contains 0: {{ say.size(found.decisive, "nats") }}
        {%- endif %}; {{ say.tested(found) }}""",
    figure="figure1_delay",
)

_VERDICTS: dict[Trend, VerdictName] = {
    "rises": "reproduced",
    "falls": "not reproduced",
    "undecided": "inconclusive",
}


def judge(evidence: Evidence) -> list[Verdict]:
    """Paired area under the loss curve between adjacent m."""
    workers = split_present(evidence, evidence.margins.slow_workers)
    if len(workers["tested"]) < 2:
        return [Verdict(claim=CLAIM.id, verdict="not applicable", details={**workers, "decisive": None})]
    comparisons = compare_areas(evidence, "num_workers", workers["tested"])
    trend, decisive = judge_trend(comparisons)
    return [
        Verdict(
            claim=CLAIM.id,
            verdict=_VERDICTS[trend],
            effect=decisive["mean"],
            unit="nats",
            interval=(decisive["low"], decisive["high"]),
            confidence=evidence.margins.confidence,
            p_value=find_largest_p(comparisons),
            n=min(found["n"] for found in comparisons),
            details={**workers, "comparisons": comparisons, "trend": trend, "decisive": decisive},
        )
    ]
