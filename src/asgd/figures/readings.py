"""The open readings of the network: every run's loss and how it ended, with and without the output ReLU."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import EngFormatter, MaxNLocator

from asgd.figures.curves import CHANCE_LOSS, mark_chance
from asgd.figures.plot import Plot
from asgd.figures.style import PAGE_WIDTH
from asgd.settings.subjects import Subject
from asgd.simulator.outcome import NON_FINITE, OUTCOMES
from asgd.tables.experiments import select_experiment, split_readings
from asgd.tables.table import Tables

_STYLES: dict[str, dict[str, Any]] = {
    "trained": {"color": "#009E73", "linewidth": 0.7, "linestyle": "-"},
    "plateau": {"color": "#E69F00", "linewidth": 1.0, "linestyle": (0, (4, 1))},
    "dead": {"color": "black", "linewidth": 1.4, "linestyle": "-"},
    "non_finite": {"color": "#D55E00", "linewidth": 1.0, "linestyle": (0, (1, 1)), "marker": "x"},
}
_HIGHEST = 2.75

PLOT = Plot(
    caption="Every run's loss under each reading of the paper's network.",
    tables=("runs", "evaluations"),
    about=Subject(varies=("output_relu",), may_vary=("num_workers", "pools")),
)


def draw(tables: Tables, experiment: str) -> Figure:
    """Training loss of every run: a row for each reading, a column for each m.

    Line style tells how a run ended; the counts stand in the panel. An overflowed run ends at a cross.
    """
    evaluations, chosen = tables["evaluations"], select_experiment(tables["runs"], experiment)
    readings = split_readings(chosen)
    workers = sorted(chosen["num_workers"].unique())
    figure = Figure(figsize=(PAGE_WIDTH, 0.7 + 0.82 * len(readings)))
    panels = figure.subplots(len(readings), len(workers), sharex=True, sharey=True, squeeze=False)
    for row, (name, same) in zip(panels, readings.items(), strict=True):
        for axes, m in zip(row, workers, strict=True):
            _draw_runs(axes, same[same["num_workers"] == m], evaluations)
        row[0].set_ylabel(name.replace(", ", ",\n"), fontsize=7)
    figure.supylabel("training loss")
    for axes, m in zip(panels[0], workers, strict=True):
        axes.set_title(f"m = {m}", pad=3)
    for axes in panels[-1]:
        axes.set_xlabel("server steps")
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.xaxis.set_major_locator(MaxNLocator(4))
    about = _set_range(panels[0, 0], chosen, evaluations)
    handles = [Line2D([], [], label=outcome.replace("_", "-"), **style) for outcome, style in _STYLES.items()]
    figure.legend(
        handles=handles, loc="outside upper center", ncols=4, title=f"a line for each run, which ended as{about}"
    )
    return figure


def _set_range(axes: Axes, runs: pd.DataFrame, evaluations: pd.DataFrame) -> str:
    """Show the range in which networks learn; a burst of a failing run may reach thousands. Returns words on that."""
    losses = evaluations.loc[evaluations["run"].isin(set(runs["run"])), "train_loss"]
    axes.set_ylim(max(0.0, min(losses.min(), CHANCE_LOSS - 0.1) - 0.1), _HIGHEST)
    return f" (losses above {_HIGHEST:g} are cut off)" if losses.max() > _HIGHEST else ""


def _draw_runs(axes: Axes, runs: pd.DataFrame, evaluations: pd.DataFrame) -> None:
    for run in runs.itertuples():
        curve = evaluations[evaluations["run"] == run.run].dropna(subset="train_loss").sort_values("step")
        if run.outcome == NON_FINITE:  # the tables continue it at chance, which is not what happened
            curve = curve[curve["step"] < run.last_step]
        axes.plot(curve["step"], curve["train_loss"], markevery=[-1], gid=run.outcome, **_STYLES[str(run.outcome)])
    mark_chance(axes, CHANCE_LOSS, "", side=1)
    counts = [(outcome, int((runs["outcome"] == outcome).sum())) for outcome in OUTCOMES]
    text = ", ".join(f"{count} {outcome.replace('_', '-')}" for outcome, count in counts if count)
    label = axes.text(0.98, 0.97, text, transform=axes.transAxes, ha="right", va="top", fontsize=7, zorder=5)
    label.set_path_effects([withStroke(linewidth=2.5, foreground="white")])  # a burst may pass behind it
