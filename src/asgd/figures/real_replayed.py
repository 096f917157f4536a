"""Does the simulator do what real workers did?"""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from asgd.figures.curves import finish_accuracy
from asgd.figures.plot import Plot
from asgd.figures.real_runs import group_runs, select_executed
from asgd.figures.style import CATEGORIES, PAGE_WIDTH
from asgd.settings.subjects import Subject
from asgd.tables.experiments import find_places, list_arms
from asgd.tables.table import Tables

PLOT = Plot(
    caption="Does the simulator do what real workers do? Their runs, and the same schedules replayed.",
    tables=("runs", "evaluations"),
    about=Subject(
        varies=("execution",),
        may_vary=("num_workers", "network", "batch_size", "learning_rate", "steps", "epochs", "engine"),
    ),
)

_STYLES: dict[str, dict[str, Any]] = {
    "real": {"color": CATEGORIES[2], "linewidth": 3.0},
    "replayed": {"color": CATEGORIES[0], "linewidth": 0.8, "linestyle": (0, (4, 2))},
}


def draw(tables: Tables, experiment: str) -> Figure:
    """Test accuracy of each run against gradients: a row for each kind of run, a column for each number of workers."""
    kinds = {name: select_executed(tables["runs"], experiment, name) for name in _STYLES}
    groups = {name: group_runs(runs) for name, runs in kinds.items()}
    workers = sorted(kinds["real"]["num_workers"].unique())
    figure = Figure(figsize=(PAGE_WIDTH, 0.6 + 0.95 * len(groups["real"])))
    panels = figure.subplots(len(groups["real"]), len(workers), squeeze=False, sharex="row", sharey="row")
    for row, name in zip(panels, groups["real"], strict=True):
        for axes, m in zip(row, workers, strict=True):
            for kind in _STYLES:
                group = groups[kind].get(name, kinds[kind].iloc[:0])
                _draw_runs(axes, group[group["num_workers"] == m], tables["evaluations"], kind)
        finish_accuracy(row[0])
        row[0].set_ylabel(name)
    figure.supylabel("test accuracy")
    for axes, m in zip(panels[0], workers, strict=True):
        axes.set_title(f"m = {m}", pad=3)
    for axes in panels[-1]:
        axes.set_xlabel("gradients")
    handles = [Line2D([], [], label=_label(name, runs), **_STYLES[name]) for name, runs in kinds.items()]
    figure.legend(handles=handles, loc="outside upper center", ncols=2)
    return figure


def _label(kind: str, runs: pd.DataFrame) -> str:
    if kind == "real":
        return f"real: {len(runs)} runs"
    same = int((runs["replayed_identical"].astype(str) == "True").sum())
    return f"replayed: the same weights, bit for bit, in {same} of {len(runs)}"


def _draw_runs(axes: Axes, runs: pd.DataFrame, evaluations: pd.DataFrame, kind: str) -> None:
    for run in list_arms(runs):
        curve = evaluations[evaluations["run"] == run["run"]].sort_values("epoch")
        axes.plot(find_places(curve, run, "gradients"), curve["test_accuracy"], gid=kind, **_STYLES[kind])
