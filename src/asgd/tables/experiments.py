"""The arms of an experiment: selected from the tables, in order, and what tells them apart."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from asgd.errors import AsgdError
from asgd.settings.parameters import kinds_of, label_settings, list_parameters, order_values
from asgd.settings.run import RunConfig

#: What a table or a grid of arms may list of one experiment; larger ones are for figures of their own.
MOST_ARMS = 80
_READING = ["output_relu", "pools"]  # the parameters that a reading of the paper's text decides


def experiment_names(arms: pd.DataFrame) -> list[str]:
    """All experiments, in the order in which the arms name them."""
    return list(dict.fromkeys(name for names in arms["experiments"] for name in str(names).split(";")))


def select_experiment(arms: pd.DataFrame, experiment: str) -> pd.DataFrame:
    """The arms of one experiment, sorted by their keys. Raises AsgdError if there is none."""
    chosen = arms[[experiment in str(names).split(";") for names in arms["experiments"]]]
    if chosen.empty:
        present = ", ".join(experiment_names(arms)) or "none"
        raise AsgdError(f"experiment '{experiment}' has no arms; experiments are {present}: add it to params.yaml")
    keys = [key for key in list_parameters() if key in chosen]
    return chosen.sort_values(keys, kind="stable", key=lambda column: order_values(str(column.name), column))


def select_first_kind(arms: pd.DataFrame) -> pd.DataFrame:
    """The arms that the first runs could be of: with every later parameter as they had it. All where there are none."""
    later = (key for key, value in RunConfig.later_keys().items() if not isinstance(value, dict))
    same = find_first_values(arms, later)
    return arms[same] if same.any() else arms


def find_first_values(table: pd.DataFrame, keys: Iterable[str]) -> "pd.Series[bool]":
    """Whether a row has, of each of the later parameters ``keys``, the value that means what the first runs did."""
    before = RunConfig.later_keys()
    same = pd.Series(True, index=table.index)
    for key in keys:
        if key in table:
            same &= table[key].isna() | (table[key] == before[key])
    return same


def has_batches_of(table: pd.DataFrame, base: RunConfig) -> "pd.Series[bool]":
    """Whether a row has the mini-batches of ``base``. The column is text where some runs have full batches."""
    return table["batch_size"].astype(str) == str(base.batch_size)


def list_arms(arms: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as dictionaries from column to value."""
    return [{str(key): value for key, value in row.items()} for row in arms.to_dict("records")]


def varying_keys(arms: pd.DataFrame) -> list[str]:
    """The keys in which the arms differ."""
    return [key for key in list_parameters() if key in arms and arms[key].nunique(dropna=False) > 1]


def naming_keys(arms: pd.DataFrame, without: str = "") -> list[str]:
    """The keys that tell the arms apart, but ``without``; b itself only where it has several values beside 0."""
    keys = [key for key in varying_keys(arms) if key != without]
    return [key for key in keys if not {*kinds_of(key)} & {*keys} or arms.loc[arms[key] > 0, key].nunique() > 1]


def find_places(table: pd.DataFrame, arm: Mapping[str, Any], axis: str) -> "pd.Series[float]":
    """Where the rows of an arm's curve, or of a run's, lie on ``axis``: `step`, `gradients` or `time`.

    Tables without the latter two are of runs whose workers take turns: a step is a gradient, and takes 1 / m.
    """
    if axis in table or axis == "step":
        return table[axis]
    return table["step"] / arm["num_workers"] if axis == "time" else table["step"]


def select_curve(curves: pd.DataFrame, arm: str, metric: str) -> pd.DataFrame:
    """An arm's curve of one metric: rows by step, those without a mean (training loss at step 0) left out."""
    chosen = curves[(curves["arm"] == arm) & (curves["metric"] == metric)]
    if chosen.empty:
        raise AsgdError(f"arm {arm}: the table of curves has no {metric}; make the tables again")
    return chosen.dropna(subset=["mean"]).sort_values("step")


def select_runs(evaluations: pd.DataFrame, arm: str, metric: str) -> list[pd.DataFrame]:
    """The arm's runs, one table a seed, rows by step, those without a value left out."""
    chosen = evaluations[evaluations["arm"] == arm].dropna(subset=[metric]).sort_values(["seed", "step"])
    return [run for _, run in chosen.groupby("seed")]


def split_readings(runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """``runs`` by the name of their reading of the paper's text, the literal one first."""
    keys = list_arms(runs[_READING].drop_duplicates().sort_values(_READING, ascending=False))
    return {
        label_settings(reading, _READING): runs[(runs[_READING] == pd.Series(reading)).all(axis="columns")]
        for reading in keys
    }
