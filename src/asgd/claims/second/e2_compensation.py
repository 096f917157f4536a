"""E2: DC-ASGD brings asynchronous SGD closer to sequential SGD; a verdict for each form and strength."""

import math
from typing import Any

from asgd.claims.claim import Claim
from asgd.claims.second.calibrated import (
    compare_accuracies,
    find_calibrated,
    judge_statement,
    list_calibrated,
    measure_correction,
)
from asgd.claims.verdict import Verdict
from asgd.settings.run import RunConfig
from asgd.simulator.outcome import TRAINED
from asgd.tables.arms import Evidence

CLAIM = Claim(
    id="E2",
    statement="DC-ASGD brings asynchronous SGD closer to sequential SGD",
    rule="""Judged for each form of DC-ASGD and each strength. Final accuracy with the correction minus that of plain
        asynchronous SGD, each at its own calibrated rate, at
        {{ say.values("m", margins.second.statements.compensated_workers) }}. Cannot be tested at this strength: at some
        m the correction (median of ||correction|| / ||gradient||, over evaluations and runs) is below
        {{ margins.second.statements.least_correction | percent("g") }}. Supported: the lower limit is above 0 at each
        m. Contradicted: an upper limit is below 0.""",
    effect="accuracy, corrected minus plain, at the m that decides",
    reason="""
        {%- if not found.cells -%}
            no paired runs with and without the correction at
            {{ say.values("m", margins.second.statements.compensated_workers) }}
        {%- else -%}
            {%- for cell in found.cells -%}
                m = {{ cell.num_workers }}: {{ say.size(cell, "points") }}, the correction is
                {{ "-" if cell.correction is none else cell.correction | percent(".2g") }} of the
                gradient
                {%- if cell.failed %}, {{ cell.failed }} corrected run{{ "s fail" if cell.failed > 1 else " fails" }}
                {%- endif %}{{ "" if loop.last else "; " }}
            {%- endfor -%}
            {{ ", too small to test anything at this strength" if verdict == "cannot be tested" }}
        {%- endif %}""",
    figure="remedies",
)

#: The forms, and the keys that hold their strengths.
FORMS = {"dc_constant": "dc_strength", "dc_adaptive": "dc_adaptive_strength"}


def judge(evidence: Evidence) -> list[Verdict]:
    """Every strength of each form that has calibrated arms; one verdict, not applicable, for a form without any."""
    found = []
    for form, key in FORMS.items():
        strengths = {getattr(config, key): None for m in _workers(evidence) for config in _list_arms(evidence, form, m)}
        found += [_judge(evidence, form, strength) for strength in sorted(strengths)]
        if not strengths:
            found.append(Verdict(claim=CLAIM.id, variant=form, verdict="not applicable"))
    return found


def _workers(evidence: Evidence) -> list[int]:
    return evidence.margins.second.statements.compensated_workers


def _list_arms(evidence: Evidence, form: str, num_workers: int) -> list[RunConfig]:
    return list_calibrated(evidence, free=[FORMS[form]], num_workers=num_workers, update=form)


def _judge(evidence: Evidence, form: str, strength: float) -> Verdict:
    cells: list[dict[str, Any] | None] = []
    for m in _workers(evidence):
        plain = find_calibrated(evidence, num_workers=m)
        arms = (arm for arm in _list_arms(evidence, form, m) if getattr(arm, FORMS[form]) == strength)
        corrected = next(arms, None)
        found = compare_accuracies(evidence, plain, corrected)
        size = measure_correction(evidence, corrected) if corrected else math.nan
        failed = int((evidence.runs_of(corrected)["outcome"] != TRAINED).sum()) if corrected else 0
        cells.append(found and {"num_workers": m, **found, "correction": size, "failed": failed})
    verdict = judge_statement(CLAIM.id, cells, evidence.margins.confidence, variant=f"{form}-{strength:g}")
    least = min((cell["correction"] for cell in verdict.details.get("cells", [])), default=math.inf, key=_or_zero)
    if _or_zero(least) < evidence.margins.second.statements.least_correction:
        return verdict.model_copy(update={"verdict": "cannot be tested", "p_value": None})
    return verdict


def _or_zero(size: float | None) -> float:
    """A correction that was never measured is none."""
    return 0.0 if size is None else size
