"""How much faster do more workers train, and when does the server become the limit?"""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, PercentFormatter, ScalarFormatter

from asgd.figures.curves import legend_line
from asgd.figures.plot import Plot
from asgd.figures.real_runs import group_runs, select_executed
from asgd.figures.style import PAGE_WIDTH, ArmStyle, category_style
from asgd.settings.subjects import Subject
from asgd.tables.table import Tables

PLOT = Plot(
    caption="How much do more real workers speed up training, and for what share of the time is the server busy?",
    tables=("runs",),
    about=Subject(
        varies=("execution", "num_workers"),
        may_vary=("network", "batch_size", "learning_rate", "steps", "epochs", "engine"),
    ),
)


def draw(tables: Tables, experiment: str) -> Figure:
    """Two panels against the number of workers, without evaluations: a point for each run, a line through the means."""
    real = select_executed(tables["runs"], experiment, "real")
    real = real.assign(speed=real["total_steps"] / real["training_seconds"])
    workers = sorted(map(float, real["num_workers"].unique()))
    figure = Figure(figsize=(PAGE_WIDTH, 1.9))
    speed, share = figure.subplots(1, 2)
    ideal: dict[str, Any] = {"color": "0.35", "linewidth": 0.6, "linestyle": (0, (1, 2))}
    speed.plot(workers, [m / workers[0] for m in workers], **ideal)
    handles = []
    for number, (name, group) in enumerate(group_runs(real).items()):
        style = category_style(number)
        first = group.loc[group["num_workers"] == group["num_workers"].min(), "speed"].mean()
        label = f"{name or 'real workers'}: {first:.3g} per second with m = {group['num_workers'].min()}"
        handles.append(legend_line(style, label))
        _draw_against_workers(speed, group.assign(speed=group["speed"] / first), "speed", style)
        _draw_against_workers(share, group, "server_share", style)
    for axes in (speed, share):
        axes.set_xlabel("number of workers m")
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_locator(FixedLocator(workers))
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.minorticks_off()
    handles.append(Line2D([], [], label="ideal", **ideal))
    speed.set_ylabel("speed-up")
    speed.set_ylim(0, None)
    share.set_ylabel("server busy")
    share.set_ylim(0, 1)
    share.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
    figure.legend(handles=handles, loc="outside upper center", ncols=3, title="gradients, without evaluations")
    return figure


def _draw_against_workers(axes: Axes, runs: pd.DataFrame, column: str, style: ArmStyle) -> None:
    means = runs.groupby("num_workers")[column].mean()
    axes.plot(means.index, means, color=style.colour, linestyle=style.dash)
    axes.plot(runs["num_workers"], runs[column], color=style.colour, marker=style.marker, linestyle="", alpha=0.7)
