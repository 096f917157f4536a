"""E4: synchronous SGD with backup workers is faster than asynchronous SGD when workers straggle."""

import math
from typing import Any

import numpy as np

from asgd.claims.claim import Claim
from asgd.claims.second.calibrated import find_calibrated, judge_statement
from asgd.claims.verdict import Verdict
from asgd.settings.run import RunConfig
from asgd.tables.arms import Evidence
from asgd.tables.crossing import time_to
from asgd.tables.statistics import estimate_paired_difference, sign_flip_test

CLAIM = Claim(
    id="E4",
    statement="synchronous SGD with backup workers is faster than asynchronous SGD when workers straggle",
    rule="""Gradients take Pareto times of shape {{ margins.second.statements.straggler_shape | num("g") }}. The number
        of backup workers and the learning rates were chosen, among those tried on the calibration seeds, by the time to
        {{ margins.second.time_accuracy | percent("g") }} test accuracy. The logarithm of the ratio of those times,
        asynchronous over synchronous, at {{ say.values("m", margins.second.statements.straggler_workers) }}. A run that
        never reaches this accuracy counts with its whole length. Supported: the lower limit is above 0 at each m.
        Contradicted: an upper limit is below 0. Inconclusive: more than {{ margins.second.time_censored }} seeds of an
        arm never reach it.""",
    effect="time of asynchronous over that of synchronous SGD, at the m that decides",
    reason="""
        {%- if not found.cells -%}
            no paired runs of both at {{ say.values("m", margins.second.statements.straggler_workers) }}
        {%- else -%}
            {%- for cell in found.cells -%}
                m = {{ cell.num_workers }}, {{ cell.backups }} backup workers: {{ say.size(cell, "log ratio") }}
                {%- if cell.censored -%} , {{ cell.censored }} seeds of an arm never reach it {%- endif -%}
                {{ "" if loop.last else "; " }}
            {%- endfor -%}
        {%- endif %}""",
    figure="stragglers",
)


def judge(evidence: Evidence) -> list[Verdict]:
    """The times of both at each m."""
    margins = evidence.margins.second.statements
    times: dict[str, Any] = {"schedule": "latency", "latency": "pareto", "latency_shape": margins.straggler_shape}
    cells = []
    for m in margins.straggler_workers:
        asynchronous = find_calibrated(evidence, "time", num_workers=m, **times)
        synchronous = find_calibrated(evidence, "time", ["backups"], num_workers=m, policy="synchronous", **times)
        cells.append(_compare(evidence, m, asynchronous, synchronous))
    verdict = judge_statement(CLAIM.id, cells, evidence.margins.confidence, unit="log ratio")
    censored = [cell["censored"] for cell in verdict.details.get("cells", [])]
    if max(censored, default=0) > evidence.margins.second.time_censored:
        return [verdict.model_copy(update={"verdict": "inconclusive"})]
    return [verdict]


def _compare(
    evidence: Evidence, num_workers: int, asynchronous: RunConfig | None, synchronous: RunConfig | None
) -> dict[str, Any] | None:
    if asynchronous is None or synchronous is None:
        return None
    arms = [_find_times(evidence, config) for config in (synchronous, asynchronous)]
    seeds = sorted(arms[0].keys() & arms[1].keys())
    if not seeds:
        return None
    first, second = (np.log([arm[seed][0] for seed in seeds]) for arm in arms)
    found = estimate_paired_difference(first, second, evidence.margins.confidence)
    return {
        "num_workers": num_workers,
        "backups": synchronous.backups,
        **found._asdict(),
        "p_value": sign_flip_test(second - first, "greater"),
        "censored": max(sum(arm[seed][1] for seed in seeds) for arm in arms),
        "rates": [synchronous.learning_rate, asynchronous.learning_rate],
    }


def _find_times(evidence: Evidence, config: RunConfig) -> dict[int, tuple[float, bool]]:
    """The time to the accuracy by seed, and whether it is censored: then it is the time of the run's end."""
    if evidence.runs_of(config).empty:
        return {}
    accuracies, times = (evidence.curves_of(metric, base=config) for metric in ("test_accuracy", "time"))
    found = {}
    for seed, values, clock in zip(accuracies.seeds.tolist(), accuracies.values, times.values, strict=True):
        reached = time_to(evidence.margins.second.time_accuracy, clock, values)
        found[seed] = (min(reached, float(clock[-1])), math.isinf(reached))
    return found
