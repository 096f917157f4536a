"""C3: m = 100 does not train, and its loss stays constant."""

from collections.abc import Mapping

from asgd.claims.cells import Cell, list_cells
from asgd.claims.claim import Claim
from asgd.claims.comparisons import count_outcomes
from asgd.claims.verdict import Verdict, VerdictName
from asgd.settings.claims import ClaimsConfig
from asgd.tables.arms import Evidence
from asgd.tables.statistics import majority_test, wilson_interval

CLAIM = Claim(
    id="C3",
    statement="m = {{ margins.fail_workers }} does not train: the loss stays constant, the accuracy at chance",
    rule="""Reproduced: the lower limit of the probability P(not trained) that a run does not train is above one half,
        and most of the runs that do not train are dead. Partly: the limit is above one half, but most of these runs
        fail alive or overflow. Not reproduced: the upper limit is below one half. p-value: exact binomial test of P(not
        trained) above one half. {{ say.same_rate(margins) }}""",
    effect="P(not trained) at m = {{ margins.fail_workers }}",
    reason="""
        {%- if not found.outcomes -%} no runs at m = {{ margins.fail_workers }}
        {%- else -%}
            of {{ n }} runs at m = {{ margins.fail_workers }}, {{ say.ended(found.outcomes) }}; P(not trained) is in
            {{ interval | between(".2f") }}, P(dead) in {{ found.dead_interval | between(".2f") }}
        {%- endif %}""",
    mapped="rate",
    figure="outcomes",
)


def judge(evidence: Evidence) -> list[Verdict]:
    """The probability that a run does not train, and how those end that do not."""
    return [_judge_cell(cell) for cell in list_cells(evidence)]


def agrees(verdict: Verdict, margins: ClaimsConfig) -> bool:
    """Whether more than half of the runs did not train, and most of those died."""
    return verdict.effect is not None and verdict.effect > 0.5 and _most_are_dead(verdict.details["outcomes"])


def _judge_cell(cell: Cell) -> Verdict:
    margins = cell.evidence.margins
    arm, about = cell.evidence.runs_of(num_workers=margins.fail_workers), {"variant": cell.name_variant()}
    if arm.empty:
        return Verdict(claim=CLAIM.id, verdict="not applicable", setting=cell.describe(), **about)
    n, counts = len(arm), count_outcomes(arm)
    not_trained = n - counts["trained"]
    interval = wilson_interval(not_trained, n, margins.confidence)
    return Verdict(
        claim=CLAIM.id,
        setting=cell.describe(),
        verdict=_decide(interval, counts),
        effect=not_trained / n,
        unit="probability",
        interval=interval,
        confidence=margins.confidence,
        p_value=majority_test(not_trained, n),
        n=n,
        details={"outcomes": counts, "dead_interval": wilson_interval(counts["dead"], n, margins.confidence)},
        **about,
    )


def _most_are_dead(outcomes: Mapping[str, int]) -> bool:
    """Whether more than half of the runs that did not train are dead."""
    return 2 * outcomes["dead"] > sum(outcomes.values()) - outcomes["trained"]


def _decide(not_trained: tuple[float, float], outcomes: Mapping[str, int]) -> VerdictName:
    if not_trained[0] > 0.5:
        return "reproduced" if _most_are_dead(outcomes) else "partly"
    return "not reproduced" if not_trained[1] < 0.5 else "inconclusive"
