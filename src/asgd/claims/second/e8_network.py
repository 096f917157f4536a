"""E8: C1 and C5b on another network."""

from typing import Any

from asgd.claims.claim import Claim
from asgd.claims.comparisons import compare_areas
from asgd.claims.second.calibrated import compare_accuracies, find_calibrated, judge_statement
from asgd.claims.verdict import Verdict, VerdictName
from asgd.settings.run import RunConfig
from asgd.tables.arms import Evidence, change

CLAIM = Claim(
    id="E8",
    statement="C1 and C5b hold on {{ margins.second.statements.other_network }} too",
    rule="""{% set s = margins.second.statements -%}
        {{ s.other_network }}, mini-batches of {{ s.other_batch_size }}, at the rate that was calibrated without delay.
        C1: the paired area under the training loss rises between adjacent m of {{ s.other_workers | listed }}:
        supported if all lower limits are above 0, contradicted if an upper limit is below 0. C5b at m =
        {{ s.other_workers[-1] }}: final accuracy with momentum kept by the workers as an average minus that without:
        supported if the lower limit
        is above {{ margins.second.rescue_points | num("g") }} points, contradicted if the upper limit is below.""",
    effect="""{% if variant == "C1" -%} change of the mean training loss from one m to the next (the pair that decides)
        {%- else -%} accuracy with momentum minus without at m = {{ margins.second.statements.other_workers[-1] }}
        {%- endif %}""",
    reason="""
        {%- if not found.cells -%} not all of its arms have paired runs
        {%- elif variant == "C1" -%}
            m = {{ found.weakest.from }} to {{ found.weakest.to }} decides:
            {{ say.size(found.weakest, "nats") }}
        {%- else -%}
            {{ say.size(found.cells[0], "points") }} at rate {{ found.cells[0].rates[0] | num("g") }}
        {%- endif %}""",
    figure="other_network",
)


def judge(evidence: Evidence) -> list[Verdict]:
    """A verdict for C1 and one for C5b."""
    margins = evidence.margins.second.statements
    network: dict[str, Any] = {"network": margins.other_network, "batch_size": margins.other_batch_size}
    first = find_calibrated(evidence, num_workers=margins.other_workers[0], **network)
    return [_judge_slowing(evidence, first), _judge_rescue(evidence, first)]


def _judge_slowing(evidence: Evidence, first: RunConfig | None) -> Verdict:
    workers = evidence.margins.second.statements.other_workers
    if first is None or any(evidence.runs_of(first, num_workers=m).empty for m in workers):
        return Verdict(claim=CLAIM.id, variant="C1", verdict="not applicable")
    cells = compare_areas(evidence, "num_workers", workers, base=first)
    return judge_statement(CLAIM.id, cells, evidence.margins.confidence, unit="nats", variant="C1")


def _judge_rescue(evidence: Evidence, first: RunConfig | None) -> Verdict:
    margins = evidence.margins
    most = margins.second.statements.other_workers[-1]
    kind = {"momentum": margins.momentum, "momentum_where": "worker", "momentum_convention": "ema"}
    without = first and change(first, num_workers=most)
    found = compare_accuracies(evidence, without, without and change(without, **kind))
    verdict = judge_statement(CLAIM.id, [found], margins.confidence, variant="C5b")
    if found is None:
        return verdict
    # The margin is not 0, so neither the verdict nor the p-value of a difference is that of the statement.
    return verdict.model_copy(update={"verdict": _decide(found, margins.second.rescue_points), "p_value": None})


def _decide(found: dict[str, Any], points: float) -> VerdictName:
    return "supported" if found["low"] > points else "contradicted" if found["high"] < points else "inconclusive"
