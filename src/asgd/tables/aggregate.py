"""From the folders of finished runs to tidy tables. ``COLUMNS`` documents every column of every table."""

import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from asgd.errors import AsgdError
from asgd.runs.folder import read_run
from asgd.settings.run import RunConfig
from asgd.simulator.networks.shapes import NUM_CLASSES
from asgd.simulator.outcome import NON_FINITE, OUTCOMES
from asgd.simulator.simulate import Schedule
from asgd.tables.statistics import describe

CHANCE_LOSS = math.log(NUM_CLASSES)  #: nats; what a non-finite run counts as


CHANCE_ACCURACY = 1 / NUM_CLASSES


_LOSSES = ("train_loss", "train_eval_loss", "test_loss")


_ACCURACIES = ("train_eval_accuracy", "test_accuracy")


_TIMES = {"step": "server steps taken", "epoch": "passes over the training set: step / steps per epoch"}


METRICS = {
    "train_loss": "mean training loss since the evaluation before, at the stale weights, nats; empty at step 0",
    "train_eval_loss": "loss on a fixed training subset, without dropout, nats",
    "train_eval_accuracy": "accuracy on that subset, in [0, 1]",
    "test_loss": "loss on the test set, nats",
    "test_accuracy": "accuracy on the test set, in [0, 1]",
    "gradient_norm": "norm of the gradient applied last; empty at step 0",
    "zero_gradient_share": "share of steps since the evaluation before with an all-zero gradient; empty at step 0",
    "staleness_displacement": "||W_t - W_{t-tau}||, norm of the difference of current and stale weights",
    "zero_logit_share": "share of test images whose logits are all exactly zero",
}


_SETTINGS = {
    name: field.description or ""
    for name, field in RunConfig.model_fields.items()
    if name not in RunConfig.later_keys()  # these are columns only of tables with runs that have another value
}


_ARM_SETTINGS = {name: text for name, text in _SETTINGS.items() if name != "seed"}


_ARM = {"arm": "hash of the configuration but the seed"}


_RUN = {"run": "name of the run's folder", **_ARM, "seed": _SETTINGS["seed"]}


_EXPERIMENTS = {"experiments": "experiments that the run belongs to, separated by semicolons"}


#: What every column of every table means: {table: {column: description}}, columns in their order.
COLUMNS: dict[str, dict[str, str]] = {
    "runs": {
        **_RUN,
        **_EXPERIMENTS,
        **_ARM_SETTINGS,
        "outcome": "trained, plateau (alive, at chance), dead (gradient exactly zero) or non_finite",
        "stopped_early": "whether the run ended before total_steps because nothing could change any more",
        "last_step": "server steps really taken",
        "total_steps": "server steps asked for",
        "final_test_accuracy": "test accuracy at total_steps, in [0, 1]; a non-finite run counts as at chance",
        "final_test_loss": "test loss at total_steps, nats",
        "final_train_loss": "training loss of the last interval, nats",
        "wall_seconds": "duration of the run, seconds",
        "steps_per_second": "server steps a second, evaluations included",
    },
    "evaluations": {**_RUN, **_TIMES, **METRICS},
    "arms": {
        **_ARM,
        **_EXPERIMENTS,
        **_ARM_SETTINGS,
        "n_runs": "number of runs, one a seed",
        **{outcome: f"number of runs with outcome {outcome}" for outcome in OUTCOMES},
        "final_test_accuracy_mean": "mean over runs of the final test accuracy, in [0, 1]",
        "final_test_accuracy_std": "its standard deviation (n - 1); empty for one run",
    },
    "curves": {
        **_ARM,
        **_TIMES,
        "metric": f"one of {', '.join(METRICS)}",
        "n": "number of runs that have a value",
        "mean": "mean over runs, in the metric's unit",
        "variance": "variance over runs (n - 1); empty for one run",
        "std": "standard deviation over runs; empty for one run",
        "ci_low": "lower limit of the 95 % t-interval of the mean; empty for one run",
        "ci_high": "upper limit of it",
    },
}


Tables = tuple[pd.DataFrame, pd.DataFrame]


def read_runs(folders: Sequence[Path], experiments: Mapping[str, Sequence[str]]) -> Tables:
    """Read finished runs into the tables ``runs`` and ``evaluations`` (see ``COLUMNS``).

    ``experiments`` maps each experiment to the names of its runs. A run that stopped early is continued to its end on
    the regular evaluation grid: a dead one by its last row, a non-finite one at chance (loss ln 10, accuracy 0.1).
    Raises AsgdError naming the file of a run that is missing, truncated, edited, or in the wrong folder.
    """
    if not folders:
        raise AsgdError("no runs to aggregate; give at least one run folder")
    return tabulate_runs((read_run(Path(folder)) for folder in folders), experiments)


