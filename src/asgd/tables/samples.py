"""The runs that one experiment asks for, of tables in which another asks for more seeds of the same arms."""

import pandas as pd

from asgd.tables.aggregate import summarize_arms, summarize_curves
from asgd.tables.experiments import select_experiment
from asgd.tables.table import Tables


def select_own_arms(tables: Tables, experiment: str) -> pd.DataFrame:
    """The arms of ``experiment``, sorted by their keys, each of its own runs; ``tables``: `runs` and `arms`."""
    return select_experiment(select_samples(tables, experiment)["arms"], experiment)


def select_samples(tables: Tables, experiment: str) -> Tables:
    """``tables`` in which the arms of ``experiment`` have the runs that it asks for, and no others.

    Without this an arm of 40 seeds would stand beside arms of ten, and their means would not be of paired runs.
    ``tables``: `runs`, and any of `arms`, `evaluations` and `curves` (which needs `evaluations`); others stay as they
    are. Raises AsgdError if the experiment has no runs.
    """
    runs = tables["runs"]
    own = select_experiment(runs, experiment)
    wider = runs.loc[runs["arm"].isin(own["arm"]) & ~runs["run"].isin(own["run"]), "arm"].unique()
    if not len(wider):
        return tables
    made = {"runs": own[own["arm"].isin(wider)]}
    if "evaluations" in tables:
        made["evaluations"] = tables["evaluations"][tables["evaluations"]["run"].isin(made["runs"]["run"])]
    if "arms" in tables:
        made["arms"] = summarize_arms(made["runs"])
    if "curves" in tables:
        made["curves"] = summarize_curves(made["evaluations"])
    narrowed = {
        name: pd.concat([tables[name][~tables[name]["arm"].isin(wider)], rows], ignore_index=True)
        for name, rows in made.items()
    }
    return {**tables, **narrowed}
