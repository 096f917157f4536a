"""What a figure shows: the tables, the rows of an experiment, and the names of its arms."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from asgd.errors import AsgdError
from asgd.tables.files import read_table

MOMENTUM_KEYS = ("momentum", "momentum_where", "momentum_convention")

#: The keys of a run's configuration that may tell arms apart, in the order in which a label names them.
ARM_KEYS = (
    "num_workers",
    *MOMENTUM_KEYS,
    "dropout",
    "learning_rate",
    "output_relu",
    "pools",
    "batch_size",
    "epochs",
    "steps",
)
#: What a table or a grid of arms may list of one experiment; larger ones are for figures of their own.
MOST_ARMS = 80
_CONVENTIONS = {"pytorch": "PyTorch", "ema": "EMA"}


@dataclass(frozen=True)
class Tables:
    """The tidy tables that figures read: one row an arm; an arm, step and metric; a run and evaluation."""

    arms: pd.DataFrame
    curves: pd.DataFrame
    evaluations: pd.DataFrame

    @staticmethod
    def read(arms: str | Path, curves: str | Path, evaluations: str | Path) -> "Tables":
        """Read the three CSV files. Raises AsgdError naming the file that is missing or not such a table."""
        return Tables(
            read_table(arms, ("arm", "experiments", "num_workers")),
            read_table(curves, ("arm", "step", "epoch", "metric", "n", "mean", "ci_low", "ci_high")),
            read_table(evaluations, ("arm", "seed", "step")),
        )


def experiment_names(arms: pd.DataFrame) -> list[str]:
    """All experiments, in the order in which the arms name them."""
    return list(dict.fromkeys(name for names in arms["experiments"] for name in str(names).split(";")))


def select_experiment(arms: pd.DataFrame, experiment: str) -> pd.DataFrame:
    """The arms of one experiment, sorted by their keys. Raises AsgdError if there is none."""
    chosen = arms[[experiment in str(names).split(";") for names in arms["experiments"]]]
    if chosen.empty:
        present = ", ".join(experiment_names(arms)) or "none"
        raise AsgdError(f"experiment '{experiment}' has no arms; experiments are {present}: add it to params.yaml")
    keys = [key for key in ARM_KEYS if key in chosen]
    # Conventions in reverse, so that PyTorch's comes before the average, as the paper's text most likely means it.
    ascending = [key != "momentum_convention" for key in keys]
    return chosen.sort_values(keys, ascending=ascending, kind="stable")


def list_arms(arms: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as dictionaries from column to value."""
    return [{str(key): value for key, value in row.items()} for row in arms.to_dict("records")]


def varying_keys(arms: pd.DataFrame) -> list[str]:
    """The keys in which the arms differ."""
    return [key for key in ARM_KEYS if key in arms and arms[key].nunique(dropna=False) > 1]


def naming_keys(arms: pd.DataFrame, without: str = "") -> list[str]:
    """The keys that tell the arms apart, but ``without``; b itself only where it has several values beside 0."""
    keys = [key for key in varying_keys(arms) if key != without]
    one_value = arms.loc[arms["momentum"] > 0, "momentum"].nunique() <= 1
    if one_value and not {"momentum_where", "momentum_convention"}.isdisjoint(keys):
        return [key for key in keys if key != "momentum"]
    return keys


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


def label_arm(arm: Mapping[str, Any], keys: Iterable[str]) -> str:
    """Name an arm by the values of ``keys``, e.g. ``m = 10, server PyTorch``; empty without keys."""
    parts: list[str] = []
    for key in keys:
        part = _label_key(arm, key)
        if part and part not in parts:
            parts.append(part)
    return ", ".join(parts)


def _label_key(arm: Mapping[str, Any], key: str) -> str:
    if key == "momentum":
        return f"b = {arm[key]:g}" if arm[key] else "no momentum"
    if key in MOMENTUM_KEYS:
        convention = _CONVENTIONS.get(arm["momentum_convention"], arm["momentum_convention"])
        return f"{arm['momentum_where']} {convention}" if arm["momentum"] else "no momentum"
    if key == "output_relu":
        return "ReLU on logits" if arm[key] else "plain logits"
    if key == "pools":
        return "one pooling" if arm[key] == 1 else "two poolings"
    symbol = {"num_workers": "m", "dropout": "p", "learning_rate": "rate"}.get(key, key.replace("_", " "))
    return f"{symbol} = {arm[key]:g}"
