"""What the figures about real workers share: their runs, grouped by what is computed."""

from collections.abc import Mapping

import pandas as pd

from asgd.settings.parameters import label_settings
from asgd.tables.experiments import list_arms, naming_keys, select_experiment


def select_executed(runs: pd.DataFrame, experiment: str, execution: str) -> pd.DataFrame:
    """The runs of an experiment that are real, or replayed."""
    chosen = select_experiment(runs, experiment)
    return chosen[chosen["execution"] == execution]


def group_runs(runs: pd.DataFrame) -> Mapping[str, pd.DataFrame]:
    """``runs`` by what else than the number of workers and the execution tells them apart, by its name.

    Where the network alone tells them apart, it is the name.
    """
    keys = [key for key in naming_keys(runs, without="num_workers") if key != "execution"]
    if "network" in keys and runs.groupby("network")[keys].nunique().le(1).all(axis=None):
        keys = ["network"]
    labels = [label_settings(row, keys) for row in list_arms(runs)]
    return {str(name): group for name, group in runs.groupby(pd.Series(labels, runs.index), sort=False)}
