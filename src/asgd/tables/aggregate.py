"""From the folders of finished runs to tidy tables. ``asgd.tables.columns`` documents every column of each."""

import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from asgd.errors import AsgdError
from asgd.runs.folder import read_run
from asgd.settings.parameters import list_parameters
from asgd.settings.run import RunConfig
from asgd.simulator.networks.shapes import NUM_CLASSES
from asgd.simulator.outcome import NON_FINITE, OUTCOMES
from asgd.simulator.simulate import EvaluationPlan
from asgd.tables.columns import ARMS, CURVES, EVALUATIONS, METRICS, RUNS
from asgd.tables.dvc_curves import select_dvc_curves
from asgd.tables.statistics import describe
from asgd.tables.table import Tables

CHANCE_LOSS = math.log(NUM_CLASSES)  #: nats; what a non-finite run counts as

CHANCE_ACCURACY = 1 / NUM_CLASSES

_LOSSES = ("train_loss", "train_eval_loss", "test_loss")

_ACCURACIES = ("train_eval_accuracy", "test_accuracy")


def aggregate_runs(folders: Sequence[Path], experiments: Mapping[str, Sequence[str]], confidence: float) -> Tables:
    """All tables of ``asgd.tables.columns``, by name, of the runs in ``folders``; see ``read_runs``."""
    runs, evaluations = read_runs(folders, experiments)
    return {"runs": runs, "evaluations": evaluations, **summarize_runs(runs, evaluations, confidence)}


def summarize_runs(runs: pd.DataFrame, evaluations: pd.DataFrame, confidence: float) -> dict[str, pd.DataFrame]:
    """The tables that follow from those of the runs: arms, curves and dvc_curves."""
    arms, curves = summarize_arms(runs), summarize_curves(evaluations, confidence)
    return {"arms": arms, "curves": curves, "dvc_curves": select_dvc_curves(arms, curves)}


def read_runs(folders: Sequence[Path], experiments: Mapping[str, Sequence[str]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read finished runs into the tables ``runs`` and ``evaluations`` (``asgd.tables.columns``).

    ``experiments`` maps each experiment to the names of its runs. A run that stopped early is continued to its end on
    the regular evaluation grid: a dead one by its last row, a non-finite one at chance (loss ln 10, accuracy 0.1).
    Raises AsgdError naming the file of a run that is missing, truncated, edited, or in the wrong folder.
    """
    if not folders:
        raise AsgdError("no runs to aggregate; give at least one run folder")
    return tabulate_runs((read_run(Path(folder)) for folder in folders), experiments)


def tabulate_runs(
    runs: Iterable[tuple[Mapping[str, Any], str]], experiments: Mapping[str, Sequence[str]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
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
    table = pd.DataFrame(rows, columns=[*RUNS.columns, *later])
    return table, pd.concat(curves, ignore_index=True)[list(EVALUATIONS.columns)]


def summarize_arms(runs: pd.DataFrame) -> pd.DataFrame:
    """One row an arm, in the order of their first runs."""
    rows, later = [], [key for key in RunConfig.later_keys() if key in runs]
    names = ["arm", *(key for key in list_parameters() if key in runs)]
    for _, group in runs.groupby("arm", sort=False):
        accuracy = describe(group["final_test_accuracy"])
        row: dict[str, Any] = {name: group[name].iloc[0] for name in names}
        row |= {"experiments": _merge(group["experiments"].fillna("")), "n_runs": len(group)}
        row |= {outcome: int((group["outcome"] == outcome).sum()) for outcome in OUTCOMES}
        row |= {"final_test_accuracy_mean": float(accuracy.mean), "final_test_accuracy_std": float(accuracy.std)}
        rows.append(row)
    return pd.DataFrame(rows, columns=[*ARMS.columns, *later])


def summarize_curves(evaluations: pd.DataFrame, confidence: float = 0.95) -> pd.DataFrame:
    """One row per arm, evaluation and metric: mean, spread and t-interval over runs."""
    tables = []
    for arm, group in evaluations.groupby("arm", sort=False):
        by_run = group.pivot(index="run", columns=["step", "epoch"], values=list(METRICS))
        found = describe(by_run.to_numpy(dtype=float), confidence)
        keys = pd.DataFrame(by_run.columns.to_list(), columns=["metric", "step", "epoch"])
        summary = {"n": found.n, "mean": found.mean, "variance": found.variance, "std": found.std}
        tables.append(keys.assign(arm=arm, **summary, ci_low=found.low, ci_high=found.high))
    return pd.concat(tables, ignore_index=True)[list(CURVES.columns)]


def complete_evaluations(metrics: pd.DataFrame, record: Mapping[str, Any]) -> pd.DataFrame:
    """The evaluations of a run to its last step, with the run's names; ``metrics`` are those of metrics.csv."""
    per_epoch = record["config"].get("evaluations_per_epoch", RunConfig().evaluations_per_epoch)
    plan = EvaluationPlan(record["total_steps"], record["steps_per_epoch"], per_epoch)
    rest = [step for step in plan.evaluation_steps() if step > record["last_step"]]
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
    known = {name: record[name] for name in RUNS.columns if name in record and name not in names}
    finals = {f"final_{name}": float(last[name]) for name in ("test_accuracy", "test_loss", "train_loss")}
    settings = {key: json.dumps(value) if isinstance(value, dict) else value for key, value in record["config"].items()}
    return {**settings, **known, **names, **finals}


def _merge(memberships: pd.Series) -> str:
    """All experiments named in ``memberships``, each once, in their order."""
    return ";".join(dict.fromkeys(name for entry in memberships for name in entry.split(";") if name))
