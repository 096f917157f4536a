"""From finished runs to tidy tables. ``asgd.tables.columns`` documents every column of each."""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from asgd.errors import AsgdError
from asgd.settings.run import RunConfig
from asgd.simulator.outcome import OUTCOMES
from asgd.tables.columns import ARMS, CURVES, EVALUATIONS, LATER_METRICS, METRICS, RUNS, find_later
from asgd.tables.dvc_curves import select_dvc_curves
from asgd.tables.evaluations import tabulate_evaluations
from asgd.tables.statistics import describe
from asgd.tables.table import Tables

#: A run as it is read: the contents of run.json and the text of metrics.csv.
Read = tuple[Mapping[str, Any], str]

#: The parameters that make the clock another than the step's.
_CLOCKED = {"schedule", "policy", "update", "execution"}

#: What of a run's last evaluation stands in its row.
_FINALS = ("test_accuracy", "test_loss", "train_loss")

#: How many runs are read at a time: their texts and records are in memory together.
AT_A_TIME = 500


def aggregate_runs(read: Iterable[Read], experiments: Mapping[str, Sequence[str]]) -> Tables:
    """All tables of ``asgd.tables.columns``, by name, of the runs ``read``; see ``tabulate_runs``."""
    runs, evaluations = tabulate_runs(read, experiments)
    return {"runs": runs, "evaluations": evaluations, **summarize_runs(runs, evaluations)}


