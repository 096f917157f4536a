"""C4: momentum makes no difference; one verdict for each kind of momentum."""

from collections.abc import Collection
from typing import Any

from asgd.claims.cells import Cell, judge_kinds, list_cells
from asgd.claims.claim import Claim
from asgd.claims.comparisons import both_fail, choose_decisive, compare_final, find_largest_p
from asgd.claims.conventions import Kind
from asgd.claims.verdict import Verdict, VerdictName
from asgd.settings.claims import ClaimsConfig
from asgd.tables.arms import Evidence

CLAIM = Claim(
    id="C4",
    statement='momentum makes no difference at {{ say.values("m", margins.slow_workers) }}',
    rule="""Judged for each kind of momentum, with b = {{ margins.momentum | num("g") }}, by the final accuracy with
        minus without it at each m of {{ margins.slow_workers | listed }}. Reproduced: TOST within +-{{
        margins.equivalence_points | num("g") }} points significant ({{ (1 - margins.confidence) | percent("g") }}) at
        every m; all must hold, so there is no adjustment. Not reproduced: at some m the interval lies wholly outside,
        at a level adjusted (Bonferroni) for the number of m. An m at which both arms fail proves nothing; if they fail
        at each m, the claim is not applicable. p-value: the largest of the TOSTs, if there is one at each m.
        {{ say.same_rate(margins) }}""",
    effect="final accuracy, with minus without momentum at m = {{ found.decisive }} (the m that decides)",
    reason="""
        {%- set where = say.values("m", found.both_fail) if found.both_fail -%}
        {%- set failed = "runs fail both with and without it at " ~ where if found.both_fail -%}
        {%- if found.same_steps_as -%} {{ say.same_steps(found) }}
        {%- elif not found.tested and not found.both_fail -%}
            no paired runs with and without {{ variant }} momentum at {{ say.values("m", margins.slow_workers) }}
        {%- elif not found.tested -%} {{ failed }}
        {%- else -%}
            {%- set decisive = found.differences[found.decisive | string] -%}
            {%- if decisive.low is none -%}
                {%- if decisive.n > 1 -%} at m = {{ found.decisive }} {% endif %}{{ say.no_interval(decisive.n) }}
            {%- else -%}
                m = {{ found.decisive }} decides: {{ say.size(decisive, "points") }} ({{ found.level | percent("g") }})
                {{- ", " -}} {{ found.equivalence | between("+z.1f") }}
                ({{ (2 * margins.confidence - 1) | percent("g") }}, for the TOST)
            {%- endif -%}
            {%- if failed -%} ; {{ failed }}{% endif %}; {{ say.tested(found) }}
        {%- endif %}""",
    mapped="pair",
    figure="figure2_momentum",
)


def judge(evidence: Evidence) -> list[Verdict]:
    """The final test accuracy with and without momentum is the same at each small m."""
    return judge_kinds(CLAIM.id, list_cells(evidence), evidence.margins.slow_workers, _judge_kind)


def agrees(verdict: Verdict, margins: ClaimsConfig) -> bool:
    """Whether every mean difference lies inside its margin, at every m, and the arms fail together at none."""
    details = verdict.details
    inside = (abs(found["mean"]) <= margins.equivalence_points for found in details["differences"].values())
    return not details["both_fail"] and not details["absent"] and all(inside)


def _judge_kind(cell: Cell, kind: Kind) -> Verdict:
    margins = cell.evidence.margins
    margin = margins.equivalence_points
    level, tost_level = 1 - (1 - margins.confidence) / len(margins.slow_workers), 2 * margins.confidence - 1
    arms = {m: cell.pair(kind, m) for m in margins.slow_workers}
    present = {m: pair for m, pair in arms.items() if len(pair[0])}
    failing = [m for m, pair in present.items() if both_fail(*pair)]
    found = {m: compare_final(*pair, margin, level) for m, pair in present.items() if m not in failing}
    workers = {"tested": list(found), "absent": [m for m in arms if m not in present], "both_fail": failing}
    about: dict[str, Any] = {"claim": CLAIM.id, "variant": cell.name_variant(kind), "setting": cell.describe(kind)}
    if not found:
        n = min((len(pair[0]) for pair in present.values()), default=0)
        return Verdict(verdict="not applicable", n=n, details=workers, **about)
    decisive, everywhere = choose_decisive(found, margin), len(found) == len(arms)
    tested = compare_final(*present[decisive], margin, tost_level)
    p_value = find_largest_p(found.values())
    verdict = _decide(found.values(), everywhere, margins)
    # The interval that decides: of the TOST, or the adjusted one, which must lie outside.
    shown, confidence = (tested, tost_level) if verdict == "reproduced" else (found[decisive], level)
    return Verdict(
        verdict=verdict,
        effect=found[decisive]["mean"],
        unit="points",
        interval=(shown["low"], shown["high"]),
        confidence=confidence,
        p_value=p_value if everywhere else None,
        n=min(difference["n"] for difference in found.values()),
        details={
            **workers,
            "differences": found,
            "level": level,
            "decisive": decisive,
            "equivalence": [tested["low"], tested["high"]],
        },
        **about,
    )


def _decide(differences: Collection[dict[str, Any]], everywhere: bool, margins: ClaimsConfig) -> VerdictName:
    margin, alpha = margins.equivalence_points, 1 - margins.confidence
    if any(difference["low"] > margin or difference["high"] < -margin for difference in differences):
        return "not reproduced"
    equivalent = everywhere and all(difference["p_value"] < alpha for difference in differences)
    return "reproduced" if equivalent else "inconclusive"
