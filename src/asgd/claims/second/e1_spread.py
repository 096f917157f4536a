"""E1: at equal mean delay, spread-out delays harm less than constant ones."""

from asgd.claims.claim import Claim
from asgd.claims.second.calibrated import compare_accuracies, find_calibrated, judge_statement
from asgd.claims.verdict import Verdict
from asgd.tables.arms import Evidence

CLAIM = Claim(
    id="E1",
    statement="at equal mean delay, spread-out delays harm less than constant ones",
    rule="""Final accuracy of a random worker minus that of round robin, each at the best of a few learning rates on
        the calibration seeds, at {{ say.values("m", margins.second.statements.spread_workers) }}. Supported: the lower
        limit is above 0 at each m. Contradicted: an upper limit is below 0.""",
    effect="accuracy, random worker minus round robin, at the m that decides",
    reason="""
        {%- if not found.cells -%}
            no paired runs of both schedules at {{ say.values("m", margins.second.statements.spread_workers) }}
        {%- else -%}
            {%- for cell in found.cells -%}
                m = {{ cell.num_workers }}: {{ say.size(cell, "points") }} at rates {{ cell.rates[1] | num("g") }}
                against {{ cell.rates[0] | num("g") }}{{ "" if loop.last else "; " }}
            {%- endfor -%}
        {%- endif %}""",
    figure="schedules",
)


def judge(evidence: Evidence) -> list[Verdict]:
    """Random worker against round robin at each m."""
    margins = evidence.margins.second.statements
    cells = []
    for m in margins.spread_workers:
        constant = find_calibrated(evidence, "few rates", num_workers=m)
        spread = find_calibrated(evidence, "few rates", num_workers=m, schedule=margins.spread_schedule)
        found = compare_accuracies(evidence, constant, spread)
        cells.append(found and {"num_workers": m, **found})
    return [judge_statement(CLAIM.id, cells, evidence.margins.confidence)]
