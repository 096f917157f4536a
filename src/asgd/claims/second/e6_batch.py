"""E6: the larger the batch, the more delay costs, at equal epochs."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from asgd.claims.claim import Claim
from asgd.claims.second.calibrated import check_lengths, find_calibrated, judge_statement
from asgd.claims.verdict import Verdict
from asgd.settings.run import RunConfig
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
        Supported: all batches have runs, and the cost rises from each batch that counts to the next, with the lower
        limit above 0. Contradicted: an upper limit is below 0.""",
    effect="rise of the cost of delay from one batch to the next (the pair that decides)",
    reason="""
        {%- if not found.costs -%}
            no batch has paired runs at m = {{ margins.second.statements.batch_workers | join(" and m = ") }}
        {%- else -%}
            delay costs
            {% for cost in found.costs -%}
                {{ cost.points | num("z.1f") }} points at batch {{ cost.batch_size }}
                {{- " (which does not train, and does not count)" if not cost.counts }}{{ "" if loop.last else ", " }}
            {%- endfor -%}
            {%- if found.absent %}; there are no paired runs at batch {{ found.absent | listed }}{% endif %}
            {%- if not found.weakest %} ; fewer than {{ margins.second.statements.least_batches }} batches count
            {%- else -%}
                ; batch {{ found.weakest.from }} to {{ found.weakest.to }} decides:
                {{ say.size(found.weakest, "points") }}
            {%- endif -%}
        {%- endif %}""",
    figure="batch_delay",
)


def judge(evidence: Evidence) -> list[Verdict]:
    """The cost of delay at each batch, and how it changes from one to the next."""
    margins = evidence.margins.second.statements
    arms = {batch: _find_arms(evidence, batch) for batch in margins.batch_sizes}
    check_lengths(*(config for pair in arms.values() for config in pair))
    costs = {batch: cost for batch, pair in arms.items() if (cost := _find_cost(evidence, pair)) is not None}
    counted = [batch for batch in costs if _trains(evidence, arms[batch][-1])]
    described = [
        {"batch_size": batch, "points": float(cost.mean()), "counts": batch in counted} for batch, cost in costs.items()
    ]
    absent = [batch for batch in arms if batch not in costs]
    details = {"costs": described, "absent": absent}
    if not costs:
        return [Verdict(claim=CLAIM.id, verdict="not applicable", details=details)]
    if len(counted) < margins.least_batches:
        n = min(map(len, costs.values()))
        return [Verdict(claim=CLAIM.id, verdict="inconclusive", n=n, details=details)]
    steps = [_compare(evidence, costs, small, large) for small, large in itertools.pairwise(counted)]
    verdict = judge_statement(CLAIM.id, steps, evidence.margins.confidence, details=details)
    if absent:  # A batch without runs could refute it: nothing is supported, and no p-value is that of the statement.
        name = "contradicted" if verdict.verdict == "contradicted" else "inconclusive"
        return [verdict.model_copy(update={"verdict": name, "p_value": None})]
    return [verdict]


def _find_arms(evidence: Evidence, batch_size: int) -> list[RunConfig]:
    """The arms of a batch at both m; fewer if one is not calibrated."""
    workers = evidence.margins.second.statements.batch_workers
    found = (find_calibrated(evidence, batch_size=batch_size, num_workers=m) for m in workers)
    return [config for config in found if config is not None]


def _find_cost(evidence: Evidence, arms: Sequence[RunConfig]) -> "pd.Series[float] | None":
    """The points that the delay costs, by seed; None without paired runs."""
    if len(arms) < 2:
        return None
    plain, delayed = (evidence.runs_of(config)["final_test_accuracy"] for config in arms)
    cost = (100 * (plain - delayed)).dropna()
    return cost if len(cost) else None


def _trains(evidence: Evidence, config: RunConfig) -> bool:
    trained = evidence.runs_of(config)["outcome"] == TRAINED
    return bool(trained.mean() >= evidence.margins.second.statements.trained_share)


def _compare(evidence: Evidence, costs: "dict[int, pd.Series[float]]", small: int, large: int) -> dict[str, Any] | None:
    both = pd.concat([costs[small], costs[large]], axis="columns", join="inner").to_numpy(dtype=float)
    if not len(both):
        return None
    found = estimate_paired_difference(both[:, 0], both[:, 1], evidence.margins.confidence)
    p_value = sign_flip_test(np.diff(both, axis=1)[:, 0], "greater")
    return {"from": small, "to": large, **found._asdict(), "p_value": p_value}
