"""C7: in real time m = 10 is sooner than m = 1."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from asgd.claims.claim import Claim
from asgd.claims.comparisons import find_longest
from asgd.claims.verdict import Verdict, VerdictName
from asgd.tables.arms import Curves, Evidence, pair
from asgd.tables.crossing import time_to
from asgd.tables.statistics import estimate_paired_difference, sign_flip_test

CLAIM = Claim(
    id="C7",
    statement="in real time m = {{ margins.second.time_workers[1] }} beats m = {{ margins.second.time_workers[0] }}",
    rule="""Each run gives the time to {{ margins.second.time_accuracy | percent("g") }} test accuracy: the first
        crossing, interpolated linearly between {{ margins.second.time_evaluations }} evaluations per epoch. A seed with
        a run that never reaches it is censored at the end of that run. Judged by the log of the ratio, time at m =
        {{ margins.second.time_workers[0] }} over that at m = {{ margins.second.time_workers[1] }}. Reproduced: its
        lower limit is above 0. Not reproduced: its upper limit is below 0. Inconclusive: more than
        {{ margins.second.time_censored }} seeds never reach it, or half of them. On the ideal clock, where the server
        takes no time, m workers deliver m gradients in the time of one, so the result is nearly a foregone conclusion.
        The claim is therefore also judged with a server that takes {{ margins.second.server_times | join(" or ") }} of
        a gradient's time for a message. p-value: one-sided sign-flip test. Of several lengths of runs, the longest
        counts.""",
    effect="time to {{ margins.second.time_accuracy | percent('g') }} at "
    "m = {{ margins.second.time_workers[0] }} over that at m = {{ margins.second.time_workers[1] }}",
    reason="""
        {%- if found.absent -%}
            no runs at {{ say.values("m", found.absent) }} on this clock with {{ margins.second.time_evaluations }}
            evaluations per epoch
        {%- elif not found.times -%}
            no paired runs at {{ say.values("m", margins.second.time_workers) }} on this clock with
            {{ margins.second.time_evaluations }} evaluations per epoch
        {%- else -%}
            {%- if found.ideal -%} on the ideal clock, nearly a foregone conclusion: {% endif -%}
            {%- if not interval -%} {{ say.no_interval(n) }}; {% endif -%}
            {{ margins.second.time_accuracy | percent("g") }} is reached after
            {% for time in found.times -%}
                {{ time.median | num(",.0f") }} (m = {{ time.num_workers }}) {{- " and " if not loop.last }}
            {%- endfor %} times of a gradient, in the median;
            {{ found.never }} of {{ n }} seeds never reach it
            {%- if found.busy -%}
                ; with m = {{ margins.second.time_workers[1] }} the server is busy for {{ found.busy | percent }} of the
                time{{ ", so after the first round no worker waits for it" if found.busy < 1 }}
            {%- endif -%}
        {%- endif %}""",
    figure="figure1_real_time",
)

#: Keys in which the runs compared may differ from the study's: the longest that both m have count.
_LENGTH = ("epochs", "steps")


def judge(evidence: Evidence) -> list[Verdict]:
    """The time to an accuracy with one worker and with several, by clock."""
    clocks: dict[str, dict[str, Any]] = {"ideal": {}}
    for time in evidence.margins.second.server_times:
        clocks[f"server-{time:g}"] = {"schedule": "latency", "latency_cv": 0.0, "server_time": time}
    return [_judge_clock(evidence, name, clock) for name, clock in clocks.items()]


def _judge_clock(evidence: Evidence, name: str, clock: Mapping[str, Any]) -> Verdict:
    second = evidence.margins.second
    server_time = clock.get("server_time", 0.0)
    setting = {"learning_rate": evidence.base.learning_rate, "server_time": server_time}
    about: dict[str, Any] = {"claim": CLAIM.id, "variant": name, "setting": setting}
    arms = [{**clock, "num_workers": m, "evaluations_per_epoch": second.time_evaluations} for m in second.time_workers]
    lengths = [find_longest(evidence, [arm], _LENGTH) for arm in arms]
    length = find_longest(evidence, arms, _LENGTH)
    if length is None:
        absent = [m for m, found in zip(second.time_workers, lengths, strict=True) if found is None]
        return Verdict(verdict="not applicable", details={"absent": absent}, **about)
    first, other = (_find_times(evidence, {**arm, **length}, second.time_accuracy) for arm in arms)
    seeds = sorted(set(first) & set(other))
    if not seeds:
        return Verdict(verdict="not applicable", **about)
    both = np.array([[runs[seed] for seed in seeds] for runs in (first, other)])  # [arms, seeds, 2]
    reached, ends = both[..., 0], both[..., 1]
    never = int(np.isinf(reached).any(axis=0).sum())
    censored = np.minimum(reached, ends)
    with np.errstate(divide="ignore", invalid="ignore"):  # a run that is there before its first gradient has no ratio
        slow, fast = np.log(censored)
    found = estimate_paired_difference(fast, slow, evidence.margins.confidence)
    medians = np.median(censored, axis=1).tolist()
    return Verdict(
        verdict=_decide(found.low, found.high, never > second.time_censored or 2 * never >= len(seeds)),
        effect=found.mean,
        unit="log ratio",
        interval=(found.low, found.high),
        confidence=evidence.margins.confidence,
        p_value=sign_flip_test(slow - fast, "greater"),
        n=len(seeds),
        details={
            "ideal": not clock,
            "times": [{"num_workers": m, "median": x} for m, x in zip(second.time_workers, medians, strict=True)],
            "never": never,
            # Of the time between two messages of a worker, which is 1 and the server's own, each worker takes some.
            "busy": min(1.0, second.time_workers[1] * server_time / (1 + server_time)),
        },
        **about,
    )


def _find_times(evidence: Evidence, arm: dict[str, Any], accuracy: float) -> dict[int, tuple[float, float]]:
    """When each seed's run reaches ``accuracy``, inf where it never does, and when it ends; in times of a gradient."""
    if "time" in evidence.evaluations:
        clock = evidence.curves_of("time", **arm)
    else:  # all workers take turns, so m gradients come in each unit of time
        steps = evidence.curves_of("step", **arm)
        clock = Curves(steps.seeds, steps.epochs, steps.values / arm["num_workers"])
    times, values = pair(clock, evidence.curves_of("test_accuracy", **arm))
    rows = zip(times.seeds.tolist(), times.values, values.values, strict=True)
    return {seed: (time_to(accuracy, time, value), float(time[-1])) for seed, time, value in rows}


def _decide(low: float, high: float, too_many_never: bool) -> VerdictName:
    if too_many_never:
        return "inconclusive"
    return "reproduced" if low > 0 else "not reproduced" if high < 0 else "inconclusive"
