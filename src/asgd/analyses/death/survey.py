"""Why runs die: all runs without momentum that did, followed to the end, each beside itself without the output ReLU.

Two explanations compete. *Instability*: the learning rate exceeds what the sharpness allows at this staleness, stale
gradients overshoot, and weights land where all logits are negative. *Asymmetry*: some logits are negative on all images
from the start, by the draw of the initial weights, and the run only has to lose the others. The first depends on rate
and m, the second on the seed, so the two can be told apart.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from asgd.analyses.death.autopsy import (
    TRAJECTORY,
    config_of_run,
    find_burst,
    find_silence,
    follow,
    select_dead_runs,
    select_plain_runs,
    select_rows,
    start_run,
)
from asgd.analyses.given import Given
from asgd.analyses.stability import find_threshold
from asgd.settings.run import RunConfig
from asgd.simulator.outcome import DEAD, TRAINED
from asgd.tables.arms import change
from asgd.tables.statistics import ranking_probability

#: How far ahead of a burst the sharpness is measured, in rounds of m steps: the burst itself may end in a flat place.
_ROUNDS_AHEAD = (4, 2, 1)


def plan_survey(given: Given) -> tuple[list[RunConfig], bool]:
    """For every run that died: it, followed; it without the output ReLU; and, when it was followed, it up to its burst.

    Also a step of the base settings for each seed, for what is alive at the start; and whether these are all.
    """
    dead = _list_dead(given)
    starts = [start_run(given, seed) for seed in _list_seeds(given)]
    first = [config for row in dead for config in (follow(given, row), _without_relu(row))]
    if any(given.find(config) is None for config in [*starts, *first]):
        return [*starts, *first], False
    return [*starts, *first, *(_ahead(given, row) for row in dead)], True


def survey_deaths(given: Given, columns: Sequence[str]) -> pd.DataFrame:
    """Every run without momentum and dropout that died; a row a run, with the ``columns`` of ``death_survey.csv``."""
    return pd.DataFrame([_survey_run(given, row) for row in _list_dead(given)], columns=list(columns))


def rank_explanations(runs: pd.DataFrame, base: RunConfig, live_at_start: dict[int, int]) -> dict[str, float]:
    """How well each explanation ranks runs that died above runs that trained: 0.5 is chance, 1 is perfect.

    ``instability`` ranks by learning rate over the stability threshold, ``asymmetry`` by how few logits live at the
    start (``live_at_start`` by seed), both over the runs of the base's reading without momentum and dropout.
    """
    plain = select_plain_runs(runs[runs["pools"] == base.pools], base)
    plain = plain.assign(live=plain["seed"].map(live_at_start))
    limits = {m: find_threshold(int(m)) for m in plain["num_workers"].unique()}
    plain = plain.assign(excess=plain["learning_rate"] / plain["num_workers"].map(limits))
    dead, trained = (plain[plain["outcome"] == outcome] for outcome in (DEAD, TRAINED))
    return {
        "instability": ranking_probability(dead["excess"], trained["excess"]),
        "asymmetry": ranking_probability(-dead["live"], -trained["live"]),
    }


def count_live_at_start(given: Given) -> dict[int, int]:
    """For each seed, how many logits of its initial weights are positive for some of the test images of the probes."""
    probes = {seed: given.trained(start_run(given, seed)).probes for seed in _list_seeds(given)}
    return {seed: int(table["live_logits"].iloc[0]) for seed, table in probes.items()}


def _survey_run(given: Given, row: Mapping[Any, Any]) -> dict[str, Any]:
    config, probes = config_of_run(row), given.trained(follow(given, row)).probes
    path = _regular(given, row)
    burst, silent = find_burst(path), find_silence(path)
    found: dict[str, Any] = {key: getattr(config, key) for key in TRAJECTORY}
    found |= {"last_step": int(row["last_step"]), "silent_from": path.loc[silent, "step"].min()}
    found |= {"burst_step": burst.step, "live_at_start": int(path["live_logits"].iloc[0])}
    found |= {"live_before_burst": burst.live_before, "live_after_burst": burst.live_after}
    ahead = given.trained(_ahead(given, row)).probes["sharpness"].reindex(_steps_ahead(given, row))
    scale = config.learning_rate / find_threshold(config.num_workers)
    found |= {"stability": max(0.0, scale * ahead.max()), "silent_images": probes["silent_images"].iloc[-1]}
    return found | {"control": given.trained(_without_relu(row)).record["outcome"]}


def _list_dead(given: Given) -> list[dict[Any, Any]]:
    return select_dead_runs(given.tables["runs"], given.base).to_dict("records")


def _list_seeds(given: Given) -> Iterable[int]:
    return sorted({int(seed) for seed in given.tables["runs"]["seed"]})


def _regular(given: Given, row: Mapping[Any, Any]) -> pd.DataFrame:
    config = follow(given, row)
    rows = select_rows(given.trained(config).probes, config.probes["displacement"].every or 1)
    return rows.assign(num_workers=config.num_workers)


def _without_relu(row: Mapping[Any, Any]) -> RunConfig:
    return change(config_of_run(row), output_relu=False)


def _steps_ahead(given: Given, row: Mapping[Any, Any]) -> list[int]:
    """When the sharpness is measured ahead of the burst of a run that was followed."""
    burst, m = find_burst(_regular(given, row)).step, int(row["num_workers"])
    return sorted({max(0, burst - ahead * m) for ahead in _ROUNDS_AHEAD})


def _ahead(given: Given, row: Mapping[Any, Any]) -> RunConfig:
    steps, per_epoch = _steps_ahead(given, row), given.trained(follow(given, row)).record["steps_per_epoch"]
    epochs = [step / per_epoch for step in steps]
    probes = {"sharpness": {"epochs": epochs, "num_images": given.settings.num_images}}
    return change(config_of_run(row), steps=max(steps[-1], int(row["num_workers"])), probes=probes)
