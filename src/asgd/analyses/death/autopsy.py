"""One run followed closely to its death, beside the same run without the output ReLU: when and why each logit dies.

With a ReLU on the logits, a class whose logit is negative for every image is lost: no gradient flows through it. A run
is dead when all ten are (``asgd.simulator.outcome``). So the server's weights are probed along the run for the largest
logit of each class, *before* that ReLU, over a fixed sample of test images.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from asgd.analyses.given import Given
from asgd.analyses.stability import find_threshold
from asgd.settings.run import RunConfig
from asgd.simulator.networks.shapes import NUM_CLASSES
from asgd.simulator.outcome import DEAD
from asgd.tables.arms import change, config_of
from asgd.tables.experiments import find_first_values, has_batches_of

LOGITS = tuple(f"logit_{label}" for label in range(NUM_CLASSES))

#: What tells the trajectories of plain runs apart.
TRAJECTORY = ("num_workers", "learning_rate", "pools", "seed")

#: How much of the probed time lies before the death.
_SHARE_BEFORE = 0.9

#: Steps to which the time of a death is found.
_RESOLUTION = 50

_NAMES = ("num_workers", "learning_rate", "seed", "output_relu")


class Chosen(NamedTuple):
    """The run to dissect."""

    config: RunConfig
    total_steps: int  #: of the whole run
    died: bool  #: on every image


class Burst(NamedTuple):
    """The largest ||W_t - W_{t-tau}|| of a run, and how many logits lived a round of m steps before and after it."""

    step: int
    live_before: int
    live_after: int | None  #: None if the probes end before


def choose_dying_run(given: Given) -> Chosen:
    """The run to dissect: at the m of C3, without momentum and dropout, one that died, and on every image.

    Of several, one of the base's reading before others, then one at its rate, then the smallest rate, then the one that
    ended first; one that a few images still reach comes last. If none died, the base with the first seed, at that m or
    the largest below it that has runs. The runs that died must be followed (``follow``) already.
    """
    runs, base, most = given.tables["runs"], given.base, given.margins["fail_workers"]
    rows = select_dead_runs(runs[runs["num_workers"] == most], base).to_dict("records")
    for row in rows:
        # Weights that are silent on all training images give no gradient, so they never move again.
        if given.trained(follow(given, row)).probes["silent_images"].iloc[-1] == 1:
            return Chosen(config_of_run(row), int(row["total_steps"]), True)
    if rows:
        return Chosen(config_of_run(rows[0]), int(rows[0]["total_steps"]), False)
    workers = runs.loc[runs["num_workers"] <= most, "num_workers"]
    config = change(base, num_workers=int(workers.max()), seed=int(runs["seed"].min()), output_relu=True)
    per_epoch = given.trained(start_run(given, config.seed)).record["steps_per_epoch"]
    return Chosen(config, config.steps or round(config.epochs * per_epoch), False)


def select_plain_runs(runs: pd.DataFrame, base: RunConfig) -> pd.DataFrame:
    """The rows of the runs that can die: of the paper, without momentum and dropout, with the ReLU on the logits.

    They have the mini-batches of ``base``. Runs of one trajectory differ in length, or in when they are evaluated: the
    longest counts.
    """
    plain = (runs["momentum"] == 0) & (runs["dropout"] == 0) & runs["output_relu"].astype(bool)
    plain &= has_batches_of(runs, base) & find_first_values(runs, [*RunConfig.choices(), "num_images"])
    longest_first = runs[plain].sort_values("total_steps", ascending=False, kind="stable")
    return longest_first.drop_duplicates(list(TRAJECTORY)).sort_index()


def select_dead_runs(runs: pd.DataFrame, base: RunConfig) -> pd.DataFrame:
    """The rows of plain runs that died, in the order of ``choose_dying_run``."""
    plain = select_plain_runs(runs, base)
    dead = plain[plain["outcome"] == DEAD]
    order = [dead["pools"] != base.pools, dead["learning_rate"] != base.learning_rate]
    keys = ["reading", "other", "learning_rate", "num_workers", "last_step", "seed"]
    dead = dead.assign(reading=order[0], other=order[1]).sort_values(keys, kind="stable")
    return dead.drop(columns=["reading", "other"])


def config_of_run(row: Mapping[Any, Any]) -> RunConfig:
    """The whole configuration of a row of the table runs, seed and engine included."""
    return change(config_of(row), seed=int(row["seed"]), engine=str(row["engine"]))


def follow(given: Given, row: Mapping[Any, Any]) -> RunConfig:
    """The run of a row of the table runs that died, probed to its end about ``survey_probes`` times."""
    times = {"every": max(1, int(row["last_step"]) // given.settings.survey_probes)}
    logits = {**times, "num_images": given.settings.num_images}
    probes = {"displacement": times, "logits": logits, "silence": {"num_images": None}}
    return change(config_of_run(row), probes=probes)


def start_run(given: Given, seed: int) -> RunConfig:
    """A step of the base settings, for what is alive at the start: the initial weights are the seed's."""
    probes = {"logits": {"epochs": [0], "num_images": given.settings.num_images}}
    plain = {"num_workers": 1, "momentum": 0.0, "dropout": 0.0, "steps": 1, "train_eval_images": 0}
    return change(given.base, seed=seed, probes=probes, **plain)


