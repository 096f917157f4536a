"""How stale are the gradients of real workers, beside the two schedules that theory treats?"""

import json
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from asgd.figures.plot import Plot
from asgd.figures.real_runs import group_runs, select_executed
from asgd.figures.style import CATEGORIES, PAGE_WIDTH
from asgd.settings.subjects import Subject
from asgd.tables.table import Tables

#: The share of gradients that the axis shows; some of real workers are far older than the rest.
_SHOWN = 0.995

PLOT = Plot(
    caption="How stale are real workers' gradients, beside constant and geometric staleness with the same mean?",
    tables=("runs",),
    about=Subject(
        varies=("execution",),
        may_vary=("num_workers", "network", "batch_size", "learning_rate", "steps", "epochs", "engine"),
    ),
)


def draw(tables: Tables, experiment: str) -> Figure:
    """Share of the gradients by staleness: a row for each kind of run, a column for each number of workers."""
    real = select_executed(tables["runs"], experiment, "real")
    groups, workers = group_runs(real), sorted(real["num_workers"].unique())
    figure = Figure(figsize=(PAGE_WIDTH, 0.6 + 0.95 * len(groups)))
    panels = figure.subplots(len(groups), len(workers), squeeze=False)
    for row, (name, group) in zip(panels, groups.items(), strict=True):
        for axes, m in zip(row, workers, strict=True):
            _draw_counts(axes, group[group["num_workers"] == m], int(m))
        row[0].set_ylabel(name)
    figure.supylabel("share of gradients")
    for axes, m in zip(panels[0], workers, strict=True):
        axes.set_title(f"m = {m}", pad=3)
    for axes in panels[-1]:
        axes.set_xlabel("staleness, server steps")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    return figure


def _draw_counts(axes: Axes, runs: pd.DataFrame, m: int) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    counts = _count_staleness(runs)
    if not len(counts):
        axes.set_axis_off()
        return
    shares = counts / counts.sum()
    last = max(int(np.searchsorted(np.cumsum(shares), _SHOWN)), 2 * (m - 1), 2)
    tau = np.arange(last + 1)
    shown = np.pad(shares, (0, max(0, last + 1 - len(shares))))[: last + 1]
    axes.bar(tau, shown, width=0.8, color=CATEGORIES[2], label="measured")
    axes.axvline(m - 1, color=CATEGORIES[0], linestyle=(0, (4, 1.5)), linewidth=1, label="constant: m - 1")
    geometric = (1 / m) * (1 - 1 / m) ** tau
    style: dict[str, Any] = {"color": CATEGORIES[3], "marker": "o", "markersize": 2.5, "linewidth": 0.8}
    axes.plot(tau, geometric, label="geometric: a worker at random", **style)
    mean = float(np.arange(len(counts)) @ shares)
    spread = float(np.sqrt((np.arange(len(counts)) - mean) ** 2 @ shares))
    text = f"mean {mean:.2f}\nspread {spread:.2f}\nmax {len(counts) - 1}"
    axes.text(0.98, 0.96, text, transform=axes.transAxes, ha="right", va="top", fontsize=7)


def _count_staleness(runs: pd.DataFrame) -> NDArray[np.int64]:
    """Gradients applied with staleness 0, 1, ..., over all runs."""
    found: dict[int, int] = {}
    for text in runs["staleness_counts"]:
        for staleness, count in json.loads(text).items():
            found[int(staleness)] = found.get(int(staleness), 0) + int(count)
    counts = np.zeros(max(found, default=-1) + 1, np.int64)
    counts[list(found)] = list(found.values())
    return counts
