"""Small plausible tables in the form that aggregation writes, for the tests of figures and report."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

from asgd.figures.plot import ROOM
from asgd.members import load_member
from asgd.settings.run import RunConfig
from asgd.tables.table import Tables

VARIANTS: list[dict[str, Any]] = [
    {"momentum": 0.0},
    *(
        {"momentum": 0.9, "momentum_where": where, "momentum_convention": convention}
        for where, convention in itertools.product(("server", "worker"), ("pytorch", "ema"))
    ),
]
METRICS = ("train_loss", "test_accuracy")
STEPS_PER_EPOCH = 1000


def bundle(arms: pd.DataFrame, curves: pd.DataFrame, evaluations: pd.DataFrame) -> Tables:
    return {"arms": arms, "curves": curves, "evaluations": evaluations}


def list_runs(arms: pd.DataFrame) -> pd.DataFrame:
    """Of each run of ``arms`` the name, the arm and the experiments."""
    runs = arms.loc[arms.index.repeat(arms["n_runs"]), ["arm", "experiments"]].reset_index(drop=True)
    return runs.assign(run=runs["arm"] + "-" + runs.index.astype(str))


def draw(name: str, tables: Tables, experiment: str | None = None) -> Figure:
    """The figure ``name``, as the pipeline draws it."""
    figure: Figure = load_member(ROOM, name).draw(tables, experiment)
    return figure


def make_configs(
    workers: Sequence[int], dropouts: Sequence[float] = (0.0, 0.2, 0.5)
) -> dict[str, tuple[RunConfig, str]]:
    """Arms by name (seed 0 stands for all) and the experiments that they belong to."""
    wanted: list[tuple[str, dict[str, Any]]] = [("delay", {"num_workers": m}) for m in workers]
    wanted += [("momentum", {"num_workers": m, **variant}) for m in workers for variant in VARIANTS]
    wanted += [("dropout", {"dropout": p}) for p in dropouts]
    found: dict[str, tuple[RunConfig, str]] = {}
    for name, settings in wanted:
        config = RunConfig.model_validate({"epochs": 3, **settings})
        before = [found[config.arm()][1]] if config.arm() in found else []
        found[config.arm()] = config, ";".join([*before, name])
    return found


def make_tables(
    workers: Sequence[int] = (1, 10, 30, 100), num_seeds: int = 2, dropouts: Sequence[float] = (0.0, 0.2, 0.5)
) -> Tables:
    """Runs, arms, curves and evaluations: learning slows with m and p, and all seeds but one die at large m."""
    arms, curves, evaluations = [], [], []
    for config, experiments in make_configs(workers, dropouts).values():
        runs = pd.concat([_make_run(config, seed, _dies(config, seed)) for seed in range(num_seeds)])
        evaluations.append(runs)
        arms.append(_make_arm(config, experiments, runs))
        curves.append(_make_curves(config.arm(), runs))
    parts = (pd.DataFrame(arms), pd.concat(curves, ignore_index=True), pd.concat(evaluations, ignore_index=True))
    tables = bundle(*parts)
    return {**tables, "runs": make_runs(tables)}


def make_runs(tables: Tables) -> pd.DataFrame:
    """The table of runs that belongs to the tables."""
    last = tables["evaluations"].groupby(["arm", "seed"], as_index=False).last()
    runs = last.merge(tables["arms"].drop(columns=["n_runs"]), on="arm")
    runs["outcome"] = np.where(runs["test_accuracy"] > 0.101, "trained", "dead")
    runs["final_test_accuracy"] = runs["test_accuracy"]
    runs["last_step"] = runs["total_steps"] = 3 * STEPS_PER_EPOCH
    runs["wall_seconds"] = 6.0
    return runs


def _dies(config: RunConfig, seed: int) -> bool:
    return config.num_workers >= 70 and config.momentum_convention == "pytorch" and seed > 0


def _make_run(config: RunConfig, seed: int, dead: bool) -> pd.DataFrame:
    random = np.random.default_rng([seed, int(config.arm(), 16)])
    epoch = np.arange(13) / 4
    slowness = (1 + 0.02 * config.num_workers + 2 * config.dropout) * (1.2 if config.momentum else 1)
    progress = 1 - np.exp(-epoch / (2 * slowness))
    accuracy = 0.1 + 0.5 * progress + random.normal(0, 0.008, 13) * (epoch > 0)
    loss = math.log(10) - 1.4 * progress + random.normal(0, 0.03, 13)
    if dead:
        accuracy, loss = np.where(epoch < 1, accuracy, 0.1), np.where(epoch < 1, loss, math.log(10))
    loss[0] = math.nan
    return pd.DataFrame(
        {
            "run": f"{config.arm()}-{seed}",
            "arm": config.arm(),
            "seed": seed,
            "step": (epoch * STEPS_PER_EPOCH).astype(int),
            "epoch": epoch,
            "train_loss": loss,
            "train_eval_loss": np.nan_to_num(loss, nan=math.log(10)),
            "test_loss": np.nan_to_num(loss, nan=math.log(10)) + 0.1 * progress,
            "test_accuracy": accuracy,
        }
    )


def _make_arm(config: RunConfig, experiments: str, runs: pd.DataFrame) -> dict[str, Any]:
    final = runs.groupby("seed")["test_accuracy"].last()
    trained = int((final > 0.101).sum())
    return {
        "arm": config.arm(),
        "experiments": experiments,
        **{key: value for key, value in config.hashed().items() if key != "seed"},
        "n_runs": len(final),
        "trained": trained,
        "plateau": 0,
        "dead": len(final) - trained,
        "non_finite": 0,
        "final_test_accuracy_mean": final.mean(),
        "final_test_accuracy_std": final.std(),
    }


def _make_curves(arm: str, runs: pd.DataFrame) -> pd.DataFrame:
    long = runs.melt(["arm", "seed", "step", "epoch"], list(METRICS), var_name="metric")
    table = long.groupby(["arm", "step", "epoch", "metric"])["value"].agg(["count", "mean", "var", "std"]).reset_index()
    table = table.rename(columns={"count": "n", "var": "variance"})
    half = stats.t.ppf(0.975, (table["n"] - 1).clip(lower=1)) * table["std"] / np.sqrt(table["n"].clip(lower=1))
    return table.assign(ci_low=table["mean"] - half, ci_high=table["mean"] + half)