def plan_autopsy(given: Given) -> list[RunConfig]:
    """The run to dissect, to find the time of its death; then it and its control, probed closely until then."""
    chosen = choose_dying_run(given)
    timed = [_time(chosen.config)] if chosen.died else []
    if any(given.find(config) is None for config in timed):
        return timed
    return [*timed, *_plan_pair(given)[0]]


def dissect_run(given: Given, columns: Sequence[str]) -> pd.DataFrame:
    """The probes of the chosen run until a little after its death (or to its end), and of it without the output ReLU.

    One table, with the ``columns`` of ``death.csv``; its column output_relu tells the two apart.
    """
    pair, every = _plan_pair(given)
    return pd.concat([_tabulate_probes(given, config, every) for config in pair], ignore_index=True)[list(columns)]


def select_rows(probes: pd.DataFrame, every: int) -> pd.DataFrame:
    """The regular probes of a run; the last step is probed too, whether it is one of them or not."""
    return probes[probes["step"] % every == 0].reset_index(drop=True)


def find_death(probes: pd.DataFrame) -> int:
    """The step, rounded up to ``_RESOLUTION``, from which all gradients of a run that died are exactly zero."""
    rows = select_rows(probes, _RESOLUTION)
    return int(rows.loc[~find_silence(rows), "step"].max())


def _time(config: RunConfig) -> RunConfig:
    return change(config, probes={"displacement": {"every": _RESOLUTION}})


def _plan_pair(given: Given) -> tuple[list[RunConfig], int]:
    """The two runs of the autopsy, and the steps between probes."""
    config, steps, died = choose_dying_run(given)
    if died:
        death = find_death(given.trained(_time(config)).probes)
        steps = min(steps, max(config.num_workers, round(death / _SHARE_BEFORE)))
    wanted = given.settings
    every = max(1, steps // wanted.num_probes)
    sampled = {"every": every, "num_images": wanted.num_images}
    probes = {"displacement": {"every": every}, "logits": sampled, "sample": sampled}
    if wanted.sharpness_every:
        probes["sharpness"] = {"every": every * wanted.sharpness_every, "num_images": wanted.num_images}
    pair = [change(config, output_relu=relu, steps=steps, probes=probes) for relu in (True, False)]
    return pair, every


def _tabulate_probes(given: Given, config: RunConfig, every: int) -> pd.DataFrame:
    rows = select_rows(given.trained(config).probes, every)
    rows = rows[rows["test_loss"].notna().cummin()]
    table = rows.assign(**{name: getattr(config, name) for name in _NAMES}).astype({"live_logits": int})
    sharpness = rows["sharpness"] if "sharpness" in rows else pd.Series(dtype=float)
    regular = rows["step"] % (every * max(1, given.settings.sharpness_every)) == 0
    table["sharpness"] = sharpness.where(regular)
    momentum = (config.momentum, config.momentum_where, config.momentum_convention)
    table["stability"] = config.learning_rate / find_threshold(config.num_workers, *momentum) * table["sharpness"]
    return table


def list_logit_deaths(table: pd.DataFrame) -> pd.DataFrame:
    """When each logit of a run was positive for some image for the last time; one row a class.

    ``table`` holds one run of ``dissect_run``. Columns: label; dead_at_start (whether it was not positive at step 0);
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
    """For each probe of a run: whether all gradients since the one before, and ever after, are 0."""
    return run["zero_gradient_share"].eq(1).iloc[::-1].cummin().iloc[::-1]


def find_burst(run: pd.DataFrame) -> Burst:
    """The largest ||W_t - W_{t-tau}|| of a run before it is silent."""
    largest = run[~find_silence(run)].sort_values("staleness_displacement").iloc[-1]
    # A round of m steps before and after: the step of the burst itself may already show its damage.
    ahead = run[run["step"] <= largest["step"] - largest["num_workers"]].tail(1)
    after = run[run["step"] >= largest["step"] + largest["num_workers"]].head(1)
    had = (ahead if len(ahead) else run.head(1))["live_logits"].iloc[0]
    return Burst(int(largest["step"]), int(had), int(after["live_logits"].iloc[0]) if len(after) else None)
