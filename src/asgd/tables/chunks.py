"""The tables of very many runs, made some arms at a time: memory grows with the arms, and not with the runs."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from asgd.tables.aggregate import AT_A_TIME, Read, RunReader, lay_out, summarize_arms, summarize_curves
from asgd.tables.columns import ARMS
from asgd.tables.dvc_curves import select_accuracy, select_dvc_curves
from asgd.tables.table import Tables

#: Reads runs by their names, in their order, each checked.
Reader = Callable[[Sequence[str]], Iterable[Read]]


def aggregate_arms(
    arms: Iterable[Sequence[str]],
    read: Reader,
    experiments: Mapping[str, Sequence[str]],
    later: Sequence[str],
    append: Callable[[str, pd.DataFrame], None],
) -> Tables:
    """All tables of ``asgd.tables.columns`` of the runs in ``arms``: the names of each arm's runs, in order.

    ``later``: the later parameters of which a run of any arm has another value than the first runs had. The rows of
    tables that grow with the runs go to ``append``, by the table's name; the other tables are returned. All are those
    of ``aggregate_runs``, in the order of the arms. Raises AsgdError where runs contradict each other.
    """
    reader = RunReader(experiments)
    rows: list[tuple[Any, ...]] = []
    accuracies = []
    for names in cut_arms(arms):
        runs, evaluations = lay_out([reader.read(list(read(names)))], later)
        curves = summarize_curves(evaluations)
        for name, table in {"runs": runs, "evaluations": evaluations, "curves": curves}.items():
            append(name, table)
        rows += summarize_arms(runs).itertuples(index=False, name=None)
        accuracies.append(select_accuracy(curves))
    # The type of a column is that of all arms' values: some arms may have none.
    table = pd.DataFrame(rows, columns=[*ARMS.columns, *later])
    return {"arms": table, "dvc_curves": select_dvc_curves(table, pd.concat(accuracies, ignore_index=True))}


def cut_arms(arms: Iterable[Sequence[str]], most: int = AT_A_TIME) -> Iterator[list[str]]:
    """The names of whole arms together, about ``most`` at a time."""
    names: list[str] = []
    for arm in arms:
        if names and len(names) + len(arm) > most:
            yield names
            names = []
        names += arm
    if names:
        yield names