def tabulate_runs(runs: Iterable[tuple[Mapping[str, Any], str]], experiments: Mapping[str, Sequence[str]]) -> Tables:
    """What ``read_runs`` makes, of the contents of each run's run.json and metrics.csv."""
    rows, curves, settings = [], [], []
    members = {name: frozenset(names) for name, names in experiments.items()}
    contents: dict[str, str] = {}
    for record, text in runs:
        contents.setdefault(str(record["data"].get("content")), record["run"])
        memberships = ";".join(name for name, names in members.items() if record["run"] in names)
        evaluations = complete_evaluations(pd.read_csv(io.StringIO(text)), record)
        settings.append(record["config"])
        rows.append(_run_row(record, memberships, evaluations.iloc[-1]))
        curves.append(evaluations)
    if len(contents) > 1:
        first, second, *_ = contents.values()
        raise AsgdError(f"runs {first} and {second} saw other images of one source; delete the older and run it again")
    before = RunConfig.later_keys()
    later = [key for key in before if any(one.get(key, before[key]) != before[key] for one in settings)]
    table = pd.DataFrame(rows, columns=[*COLUMNS["runs"], *later])
    return table, pd.concat(curves, ignore_index=True)[list(COLUMNS["evaluations"])]


def summarize_arms(runs: pd.DataFrame) -> pd.DataFrame:
    """One row an arm (``COLUMNS["arms"]``), in the order of their first runs."""
    rows, later = [], [key for key in RunConfig.later_keys() if key in runs]
    for _, group in runs.groupby("arm", sort=False):
        accuracy = describe(group["final_test_accuracy"])
        row: dict[str, Any] = {name: group[name].iloc[0] for name in ("arm", *_ARM_SETTINGS, *later)}
        row |= {"experiments": _merge(group["experiments"].fillna("")), "n_runs": len(group)}
        row |= {outcome: int((group["outcome"] == outcome).sum()) for outcome in OUTCOMES}
        row |= {"final_test_accuracy_mean": float(accuracy.mean), "final_test_accuracy_std": float(accuracy.std)}
        rows.append(row)
    return pd.DataFrame(rows, columns=[*COLUMNS["arms"], *later])


def summarize_curves(evaluations: pd.DataFrame, confidence: float = 0.95) -> pd.DataFrame:
    """One row per arm, evaluation and metric (``COLUMNS["curves"]``): mean, spread and t-interval over runs."""
    tables = []
    for arm, group in evaluations.groupby("arm", sort=False):
        by_run = group.pivot(index="run", columns=["step", "epoch"], values=list(METRICS))
        found = describe(by_run.to_numpy(dtype=float), confidence)
        keys = pd.DataFrame(by_run.columns.to_list(), columns=["metric", "step", "epoch"])
        summary = {"n": found.n, "mean": found.mean, "variance": found.variance, "std": found.std}
        tables.append(keys.assign(arm=arm, **summary, ci_low=found.low, ci_high=found.high))
    return pd.concat(tables, ignore_index=True)[list(COLUMNS["curves"])]


def complete_evaluations(metrics: pd.DataFrame, record: Mapping[str, Any]) -> pd.DataFrame:
    """The evaluations of a run to its last step, with the run's names; ``metrics`` are those of metrics.csv."""
    per_epoch = record["config"].get("evaluations_per_epoch", RunConfig().evaluations_per_epoch)
    schedule = Schedule(record["total_steps"], record["steps_per_epoch"], per_epoch)
    rest = [step for step in schedule.evaluation_steps() if step > record["last_step"]]
    continued = pd.concat([metrics, *[metrics.tail(1).assign(step=step) for step in rest]], ignore_index=True)
    continued["epoch"] = continued["step"] / record["steps_per_epoch"]
    if record["outcome"] == NON_FINITE:
        continued = _put_at_chance(continued)
    return continued.assign(run=record["run"], arm=record["arm"], seed=record["config"]["seed"])


def _put_at_chance(evaluations: pd.DataFrame) -> pd.DataFrame:
    """Count the evaluations without a finite test loss as at chance; a metric that the run never had stays empty."""
    overflowed = evaluations["test_loss"].isna()
    for names, chance in ((_LOSSES, CHANCE_LOSS), (_ACCURACIES, CHANCE_ACCURACY)):
        for name in names:
            # The training subset may be switched off (train_eval_images: 0); step 0 has no training loss at all.
            if name == "train_loss" or evaluations[name].notna().any():
                evaluations.loc[overflowed, name] = chance
    return evaluations


def _run_row(record: Mapping[str, Any], memberships: str, last: pd.Series) -> dict[str, Any]:
    # The engine that ran, not `auto`: two configurations that resolve to one engine are the same run.
    names = {"run": record["run"], "arm": record["arm"], "experiments": memberships, "engine": record["engine"]["name"]}
    known = {name: record[name] for name in COLUMNS["runs"] if name in record and name not in names}
    finals = {f"final_{name}": float(last[name]) for name in ("test_accuracy", "test_loss", "train_loss")}
    settings = {key: json.dumps(value) if isinstance(value, dict) else value for key, value in record["config"].items()}
    return {**settings, **known, **names, **finals}


def _merge(memberships: pd.Series) -> str:
    """All experiments named in ``memberships``, each once, in their order."""
    return ";".join(dict.fromkeys(name for entry in memberships for name in entry.split(";") if name))
