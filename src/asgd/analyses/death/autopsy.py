"""One run followed closely to its death, beside the same run without the output ReLU: when and why each logit dies.

With a ReLU on the logits, a class whose logit is negative for every image is lost: no gradient flows through it. A run
is dead when all ten are (design, section 1). So the server's weights are probed along the run for the largest logit of
each class, *before* that ReLU, over a fixed sample of test images.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from asgd.analyses.sharpness import measure_sharpness, sample_images
from asgd.analyses.stability import find_threshold
from asgd.data import Dataset
from asgd.settings.claims import ClaimsConfig
from asgd.settings.run import RunConfig
from asgd.simulator.engine import Engine, Interval
from asgd.simulator.engines import build_engine
from asgd.simulator.networks.paper import PaperNetwork, load_weights, normalize_images
from asgd.simulator.networks.shapes import NUM_CLASSES
from asgd.simulator.outcome import DEAD
from asgd.simulator.simulate import plan_schedule
from asgd.tables.arms import change, config_of

LOGITS = tuple(f"logit_{label}" for label in range(NUM_CLASSES))

#: How much of the probed time lies before the death.
_SHARE_BEFORE = 0.9


class Probing(NamedTuple):
    """How closely a run is looked at."""

    num_probes: int = 240  #: about as many, evenly spaced
    num_images: int = 500  #: test images for the logits, training images for the sharpness
    sharpness_every: int = 10  #: probes; the sharpness takes seconds. 0: never


class Burst(NamedTuple):
    """The largest ||W_t - W_{t-tau}|| of a run, and how many logits lived a round of m steps before and after it."""

    step: int
    live_before: int
    live_after: int | None  #: None if the probes end before


def choose_dying_run(runs: pd.DataFrame, base: RunConfig, margins: ClaimsConfig, dataset: Dataset) -> RunConfig:
    """The run to dissect: at the m of C3, without momentum and dropout, one that died, and on every image.

    Of several, one of the base's reading before others, then one at its rate, then the smallest rate, then the one that
    ended first; one that a few images still reach comes last. If none died, ``base`` with the first seed, at that m or
    the largest below it that has runs. ``runs`` is the table of ``asgd.tables.aggregate``.
    """
    rows = select_dead_runs(runs[runs["num_workers"] == margins.fail_workers], base)
    dead = [config_of_run(row) for row in rows.to_dict("records")]
    if not dead:
        workers = runs.loc[runs["num_workers"] <= margins.fail_workers, "num_workers"]
        return change(base, num_workers=int(workers.max()), seed=int(runs["seed"].min()), output_relu=True)
    return next((config for config in dead if find_death(config, dataset) is not None), dead[0])


def select_plain_runs(runs: pd.DataFrame) -> pd.DataFrame:
    """The rows of runs without momentum and dropout and with the output ReLU, which alone can die."""
    return runs[(runs["momentum"] == 0) & (runs["dropout"] == 0) & runs["output_relu"].astype(bool)]


def select_dead_runs(runs: pd.DataFrame, base: RunConfig) -> pd.DataFrame:
    """The rows of plain runs that died, in the order of ``choose_dying_run``."""
    plain = select_plain_runs(runs)
    dead = plain[plain["outcome"] == DEAD]
    order = [dead["pools"] != base.pools, dead["learning_rate"] != base.learning_rate]
    keys = ["reading", "other", "learning_rate", "num_workers", "last_step", "seed"]
    dead = dead.assign(reading=order[0], other=order[1]).sort_values(keys, kind="stable")
    return dead.drop(columns=["reading", "other"])


def config_of_run(row: Mapping[Any, Any]) -> RunConfig:
    """The whole configuration of a row of runs.csv, seed and engine included."""
    return change(config_of(row), seed=int(row["seed"]), engine=str(row["engine"]))


def dissect_run(config: RunConfig, dataset: Dataset, probing: Probing | None = None) -> pd.DataFrame:
    """Probe ``config``, which has the output ReLU, until a little after its death (or to its end), and without it.

    One table of ``follow_run``; its column output_relu tells the two apart.
    """
    probing = probing or Probing()
    total = plan_schedule(config, len(dataset.train_images)).total_steps
    death = find_death(config, dataset)
    steps = total if death is None else min(total, max(1, round(death / _SHARE_BEFORE)))
    pair = [change(config, output_relu=relu, seed=config.seed) for relu in (True, False)]
    return pd.concat([follow_run(one, dataset, steps, probing) for one in pair], ignore_index=True)


def find_death(config: RunConfig, dataset: Dataset, every: int = 50) -> int | None:
    """The step, rounded up to ``every``, from which all gradients are exactly zero; None if the run does not die.

    It has died when they were zero for a round of all workers and then a whole epoch: weights that move no more and
    give no gradient on any image never will.
    """
    schedule = plan_schedule(config, len(dataset.train_images))
    patience = config.num_workers + schedule.steps_per_epoch
    engine, silent = build_engine(config, dataset.train_images, dataset.train_labels), 0
    for step in range(every, schedule.total_steps + patience + every, every):
        passed = engine.advance(every)
        if not math.isfinite(passed.loss_sum):
            return None
        silent = silent + every if passed.num_zero_gradients == every else 0
        if silent >= patience:
            return step - silent if step - silent < schedule.total_steps else None
    return None


def follow_run(config: RunConfig, dataset: Dataset, num_steps: int, probing: Probing) -> pd.DataFrame:
    """Train ``config`` for ``num_steps``, probing it from step 0 on; after an overflow the rows end.

    Columns: num_workers, learning_rate, seed, output_relu, step, epoch; train_loss, gradient_norm, zero_gradient_share
    of the steps since the probe before, as in metrics.csv; test_loss, test_accuracy, zero_logit_share on the sample of
    test images; staleness_displacement; logit_0 to logit_9, the largest logit of each class before the output ReLU;
    live_logits, how many of these are positive; sharpness and stability (``asgd.analyses.sharpness``), empty where
    not measured.
    """
    images, labels = dataset.test_images[: probing.num_images], dataset.test_labels[: probing.num_images]
    per_epoch = plan_schedule(config, len(dataset.train_images)).steps_per_epoch
    inputs, sample = normalize_images(images), sample_images(dataset, min(len(images), len(dataset.train_images)))
    scale = config.learning_rate / find_threshold(
        config.num_workers, config.momentum, config.momentum_where, config.momentum_convention
    )
    names = {key: getattr(config, key) for key in ("num_workers", "learning_rate", "seed", "output_relu")}
    every = max(1, num_steps // probing.num_probes)
    engine, rows, passed = build_engine(config, dataset.train_images, dataset.train_labels), [], None
    for index, step in enumerate(range(0, num_steps + 1, every)):
        if index:
            passed = engine.advance(every)
        found = engine.evaluate(images, labels)
        if not math.isfinite(found.loss):
            break
        row: dict[str, Any] = {**names, "step": step, "epoch": step / per_epoch, **_describe_steps(passed)}
        row |= {"test_loss": found.loss, "test_accuracy": found.accuracy, "zero_logit_share": found.zero_logit_share}
        row |= {"staleness_displacement": engine.staleness_displacement(), **probe_logits(config, engine, inputs)}
        measured = probing.sharpness_every > 0 and index % probing.sharpness_every == 0
        sharpness = measure_sharpness(_load(config, engine), *sample) if measured else math.nan
        rows.append(row | {"sharpness": sharpness, "stability": scale * sharpness})
    return pd.DataFrame(rows)


def list_logit_deaths(table: pd.DataFrame) -> pd.DataFrame:
    """When each logit of a run was positive for some image for the last time; one row a class.

    ``table`` holds one run of ``follow_run``. Columns: label; dead_at_start (whether it was not positive at step 0);
    last_alive_step (empty if never positive); dies (whether it ends dead).
    """
    rows = []
    for label, name in enumerate(LOGITS):
        alive = table.loc[table[name] > 0, "step"]
        dies = bool(table[name].iloc[-1] <= 0)
        last = None if alive.empty else int(alive.max())
        dead_at_start = bool(table[name].iloc[0] <= 0)
        rows.append({"label": label, "dead_at_start": dead_at_start, "last_alive_step": last, "dies": dies})
    return pd.DataFrame(rows).astype({"last_alive_step": "Int64"})


def find_silence(run: pd.DataFrame) -> "pd.Series[bool]":
    """For each probe of a run of ``follow_run``: whether all gradients since the one before, and ever after, are 0."""
    return run["zero_gradient_share"].eq(1).iloc[::-1].cummin().iloc[::-1]


def find_burst(run: pd.DataFrame) -> Burst:
    """The largest ||W_t - W_{t-tau}|| of one run of ``follow_run`` before it is silent."""
    largest = run[~find_silence(run)].sort_values("staleness_displacement").iloc[-1]
    # A round of m steps before and after: the step of the burst itself may already show its damage.
    ahead = run[run["step"] <= largest["step"] - largest["num_workers"]].tail(1)
    after = run[run["step"] >= largest["step"] + largest["num_workers"]].head(1)
    had = (ahead if len(ahead) else run.head(1))["live_logits"].iloc[0]
    return Burst(int(largest["step"]), int(had), int(after["live_logits"].iloc[0]) if len(after) else None)


def _describe_steps(passed: Interval | None) -> dict[str, float]:
    if passed is None:
        return {"train_loss": math.nan, "gradient_norm": math.nan, "zero_gradient_share": math.nan}
    return {
        "train_loss": passed.loss_sum / passed.num_steps,
        "gradient_norm": passed.gradient_norm,
        "zero_gradient_share": passed.num_zero_gradients / passed.num_steps,
    }


def probe_logits(config: RunConfig, engine: Engine, inputs: Tensor) -> dict[str, float]:
    """The largest logit of each class over ``inputs`` (the network's) before the output ReLU; how many are positive."""
    with torch.no_grad():
        logits: NDArray[Any] = _load(change(config, output_relu=False), engine)(inputs).numpy()
    largest = dict(zip(LOGITS, logits.max(axis=0).tolist(), strict=True))
    return {**largest, "live_logits": sum(value > 0 for value in largest.values())}


def _load(config: RunConfig, engine: Engine) -> PaperNetwork:
    """The server's weights in a network without dropout."""
    network = PaperNetwork(config.pools, config.output_relu)
    load_weights(network, engine.weights)
    return network
