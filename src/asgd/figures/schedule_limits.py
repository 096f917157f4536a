"""How much larger a learning rate may be where delays are spread out: each schedule's limit of stability."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

from asgd.analyses.phase_map import NO_MOMENTUM
from asgd.figures.curves import legend_line
from asgd.figures.phase_map import draw_cell, find_curvatures, finish_map, list_cells, place_rates
from asgd.figures.plot import Plot
from asgd.figures.style import PAGE_WIDTH, ArmStyle, category_style
from asgd.tables.table import Tables

PLOT = Plot(
    caption="How much larger may the learning rate be if delays vary? The limit of stability of each "
    "schedule (a) on the map of runs with constant delays, without momentum, and (b) relative to constant delays.",
    tables=("map", "sharpness", "limits"),
)


def draw(tables: Tables, experiment: str | None = None) -> Figure:
    """The limits in two panels: as learning rates, for the lambda of m = 1 after the start, and relative to each other.

    Panel (a) shows under them how runs of the map end.
    """
    limits = tables["limits"]
    names = list(dict.fromkeys(limits["schedule"]))
    styles = {name: category_style(index) for index, name in enumerate(names)}
    figure = Figure(figsize=(PAGE_WIDTH, 2.6))
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
    curvature = list(find_curvatures(tables["sharpness"]).values())[-1:]  # a dead network has none
    _draw_map(left, tables["map"], limits, styles, *curvature)
    _draw_ratios(right, limits, styles)
    handles: list[Line2D] = [legend_line(style, name) for name, style in styles.items()]
    place = f" at $\\lambda$ = {curvature[0]:.2g}" if curvature else ""
    title = f"limits of stability{place}: exact for round robin, of the mean square for random workers, else simulated"
    figure.legend(handles=[*list_cells("Greys", 0.25), *handles], loc="outside upper center", ncols=4, title=title)
    return figure


def _draw_map(
    axes: Axes, table: pd.DataFrame, limits: pd.DataFrame, styles: dict[str, ArmStyle], curvature: float | None = None
) -> None:
    rows = table[table["variant"] == NO_MOMENTUM]
    rates, workers = sorted(rows["learning_rate"].unique()), sorted(rows["num_workers"].unique())
    shade = Normalize(0.1, 2 * max(0.2, rows["accuracy_mean"].max()))  # the lines are darker
    for row in rows.itertuples():
        draw_cell(axes, workers.index(row.num_workers), rates.index(row.learning_rate), row, shade, "Greys", -0.28)
    for name, style in styles.items():
        known = limits[(limits["schedule"] == name) & limits["num_workers"].isin(workers)]
        known = known[known["num_workers"] > 1].sort_values("num_workers")  # one worker has no schedule
        if curvature is not None and len(known):
            columns = [workers.index(m) for m in known["num_workers"]]
            levels = place_rates(known["threshold"].to_numpy() / curvature, rates)
            _draw_line(axes, columns, levels, style, name)
    finish_map(axes, "(a) over runs with constant delays", rates, workers)
    axes.set_ylabel("learning rate")


def _draw_ratios(axes: Axes, limits: pd.DataFrame, styles: dict[str, ArmStyle]) -> None:
    for name, style in styles.items():
        known = limits[limits["schedule"] == name].sort_values("num_workers")
        ratio = known["threshold"] / known["constant_threshold"]
        error = known["error"] / known["constant_threshold"]
        axes.errorbar(known["num_workers"], ratio, error, color=style.colour, linestyle="", elinewidth=0.9, capsize=1.5)
        _draw_line(axes, known["num_workers"].tolist(), ratio.to_numpy(), style, name)
    axes.set_title("(b) relative to constant delays", pad=3)
    axes.set_ylabel("limit / limit of round robin")
    axes.set_xlabel("m")
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis, values in ((axes.xaxis, sorted(limits["num_workers"].unique())), (axes.yaxis, [1, 2, 3, 5, 10, 20])):
        axis.set_major_locator(FixedLocator(values))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(ScalarFormatter())


def _draw_line(axes: Axes, x: list[int], y: "np.typing.NDArray[np.float64]", style: ArmStyle, name: str) -> None:
    (line,) = axes.plot(x, y, color=style.colour, marker=style.marker, linestyle=style.dash, gid=name, zorder=5)
    line.set(markeredgecolor="white", linewidth=1.3, markersize=4.5)
    line.set_path_effects([withStroke(linewidth=2.6, foreground="white")])