def summarize_runs(runs: pd.DataFrame, evaluations: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The tables that follow from those of the runs: arms, curves and dvc_curves."""
    arms, curves = summarize_arms(runs), summarize_curves(evaluations)
    return {"arms": arms, "curves": curves, "dvc_curves": select_dvc_curves(arms, curves)}


def tabulate_runs(runs: Iterable[Read], experiments: Mapping[str, Sequence[str]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables ``runs`` and ``evaluations`` (``asgd.tables.columns``) of finished runs, as they are read.

    ``experiments`` maps each experiment to the names of its runs. A run that stopped early is continued to its end on
    the regular evaluation grid: a dead one by its last row, a non-finite one at chance (loss ln 10, accuracy 0.1).
    Raises AsgdError without runs, and where runs contradict one another.
    """
    reader = RunReader(experiments)
    remaining = iter(runs)
    parts = [reader.read(some) for some in iter(lambda: list(islice(remaining, AT_A_TIME)), [])]
    if not parts:
        raise AsgdError("no runs to aggregate; give at least one")
    return lay_out(parts, reader.later)


#: Of some runs: their rows, with ``_COLUMNS``, and their evaluations, with all columns.
_Part = tuple[list[tuple[Any, ...]], pd.DataFrame]

_BEFORE = RunConfig.later_keys()
_COLUMNS = (*RUNS.columns, *_BEFORE, *RUNS.later)


class RunReader:
    """Reads the runs of a study, some at a time, and checks that they go together.

    ``experiments`` maps each experiment to the names of its runs.
    """

    def __init__(self, experiments: Mapping[str, Sequence[str]]) -> None:
        self._members = {name: frozenset(names) for name, names in experiments.items()}
        self._contents: dict[str, str] = {}
        self._recordings: dict[str, tuple[str, str]] = {}
        self._later: set[str] = set()

    @property
    def later(self) -> list[str]:
        """The later parameters of which a run read so far has another value than the first runs had."""
        return [key for key in _BEFORE if key in self._later]

    def read(self, runs: Sequence[Read]) -> _Part:
        """The rows of ``runs``, at least one, for ``lay_out``. Raises AsgdError where they contradict those before."""
        for record, _ in runs:
            self._contents.setdefault(str(record["data"].get("content")), record["run"])
            _check_recording(record, self._recordings)
            self._later |= find_later(record["config"])
        if len(self._contents) > 1:
            first, second, *_ = self._contents.values()
            raise AsgdError(
                f"runs {first} and {second} have different images of one source; "
                "delete the older run and train it again"
            )
        evaluations, ends = tabulate_evaluations(runs)
        finals = evaluations[list(_FINALS)].to_numpy(dtype=float)[ends].tolist()
        rows = [self._make_row(record, last) for (record, _), last in zip(runs, finals, strict=True)]
        return rows, evaluations

    def _make_row(self, record: Mapping[str, Any], finals: Sequence[float]) -> tuple[Any, ...]:
        memberships = ";".join(name for name, names in self._members.items() if record["run"] in names)
        row = _run_row(record, memberships, finals)
        return tuple(row.get(name, np.nan) for name in _COLUMNS)


def lay_out(parts: Sequence[_Part], later: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables ``runs`` and ``evaluations`` of what ``RunReader.read`` gave, with the parameters ``later``.

    Where workers do not take turns they have the columns of the clock, and those of real runs where there are some.
    """
    rows = pd.DataFrame([row for part, _ in parts for row in part], columns=_COLUMNS)
    evaluations = pd.concat([table for _, table in parts], ignore_index=True)
    recorded = RUNS.later if "execution" in later else ()
    clock = () if _CLOCKED.isdisjoint(later) else EVALUATIONS.later
    return rows[[*RUNS.columns, *later, *recorded]], evaluations[[*EVALUATIONS.columns, *clock]]


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
    later = [key for key in _BEFORE if key in runs]
    firsts = runs.drop_duplicates("arm").set_index("arm")
    grouped = runs.groupby("arm", sort=False)
    accuracy = {arm: describe(values) for arm, values in grouped["final_test_accuracy"]}
    made: dict[str, Any] = {
        "experiments": {arm: _merge(names.fillna("")) for arm, names in grouped["experiments"]},
        "n_runs": grouped.size(),
        **{outcome: (runs["outcome"] == outcome).groupby(runs["arm"]).sum() for outcome in OUTCOMES},
        "final_test_accuracy_mean": {arm: float(found.mean) for arm, found in accuracy.items()},
        "final_test_accuracy_std": {arm: float(found.std) for arm, found in accuracy.items()},
    }
    table = firsts.assign(**{name: pd.Series(values) for name, values in made.items()})
    return table.reset_index()[[*ARMS.columns, *later]]


def summarize_curves(evaluations: pd.DataFrame) -> pd.DataFrame:
    """One row per arm, evaluation and metric: mean, spread and t-interval over runs."""
    clock = [name for name in CURVES.later if name in evaluations]
    metrics = [name for name in (*METRICS, *LATER_METRICS) if name in evaluations]
    # Evaluations are due after so many gradients: how many steps these were, and when, differs from run to run.
    owners, arms = pd.factorize(evaluations["arm"])
    grouped = evaluations.groupby([owners, evaluations["epoch"]])
    places = grouped[["step", *clock]].mean()
    places = places.astype({name: int for name in places if (places[name] % 1 == 0).all() and name != "time"})
    rows, seeds, sizes = grouped.ngroup().to_numpy(), *_number_runs(owners, evaluations["run"])
    values = evaluations[metrics].to_numpy(dtype=float)
    arm, epoch = (places.index.get_level_values(level) for level in (0, 1))
    about = places.reset_index(drop=True).assign(arm=np.asarray(arms)[arm], epoch=epoch, number=arm)
    tables = []
    for size in np.unique(sizes):
        found, chosen = sizes[owners] == size, np.flatnonzero(sizes[arm] == size)
        data = np.full((size, len(chosen), len(metrics)), np.nan)
        data[seeds[found], np.searchsorted(chosen, rows[found])] = values[found]
        summary = describe(data.reshape(size, -1))
        keys = about.iloc[np.repeat(chosen, len(metrics))].assign(kind=np.tile(np.arange(len(metrics)), len(chosen)))
        limits = {"ci_low": summary.low, "ci_high": summary.high}
        described = {name: getattr(summary, name) for name in ("n", "mean", "variance", "std")}
        tables.append(keys.assign(**described, **limits))
    table = pd.concat(tables).sort_values(["number", "kind", "epoch"], kind="stable", ignore_index=True)
    return table.assign(metric=np.asarray(metrics)[table["kind"]])[[*CURVES.columns, *clock]]


def _number_runs(owners: NDArray[np.int64], runs: pd.Series) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of each row which run of its arm it is of, in the order of their names; and how many runs each arm has.

    ``owners``: of each row the number of its arm.
    """
    names, _ = pd.factorize(runs, sort=True)
    pairs, found = np.unique(np.column_stack([owners, names]), axis=0, return_inverse=True)
    sizes = np.bincount(pairs[:, 0])
    return found - (np.cumsum(sizes) - sizes)[owners], sizes


def _run_row(record: Mapping[str, Any], memberships: str, last: Sequence[float]) -> dict[str, Any]:
    # The engine that ran, not `auto`: two configurations that resolve to one engine are the same run.
    names = {"run": record["run"], "arm": record["arm"], "experiments": memberships, "engine": record["engine"]["name"]}
    known = {name: record[name] for name in RUNS.columns if name in record and name not in names}
    finals = {f"final_{name}": value for name, value in zip(_FINALS, last, strict=True)}
    config = {**_BEFORE, **record["config"]}  # a run may be older than a parameter
    settings = {key: json.dumps(value) if isinstance(value, dict) else value for key, value in config.items()}
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
