"""C5b: momentum is dramatically better at large delay; one verdict for each kind of momentum."""

from typing import Any

import pandas as pd

from asgd.claims.cells import Cell, judge_kinds, list_cells
from asgd.claims.claim import Claim
from asgd.claims.comparisons import compare_final, count_outcomes
from asgd.claims.conventions import Kind
from asgd.claims.verdict import Verdict, VerdictName
from asgd.simulator.outcome import TRAINED
from asgd.tables.arms import Evidence
from asgd.tables.statistics import sign_flip_test, wilson_interval

CLAIM = Claim(
    id="C5b",
    statement="with momentum, training at large delay is dramatically better (m = {{ margins.fail_workers }})",
    rule="""Judged for each kind of momentum, with b = {{ margins.momentum | num("g") }}, by the final accuracy with
        minus without it at m = {{ margins.fail_workers }}. Reproduced: its lower limit is above
        {{ margins.second.rescue_points | num("g") }} points. Not reproduced: its upper limit is below
        that. Also not reproduced: no run of either arm trains, and the upper limit of P(trained with momentum) is below
        one half, although differences that are all 0 have no interval. m = {{ margins.some_fail_workers }} is shown
        and not judged. p-value: one-sided sign-flip test of the difference above
        {{ margins.second.rescue_points | num("g") }} points. {{ say.same_rate(margins) }}""",
    effect="final accuracy, with minus without momentum at m = {{ margins.fail_workers }}",
    reason="""
        {%- if found.same_steps_as -%} {{ say.same_steps(found) }}
        {%- elif not found["with"] -%}
            no paired runs at m = {{ margins.fail_workers }} without and with {{ variant }} momentum
        {%- else -%}
            {%- if found["with"].trained or found.without.trained -%}
                {{ found["with"].trained }} of {{ n }} runs train with momentum and {{ found.without.trained }} without
            {%- else -%} none of {{ n }} runs trains, with momentum or without
            {%- endif -%}
            {%- if not interval -%} ; {{ say.no_interval(n) }}{% endif -%}
            {%- if found.shown -%}
                ; at m = {{ margins.some_fail_workers }} the difference is {{ say.size(found.shown, "points") }}
            {%- endif -%}
        {%- endif %}""",
    figure="figure2_momentum",
)


def judge(evidence: Evidence) -> list[Verdict]:
    """How much better the final accuracy with momentum is at the m that does not train."""
    return judge_kinds(CLAIM.id, list_cells(evidence), [evidence.margins.fail_workers], _judge_kind)


def _judge_kind(cell: Cell, kind: Kind) -> Verdict:
    margins = cell.evidence.margins
    margin, confidence = margins.second.rescue_points, margins.confidence
    plain, arm = cell.pair(kind, margins.fail_workers)
    about: dict[str, Any] = {"claim": CLAIM.id, "variant": cell.name_variant(kind), "setting": cell.describe(kind)}
    if arm.empty:
        return Verdict(verdict="not applicable", **about)
    found = compare_final(plain, arm, margin, confidence)
    shown = cell.pair(kind, margins.some_fail_workers)
    details: dict[str, Any] = {"without": count_outcomes(plain), "with": count_outcomes(arm)}
    if len(shown[0]):
        details["shown"] = compare_final(*shown, margin, confidence)
        del details["shown"]["p_value"]  # of equivalence, which nothing asks there
    better = 100 * (arm["final_test_accuracy"] - plain["final_test_accuracy"])
    return Verdict(
        verdict=_decide(found["low"], found["high"], margin, _surely_fail(plain, arm, confidence)),
        effect=found["mean"],
        unit="points",
        interval=(found["low"], found["high"]),
        confidence=confidence,
        p_value=sign_flip_test(better - margin, "greater"),
        n=len(arm),
        details=details,
        **about,
    )


def _surely_fail(plain: pd.DataFrame, arm: pd.DataFrame, confidence: float) -> bool:
    """Whether no run of either arm trains, of enough runs to say so of momentum."""
    trained = (plain["outcome"] == TRAINED).any() or (arm["outcome"] == TRAINED).any()
    return not trained and wilson_interval(0, len(arm), confidence)[1] < 0.5


def _decide(low: float, high: float, margin: float, surely_fail: bool) -> VerdictName:
    if low > margin:
        return "reproduced"
    return "not reproduced" if high < margin or surely_fail else "inconclusive"
