"""E5: the sharpness along full-batch asynchronous descent, against the limit that linear theory has for the delay.

One sharpness is the limit for every m: the learning rate at m is what is stable up to there. Each run starts where
gradient flow has come to half the limit: descent without delay, at the run's own rate, which is stable there, for as
long a time (rate times steps) as a run of a small rate needed for it, which is measured first.
"""

import itertools
import math
from typing import Any

import numpy as np
import pandas as pd

from asgd.analyses.analysis import Analysis
from asgd.analyses.given import Given, Trained
from asgd.analyses.stability import find_threshold
from asgd.errors import AsgdError
from asgd.settings.analyses import Section, Setting
from asgd.settings.run import RunConfig
from asgd.settings.subjects import Subject
from asgd.tables.arms import change
from asgd.tables.table import Table

ANALYSIS = Analysis(
    about=Subject(varies=("seed",)),  # a preset names its experiment of full-batch runs in `subjects`
    needs=("run", "seeds", "configs", "settings"),
    probes=("sharpness",),
    tables={
        "edge": Table(
            rows="one for each m, seed and step at which the sharpness is measured",
            key=("num_workers", "seed", "step"),
            columns={
                "num_workers": "m, the number of workers",
                "seed": "seed of the run",
                "learning_rate": "eta: the largest that is stable at the limit, by linear theory",
                "flow_steps": "steps without delay before the run",
                "step": "server steps since",
                "sharpness": "largest eigenvalue of the loss's Hessian on the run's images; empty after overflow",
                "limit": "largest sharpness at which the run is stable by linear theory",
                "stability": "sharpness / limit",
            },
        )
    },
)
SECTION = Section(
    "full-batch descent at the edge of stability (`edge.csv`)",
    {
        "num_workers": Setting([1, 2, 5, 10, 30], "the m compared", at_least=1),
        "limit": Setting(40.0, "the sharpness that is the limit at every m", above=0),
        "flow_share": Setting(
            0.25, "rate at which gradient flow is followed, relative to the largest stable rate", above=0
        ),
        "flow_time": Setting(20.0, "rate times steps for which gradient flow is followed", above=0),
        "time": Setting(5.0, "rate times steps of the descent with delay", above=0),
        "least_steps": Setting(400, "least number of these steps", at_least=1),
        "points": Setting(20, "measurements along each of the two", at_least=2),
    },
)


def plan(given: Given) -> list[RunConfig]:
    """The flow of each seed; when these are there, a run for each m and seed."""
    flows = {seed: _configure_flow(given, seed) for seed in _list_seeds(given)}
    if any(given.find(flow) is None for flow in flows.values()):
        return list(flows.values())
    times = {seed: _time_flow(given, seed) for seed in flows}
    return [
        *flows.values(),
        *(_configure(given, m, *about)[0] for m in given.settings.num_workers for about in times.items()),
    ]


def tabulate(given: Given) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """The sharpness along the runs with delay."""
    rows = []
    for seed in _list_seeds(given):
        time = _time_flow(given, seed)
        for m in given.settings.num_workers:
            config, flow_steps = _configure(given, m, seed, time)
            rows += _list_rows(given, config, flow_steps, given.trained(config))
    table = pd.DataFrame(rows, columns=list(ANALYSIS.tables["edge"].columns))
    return {"edge": table.sort_values(["num_workers", "seed", "step"], ignore_index=True)}, {}


def find_crossing(times: Any, values: Any, level: float) -> float:
    """When positive ``values`` first pass ``level``, their logarithm linear in ``times``; inf if they never do."""
    known = [(time, value) for time, value in zip(times, values, strict=True) if value > 0]
    for (before, low), (after, high) in itertools.pairwise(known):
        if low < level <= high:
            return float(np.interp(math.log(level), np.log([low, high]), [before, after]))
    return math.inf


def _list_seeds(given: Given) -> list[int]:
    return list(dict.fromkeys(config.seed for config in given.configs))


def _probe(given: Given, epochs: list[int]) -> dict[str, Any]:
    return {"sharpness": {"epochs": epochs, "num_images": given.configs[0].num_images}}


def _configure_flow(given: Given, seed: int) -> RunConfig:
    settings = given.settings
    rate = settings.flow_share * find_threshold(1) / settings.limit
    steps = round(settings.flow_time / rate)
    places = [round(steps * k / settings.points) for k in range(settings.points + 1)]
    return _change(given, seed, learning_rate=rate, steps=steps, probes=_probe(given, places))


def _time_flow(given: Given, seed: int) -> float:
    """Rate times steps after which the flow of a seed has come to half the limit."""
    flow = _configure_flow(given, seed)
    probes = given.trained(flow).probes["sharpness"]
    time = find_crossing(flow.learning_rate * probes.index, probes, given.settings.limit / 2)
    if math.isinf(time):
        raise AsgdError(
            f"analysis edge: the flow of seed {seed} does not reach a sharpness of {given.settings.limit / 2:g} in "
            f"flow_time = {given.settings.flow_time:g}; make it longer, or limit lower"
        )
    return time


def _configure(given: Given, num_workers: int, seed: int, time: float) -> tuple[RunConfig, int]:
    """The run with delay, and how many steps it takes without before."""
    settings = given.settings
    rate = find_threshold(num_workers) / settings.limit
    alone = max(round(time / rate), num_workers)
    steps = max(round(settings.time / rate), settings.least_steps)
    first = alone + num_workers - 1  # gradients before: of these, the others' first ones are thrown away
    places = [first + round(steps * k / settings.points) for k in range(settings.points + 1)]
    late = {"schedule": "alone_first", "alone": alone, "policy": "discard", "max_staleness": num_workers}
    about = {"learning_rate": rate, "steps": first + steps, "probes": _probe(given, places)}
    return _change(given, seed, num_workers=num_workers, **about, **(late if num_workers > 1 else {})), alone


def _change(given: Given, seed: int, **settings: Any) -> RunConfig:
    """A full-batch run of the experiment's images and network; it is evaluated at its ends and seldom between."""
    seldom = {"evaluations_per_epoch": 0.001, "train_eval_images": 0}
    return change(given.configs[0], seed=seed, batch_size="full", **seldom, **settings)


def _list_rows(given: Given, config: RunConfig, flow_steps: int, run: Trained) -> list[dict[str, Any]]:
    limit = given.settings.limit
    names = {"num_workers": config.num_workers, "seed": config.seed, "learning_rate": config.learning_rate}
    places = [int(epoch) - (config.num_workers - 1) for epoch in config.probes["sharpness"].epochs]  # in server steps
    found = run.probes["sharpness"].reindex(places)
    if run.record["outcome"] != "non_finite":  # one that ended early stays at its last weights
        found = found.fillna(run.probes["sharpness"].iloc[-1])
    return [
        {**names, "flow_steps": flow_steps, "step": step - flow_steps, "sharpness": sharpness, "limit": limit}
        | {"stability": sharpness / limit}
        for step, sharpness in zip(places, found.tolist(), strict=True)
    ]
