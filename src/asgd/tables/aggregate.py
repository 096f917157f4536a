"""From the folders of finished runs to tidy tables. ``asgd.tables.columns`` documents every column of each."""

import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from asgd.errors import AsgdError
from asgd.runs.folder import count_recorded_classes, read_run
from asgd.settings.parameters import list_parameters
from asgd.settings.run import RunConfig
from asgd.simulator.networks.shapes import NUM_CLASSES
from asgd.simulator.outcome import NON_FINITE, OUTCOMES
from asgd.simulator.simulate import EvaluationPlan
from asgd.tables.columns import ARMS, CURVES, EVALUATIONS, LATER_METRICS, METRICS, RUNS
from asgd.tables.dvc_curves import select_dvc_curves
from asgd.tables.statistics import describe
from asgd.tables.table import Tables

#: The parameters that make the clock another than the step's.
_CLOCKED = ("schedule", "policy", "update", "execution")

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
    recordings: dict[str, tuple[str, str]] = {}
    for record, text in runs:
        contents.setdefault(str(record["data"].get("content")), record["run"])
        _check_recording(record, recordings)
        memberships = ";".join(name for name, names in members.items() if record["run"] in names)
        evaluations = complete_evaluations(pd.read_csv(io.StringIO(text)), record)
        settings.append(record["config"])
        rows.append(_run_row(record, memberships, evaluations.iloc[-1]))
        curves.append(evaluations)
    if len(contents) > 1:
        first, second, *_ = contents.values()
        raise AsgdError(
            f"runs {first} and {second} have different images of one source; delete the older run and train it again"
        )
    before = RunConfig.later_keys()
    has_clock = any(one.get(key, before[key]) != before[key] for one in settings for key in _CLOCKED)
    later = [key for key in before if any(one.get(key, before[key]) != before[key] for one in settings)]
    recorded = RUNS.later if "execution" in later else ()
    table = pd.DataFrame(rows, columns=[*RUNS.columns, *later, *recorded])
    columns = [*EVALUATIONS.columns, *(EVALUATIONS.later if has_clock else ())]
    return table, pd.concat(curves, ignore_index=True)[columns]


def _check_recording(record: Mapping[str, Any], recordings: dict[str, tuple[str, str]]) -> None:
    """Raise AsgdError where a replay is not of the recording beside it; ``recordings`` holds those met so far."""
    about = record.get("replayed") or record
    if "schedule_sha256" in about:
        found = about["schedule_sha256"], record["run"]
        known = recordings.setdefault(about["run"], found)
        if known[0] != found[0]:
            replay = found[1] if "replayed" in record else known[1]
            raise AsgdError(
                f"{replay}: is a replay of another recording of {about['run']}; delete it and train it again"
            )


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
    clock = [name for name in CURVES.later if name in evaluations]
    metrics = [name for name in (*METRICS, *LATER_METRICS) if name in evaluations]
    tables = []
    for arm, group in evaluations.groupby("arm", sort=False):
        # Evaluations are due after so many gradients: how many steps these were, and when, differs from run to run.
        by_run = group.pivot(index="run", columns="epoch", values=metrics)
        found = describe(by_run.to_numpy(dtype=float), confidence)
        keys = pd.DataFrame(by_run.columns.to_list(), columns=["metric", "epoch"])
        places = group.groupby("epoch")[["step", *clock]].mean()
        places = places.astype({name: int for name in places if (places[name] % 1 == 0).all() and name != "time"})
        summary = {"n": found.n, "mean": found.mean, "variance": found.variance, "std": found.std}
        summary |= {"ci_low": found.low, "ci_high": found.high}
        tables.append(keys.join(places, on="epoch").assign(arm=arm, **summary))
    return pd.concat(tables, ignore_index=True)[[*CURVES.columns, *clock]]


def complete_evaluations(metrics: pd.DataFrame, record: Mapping[str, Any]) -> pd.DataFrame:
    """The evaluations of a run to its last one, with the run's names; ``metrics`` are those of metrics.csv.

    A run that ended early goes on at the pace that it had.
    """
    metrics = add_clock(metrics, record["config"])
    per_epoch = record["config"].get("evaluations_per_epoch", RunConfig().evaluations_per_epoch)
    plan = EvaluationPlan(record["total_steps"], record["steps_per_epoch"], per_epoch)
    last = metrics.iloc[-1]
    rest = [place for place in plan.evaluations() if place > last["gradients"]]
    ends = [
        metrics.tail(1).assign(
            gradients=place,
            step=round(last["step"] * place / last["gradients"]),
            time=last["time"] * place / last["gradients"],
        )
        for place in rest
    ]
    continued = pd.concat([metrics, *ends], ignore_index=True)
    continued["epoch"] = continued["gradients"] / record["steps_per_epoch"]
    if record["outcome"] == NON_FINITE:
        continued = _put_at_chance(continued, count_recorded_classes(record))
    return continued.assign(run=record["run"], arm=record["arm"], seed=record["config"]["seed"])


def add_clock(metrics: pd.DataFrame, config: Mapping[str, Any]) -> pd.DataFrame:
    """``metrics`` of metrics.csv with the columns that the first runs did not write.

    Theirs follow from the step: each gradient was one, and the workers took turns.
    """
    if "gradients" in metrics:
        return metrics
    steps, workers = metrics["step"].to_numpy(), config["num_workers"]
    # The sum of min(t, m - 1) over the steps t before each evaluation.
    young = np.minimum(steps, workers)
    total = young * (young - 1) // 2 + (steps - young) * (workers - 1)
    with np.errstate(invalid="ignore"):
        mean = np.diff(total, prepend=0) / np.diff(steps, prepend=0)
    largest = np.where(steps > 0, np.minimum(steps - 1, workers - 1), np.nan)
    clock = {"gradients": steps, "time": steps / workers, "staleness_mean": mean, "staleness_max": largest}
    return metrics.assign(**clock, correction=np.nan)


def _put_at_chance(evaluations: pd.DataFrame, num_classes: int) -> pd.DataFrame:
    """Count the evaluations without a finite test loss as at chance; a metric that the run never had stays empty."""
    overflowed = evaluations["test_loss"].isna()
    for names, chance in ((_LOSSES, math.log(num_classes)), (_ACCURACIES, 1 / num_classes)):
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
    return {**settings, **known, **names, **finals, **_describe_execution(record)}


def _describe_execution(record: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of a run with real workers, or of its replay; nothing of another."""
    if "replayed" in record:
        return {"replayed_identical": record["replayed"]["identical"]}
    if "training_seconds" not in record:
        return {}
    known = {name: record[name] for name in ("training_seconds", "server_share")}
    return {
        "staleness_counts": json.dumps(record["staleness"]["histogram"]),
        "lost": record["gradients"]["lost"],
        **known,
    }


def _merge(memberships: pd.Series) -> str:
    """All experiments named in ``memberships``, each once, in their order."""
    return ";".join(dict.fromkeys(name for entry in memberships for name in entry.split(";") if name))
