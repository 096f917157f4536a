"""Why runs die: all runs without momentum that did, followed to the end, each beside itself without the output ReLU.

Two explanations compete. *Instability*: the learning rate exceeds what the sharpness allows at this staleness, stale
gradients overshoot, and weights land where all logits are negative. *Asymmetry*: some logits are negative on all images
from the start, by the draw of the initial weights, and the run only has to lose the others. The first depends on rate
and m, the second on the seed; every seed meets every rate and m, so the two can be told apart.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from asgd.analyses.death.autopsy import (
    Probing,
    config_of_run,
    find_burst,
    find_silence,
    follow_run,
    probe_logits,
    select_dead_runs,
    select_plain_runs,
)
from asgd.analyses.sharpness import measure_sharpness, sample_images
from asgd.analyses.stability import find_threshold
from asgd.data import Dataset
from asgd.settings.run import RunConfig
from asgd.simulator.engines import build_engine
from asgd.simulator.networks.paper import PaperNetwork, load_weights, normalize_images
from asgd.simulator.outcome import DEAD, TRAINED, classify_outcome
from asgd.simulator.simulate import plan_schedule
from asgd.tables.arms import change
from asgd.tables.statistics import ranking_probability

#: How far ahead of a burst the sharpness is measured, in rounds of m steps: the burst itself may end in a flat place.
_ROUNDS_AHEAD = (4, 2, 1)

SURVEY_COLUMNS = (
    *("num_workers", "learning_rate", "pools", "seed", "last_step", "silent_from", "live_at_start", "burst_step"),
    *("live_before_burst", "live_after_burst", "stability", "silent_images", "control"),
)


def survey_deaths(
    runs: pd.DataFrame, base: RunConfig, dataset: Dataset, probing: Probing | None = None
) -> pd.DataFrame:
    """Follow every run without momentum and dropout that died; one row a run.

    Columns: num_workers, learning_rate, pools, seed, last_step; silent_from (the first probe after which no gradient
    was seen); live_at_start, live_before_burst, live_after_burst (logits positive for some test image, of ten; the
    latter two a round before and after the largest ||W_t - W_{t-tau}||, at burst_step); stability (learning rate times
    sharpness over the threshold, the largest of some measurements ahead of that burst); silent_images (share of *all*
    training images whose logits are all zero at the end); control (outcome of the same run without the output ReLU).
    """
    probing = probing or Probing(num_probes=150)
    dead = select_dead_runs(runs, base).to_dict("records")
    rows = [_survey_run(config_of_run(row), int(row["last_step"]), dataset, probing) for row in dead]
    return pd.DataFrame(rows, columns=list(SURVEY_COLUMNS))


def rank_explanations(runs: pd.DataFrame, base: RunConfig, live_at_start: dict[int, int]) -> dict[str, float]:
    """How well each explanation ranks runs that died above runs that trained: 0.5 is chance, 1 is perfect.

    ``instability`` ranks by learning rate over the stability threshold, ``asymmetry`` by how few logits live at the
    start (``live_at_start`` by seed), both over the runs of the base's reading without momentum and dropout.
    """
    plain = select_plain_runs(runs[runs["pools"] == base.pools])
    plain = plain.assign(live=plain["seed"].map(live_at_start))
    limits = {m: find_threshold(int(m)) for m in plain["num_workers"].unique()}
    plain = plain.assign(excess=plain["learning_rate"] / plain["num_workers"].map(limits))
    dead, trained = (plain[plain["outcome"] == outcome] for outcome in (DEAD, TRAINED))
    return {
        "instability": ranking_probability(dead["excess"], trained["excess"]),
        "asymmetry": ranking_probability(-dead["live"], -trained["live"]),
    }


def count_live_at_start(
    seeds: Sequence[int], base: RunConfig, dataset: Dataset, num_images: int | None = None
) -> dict[int, int]:
    """For each seed, how many logits of its initial weights are positive for some of the first ``num_images`` test
    images (by default as many as a run is probed with).
    """
    inputs = normalize_images(dataset.test_images[: num_images or Probing().num_images])
    configs = [change(base, seed=seed) for seed in seeds]
    probes = (
        probe_logits(config, build_engine(config, dataset.train_images, dataset.train_labels), inputs)
        for config in configs
    )
    return {seed: int(probe["live_logits"]) for seed, probe in zip(seeds, probes, strict=True)}


def _survey_run(config: RunConfig, last_step: int, dataset: Dataset, probing: Probing) -> dict[str, Any]:
    path = follow_run(config, dataset, last_step, probing._replace(sharpness_every=0))
    burst, silent = find_burst(path), find_silence(path)
    row: dict[str, Any] = {key: getattr(config, key) for key in ("num_workers", "learning_rate", "pools", "seed")}
    row |= {"last_step": last_step, "silent_from": path.loc[silent, "step"].min(), "burst_step": burst.step}
    row |= {"live_at_start": int(path["live_logits"].iloc[0])}
    row |= {"live_before_burst": burst.live_before, "live_after_burst": burst.live_after}
    row |= _measure_ahead(config, burst.step, last_step, dataset, probing.num_images)
    return row | {"control": _end_without_relu(config, dataset)}


def _measure_ahead(
    config: RunConfig, burst: int, last_step: int, dataset: Dataset, num_images: int
) -> dict[str, float]:
    """The largest stability ahead of the burst, and the share of silent training images at the end."""
    scale = config.learning_rate / find_threshold(config.num_workers)
    sample = sample_images(dataset, min(num_images, len(dataset.train_labels)))
    engine, network, done, found = (
        build_engine(config, dataset.train_images, dataset.train_labels),
        PaperNetwork(config.pools, True),
        0,
        [0.0],
    )
    for step in sorted({max(0, burst - ahead * config.num_workers) for ahead in _ROUNDS_AHEAD}):
        if step > done:
            engine.advance(step - done)
            done = step
        load_weights(network, engine.weights)
        found.append(scale * measure_sharpness(network, *sample))
    if last_step > done:
        engine.advance(last_step - done)
    end = engine.evaluate(dataset.train_images, dataset.train_labels)
    return {"stability": float(np.nanmax(found)), "silent_images": end.zero_logit_share}


def _end_without_relu(config: RunConfig, dataset: Dataset) -> str:
    """The outcome of the same run with plain logits, at its full length."""
    engine = build_engine(
        change(config, output_relu=False, seed=config.seed), dataset.train_images, dataset.train_labels
    )
    passed = engine.advance(plan_schedule(config, len(dataset.train_images)).total_steps)
    end = engine.evaluate(dataset.test_images, dataset.test_labels)
    finite = math.isfinite(passed.loss_sum) and math.isfinite(end.loss) and bool(np.isfinite(engine.weights).all())
    return classify_outcome(end.accuracy, passed.num_zero_gradients / passed.num_steps, finite)
