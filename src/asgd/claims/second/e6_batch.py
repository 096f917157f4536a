"""E6: the larger the batch, the more delay costs, at equal epochs."""

import itertools
from typing import Any

import numpy as np
import pandas as pd

from asgd.claims.claim import Claim
from asgd.claims.second.calibrated import find_calibrated, judge_statement
from asgd.claims.verdict import Verdict
from asgd.simulator.outcome import TRAINED
from asgd.tables.arms import Evidence
from asgd.tables.statistics import estimate_paired_difference, sign_flip_test

CLAIM = Claim(
    id="E6",
    statement="the larger the batch, the more delay costs, at equal epochs",
    rule="""{% set s = margins.second.statements -%} The cost of a batch is the final accuracy at m = {{
        s.batch_workers[0] }} minus that at m = {{ s.batch_workers[1] }}, every arm at its own calibrated rate. Of the
        batches {{ s.batch_sizes | listed }}, one counts if at least {{ s.trained_share | percent("g") }} of its runs at
        m = {{ s.batch_workers[1] }} train. Inconclusive: fewer than {{ s.least_batches }} count.
        Supported: the cost rises from each batch that counts to the next, with the lower limit above 0. Contradicted:
        an upper limit is below 0.""",
    effect="rise of the cost of delay from one batch to the next, where it is least",
    reason="""
        {%- if not found.costs -%}
            no batch has paired runs at m = {{ margins.second.statements.batch_workers | join(" and m = ") }}
        {%- else -%}
            delay costs
            {% for cost in found.costs -%}
                {{ cost.points | num("z.1f") }} points at batch {{ cost.batch_size }}
                {{- " (which does not train, and does not count)" if not cost.counts }}{{ "" if loop.last else ", " }}
            {%- endfor -%}
            {%- if not found.weakest %} ; fewer than {{ margins.second.statements.least_batches }} batches count
            {%- else -%}
                ; it rises least from batch {{ found.weakest.from }} to {{ found.weakest.to }}:
                {{ say.size(found.weakest, "points") }}
            {%- endif -%}
        {%- endif %}""",
    figure="batch_delay",
)


def judge(evidence: Evidence) -> list[Verdict]:
    """The cost of delay at each batch, and how it changes from one to the next."""
    margins = evidence.margins.second.statements
    costs = {batch: cost for batch in margins.batch_sizes if (cost := _find_cost(evidence, batch)) is not None}
    counted = [batch for batch in costs if _trains(evidence, batch)]
    described = [
        {"batch_size": batch, "points": float(cost.mean()), "counts": batch in counted} for batch, cost in costs.items()
    ]
    details = {"costs": described}
    if not costs:
        return [Verdict(claim=CLAIM.id, verdict="not applicable", details=details)]
    if len(counted) < margins.least_batches:
        n = min(map(len, costs.values()))
        return [Verdict(claim=CLAIM.id, verdict="inconclusive", n=n, details=details)]
    steps = [_compare(evidence, costs, small, large) for small, large in itertools.pairwise(counted)]
    return [judge_statement(CLAIM.id, steps, evidence.margins.confidence, details=details)]


def _arm(evidence: Evidence, batch_size: int, num_workers: int) -> pd.DataFrame | None:
    config = find_calibrated(evidence, batch_size=batch_size, num_workers=num_workers)
    return None if config is None else evidence.runs_of(config)


def _find_cost(evidence: Evidence, batch_size: int) -> "pd.Series[float] | None":
    """The points that the delay costs, by seed; None without paired runs."""
    arms = [_arm(evidence, batch_size, m) for m in evidence.margins.second.statements.batch_workers]
    if arms[0] is None or arms[1] is None:
        return None
    cost = (100 * (arms[0]["final_test_accuracy"] - arms[1]["final_test_accuracy"])).dropna()
    return cost if len(cost) else None


def _trains(evidence: Evidence, batch_size: int) -> bool:
    margins = evidence.margins.second.statements
    arm = _arm(evidence, batch_size, margins.batch_workers[1])
    return arm is not None and bool((arm["outcome"] == TRAINED).mean() >= margins.trained_share)


def _compare(evidence: Evidence, costs: "dict[int, pd.Series[float]]", small: int, large: int) -> dict[str, Any] | None:
    both = pd.concat([costs[small], costs[large]], axis="columns", join="inner").to_numpy(dtype=float)
    if not len(both):
        return None
    found = estimate_paired_difference(both[:, 0], both[:, 1], evidence.margins.confidence)
    p_value = sign_flip_test(np.diff(both, axis=1)[:, 0], "greater")
    return {"from": small, "to": large, **found._asdict(), "p_value": p_value}
