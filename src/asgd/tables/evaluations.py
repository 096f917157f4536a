"""The evaluations of runs, each to its end, from the texts of their metrics.csv: many runs at a time."""

import io
import math
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from asgd.runs.folder import count_recorded_classes
from asgd.settings.run import RunConfig
from asgd.simulator.networks.shapes import NUM_CLASSES
from asgd.simulator.outcome import NON_FINITE
from asgd.simulator.simulate import EvaluationPlan

CHANCE_ACCURACY = 1 / NUM_CLASSES

_LOSSES = ("train_loss", "train_eval_loss", "test_loss")

_ACCURACIES = ("train_eval_accuracy", "test_accuracy")


def tabulate_evaluations(
    runs: Sequence[tuple[Mapping[str, Any], str]],
) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """What ``complete_evaluations`` makes of each run, one below the other, and the place of each run's last row.

    ``runs``: of each the contents of run.json and the text of metrics.csv. Texts with the same header are read as one,
    and only runs that have to be completed are handled one by one.
    """
    lines = [[line for line in text.splitlines() if line] for _, text in runs]
    by_header: dict[str, list[int]] = {}
    for number, (header, *_) in enumerate(lines):
        by_header.setdefault(header, []).append(number)
    tables, places = [], []
    for header, numbers in by_header.items():
        text = "\n".join([header, *chain.from_iterable(lines[number][1:] for number in numbers)])
        metrics = pd.read_csv(io.StringIO(text), low_memory=False)
        records, counts = [runs[number][0] for number in numbers], [len(lines[number]) - 1 for number in numbers]
        made, owners = _complete_all(metrics, records, np.asarray(counts))
        tables.append(made)
        places.append(np.asarray(numbers)[owners])
    owners = np.concatenate(places)
    table = pd.concat(tables, ignore_index=True).take(np.argsort(owners, kind="stable")).reset_index(drop=True)
    return table, np.cumsum(np.bincount(owners)) - 1


def _complete_all(
    metrics: pd.DataFrame, records: Sequence[Mapping[str, Any]], counts: NDArray[np.int64]
) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """The evaluations of runs whose metrics, with ``counts`` [runs] rows each, lie below each other.

    Also which run each row is of. Runs that are already complete come first.
    """
    owners, ends = np.repeat(np.arange(len(records)), counts), np.cumsum(counts)
    if "gradients" not in metrics:
        workers = np.asarray([record["config"]["num_workers"] for record in records])
        metrics = _follow_steps(metrics, workers[owners], np.diff(owners, prepend=-1) > 0)
    lengths = np.asarray([record["total_steps"] for record in records])
    finite = np.asarray([record["outcome"] != NON_FINITE for record in records])
    complete = finite & (metrics["gradients"].to_numpy()[ends - 1] >= lengths)
    kept = owners[complete[owners]]
    per_epoch = np.asarray([record["steps_per_epoch"] for record in records])
    whole = metrics[complete[owners]]
    about = pd.DataFrame([(one["run"], one["arm"], one["config"]["seed"]) for one in records]).take(kept)
    names = {name: about[number].array for number, name in enumerate(("run", "arm", "seed"))}
    tables = [whole.assign(epoch=whole["gradients"].to_numpy() / per_epoch[kept], **names)]
    places = [kept]
    for number in np.flatnonzero(~complete).tolist():
        own = metrics.iloc[ends[number] - counts[number] : ends[number]]
        tables.append(complete_evaluations(own, records[number]))
        places.append(np.full(len(tables[-1]), number))
    return pd.concat([table for table in tables if len(table)], ignore_index=True), np.concatenate(places)


def complete_evaluations(metrics: pd.DataFrame, record: Mapping[str, Any]) -> pd.DataFrame:
    """The evaluations of a run to its last one, with the run's names; ``metrics`` are those of metrics.csv.

    A run that ended early goes on at the pace that it had.
    """
    metrics = add_clock(metrics, record["config"])
    per_epoch = record["config"].get("evaluations_per_epoch", RunConfig().evaluations_per_epoch)
    plan = EvaluationPlan(record["total_steps"], record["steps_per_epoch"], per_epoch)
    last = metrics.iloc[-1]
    rest = np.asarray([place for place in plan.evaluations() if place > last["gradients"]], dtype=int)
    continued = metrics.reset_index(drop=True)
    if len(rest):
        steps, times = (last[name] * rest / last["gradients"] for name in ("step", "time"))
        ends = continued.iloc[np.full(len(rest), -1)].assign(
            gradients=rest, step=np.rint(steps).astype(int), time=times
        )
        continued = pd.concat([continued, ends], ignore_index=True)
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
    return _follow_steps(metrics, np.full(len(metrics), config["num_workers"]), np.arange(len(metrics)) == 0)


def _follow_steps(metrics: pd.DataFrame, workers: NDArray[np.int64], starts: NDArray[np.bool_]) -> pd.DataFrame:
    """What ``add_clock`` makes of runs below each other; of each row its run's workers, and whether a run starts."""
    steps = metrics["step"].to_numpy()
    # The sum of min(t, m - 1) over the steps t before each evaluation.
    young = np.minimum(steps, workers)
    total = young * (young - 1) // 2 + (steps - young) * (workers - 1)
    with np.errstate(invalid="ignore"):
        mean = _count_since(total, starts) / _count_since(steps, starts)
    largest = np.where(steps > 0, np.minimum(steps - 1, workers - 1), np.nan)
    clock = {"gradients": steps, "time": steps / workers, "staleness_mean": mean, "staleness_max": largest}
    return metrics.assign(**clock, correction=np.nan)


def _count_since(totals: NDArray[np.int64], starts: NDArray[np.bool_]) -> NDArray[np.int64]:
    """What was counted since the row before, of a run's first row since the beginning."""
    return np.where(starts, totals, np.diff(totals, prepend=0))


def _put_at_chance(evaluations: pd.DataFrame, num_classes: int) -> pd.DataFrame:
    """Count the evaluations without a finite test loss as at chance; a metric that the run never had stays empty."""
    overflowed = evaluations["test_loss"].isna()
    for names, chance in ((_LOSSES, math.log(num_classes)), (_ACCURACIES, 1 / num_classes)):
        for name in names:
            # The training subset may be switched off (train_eval_images: 0); step 0 has no training loss at all.
            if name == "train_loss" or evaluations[name].notna().any():
                evaluations.loc[overflowed, name] = chance
    return evaluations
