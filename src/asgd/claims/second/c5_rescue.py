"""C5: with momentum m = 100 trains, and without it does not; one verdict for each kind of momentum."""

from typing import Any

from asgd.claims.cells import Cell, judge_kinds, list_cells
from asgd.claims.claim import Claim
from asgd.claims.comparisons import count_outcomes
from asgd.claims.conventions import Kind
from asgd.claims.verdict import Verdict, VerdictName
from asgd.settings.claims import ClaimsConfig
from asgd.simulator.outcome import TRAINED
from asgd.tables.arms import Evidence
from asgd.tables.statistics import mcnemar_test, wilson_interval

CLAIM = Claim(
    id="C5",
    statement="with momentum, m = {{ margins.fail_workers }} trains, and without it does not",
    rule="""Judged for each kind of momentum, with b = {{ margins.momentum | num("g") }}. Not reproduced: the upper
        limit of P(trained with momentum) is below one half, whatever runs without momentum do. Cannot be tested: not
        that, and the lower limit of P(not trained without momentum) is not above one half, so there is no failure to
        repair. Reproduced: that limit is above one half, fewer runs fail with momentum than without (exact McNemar
        test, one-sided, {{ (1 - margins.confidence) | percent("g") }}), and the lower limit of P(trained with momentum)
        is above one half. p-value: McNemar's. {{ say.same_rate(margins) }}""",
    effect="P(trained with momentum) at m = {{ margins.fail_workers }}",
    reason="""
        {%- if found.same_steps_as -%} {{ say.same_steps(found) }}
        {%- elif not found["with"] -%}
            no paired runs at m = {{ margins.fail_workers }} without and with {{ variant }} momentum
        {%- else -%}
            {%- set plain, arm = found.without, found["with"] -%}
            {%- if verdict == "cannot be tested" -%} runs without momentum do not clearly fail: {% endif -%}
            {{ arm.trained }} of {{ arm.values() | sum }} runs train with momentum and {{ plain.trained }} of
            {{ plain.values() | sum }} without (P(not trained) in {{ found.plain_fails | between(".2f") }};
            {{ n }} pairs, McNemar p = {{ found.mcnemar | num(".2g") }}); P(trained with momentum) is in
            {{ interval | between(".2f") }}
        {%- endif %}""",
    mapped="pair",
    figure="outcomes",
)


def judge(evidence: Evidence) -> list[Verdict]:
    """With momentum, runs train at the m at which they do not without."""
    return judge_kinds(CLAIM.id, list_cells(evidence), [evidence.margins.fail_workers], _judge_kind)


def agrees(verdict: Verdict, margins: ClaimsConfig) -> bool:
    """Whether more than half of the runs trained with momentum, and more than half did not without."""
    if verdict.effect is None:
        return False
    plain = verdict.details["without"]
    return verdict.effect > 0.5 and 2 * plain[TRAINED] < sum(plain.values())


def _judge_kind(cell: Cell, kind: Kind) -> Verdict:
    margins = cell.evidence.margins
    m, confidence = margins.fail_workers, margins.confidence
    pairs = cell.pair(kind, m)
    about: dict[str, Any] = {"claim": CLAIM.id, "variant": cell.name_variant(kind), "setting": cell.describe(kind)}
    if pairs[0].empty:
        return Verdict(verdict="not applicable", **about)
    # What one arm does is told by all its runs; what momentum changes, by the pairs.
    plain, arm = cell.evidence.runs_of(num_workers=m, momentum=0.0), cell.with_momentum(kind, m)
    before, after = count_outcomes(plain), count_outcomes(arm)
    fails = wilson_interval(len(plain) - before[TRAINED], len(plain), confidence)
    trained = wilson_interval(after[TRAINED], len(arm), confidence)
    failed, still_failed = (runs["outcome"] != TRAINED for runs in pairs)
    p_value = mcnemar_test(failed, still_failed, "greater")
    verdict = _decide(fails, trained, p_value < 1 - confidence)
    return Verdict(
        verdict=verdict,
        effect=after[TRAINED] / len(arm),
        unit="probability",
        interval=trained,
        confidence=confidence,
        p_value=None if verdict == "cannot be tested" else p_value,
        n=len(pairs[0]),
        details={"without": before, "with": after, "plain_fails": fails, "mcnemar": p_value},
        **about,
    )


def _decide(plain_fails: tuple[float, float], trained: tuple[float, float], fewer_failures: bool) -> VerdictName:
    if trained[1] < 0.5:
        return "not reproduced"
    if plain_fails[0] <= 0.5:
        return "cannot be tested"
    return "reproduced" if fewer_failures and trained[0] > 0.5 else "inconclusive"
